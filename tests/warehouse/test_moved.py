"""Another program moves a partition while this package works: nothing of it is lost, and nothing that it uses is deleted."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse


@pytest.fixture
def warehouse(embedded_uri) -> Warehouse:
    return connect(embedded_uri)


def root(warehouse: Warehouse) -> Path:
    return Path(warehouse.uri.removeprefix("embedded://"))


def put(warehouse: Warehouse, value: int, day: str = "a", **options: object) -> sfx.BatchPin:
    return warehouse.store_dataframe(pd.DataFrame({"n": [value]}), "sales", "items", [day], **options)


def put_both(warehouse: Warehouse, value: int) -> sfx.BatchPin:
    frame = pd.DataFrame({"n": value, "day": ["a", "b"]})
    return warehouse.store_dataframe(frame, "sales", "items", partition_by=["day"])


def theirs(warehouse: Warehouse, value: int) -> Path:
    """A directory with a file of another program."""
    place = root(warehouse) / "theirs"
    place.mkdir()
    pd.DataFrame({"n": [value]}).to_parquet(place / "part-0.parquet", index=False)
    return place


def move(warehouse: Warehouse, place: os.PathLike[str] | str, day: str = "a") -> None:
    """What ``ALTER TABLE … PARTITION … SET LOCATION`` does."""
    with closing(sqlite3.connect(root(warehouse) / "_sfx" / "metastore.sqlite")) as db, db:
        query = "UPDATE partitions SET location = ? WHERE partition_values = ?"
        assert db.execute(query, (f"file://{place}", f'["{day}"]')).rowcount == 1


def place_of(warehouse: Warehouse, day: str = "a") -> Path:
    """Where the metastore has a partition."""
    found = warehouse.metastore.get_partitions(sfx.TableRef("sales", "items"))
    (info,) = (one for one in found.values() if one.partition.values == (day,))
    return Path(info.location.removeprefix("file://"))


def operations(warehouse: Warehouse, day: str = "a") -> list[str]:
    return [entry.operation.value for entry in warehouse.history("sales", "items", [day])]


def test_a_read_completes_the_change_of_one_partition_and_leaves_what_others_did_to_another(
    warehouse, monkeypatch
) -> None:
    put_both(warehouse, 1)
    with monkeypatch.context() as dying:
        dying.setattr("airflow_sfx.warehouse.commit.move_pointers", lambda *_: None)
        both = put_both(warehouse, 2)
    put(warehouse, 3, "b")
    moved = theirs(warehouse, 99)
    move(warehouse, moved, "b")
    assert warehouse.load_dataframe("sales", "items", ["a"])["n"].tolist() == [2]
    assert place_of(warehouse, "a").name == both.batches["a"]
    assert place_of(warehouse, "b") == moved
    assert [one.partition for one in warehouse.audit("sales", "items").foreign] == ["b"]


def test_a_read_of_one_partition_completes_the_whole_change(warehouse, monkeypatch) -> None:
    put_both(warehouse, 1)
    with monkeypatch.context() as dying:
        dying.setattr("airflow_sfx.warehouse.commit.move_pointers", lambda *_: None)
        both = put_both(warehouse, 2)
    warehouse.load_dataframe("sales", "items", ["a"])
    assert {place_of(warehouse, day).name for day in ("a", "b")} == set(both.batches.values())

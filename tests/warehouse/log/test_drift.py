"""Another program moves a partition while this package works.

None of its data is lost, and nothing that it uses is deleted.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.retention.vacuum import vacuum
from airflow_sfx.warehouse.table import tombstones
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.builders import put, put_both

NOW = timedelta(0)


@pytest.fixture
def warehouse(embedded_uri) -> Warehouse:
    return connect(embedded_uri)


def root(warehouse: Warehouse) -> Path:
    return Path(warehouse.uri.removeprefix("embedded://"))


def theirs(warehouse: Warehouse, value: int) -> Path:
    """A directory with a file of another program."""
    place = root(warehouse) / "theirs"
    place.mkdir()
    pd.DataFrame({"n": [value]}).to_parquet(place / "part-0.parquet", index=False)
    return place


def move(warehouse: Warehouse, place: os.PathLike[str] | str, day: str = "a") -> None:
    """Move a partition, as ``ALTER TABLE … PARTITION … SET LOCATION`` does."""
    with closing(sqlite3.connect(root(warehouse) / "_sfx" / "metastore.sqlite")) as db, db:
        query = "UPDATE partitions SET location = ? WHERE partition_values = ?"
        assert db.execute(query, (f"file://{place}", f'["{day}"]')).rowcount == 1


def place_of(warehouse: Warehouse, day: str = "a") -> Path:
    """Return a partition's location in the metastore."""
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
        dying.setattr("airflow_sfx.warehouse.log.commit.move_pointers", lambda *_: None)
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
        dying.setattr("airflow_sfx.warehouse.log.commit.move_pointers", lambda *_: None)
        both = put_both(warehouse, 2)
    warehouse.load_dataframe("sales", "items", ["a"])
    assert {place_of(warehouse, day).name for day in ("a", "b")} == set(both.batches.values())


def test_what_others_did_is_found_though_the_metastore_was_not_told_of_the_last_change(
    warehouse, monkeypatch
) -> None:
    put(warehouse, 1)
    with monkeypatch.context() as dying:
        dying.setattr("airflow_sfx.warehouse.log.commit.move_pointers", lambda *_: None)
        put(warehouse, 2)
    moved = theirs(warehouse, 99)
    move(warehouse, moved)
    assert [one.partition for one in warehouse.audit("sales", "items").foreign] == ["a"]
    assert warehouse.load_dataframe("sales", "items", ["a"])["n"].tolist() == [2]
    assert place_of(warehouse) == moved, "who reads moves nothing over it"
    put(warehouse, 3)
    assert operations(warehouse) == ["publish", "foreign_change", "publish", "publish"]
    assert warehouse.load_dataframe(warehouse.rollback("sales", "items", ["a"]))["n"].tolist() == [
        99
    ]


@pytest.mark.parametrize("what", ["files", "nothing to read"])
def test_the_undo_of_a_run_leaves_what_something_else_had_done_before_it(
    warehouse, what: str
) -> None:
    put(warehouse, 1)
    moved = theirs(warehouse, 99)
    if what != "files":
        (moved / "part-0.parquet").unlink()
        (moved / "part-0.csv").write_text("n\n99\n")
    move(warehouse, moved)
    put(
        warehouse,
        2,
        producer=sfx.Producer(dag_id="nightly", run_id="r1", task_id="load", try_number=1),
    )
    (undone,) = warehouse.rollback_run(dag_id="nightly", run_id="r1")
    assert place_of(warehouse) == moved
    assert (undone.pin is not None) == (what == "files")
    if what == "files":
        assert warehouse.load_dataframe("sales", "items", ["a"])["n"].tolist() == [99]
    assert warehouse.audit("sales", "items").foreign == ()
    (again,) = warehouse.rollback_run(dag_id="nightly", run_id="r1")
    assert again.rolled_back == {}


def retain(warehouse: Warehouse, *, dry_run: bool = False):
    return warehouse.retain(
        "sales", "items", keep_last=1, older_than=NOW, grace=NOW, dry_run=dry_run
    )


def test_retention_takes_in_a_pointer_that_was_put_back_and_keeps_what_it_shows(warehouse) -> None:
    first = put(warehouse, 1)
    place = place_of(warehouse)
    put(warehouse, 2)
    move(warehouse, place)
    for _ in range(2):
        retain(warehouse)
    assert list(place_of(warehouse).glob("*.parquet")), "other engines read files that are there"
    assert operations(warehouse)[-3:] == ["foreign_change", "publish", "publish"]
    assert warehouse.load_dataframe("sales", "items", ["a"])["n"].tolist() == [1]
    with pytest.raises(sfx.BatchNotFound, match="was retired"):
        warehouse.load_dataframe(first)


@pytest.mark.parametrize("below", ["", "data"])
def test_a_retired_batch_that_the_metastore_is_put_back_to_is_not_deleted(
    warehouse, below: str
) -> None:
    """The move comes when nothing but the deletion is left to be done."""
    put(warehouse, 1)
    place = place_of(warehouse)
    second = put(warehouse, 2)
    retain(warehouse)
    move(warehouse, place / below)
    report = retain(warehouse, dry_run=True)
    assert (report.deleted, report.waiting) == ((), 1)
    table = warehouse.overview("sales", "items").table
    for deleted in (False, True):
        swept = vacuum(
            table,
            PartitionLog(table),
            tombstones.list_tombstones(table),
            datetime.now(UTC),
            dry_run=False,
        )
        assert (swept.deleted, swept.waiting) == (
            ((), 1) if not deleted else ((("a", place.name),), 0)
        )
        assert place.joinpath("part-00000.parquet").exists() != deleted
        move(warehouse, place.with_name(second.batches["a"]))


def test_a_retention_that_died_before_its_entry_does_not_hide_a_move(
    warehouse, monkeypatch
) -> None:
    put(warehouse, 1)
    put(warehouse, 2)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying, pytest.raises(KeyboardInterrupt):
        dying.setattr(PartitionLog, "create", die)
        retain(warehouse)
    moved = theirs(warehouse, 99)
    move(warehouse, moved)
    retain(warehouse)
    assert operations(warehouse) == ["retire", "foreign_change", "publish", "publish"]
    assert place_of(warehouse) == moved


def test_what_something_else_does_during_the_checks_of_a_store_is_in_the_history(warehouse) -> None:
    put(warehouse, 1)
    moved = theirs(warehouse, 99)
    pin = put(warehouse, 2, checks=[lambda _: move(warehouse, moved)])
    assert operations(warehouse) == ["publish", "foreign_change", "publish"]
    assert place_of(warehouse).name == pin.batches["a"]
    assert warehouse.load_dataframe(pin)["n"].tolist() == [2]
    warehouse.verify(pin)
    warehouse.rollback("sales", "items", ["a"])
    assert place_of(warehouse) == moved
    assert warehouse.load_dataframe("sales", "items", ["a"])["n"].tolist() == [99]


def test_a_foreign_change_of_one_of_several_partitions_is_recorded_and_all_change_at_once(
    warehouse,
) -> None:
    put_both(warehouse, 1)
    moved = theirs(warehouse, 99)
    pin = put_both(warehouse, 2, checks=[lambda _: move(warehouse, moved, "b")])
    assert operations(warehouse, "a") == ["publish", "publish"]
    assert operations(warehouse, "b") == ["publish", "foreign_change", "publish"]
    assert warehouse.history("sales", "items", ["b"])[1].location == f"file://{moved}"
    assert {place_of(warehouse, day).name for day in ("a", "b")} == set(pin.batches.values())
    assert warehouse.load_dataframe(pin)["n"].tolist() == [2, 2]


def test_what_something_else_does_while_a_batch_is_written_for_long_is_in_the_history(
    warehouse, monkeypatch
) -> None:
    monkeypatch.setattr("airflow_sfx.warehouse.log.drift.RECHECK_SECONDS", 0)
    put(warehouse, 1)
    batch = warehouse.open_batch("sales", "items", ["a"])
    place = Path(batch.location.removeprefix("file://"))
    place.mkdir()
    pd.DataFrame({"n": [2]}).to_parquet(place / "part-0.parquet", index=False)
    move(warehouse, theirs(warehouse, 99))
    pin = batch.close()
    assert operations(warehouse) == ["publish", "foreign_change", "publish"]
    assert warehouse.load_dataframe("sales", "items", ["a"])["n"].tolist() == [2]
    warehouse.verify(pin)


def test_a_retry_takes_over_no_batch_that_something_else_has_replaced_meanwhile(warehouse) -> None:
    def attempt(number: int) -> sfx.Producer:
        return sfx.Producer(dag_id="nightly", run_id="r1", task_id="load", try_number=number)

    first = put(warehouse, 1, producer=attempt(1))
    moved = theirs(warehouse, 99)
    again = put(warehouse, 1, producer=attempt(2), checks=[lambda _: move(warehouse, moved)])
    assert again.batches["a"] > first.batches["a"]
    assert operations(warehouse) == ["publish", "foreign_change", "publish"]
    assert place_of(warehouse).name == again.batches["a"]

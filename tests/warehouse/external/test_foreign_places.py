"""Partitions that another engine has put where this package cannot read.

The nightly run goes on and records the location.
"""

from __future__ import annotations

import sqlite3
import uuid
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.metastore.hive.address import Address
from airflow_sfx.metastore.hive.client import HiveClients
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

DAY = "20161031"
FRAME = pd.DataFrame({"item": ["hat"], "sold": [3]})


@pytest.fixture
def directory(tmp_path) -> Path:
    return tmp_path / "warehouse"


@pytest.fixture
def warehouse(directory) -> Warehouse:
    """A warehouse in a directory with a partition in it."""
    made = connect(f"embedded://{directory}")
    made.store_dataframe(FRAME, "mine", "sales", [DAY], partition_keys=["day"])
    return made


def point(warehouse: Warehouse, location: str) -> None:
    """Move all partitions, as another program does in the metastore."""
    with sqlite3.connect(
        f"{warehouse.store.uri.removeprefix('file://')}/_sfx/metastore.sqlite"
    ) as db:
        assert db.execute("UPDATE partitions SET location = ?", (location,)).rowcount == 1


def looping(directory: Path) -> str:
    """A directory that cannot be read, whatever the rights."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.symlink_to(directory.name)
    return f"file://{directory}"


def store_roll_back_and_retain(warehouse: Warehouse, location: str) -> None:
    first = warehouse.history("mine", "sales", [DAY])[0]
    warehouse.store_dataframe(FRAME, "mine", "sales", [DAY])
    _, noted, _ = warehouse.history("mine", "sales", [DAY])
    assert (noted.operation, noted.batch_id, noted.location) == ("foreign_change", None, location)
    warehouse.rollback("mine", "sales", [DAY], to=first.batch_id)
    warehouse.retain("mine", "sales", keep_last=1, older_than=timedelta(0), dry_run=False)
    assert warehouse.audit("mine", "sales").foreign == ()


@pytest.mark.parametrize(
    "location",
    [
        "file:///proc/none/x",
        "s3://warehouse//x",
        "s3://no bucket/x",
        "hdfs://name/x",
        "file://{}/no/where",
    ],
)
def test_a_place_that_cannot_be_is_noted_and_the_store_goes_on(
    warehouse, location, caplog, tmp_path
) -> None:
    location = location.format(tmp_path)
    point(warehouse, location)
    store_roll_back_and_retain(warehouse, location)
    assert f"another engine moved it to {location}" in caplog.text
    assert not (tmp_path / "no").exists(), "a place that is only looked at is not made"


@pytest.mark.parametrize("change", ["rollback", "retain"])
def test_a_place_that_cannot_be_looked_into_is_noted_by_every_change(
    warehouse, tmp_path, change
) -> None:
    first = warehouse.pin("mine", "sales")
    warehouse.store_dataframe(FRAME, "mine", "sales", [DAY])
    location = looping(tmp_path / "elsewhere" / "loop")
    point(warehouse, location)
    if change == "rollback":
        warehouse.rollback("mine", "sales", [DAY], to=first.batch_id)
    else:
        warehouse.retain("mine", "sales", keep_last=1, older_than=timedelta(0), dry_run=False)
    noted = [
        entry
        for entry in warehouse.history("mine", "sales", [DAY])
        if entry.operation == "foreign_change"
    ]
    assert [(entry.batch_id, entry.location) for entry in noted] == [(None, location)]


def test_a_bucket_without_credentials_is_noted(warehouse, monkeypatch, tmp_path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/credentials")
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/config")
    point(warehouse, "s3://somebody-s/place")
    store_roll_back_and_retain(warehouse, "s3://somebody-s/place")


def test_a_person_who_adopts_it_is_told_why_it_cannot_be(warehouse, tmp_path) -> None:
    point(warehouse, looping(tmp_path / "elsewhere" / "loop"))
    with pytest.raises(sfx.WarehouseUnavailable, match="elsewhere/loop"):
        warehouse.adopt("mine", "sales", partitions=[DAY])


def test_a_fault_of_the_warehouse_s_own_storage_is_no_fault_of_a_place(
    warehouse, directory
) -> None:
    point(warehouse, looping(directory / "beside" / "loop"))
    with pytest.raises(sfx.WarehouseUnavailable, match="beside/loop"):
        warehouse.store_dataframe(FRAME, "mine", "sales", [DAY])
    assert [entry.operation for entry in warehouse.history("mine", "sales", [DAY])] == ["publish"]


def test_a_bucket_that_does_not_let_us_in_is_noted_on_hive(stack_uri, hive_address) -> None:
    warehouse = connect(stack_uri)
    warehouse.store_dataframe(FRAME, "mine", "sales", [DAY], partition_keys=["day"])
    clients, location = (
        HiveClients(Address.parse(hive_address, {})),
        f"s3://no-{uuid.uuid4().hex}/x",
    )
    partition = clients.call(lambda client: client.get_partition("mine", "sales", [DAY]))
    partition.sd.location = location
    clients.call_once(lambda client: client.alter_partition("mine", "sales", partition))
    store_roll_back_and_retain(warehouse, location)

"""Partitions that are days: one spelling each, and midnights as dates."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import polars as pl
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

FRAME = pd.DataFrame({"n": [1]})
DAYS = pd.DataFrame({"n": [1, 2], "day": pd.to_datetime(["2026-11-18", "2026-11-19"])})


@pytest.fixture
def embedded(embedded_uri) -> Warehouse:
    return connect(embedded_uri)


@pytest.mark.parametrize("first", ["20261118", "2026-11-18", "2026/11/18", "2026-11-18 00:00:00"])
@pytest.mark.parametrize("then", ["20261118", "2026-11-18", "2026_11_18"])
def test_a_day_in_another_spelling_is_refused_with_the_one_that_is_there(
    embedded, first, then
) -> None:
    embedded.store_dataframe(FRAME, "shop", "orders", [first])
    if first == then:
        embedded.store_dataframe(FRAME, "shop", "orders", [then])
        return
    with pytest.raises(
        sfx.InvalidName, match=r"is the same day as the new partition .*: pass 2026"
    ):
        embedded.store_dataframe(FRAME, "shop", "orders", [then])
    assert len(embedded.history("shop", "orders")) == 1


def test_a_day_in_another_spelling_is_refused_on_every_metastore(warehouse) -> None:
    keys = {"partition_keys": ["land", "day"]}
    warehouse.store_dataframe(FRAME, "shop", "orders", ["EU", "20261118"], **keys)
    with pytest.raises(sfx.InvalidName, match="EU/20261118, which is the same day"):
        warehouse.store_dataframe(FRAME, "shop", "orders", ["EU", "2026-11-18"])
    warehouse.store_dataframe(FRAME, "shop", "orders", ["US", "2026-11-18"])
    with pytest.raises(sfx.InvalidName, match="same day"):
        warehouse.store_dataframe(FRAME, "shop", "orders", ["US", "20261118"], publish=False)


def test_numbers_that_are_no_days_and_other_days_are_partitions_of_their_own(embedded) -> None:
    for value in ("20261399", "2026-13-99", "2026111", "20261118", "2026-11-19"):
        embedded.store_dataframe(FRAME, "shop", "orders", [value])
    assert len(embedded.pin("shop", "orders").batches) == 5


@pytest.mark.parametrize("count", [2, 100])
@pytest.mark.parametrize("streamed", [False, True])
def test_many_days_in_another_spelling_are_refused(embedded, count, streamed) -> None:
    days = [str(day)[:10] for day in pd.date_range("2026-01-01", periods=count)]

    def frame(texts: list[str]) -> pd.DataFrame:
        return pd.DataFrame({"n": range(len(texts)), "day": texts})

    both = frame([days[0], days[0].replace("-", "")])
    with pytest.raises(sfx.InvalidName, match="same day"):
        embedded.store_dataframe(
            iter([both[:1], both[1:]]) if streamed else both, "shop", "o", partition_by=["day"]
        )
    embedded.store_dataframe(frame(days), "shop", "orders", partition_by=["day"])
    again = frame([day.replace("-", "") for day in days])
    with pytest.raises(sfx.InvalidName, match="same day"):
        embedded.store_dataframe(
            iter([again]) if streamed else again, "shop", "orders", partition_by=["day"]
        )
    embedded.store_dataframe(frame(days), "shop", "orders", partition_by=["day"])


def test_partitions_that_exist_in_both_spellings_are_written_and_read_as_ever(
    embedded, monkeypatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr("airflow_sfx.warehouse.log.drift.refuse_same_days", lambda *_: None)
        for value in ("20261118", "2026-11-18"):
            embedded.store_dataframe(FRAME, "shop", "orders", [value])
    for value in ("20261118", "2026-11-18"):
        embedded.store_dataframe(FRAME, "shop", "orders", [value])
    assert len(embedded.load_dataframe("shop", "orders")) == 2


@pytest.mark.parametrize("make", [lambda frame: frame, pl.from_pandas], ids=["pandas", "polars"])
def test_midnights_name_partitions_as_days_and_come_back_as_they_were(warehouse, make) -> None:
    pin = warehouse.store_dataframe(make(DAYS), "shop", "orders", partition_by=["day"])
    assert list(pin.batches) == ["2026-11-18", "2026-11-19"]
    back = warehouse.load_dataframe(pin)
    assert back["day"].tolist() == DAYS["day"].tolist()
    assert len(warehouse.load_dataframe("shop", "orders", ["2026-11-18"])) == 1
    assert warehouse.show("shop", "orders").keys[0].type == "date"
    assert len(warehouse.load_dataframe("shop", "orders", [dt.date(2026, 11, 19)])) == 1


def test_times_that_are_no_midnights_do_not_fit_days(embedded) -> None:
    embedded.store_dataframe(DAYS, "shop", "orders", partition_by=["day"])
    embedded.store_dataframe(iter([DAYS]), "shop", "orders", partition_by=["day"])
    late = DAYS.assign(day=DAYS["day"] + pd.Timedelta(hours=5))
    with pytest.raises(
        sfx.InvalidName, match="'2026-11-18 05:00:00' is not how Hive writes the type date"
    ):
        embedded.store_dataframe(late, "shop", "orders", partition_by=["day"])
    pin = embedded.store_dataframe(late, "shop", "hours", partition_by=["day"])
    assert next(iter(pin.batches)) == "2026-11-18 05%3A00%3A00"
    named = {"partition_keys": {"day": "timestamp"}, "partition_by": ["day"]}
    pin = embedded.store_dataframe(DAYS, "shop", "times", **named)
    assert next(iter(pin.batches)) == "2026-11-18 00%3A00%3A00"


def test_spark_names_midnights_as_days(warehouse, spark) -> None:
    frame = spark.sql("select 1 as n, timestamp_ntz'2026-11-18 00:00:00' as day")
    pin = warehouse.store_dataframe(frame, "shop", "orders", partition_by=["day"])
    assert list(pin.batches) == ["2026-11-18"]
    assert warehouse.load_dataframe(pin)["day"].tolist() == [pd.Timestamp("2026-11-18")]


def test_a_staged_day_is_not_published_beside_another_spelling(warehouse) -> None:
    staged = warehouse.store_dataframe(FRAME, "shop", "orders", ["2026-11-18"], publish=False)
    warehouse.store_dataframe(FRAME, "shop", "orders", ["20261118"])
    with pytest.raises(sfx.InvalidName, match="partition 20261118, which is the same day") as error:
        warehouse.publish(staged)
    assert "sfx discard shop.orders" in error.value.remedy
    assert list(warehouse.pin("shop", "orders").batches) == ["20261118"]


@pytest.mark.parametrize(
    "call",
    [
        lambda one, day: one.load_dataframe("shop", "orders", [day]),
        lambda one, day: one.history("shop", "orders", [day]),
        lambda one, day: one.rollback("shop", "orders", [day]),
        lambda one, day: one.drop("shop", "orders", [day]),
        lambda one, day: one.pin("shop", "orders", [day]),
    ],
    ids=["load", "history", "rollback", "drop", "pin"],
)
def test_a_day_that_is_there_in_another_spelling_is_hinted_at(embedded, call) -> None:
    embedded.store_dataframe(FRAME, "shop", "orders", ["20261118"])
    with pytest.raises(sfx.PartitionNotFound, match=r"did you mean 20261118\?"):
        call(embedded, "2026-11-18")
    with pytest.raises(sfx.PartitionNotFound, match="store it first"):
        call(embedded, "2026-11-19")


def test_a_key_with_a_type_hints_at_its_spelling(embedded) -> None:
    for key, spelt, other in (
        ("date", "2026-11-18", "20261118"),
        ("int", "20261118", "2026/11/18"),
    ):
        embedded.store_dataframe(FRAME, "shop", f"by_{key}", [spelt], partition_keys={"day": key})
        with pytest.raises(sfx.InvalidName, match=rf"did you mean {spelt}\?"):
            embedded.load_dataframe("shop", f"by_{key}", [other])

"""Consumer offsets: each change is taken once, in the order of commits."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.warehouse.warehouse import Warehouse


def published(warehouse: Warehouse, number: int) -> BatchPin:
    return warehouse.store_dataframe(pd.DataFrame({"n": [number]}), "sales", "items", ["a"])


def test_a_late_consumer_takes_a_publish_another_and_the_rollback_to_the_first_one_by_one(
    warehouse: Warehouse,
) -> None:
    first, second = published(warehouse, 1), published(warehouse, 2)
    back = warehouse.rollback("sales", "items", ["a"])
    assert back == first
    for run, pin in (("r1", first), ("r2", second), ("r3", back)):
        assert warehouse.take(pin, consumer="report", run=run) == {}
    assert warehouse.take(back, consumer="report", run="r4") == {"a": "r3"}
    assert warehouse.missed("sales", "items", consumer="report") is None


@pytest.mark.parametrize("late", [False, True])
def test_a_retention_is_no_change_that_a_consumer_takes(warehouse: Warehouse, late: bool) -> None:
    published(warehouse, 1)
    second = published(warehouse, 2)
    if not late:
        assert warehouse.take(second, consumer="report", run="r1") == {}
    now = timedelta(0)
    assert warehouse.retain(
        "sales", "items", keep_last=1, older_than=now, grace=now, dry_run=False
    ).retired
    if late:
        assert warehouse.missed("sales", "items", consumer="report") == second
        assert warehouse.take(second, consumer="report", run="r1", newest=True) == {}
    assert warehouse.missed("sales", "items", consumer="report") is None
    assert warehouse.take(second, consumer="report", run="r2") == {"a": "r1"}
    made = warehouse.history("sales", "items", ["a"])[1].at
    for since, there in ((made, second), (made + timedelta(microseconds=1), None)):
        assert warehouse.missed("sales", "items", consumer="another", since=since) == there


def test_a_run_takes_again_what_it_took_before_the_rollback(warehouse: Warehouse) -> None:
    first = published(warehouse, 1)
    assert warehouse.take(first, consumer="report", run="r1") == {}
    second = published(warehouse, 2)
    assert warehouse.take(second, consumer="report", run="r2") == {}
    back = warehouse.rollback("sales", "items", ["a"])
    assert warehouse.take(back, consumer="report", run="r3") == {}
    for run, pin in (("r1", first), ("r2", second), ("r3", back)):
        assert warehouse.take(pin, consumer="report", run=run) == {}
    assert warehouse.take(second, consumer="report", run="r1") == {"a": "r2"}


def test_what_was_missed_is_taken_once_though_its_batch_became_current_before(
    warehouse: Warehouse,
) -> None:
    first = published(warehouse, 1)
    published(warehouse, 2)
    warehouse.rollback("sales", "items", ["a"])
    missed = warehouse.missed("sales", "items", consumer="report")
    assert missed == first
    assert warehouse.take(missed, consumer="report", run="r1", newest=True) == {}
    assert warehouse.missed("sales", "items", consumer="report") is None


@pytest.mark.parametrize("name", [None, "", " ", 1, float("nan"), pd.NA, b"r", ["r"], True])
def test_who_has_no_name_takes_nothing(warehouse: Warehouse, name) -> None:
    pin = published(warehouse, 1)
    with pytest.raises(sfx.InvalidName, match="^run=.* is not a name"):
        # Two runs without a name would both have got it.
        warehouse.take(pin, consumer="report", run=name)
    with pytest.raises(sfx.InvalidName, match="^consumer=.* is not a name"):
        warehouse.take(pin, consumer=name, run="r")
    with pytest.raises(sfx.InvalidName, match="^consumer=.* is not a name"):
        warehouse.missed("sales", "items", consumer=name)
    assert warehouse.missed("sales", "items", consumer="report") == pin


@pytest.mark.parametrize(
    "since", [datetime(2016, 11, 1), date(2016, 11, 1), "2016-11-01", pd.NaT, float("nan"), 0]
)
def test_since_a_time_that_is_none_nothing_is_missed_or_not(warehouse: Warehouse, since) -> None:
    published(warehouse, 1)
    with pytest.raises(sfx.InvalidName, match="^since="):
        warehouse.missed("sales", "items", consumer="report", since=since)

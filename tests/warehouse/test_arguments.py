"""What people pass by mistake: refused by name before anything is written, or understood."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

DAY = "20161031"


@pytest.fixture
def warehouse(embedded_uri) -> Warehouse:
    return connect(embedded_uri)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"reason": None}, "reason=None is NoneType, not text"),
        ({"reason": "\ud800"}, "half a surrogate pair"),
        ({"producer": sfx.Producer(dag_id=7)}, "dag_id=7 is int, not text"),
        (
            {"producer": sfx.Producer(logical_date=datetime(2016, 1, 1, tzinfo=UTC))},
            "logical_date=.* is datetime, not text",
        ),
        ({"producer": sfx.Producer(try_number="2")}, "try_number='2' is str, not a whole number"),
        ({"producer": sfx.Producer(packages={"pyarrow": 22})}, "packages=, of pyarrow: 22 is int, not text"),
        ({"evolve": "yes"}, "evolve='yes' is none of 'none', 'safe', 'any'"),
        ({"inputs": ["20161031"]}, "inputs= holds '20161031', which is no BatchPin"),
        ({"inputs": "20161031"}, "inputs='20161031' is not a list"),
        ({"checks": ["not_null"]}, "checks= holds 'not_null', which is no check"),
        ({"checks": len}, "checks=.* is not a list"),
        ({"partitions": DAY}, r"partitions='20161031' is not a list: pass a list, as in partitions=\['20161031'\]"),
        ({"partitions": {"partition": DAY}}, "is not a list"),
        ({"partitions": {DAY}}, "is a set, which has no order"),
        ({"partitions": None, "partition_by": "item"}, "partition_by='item' is not a list"),
        ({"partitions": None, "partition_by": []}, "partition_by= is empty"),
    ],
    ids=str,
)
def test_a_store_with_a_wrong_argument_is_refused_and_leaves_no_trace(warehouse, frame, given, why) -> None:
    with pytest.raises(sfx.InvalidName, match=why):
        warehouse.store_dataframe(frame, "sales", "items", **{"partitions": [DAY], **given})
    assert warehouse.tables() == []


def test_a_rollback_and_a_publish_with_a_wrong_reason_leave_the_history_readable(warehouse, frame) -> None:
    first = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    staged = warehouse.store_dataframe(frame, "sales", "items", [DAY], publish=False)
    warehouse.store_dataframe(frame.head(1), "sales", "items", [DAY])
    with pytest.raises(sfx.InvalidName, match="reason=5 is int"):
        warehouse.rollback("sales", "items", [DAY], to=first.batch_id, reason=5)
    with pytest.raises(sfx.InvalidName, match="reason=None"):
        warehouse.publish(staged, reason=None, force=True)
    assert len(warehouse.history("sales", "items", [DAY])) == 2


@pytest.mark.parametrize(
    ("given", "error", "why"),
    [
        ({"as_of": "2016-11-01"}, sfx.InvalidName, "as_of='2016-11-01' is not a time"),
        ({"as_of": date(2016, 11, 1)}, sfx.InvalidName, "is not a time"),
        ({"columns": "item"}, sfx.InvalidName, "columns='item' is not a list"),
        ({"filters": "sold > 1"}, sfx.SchemaMismatch, "it is text.*pass a list of conditions"),
        ({"filters": ("sold", ">", 1)}, sfx.SchemaMismatch, "it is no list of conditions"),
    ],
    ids=str,
)
def test_a_load_with_a_wrong_argument_is_refused(warehouse, frame, given, error, why) -> None:
    warehouse.store_dataframe(frame, "sales", "items", [DAY])
    with pytest.raises(error, match=why):
        warehouse.load_dataframe("sales", "items", [DAY], **given)


def test_a_wrong_limit_partition_or_key_is_refused_by_the_argument_s_name(warehouse, frame) -> None:
    pin = warehouse.store_dataframe(frame, "sales", "items", [DAY])
    with pytest.raises(sfx.InvalidName, match="limit=-1 is below zero"):
        warehouse.history("sales", "items", [DAY], limit=-1)
    with pytest.raises(sfx.InvalidName, match="partition='20161031' is not a list"):
        warehouse.history("sales", "items", partition=DAY)
    with pytest.raises(sfx.InvalidName, match="keys='item' is not a list"):
        warehouse.diff(pin, pin, keys="item")


@pytest.mark.parametrize("kind", [tuple, np.array, pd.Series, iter], ids=["tuple", "array", "column", "iterator"])
def test_partitions_may_be_a_column_of_values(warehouse, frame, kind) -> None:
    for day in (DAY, "20161101"):
        warehouse.store_dataframe(frame, "sales", "items", kind([day]))
    assert len(warehouse.load_dataframe("sales", "items", kind([DAY, "20161101"]))) == 2 * len(frame)
    warehouse.store_dataframe(frame, "sales", "two", kind(["2016", "US"]), partition_keys=["year", "area"])
    assert list(warehouse.pin("sales", "two", kind(["2016", "US"])).batches) == ["2016/US"]


def test_a_table_without_a_batch_at_a_time_says_which_time(warehouse, frame) -> None:
    warehouse.store_dataframe(frame, "sales", "items", [DAY])
    with pytest.raises(sfx.PartitionNotFound, match="has no partition that had a batch at 2016-11-01T00:00:00"):
        warehouse.load_dataframe("sales", "items", as_of=datetime(2016, 11, 1, tzinfo=UTC))

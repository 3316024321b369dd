"""The versions of a table after one of them: a feed that a consumer reads from where it was."""

from __future__ import annotations

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect

DAY = "20161031"


def store(warehouse, n: int, day: str = DAY, **options: object) -> sfx.BatchPin:
    return warehouse.store_dataframe(pd.DataFrame({"n": [n]}), "sales", "items", [day], **options)


def test_a_feed_has_each_version_once_oldest_first_with_all_of_its_partitions(warehouse) -> None:
    first = store(warehouse, 1, reason="one")
    days = pd.DataFrame({"partition": ["a", "b"], "n": 1})
    many = warehouse.store_dataframe(days, "sales", "items", partition_by=["partition"])
    warehouse.rollback("sales", "items", ["a"], to=many.batches["a"])  # changes nothing
    store(warehouse, 2)
    warehouse.rollback("sales", "items", [DAY], reason="two is wrong")
    found = warehouse.changes("sales", "items")
    assert [one.version for one in found] == [1, 2, 3, 4]
    assert [sorted(one.partition for one in version.changes) for version in found] == [
        [DAY],
        ["a", "b"],
        [DAY],
        [DAY],
    ]
    assert [one.operation.value for one in found] == ["publish", "publish", "publish", "rollback"]
    assert (found[0].reason, found[3].reason) == ("one", "two is wrong")
    assert found[3].changes[0].batch_id == first.batch_id
    entries = warehouse.history("sales", "items", limit=None)
    assert sorted((change.commit, change.partition) for one in found for change in one.changes) == (
        sorted((entry.commit, entry.partition) for entry in entries)
    )
    assert warehouse.changes("sales", "items", since=2) == found[2:]
    assert warehouse.changes("sales", "items", since=4) == []
    assert warehouse.changes("sales", "items", since=1, limit=2) == found[1:3]
    assert list(found.to_pandas()["version"]) == [1, 2, 3, 4]


def test_a_consumer_that_is_ahead_of_the_table_is_refused(embedded_uri) -> None:
    warehouse = connect(embedded_uri)
    store(warehouse, 1)
    warehouse.rename("sales", "items", "sales", "old")
    store(warehouse, 1)
    store(warehouse, 2)
    assert [one.version for one in warehouse.changes("sales", "items")] == [1, 2]
    with pytest.raises(sfx.BatchNotFound, match="sales.items has no version 3: its last one is 2"):
        warehouse.changes("sales", "items", since=3)
    with pytest.raises(sfx.InvalidName, match="since=-1 is negative"):
        warehouse.changes("sales", "items", since=-1)
    with pytest.raises(sfx.InvalidName, match="limit=0 is below 1"):
        warehouse.changes("sales", "items", limit=0)
    warehouse.drop("sales", "items")
    assert [one.operation.value for one in warehouse.changes("sales", "items", since=2)] == ["drop"]

"""What differs between two batches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import airflow_sfx as sfx

DAY = ["20161031"]
BASE = pd.DataFrame({"id": [1, 2, 3], "price": [1.0, np.nan, 3.0], "tags": [["a"], None, ["b", "c"]]})


def put(warehouse: sfx.Warehouse, frame: pd.DataFrame, **options: object) -> sfx.BatchPin:
    return warehouse.store_dataframe(frame, "sales", "items", DAY, **options)


def test_equal_batches_are_identical_whatever_the_order_of_rows(warehouse) -> None:
    first, second = put(warehouse, BASE), put(warehouse, BASE.iloc[::-1].reset_index(drop=True))
    assert warehouse.diff(first, second).identical
    assert warehouse.diff(first, second, keys=["id"]).identical
    assert warehouse.diff(first, first).identical


def test_rows_are_compared_as_wholes_without_keys(warehouse) -> None:
    first = put(warehouse, BASE)
    second = put(warehouse, pd.concat([BASE.iloc[:2], BASE.iloc[:1]], ignore_index=True))
    found = warehouse.diff(first, second)
    assert (found.added, found.removed, found.changed) == (1, 1, 0)
    assert not found.identical


def test_rows_are_compared_by_key(warehouse) -> None:
    other = pd.DataFrame({"id": [2, 3, 4], "price": [2.0, 3.0, 4.0], "tags": [None, ["b"], ["d"]]})
    found = warehouse.diff(put(warehouse, BASE), put(warehouse, other), keys=["id"])
    assert (found.added, found.removed, found.changed) == (1, 1, 2)
    assert {column.name: column.changed for column in found.columns} == {"id": None, "price": 1, "tags": 1}
    price = next(column for column in found.columns if column.name == "price")
    assert (price.before.null_count, price.after.null_count, price.after.maximum) == (1, 0, 4.0)
    assert (found.rows_before, found.rows_after) == (3, 3)


def test_columns_added_and_retyped_are_told(warehouse) -> None:
    first = put(warehouse, BASE.drop(columns="tags"))
    second = put(warehouse, BASE.assign(price="x", note=1), evolve="any")
    types = {c.name: (c.type_before, c.type_after) for c in warehouse.diff(first, second, keys=["id"]).columns}
    assert types["price"] == ("double", "string")
    assert types["note"] == (None, "bigint")
    assert not warehouse.diff(first, second).identical


def test_keys_that_are_no_columns_or_repeat_are_refused(warehouse) -> None:
    first = put(warehouse, BASE)
    second = put(warehouse, BASE.assign(id=1))
    with pytest.raises(sfx.SchemaMismatch, match="'nr'"):
        warehouse.diff(first, second, keys=["nr"])
    with pytest.raises(sfx.SchemaMismatch, match="2 rows repeat"):
        warehouse.diff(first, second, keys=["id"])


def test_partitions_with_the_same_batch_are_not_read(warehouse) -> None:
    frame = pd.DataFrame({"day": ["a", "b"], "n": [1, 2]})
    before = warehouse.store_dataframe(frame, "sales", "days", partition_by=["day"])
    warehouse.store_dataframe(pd.DataFrame({"n": [5]}), "sales", "days", ["b"])
    after = warehouse.pin("sales", "days")
    found = warehouse.diff(before, after)
    assert (found.added, found.removed) == (1, 1)

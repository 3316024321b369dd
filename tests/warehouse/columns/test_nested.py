"""Nested columns at the limits of depth and width, on Hive and read by Spark."""

from __future__ import annotations

import time
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import airflow_sfx as sfx
from airflow_sfx.frames.types.limits import MAX_LEVELS
from airflow_sfx.warehouse.connect import connect

DAY = "20161031"


def test_the_deepest_column_is_read_by_all_and_by_spark(stack_uri, spark) -> None:
    kind: Any = pa.int64()
    value: Any = 7
    for level in range(MAX_LEVELS):
        kind, value = [
            (pa.list_(kind), [value]),
            (pa.struct([("a", kind)]), {"a": value}),
            (pa.map_(pa.string(), kind), [("k", value)]),
        ][level % 3]
    warehouse = connect(stack_uri)
    pin = warehouse.store_dataframe(
        pa.table({"deep": pa.array([value], kind)}), "nested", "deep", [DAY]
    )
    for as_ in ("arrow", "pandas", "polars"):
        assert len(warehouse.load_dataframe(pin, as_=as_)) == 1
    assert warehouse.load_dataframe(pin, as_="spark").count() == 1
    assert (
        spark.table("nested.deep").selectExpr("to_json(deep) as text").first().text.count("7") == 1
    )
    assert warehouse.diff(pin, pin).identical


def test_a_struct_that_the_metastore_has_no_room_for_is_refused_at_once(warehouse) -> None:
    wide = pa.struct([(f"field_{number}", pa.string()) for number in range(2500)])
    start = time.monotonic()
    with pytest.raises(sfx.SchemaMismatch, match="column 'wide' cannot be stored: its Hive type"):
        warehouse.store_dataframe(
            pa.table({"wide": pa.array([None], wide), "n": [1]}), "nested", "wide", [DAY]
        )
    assert time.monotonic() - start < 5
    assert warehouse.tables() == []
    most = pa.struct([(f"field_{number}", pa.string()) for number in range(1800)])
    warehouse.store_dataframe(
        pa.table({"wide": pa.array([None], most), "n": [1]}), "nested", "wide", [DAY]
    )
    assert len(warehouse.load_dataframe("nested", "wide", [DAY])) == 1


def test_a_deep_frame_of_spark_is_refused(warehouse, spark) -> None:
    deep = "id"
    for _ in range(MAX_LEVELS + 1):
        deep = f"array({deep})"
    with pytest.raises(sfx.SchemaMismatch, match="column 'deep' cannot be stored"):
        warehouse.store_dataframe(
            spark.range(3).selectExpr(f"{deep} as deep", "id"), "nested", "spark", [DAY]
        )


def test_a_column_beyond_the_limit_is_refused_before_anything_is_written(warehouse) -> None:
    value: Any = 1
    for _ in range(60):
        value = [value]
    with pytest.raises(sfx.SchemaMismatch, match="column 'deep'"):
        warehouse.store_dataframe(pd.DataFrame({"deep": [value], "n": 1}), "nested", "deep", [DAY])
    assert warehouse.tables() == []

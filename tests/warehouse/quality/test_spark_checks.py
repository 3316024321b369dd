"""A Spark DataFrame is checked by the checks of its table, and has the same metrics."""

from __future__ import annotations

import pytest

import airflow_sfx as sfx
from airflow_sfx.checks import has_columns, like_before, not_null, rows_between, unique
from airflow_sfx.warehouse.warehouse import Warehouse

from .shop import day, night, nights

CHECKS = [
    unique("id"),
    not_null("revenue", "kind"),
    rows_between(1, 1000),
    has_columns({"id": "int64"}, more=True),
    like_before("revenue"),
]


def test_a_spark_frame_is_checked_by_the_checks_of_its_table(warehouse: Warehouse, spark) -> None:
    nights(warehouse, 30)
    warehouse.set_checks("shop", "orders", CHECKS)
    good = spark.createDataFrame(night(30))
    pin = warehouse.store_dataframe(good, "shop", "orders", [day(30)])
    (manifest,) = warehouse.manifests(pin)
    assert [check.passed for check in manifest.checks] == [True] * 5
    mean = warehouse.metrics("shop", "orders", partitions=[day(30)]).partitions[0].columns
    assert mean["revenue"].mean == pytest.approx(night(30).revenue.mean())
    bad = good.union(good.limit(2)).selectExpr("id", "revenue * 0.01 as revenue", "kind")
    with pytest.raises(sfx.CheckFailed) as refused:
        warehouse.store_dataframe(bad, "shop", "orders", [day(31)])
    assert "unique('id'): 2 rows repeat id" in str(refused.value)
    assert "like_before('revenue'): the mean of 'revenue' is 0." in str(refused.value)
    assert day(31) not in warehouse.pin("shop", "orders").batches

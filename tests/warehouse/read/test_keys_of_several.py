"""Partition keys come as columns with every load of several partitions."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest

from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

FRAME = pd.DataFrame({"n": [1]})


@pytest.fixture
def embedded(embedded_uri) -> Warehouse:
    warehouse = connect(embedded_uri)
    for day in ("20161031", "20161101"):
        warehouse.store_dataframe(FRAME, "shop", "orders", [day], partition_keys=["day"])
    return warehouse


@pytest.mark.parametrize("as_", ["pandas", "polars", "arrow"])
def test_a_pin_of_several_partitions_brings_the_keys(embedded, as_) -> None:
    pin = embedded.pin("shop", "orders")
    for loaded in (
        embedded.load_dataframe(pin, as_=as_),
        embedded.load_dataframe("shop", "orders", ["20161031", "20161101"], as_=as_),
        pa.concat_tables(embedded.load_dataframe(pin, as_="arrow", batches=True)),
    ):
        assert sorted(
            loaded["day"].to_pylist()
            if as_ == "arrow" or isinstance(loaded, pa.Table)
            else list(loaded["day"])
        ) == ["20161031", "20161101"]


def test_a_parameter_of_a_task_that_gets_a_pin_of_several_partitions_has_the_keys(
    embedded,
) -> None:
    from airflow_sfx.operators.base.pin_arguments import load_arguments

    def report(orders: pd.DataFrame) -> pd.DataFrame:
        return orders

    pin = embedded.pin("shop", "orders")
    (orders,), _, inputs = load_arguments(report, [pin], {}, embedded.load_dataframe)
    assert sorted(orders["day"]) == ["20161031", "20161101"]
    assert inputs == (pin,)


def test_a_pin_of_one_partition_is_the_frame(embedded) -> None:
    pin = embedded.pin("shop", "orders", ["20161031"])
    pd.testing.assert_frame_equal(embedded.load_dataframe(pin), FRAME)
    assert list(embedded.load_dataframe(pin, columns=["day"])["day"]) == ["20161031"]

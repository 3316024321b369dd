"""Metrics over time: figures, bands, anomalies, and the check that compares with them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import airflow_sfx as sfx
from airflow_sfx.checks import like_before
from airflow_sfx.warehouse.quality import series
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.warehouse import Warehouse

from .shop import day, night, nights

CHECKS = [like_before("revenue")]


def test_a_night_with_a_hundredth_of_the_revenue_is_refused(warehouse: Warehouse) -> None:
    nights(warehouse, 30)
    good = warehouse.store_dataframe(night(30), "shop", "orders", [day(30)], checks=CHECKS)
    assert list(good.batches) == [day(30)]
    with pytest.raises(sfx.CheckFailed, match="the mean of 'revenue' is 0.4.*, usually 4.* to 5"):
        warehouse.store_dataframe(night(31, 0.01), "shop", "orders", [day(31)], checks=CHECKS)
    assert len(warehouse.show("shop", "orders").staged) == 1


def test_a_night_with_a_hundredth_of_the_revenue_is_an_anomaly(warehouse: Warehouse) -> None:
    nights(warehouse, 30)
    pin = warehouse.store_dataframe(night(30, 0.01), "shop", "orders", [day(30)])
    found = warehouse.metrics("shop", "orders")
    (anomaly,) = found.newest_anomalies
    assert (anomaly.partition, anomaly.batch_id) == (day(30), pin.batch_id)
    assert (anomaly.column, anomaly.metric) == ("revenue", "mean")
    assert 0.4 < anomaly.value < 0.6
    assert anomaly.low < anomaly.usual < anomaly.high
    assert {one.partition for one in found.anomalies} == {day(30)}
    line = found.series("revenue", "mean")
    assert [point.partition for point in line if point.anomalous] == [day(30)]
    assert line[0].band is None
    assert line[29].band is not None
    assert line[29].band.weekday


def test_many_nights_in_one_call_are_compared_each_with_those_before(warehouse: Warehouse) -> None:
    nights(warehouse, 30)
    frames = [night(number).assign(day=day(number)) for number in (30, 31)]
    frames.append(night(32, 0.01).assign(day=day(32)))
    with pytest.raises(sfx.CheckFailed, match=f"{day(32)}: the mean of 'revenue'") as refused:
        warehouse.store_dataframe(
            pd.concat(frames), "shop", "orders", partition_by=["day"], checks=CHECKS
        )
    assert f"{day(30)}:" not in str(refused.value)


def test_the_earlier_batches_of_many_nights_are_read_once(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights(warehouse, 20)
    reads: list[int] = []

    def counted(table: Table, batches: Sequence[series.Batch]) -> list[sfx.Manifest]:
        reads.append(len(batches))
        return readable(table, batches)

    readable = series.readable_manifests
    monkeypatch.setattr(series, "readable_manifests", counted)
    frames = [night(number).assign(day=day(number)) for number in range(20, 30)]
    warehouse.store_dataframe(
        pd.concat(frames), "shop", "orders", partition_by=["day"], checks=CHECKS
    )
    assert reads == [20]


def test_nulls_and_rows_are_compared_too(warehouse: Warehouse) -> None:
    nights(warehouse, 30)
    frame = night(30)
    half = frame.assign(revenue=frame.revenue.where(frame.id % 2 == 0))
    with pytest.raises(sfx.CheckFailed, match="the part of nulls of 'revenue' is 0.5, usually 0"):
        warehouse.store_dataframe(half, "shop", "orders", [day(30)], checks=CHECKS)
    rows = [like_before("revenue", ["rows"])]
    with pytest.raises(sfx.CheckFailed, match="the number of rows is 3, usually"):
        warehouse.store_dataframe(frame.head(3), "shop", "orders", [day(30)], checks=rows)


def test_distinct_values_are_counted_once_and_compared(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights(warehouse, 12)
    distinct = [like_before("kind", ["distinct"])]
    bad = night(12).assign(kind=[f"k{n}" for n in range(len(night(12)))])
    with pytest.raises(sfx.CheckFailed, match="number of distinct values of 'kind' is 1?[26]0"):
        warehouse.store_dataframe(bad, "shop", "orders", [day(12)], checks=distinct)
    monkeypatch.setattr("airflow_sfx.warehouse.quality.figures.distinct_values", None)
    found = warehouse.metrics("shop", "orders", read=True)
    assert {one.columns["kind"].distinct for one in found.partitions} == {3}


def test_figures_that_were_not_counted_are_missing_until_they_are_read(
    warehouse: Warehouse,
) -> None:
    nights(warehouse, 2)
    first = warehouse.metrics("shop", "orders").partitions[0].columns["kind"]
    assert (first.nulls, first.distinct, first.least, first.greatest) == (0, None, "hat", "tie")
    read = warehouse.metrics("shop", "orders", read=True).partitions[0].columns
    assert read["kind"].distinct == 3
    assert warehouse.metrics("shop", "orders").partitions[0].columns == read
    pin = warehouse.pin("shop", "orders")
    warehouse.verify(pin)
    assert warehouse.inconsistencies(pin) == []
    assert warehouse.repair("shop", "orders") == []


def test_means_of_adopted_files_are_read_on_demand(warehouse: Warehouse, tmp_path) -> None:
    directory = tmp_path / "old" / "day=20161031"
    directory.mkdir(parents=True)
    table = pa.table({"n": [1, 2, None], "x": pa.array([1.5, float("nan"), None])})
    pq.write_table(table, directory / "part-0.parquet")
    warehouse.adopt("shop", "old", directory.parent.as_uri())
    (before,) = warehouse.metrics("shop", "old").partitions
    assert (before.columns["n"].mean, before.columns["n"].nulls) == (None, 1)
    (after,) = warehouse.metrics("shop", "old", read=True).partitions
    assert (after.columns["n"].mean, after.columns["n"].sum) == (1.5, 3.0)
    assert after.columns["x"].mean == 1.5


def test_a_table_without_partitions_is_compared_with_its_earlier_batches(
    warehouse: Warehouse,
) -> None:
    for number in range(9):
        warehouse.store_dataframe(night(number), "shop", "prices")
    bad = warehouse.store_dataframe(night(9, 0.01), "shop", "prices")
    found = warehouse.metrics("shop", "prices")
    assert [one.batch_id for one in found.newest_anomalies] == [bad.batch_id]
    warehouse.rollback("shop", "prices")
    found = warehouse.metrics("shop", "prices")
    assert len(found.partitions) == 9
    assert bad.batch_id not in {one.batch_id for one in found.partitions}
    with pytest.raises(sfx.CheckFailed, match="mean of 'revenue'"):
        warehouse.store_dataframe(night(9, 0.01), "shop", "prices", checks=CHECKS)


def test_each_value_of_another_key_is_a_series(warehouse: Warehouse) -> None:
    frames = [
        night(number, factor).assign(day=day(number), land=land)
        for number in range(10)
        for land, factor in (("de", 1.0), ("us", 100.0))
    ]
    frame = pd.concat(frames)
    warehouse.store_dataframe(frame, "shop", "lands", partition_by=["land", "day"])
    both = warehouse.metrics("shop", "lands", last=3)
    assert [one.partition for one in both.partitions] == [
        f"{land}/{day(number)}" for land in ("de", "us") for number in (7, 8, 9)
    ]
    assert both.anomalies == ()
    one = warehouse.metrics("shop", "lands", like=[("us", day(0))], last=2)
    assert [point.partition for point in one.series("revenue", "mean")] == [
        f"us/{day(8)}",
        f"us/{day(9)}",
    ]


def test_the_band_does_not_depend_on_how_many_partitions_are_shown(warehouse: Warehouse) -> None:
    nights(warehouse, 40)
    all_, few = (
        warehouse.metrics("shop", "orders", last=last).series("revenue", "mean") for last in (91, 3)
    )
    assert few == all_[-3:]
    named = warehouse.metrics("shop", "orders", partitions=[day(38)])
    assert named.series("revenue", "mean") == [all_[38]]


def test_metrics_as_a_frame(warehouse: Warehouse) -> None:
    nights(warehouse, 30)
    warehouse.store_dataframe(night(30, 0.01), "shop", "orders", [day(30)])
    frame = warehouse.metrics("shop", "orders", columns=["revenue", "kind"]).to_pandas()
    assert len(frame) == 62
    last = frame[(frame.partition == day(30)) & (frame.column == "revenue")].iloc[0]
    assert last.anomalies == "mean"
    assert last["mean"] == pytest.approx(night(30, 0.01).revenue.mean())
    assert (frame.anomalies != "").sum() == 1


def test_what_is_not_there_is_refused(warehouse: Warehouse) -> None:
    nights(warehouse, 1)
    with pytest.raises(sfx.InvalidName, match="has no column 'price': name one of id, revenue"):
        warehouse.metrics("shop", "orders", columns=["price"])
    with pytest.raises(sfx.InvalidName, match="last=0"):
        warehouse.metrics("shop", "orders", last=0)
    with pytest.raises(sfx.PartitionNotFound):
        warehouse.metrics("shop", "orders", partitions=["20200101"])
    with pytest.raises(sfx.TableNotFound):
        warehouse.metrics("shop", "nothing")
    with pytest.raises(sfx.InvalidName, match="'median' is not a metric"):
        like_before("revenue", ["median"])  # type: ignore[list-item]
    with pytest.raises(sfx.InvalidName, match="width=0"):
        like_before("revenue", width=0)
    with pytest.raises(sfx.SchemaMismatch, match="names the column 'price'"):
        warehouse.store_dataframe(
            night(1), "shop", "orders", [day(1)], checks=[like_before("price")]
        )


def test_a_damaged_batch_does_not_hide_the_others(warehouse: Warehouse) -> None:
    nights(warehouse, 3)
    batch_id = warehouse.store_dataframe(night(1), "shop", "orders", [day(1)]).batch_id
    warehouse.store.delete([f"shop.db/orders/_sfx/batches/{batch_id}/manifest"])
    found = warehouse.metrics("shop", "orders")
    assert [one.partition for one in found.partitions] == [day(0), day(2)]

"""Columns that are partition keys: what the table's key holds is what a read of all partitions gives."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

NO_KEY = pd.DataFrame({"n": [0]})
DAY = dt.date(2016, 10, 31)


@pytest.fixture
def embedded(embedded_uri) -> Warehouse:
    return connect(embedded_uri)


def keyed(values: Any) -> pd.DataFrame:
    return pd.DataFrame({"k": values, "n": range(len(values))})


def periods(ordinal: int, freq: str) -> pd.PeriodIndex:
    return pd.PeriodIndex.from_ordinals([ordinal], freq=freq)


def whole(warehouse: Warehouse) -> list[object]:
    found: list[object] = warehouse.load_dataframe("db", "t")["k"].tolist()
    return found


@pytest.mark.parametrize(
    ("values", "kind"), [([1, 2], "bigint"), ([DAY], "date"), ([True], "boolean"), (np.array([1], "int8"), "tinyint")]
)
@pytest.mark.parametrize("text", ["01", "all"])
def test_a_column_of_another_type_than_the_tables_key_is_refused(embedded, text, values, kind) -> None:
    embedded.store_dataframe(NO_KEY, "db", "t", [text], partition_keys=["k"])
    with pytest.raises(sfx.SchemaMismatch, match=rf"'k' is {kind}.*key of db\.t is string.*astype") as caught:
        embedded.store_dataframe(keyed(values), "db", "t", partition_by=["k"])
    assert caught.value.table == "db.t"
    assert whole(embedded) == [text]
    embedded.store_dataframe(keyed(values).astype({"k": str}), "db", "t", partition_by=["k"])
    assert set(whole(embedded)) == {text, *map(str, values)}


def test_a_column_of_text_goes_into_a_key_of_every_type_that_its_values_are_of(embedded) -> None:
    embedded.store_dataframe(NO_KEY, "db", "t", ["2016-10-31"], partition_keys={"k": "date"})
    pin = embedded.store_dataframe(keyed(["2016-11-01"]), "db", "t", partition_by=["k"])
    assert embedded.load_dataframe(pin)["k"].tolist() == ["2016-11-01"]
    embedded.store_dataframe(keyed([dt.date(2016, 11, 2)]), "db", "t", partition_by=["k"])
    assert whole(embedded) == [DAY, dt.date(2016, 11, 1), dt.date(2016, 11, 2)]
    with pytest.raises(sfx.InvalidName, match="not how Hive writes a date"):
        embedded.store_dataframe(keyed(["20161101"]), "db", "t", partition_by=["k"])


@pytest.mark.parametrize("kinds", [("int64", "int8"), ("int8", "int64"), ("uint8", "int32")])
def test_integers_of_other_widths_are_one_key(embedded, kinds) -> None:
    for number, kind in enumerate(kinds):
        embedded.store_dataframe(keyed(np.array([number], kind)), "db", "t", partition_by=["k"])
    assert whole(embedded) == [0, 1]


def test_a_partition_without_the_column_may_have_a_greater_number_than_a_narrow_column_holds(embedded) -> None:
    embedded.store_dataframe(NO_KEY, "db", "t", [1000], partition_keys={"k": "bigint"})
    embedded.store_dataframe(keyed(np.array([1], "int8")), "db", "t", partition_by=["k"])
    assert sorted(whole(embedded)) == [1, 1000]
    assert embedded.load_dataframe("db", "t", filters=[("k", ">", 500)], columns=["k"])["k"].tolist() == [1000]


def test_numbers_in_a_key_that_was_declared_a_text_are_read_with_texts_as_texts(embedded) -> None:
    for _ in range(2):
        embedded.store_dataframe(keyed([1]), "db", "t", partition_by=["k"], partition_keys={"k": "string"})
    assert whole(embedded) == [1]
    embedded.store_dataframe(NO_KEY, "db", "t", ["ab"])
    assert whole(embedded) == ["1", "ab"]
    assert [piece["k"].tolist() for piece in embedded.load_dataframe("db", "t", batches=True)] == [["1"], ["ab"]]
    assert embedded.load_dataframe("db", "t", filters=[("k", "=", "ab")])["k"].tolist() == ["ab"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (keyed(periods(1, "M")), keyed(periods(2, "D"))),
        (keyed(periods(1, "M")), keyed([2])),
        (keyed([1]), keyed(periods(2, "M"))),
        (keyed(periods(1, "M")), None),
        (None, keyed(periods(2, "M"))),
    ],
)
def test_periods_are_read_as_the_keys_numbers_where_other_partitions_have_none_or_others(
    embedded, first, second
) -> None:
    for number, frame in enumerate((first, second), 1):
        if frame is None:
            embedded.store_dataframe(NO_KEY, "db", "t", [number], partition_keys={"k": "bigint"})
        else:
            pin = embedded.store_dataframe(frame, "db", "t", partition_by=["k"])
            pd.testing.assert_frame_equal(embedded.load_dataframe(pin), frame)
    assert whole(embedded) == [1, 2]


def test_keys_that_all_partitions_have_alike_keep_their_dtype(embedded) -> None:
    for number in (1, 2):
        embedded.store_dataframe(keyed(periods(number, "M")), "db", "t", partition_by=["k"])
    assert embedded.load_dataframe("db", "t")["k"].dtype == "period[M]"


def test_a_run_end_encoded_column_divides_a_frame(embedded) -> None:
    column = pa.RunEndEncodedArray.from_arrays([2, 3], pa.array(["a", "b"]))
    frame = pa.table({"k": column, "n": [1, 2, 3]})
    for data in (frame, iter([frame])):
        pin = embedded.store_dataframe(data, "db", "t", partition_by=["k"])
        assert embedded.load_dataframe(pin)["k"].tolist() == ["a", "a", "b"]


EMPTY: dict[str, Any] = {
    "pandas": pd.DataFrame(columns=["k", "n"]),
    "floats": pd.DataFrame({"k": [], "n": []}),
    "polars": pl.DataFrame({"k": [], "n": []}),
    "arrow": pa.table({"k": pa.nulls(0), "n": pa.nulls(0)}),
}


STREAMED: dict[str, Callable[[], Any]] = {
    "one frame of objects": lambda: iter([EMPTY["pandas"]]),
    "one frame of floats": lambda: iter([EMPTY["floats"]]),
    "two frames": lambda: iter([EMPTY["polars"], EMPTY["polars"]]),
    "a reader of no batch": lambda: pa.RecordBatchReader.from_batches(EMPTY["arrow"].schema, []),
    "a reader of a batch": lambda: pa.RecordBatchReader.from_batches(
        EMPTY["arrow"].schema, [pa.record_batch([pa.nulls(0)] * 2, ["k", "n"])]
    ),
}


@pytest.mark.parametrize("name", STREAMED)
def test_a_stream_without_rows_needs_no_type_for_its_key(embedded, name) -> None:
    stream = STREAMED[name]
    assert embedded.store_dataframe(stream(), "db", "t", partition_by=["K"]).batches == {}
    assert embedded.tables() == []
    before = embedded.store_dataframe(keyed([1]), "db", "t", partition_by=["k"])
    assert embedded.store_dataframe(stream(), "db", "t", partition_by=["k"]).batches == {}
    assert embedded.pin("db", "t") == before
    with pytest.raises(sfx.InvalidName, match="partitioned by"):
        embedded.store_dataframe(stream(), "db", "t", partition_by=["n"])
    with pytest.raises(sfx.SchemaMismatch, match="'x'"):
        embedded.store_dataframe(stream(), "db", "t", partition_by=["x"])


def test_a_stream_gets_its_keys_type_from_the_first_frame_with_rows(embedded) -> None:
    pin = embedded.store_dataframe(iter([EMPTY["pandas"]] * 2 + [keyed(["a"])]), "db", "t", partition_by=["k"])
    assert list(pin.batches) == ["a"]


def test_a_stream_whose_key_has_only_nulls_is_refused(embedded) -> None:
    nulls = pa.table({"k": pa.nulls(1), "n": [1]})
    with pytest.raises(sfx.SchemaMismatch, match="'k' cannot be a partition key"):
        embedded.store_dataframe(iter([nulls]), "db", "t", partition_by=["k"])


@pytest.mark.parametrize("name", EMPTY)
def test_a_frame_without_rows_needs_no_type_for_its_key(embedded, name) -> None:
    assert embedded.store_dataframe(EMPTY[name], "db", "t", partition_by=["K"]).batches == {}
    assert embedded.tables() == []
    before = embedded.store_dataframe(keyed([1]), "db", "t", partition_by=["k"])
    pin = embedded.store_dataframe(EMPTY[name], "db", "t", partition_by=["k"])
    assert pin.batches == {}
    assert embedded.load_dataframe(pin).columns.tolist() == ["n", "k"]
    assert embedded.pin("db", "t") == before
    with pytest.raises(sfx.InvalidName, match="partitioned by"):
        embedded.store_dataframe(EMPTY[name], "db", "t", partition_by=["n"])
    with pytest.raises(sfx.SchemaMismatch, match="'x'"):
        embedded.store_dataframe(EMPTY[name], "db", "t", partition_by=["x"])

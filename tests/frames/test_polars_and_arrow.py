"""Frames of other libraries than pandas, and one kind of frame loaded as another."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import polars as pl
import polars.testing
import pyarrow as pa
import pytest

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames.logical import LogicalSchema
from airflow_sfx.frames.output import read_table, to_output
from tests.frames.builders import pandas, sales, stored


def test_a_polars_frame_comes_back_exactly() -> None:
    frame = pl.DataFrame(
        {
            "i": pl.Series([1, None], dtype=pl.Int8),
            "u": pl.Series([2**64 - 1, None], dtype=pl.UInt64),
            "f": pl.Series([float("nan"), None], dtype=pl.Float32),
            "s": ["a", None],
            "b": pl.Series([b"a", None], dtype=pl.Binary),
            "d": pl.Series([dt.date(2016, 10, 31), None]),
            "t": pl.Series([dt.time(1, 2, 3), None]),
            "ns": pl.Series([1, None]).cast(pl.Datetime("ns", "Europe/Berlin")),
            "ms": pl.Series([1, None]).cast(pl.Datetime("ms")),
            "dur": pl.Series([1, None]).cast(pl.Duration("ns")),
            "cat": pl.Series(["x", None], dtype=pl.Categorical),
            "enum": pl.Series(["x", None], dtype=pl.Enum(["y", "x"])),
            "dec": pl.Series(["1.50", None]).cast(pl.Decimal(20, 2)),
            "list": pl.Series([[1, None], None], dtype=pl.List(pl.Int16)),
            "array": pl.Series([[1, 2], None], dtype=pl.Array(pl.Int16, 2)),
            "struct": pl.Series([{"a": 1, "b": "x"}, None]),
            "null": pl.Series([None, None]),
            "bool": [True, None],
        }
    )
    polars.testing.assert_frame_equal(to_output(read_table(stored(frame)), "polars"), frame)
    polars.testing.assert_frame_equal(to_output(read_table(stored(frame.lazy())), "polars"), frame)
    polars.testing.assert_frame_equal(to_output(read_table(stored(frame[:0])), "polars"), frame[:0])


def test_a_pandas_frame_can_be_had_as_polars_and_back() -> None:
    made = to_output(read_table(stored(sales())), "polars")
    assert made["shop"].to_list() == sales()["shop"].tolist()
    assert made["took"].dtype == pl.Duration


def test_a_zone_that_polars_does_not_know_is_refused_with_the_other_kinds_of_frame() -> None:
    fixed = pd.DataFrame(
        {"t": pd.to_datetime(["2016-10-31"]).tz_localize(dt.timezone(dt.timedelta(hours=5, minutes=30)))}
    )
    with pytest.raises(SchemaMismatch, match='polars cannot hold the frame.*as_="arrow"'):
        to_output(read_table(stored(fixed)), "polars")


def test_a_time_finer_than_python_has_is_refused_as_pandas_and_comes_back_as_arrow() -> None:
    table = pa.table({"t": pa.array([1], pa.time64("ns"))})
    with pytest.raises(SchemaMismatch, match='pandas cannot hold the frame.*as_="arrow"'):
        pandas(stored(table))
    assert read_table(stored(table)).equals(table)


def test_a_polars_column_of_python_objects_is_refused_and_not_stored_as_addresses() -> None:
    frame = pl.DataFrame({"n": [1], "thing": pl.Series([object()], dtype=pl.Object)})
    with pytest.raises(SchemaMismatch, match=r"\['thing'\] hold Python objects"):
        stored(frame)


def test_whole_numbers_with_nulls_from_elsewhere_are_not_rounded() -> None:
    back = pandas(stored(pa.table({"n": [2**60 + 1, None], "small": [1, None]})))
    assert back["n"].tolist()[0] == 2**60 + 1
    assert back["small"].dtype == "float64"


def test_an_unknown_kind_of_frame_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match="as_='r'"):
        to_output(pa.table({"n": [1]}), "r")  # type: ignore[call-overload]


def test_a_schema_without_columns_left_is_still_one() -> None:
    logical = LogicalSchema(pa.schema([("a", pa.int8()), ("B", pa.int8())]))
    assert logical.without(["b"]).schema.names == ["a"]


def test_a_date_that_python_has_none_for_is_left_to_others_than_pandas() -> None:
    files = stored(pa.table({"day": pa.array([4_000_000], pa.date32())}))
    assert to_output(read_table(files), "arrow").num_rows == 1
    with pytest.raises(SchemaMismatch, match=r"pandas cannot hold.*year.*as_=\"arrow\""):
        to_output(read_table(files), "pandas")

"""Frames of other libraries than pandas, and one kind of frame loaded as another."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal as dec

import pandas as pd
import polars as pl
import polars.testing
import pyarrow as pa
import pytest
from pyarrow.compute import run_end_encode

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames.outputs import read_table, to_output
from airflow_sfx.frames.types.logical import LogicalSchema
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
        {
            "t": pd.to_datetime(["2016-10-31"]).tz_localize(
                dt.timezone(dt.timedelta(hours=5, minutes=30))
            )
        }
    )
    with pytest.raises(SchemaMismatch, match='polars cannot hold the frame.*as_="arrow"'):
        to_output(read_table(stored(fixed)), "polars")


def test_a_time_finer_than_python_has_keeps_its_arrow_type_in_pandas() -> None:
    table = pa.table({"t": pa.array([1001, None], pa.time64("ns"))})
    found = pandas(stored(table))["t"]
    assert found.dtype == pd.ArrowDtype(pa.time64("ns"))
    assert pa.array(found.array).cast(pa.int64()).to_pylist() == [1001, None]
    assert read_table(stored(table)).equals(table)


NESTED_OF = {
    "integers that a float would round": (pa.int64(), 2**60 + 1),
    "unsigned integers that a float would round": (pa.uint64(), 2**64 - 1),
    "times with a zone": (pa.timestamp("us", "Europe/Berlin"), 1_000_001),
    "times in nanoseconds": (pa.timestamp("ns"), 1001),
    "durations in nanoseconds": (pa.duration("ns"), 1001),
    "times of day in nanoseconds": (pa.time64("ns"), 1001),
    "dates beyond Python's": (pa.date32(), 4_000_000),
    "bytes of one length": (pa.binary(2), b"ab"),
}


@pytest.mark.parametrize("what", NESTED_OF)
@pytest.mark.parametrize(
    "around",
    ["list", "large list", "fixed list", "list of lists", "struct", "list of structs", "map"],
)
def test_nested_values_are_not_changed_on_their_way_through_pandas(what: str, around: str) -> None:
    leaf, value = NESTED_OF[what]
    kind, row = {
        "list": (pa.list_(leaf), [value, None]),
        "large list": (pa.large_list(leaf), [value, None]),
        "fixed list": (pa.list_(leaf, 2), [value, None]),
        "list of lists": (pa.list_(pa.list_(leaf)), [[value, None]]),
        "struct": (pa.struct([("a", leaf)]), {"a": value}),
        "list of structs": (pa.list_(pa.struct([("a", leaf)])), [{"a": value}, {"a": None}]),
        "map": (pa.map_(pa.string(), leaf), [("k", value), ("l", None)]),
    }[around]
    table = pa.table({"c": pa.array([row, None], kind)})
    back = pandas(stored(table))
    again = pa.chunked_array([pa.array(back["c"].array, kind)])
    assert again.equals(table.column("c")), back["c"].tolist()


BEYOND_POLARS = {
    "decimals of 256 bits": pa.array([dec("1.50"), None], pa.decimal256(38, 2)),
    "dates in milliseconds": pa.array([dt.date(2016, 10, 31), None], pa.date64()),
    "seconds of a duration": pa.array([5, None], pa.duration("s")),
    "seconds since 1970": pa.array([5, None], pa.timestamp("s", "UTC")),
    "runs": run_end_encode(pa.array([1, 1, None])),
    "list views": pa.array([[1], None], pa.list_view(pa.int64())),
    "large list views": pa.array([[1], None], pa.large_list_view(pa.int64())),
    "lists of decimals of 256 bits": pa.array(
        [[dec("1.50")], None], pa.list_(pa.decimal256(38, 2))
    ),
    "structs of seconds": pa.array([{"a": 5}, None], pa.struct([("a", pa.duration("s"))])),
    "categories of seconds": pa.array([5, None], pa.duration("s")).dictionary_encode(),
    "fixed lists of seconds": pa.array([[5, 6], None], pa.list_(pa.duration("s"), 2)),
    "maps to dates in milliseconds": pa.array(
        [[("k", dt.date(2016, 10, 31))]], pa.map_(pa.string(), pa.date64())
    ),
}


@pytest.mark.parametrize("what", BEYOND_POLARS)
def test_polars_gets_the_values_of_types_that_it_lacks(what: str) -> None:
    column = BEYOND_POLARS[what]
    made = to_output(read_table(stored(pa.table({"c": column}))), "polars")
    assert made.to_arrow().column("c").to_pylist() == column.to_pylist()
    assert not isinstance(made["c"].dtype, pl.Datetime) or "seconds since" in what


@pytest.mark.parametrize("kind", [pa.duration("s"), pa.timestamp("s"), pa.list_(pa.duration("s"))])
def test_seconds_that_overflow_in_polars_are_refused_with_the_column(kind: pa.DataType) -> None:
    far = 2**60
    table = pa.table({"far": pa.array([[far] if pa.types.is_nested(kind) else far], kind)})
    with pytest.raises(SchemaMismatch, match="polars cannot hold the column 'far'"):
        to_output(table, "polars")


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


def test_a_date_that_python_has_none_for_keeps_its_arrow_type_in_pandas() -> None:
    table = pa.table({"day": pa.array([4_000_000, None], pa.date32())})
    found = pandas(stored(table))["day"]
    assert found.dtype == pd.ArrowDtype(pa.date32())
    assert pa.array(found.array).cast(pa.int32()).to_pylist() == [4_000_000, None]


def test_runs_come_back_from_pandas_as_their_values() -> None:
    assert pandas(stored(pa.table({"c": run_end_encode(pa.array([1, 1, 2]))})))["c"].tolist() == [
        1,
        1,
        2,
    ]

"""pandas to Parquet bytes and back is exact, or refused before anything is written."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from airflow_sfx.core.errors import InvalidName, SchemaMismatch
from airflow_sfx.frames.inputs import to_source
from airflow_sfx.frames.outputs import read_table, to_output
from tests.frames.builders import (
    COLUMNS,
    REFUSED,
    assert_same,
    category,
    objects,
    round_trip,
    stored,
    stored_by,
)

HASHABLE = [
    name
    for name in COLUMNS
    if not any(word in name for word in ("list", "dict", "ndarray", "struct", "map", "tuple"))
]


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_comes_back_exactly(name: str) -> None:
    frame = pd.DataFrame({"c": COLUMNS[name]})
    assert_same(round_trip(frame), frame)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_without_rows_keeps_its_dtype(name: str) -> None:
    frame = pd.DataFrame({"c": COLUMNS[name]})[:0]
    assert_same(round_trip(frame), frame)


@pytest.mark.parametrize(
    "name", [name for name in HASHABLE if name not in ("float16", "arrow double with NaN and null")]
)
def test_a_column_comes_back_exactly_as_an_index(name: str) -> None:
    frame = pd.DataFrame({"c": COLUMNS[name], "n": 1}).set_index("c")
    back = round_trip(frame)
    assert_same(back, frame)
    assert back.index.dtype == frame.index.dtype


def test_all_columns_come_back_together() -> None:
    columns = [
        COLUMNS[name][:2] for name in COLUMNS if len(COLUMNS[name]) > 1 and "far away" not in name
    ]
    frame = pd.DataFrame({f"c{i}": column for i, column in enumerate(columns)})
    assert len(frame.columns) > 60
    assert_same(round_trip(frame), frame)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_kept_is_refused_by_name(name: str) -> None:
    column, why = REFUSED[name]
    with pytest.raises(SchemaMismatch, match=why) as caught:
        to_source(pd.DataFrame({"fine": range(len(column)), "bad one": column}))
    assert "bad one" in str(caught.value)


def test_nan_and_none_stay_apart_in_objects() -> None:
    back = round_trip(
        pd.DataFrame({"a": objects("x", None), "b": objects("x", np.nan), "c": objects("x", pd.NA)})
    )
    assert back["a"][1] is None
    assert isinstance(back["b"][1], float)
    assert back["c"][1] is pd.NA


def test_the_time_zone_is_the_same_object_kind() -> None:
    frame = pd.DataFrame(
        {
            "u": pd.to_datetime(["2016"], utc=True),
            "b": pd.to_datetime(["2016"]).tz_localize("Europe/Berlin"),
        }
    )
    back = round_trip(frame)
    assert back["u"].dt.tz is dt.UTC
    assert back["b"].dt.tz == ZoneInfo("Europe/Berlin")


def test_unused_categories_and_their_order_survive() -> None:
    back = round_trip(pd.DataFrame({"c": category(["b"], ["z", "b", "a"], ordered=True)}))
    assert back["c"].cat.categories.tolist() == ["z", "b", "a"]
    assert back["c"].cat.ordered


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(5, 8),
        pd.RangeIndex(0, 6, 2, name="r"),
        pd.RangeIndex(3, name="r"),
        pd.Index([3, 1, 2]),
        pd.Index(["a", "b", "c"], name="key"),
        pd.Index(["a", "b", None], dtype=object),
        pd.Index([1, 2, 3], name=7),
        pd.Index([1, 2, 3], name=("a", 1)),
        pd.Index([1, 2, 3], name="n"),
        pd.Index([1, 2, 3], name="with, comma"),
        pd.date_range("2016", periods=3, freq="B", name="day"),
        pd.date_range("2016", periods=3, freq="h", tz="Europe/Berlin"),
        pd.timedelta_range("1s", periods=3),
        pd.period_range("2016", periods=3, freq="Q"),
        pd.interval_range(0, 3),
        pd.CategoricalIndex(["b", "a", "b"], categories=["b", "a", "x"], ordered=True),
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["x", None]),
        pd.MultiIndex.from_arrays([["a", None, "b"], pd.to_datetime(["2016", "2017", None])]),
        pd.MultiIndex.from_arrays([[1, 2, 3]], names=["single"]),
        pd.MultiIndex.from_arrays(
            [["a", "a", "b"], [2**60 + 1, 2, None]], names=["missing", "number"]
        ),
        pd.MultiIndex.from_arrays(
            [pd.IntervalIndex.from_tuples([(0, 1), None, (2, 3)]), [1, 2, 3]]
        ),
        pd.MultiIndex.from_arrays([[True, None, False], pd.array([1, None, 2], dtype="Int8")]),
    ],
    ids=repr,
)
def test_an_index_comes_back_exactly(index: pd.Index) -> None:
    frame = pd.DataFrame({"n": [1, 2, 3]}, index=index)
    back = round_trip(frame)
    assert_same(back, frame)
    assert type(back.index) is type(frame.index)
    assert back.index.names == frame.index.names


def test_the_default_index_is_no_column() -> None:
    source = to_source(pd.DataFrame({"n": [1, 2]}))
    assert source.schema.names == ["n"]


def test_two_nights_have_one_schema_text_whatever_their_length() -> None:
    short, long = (
        stored(pd.DataFrame({"n": range(rows), "s": "a"}))[0].logical for rows in (2, 50)
    )
    assert short is long


def test_attrs_survive_where_json_keeps_them_and_are_refused_where_not() -> None:
    frame = pd.DataFrame({"n": [1, 2]})
    frame.attrs = {"source": "till 7", "rate": 0.25, "tags": ["a", None], "nested": {"deep": True}}
    assert round_trip(frame).attrs == frame.attrs
    for attrs in ({"when": pd.Timestamp(0)}, {"pair": (1, 2)}, {1: "one"}):
        frame.attrs = attrs
        with pytest.raises(SchemaMismatch, match="attrs .* cannot be stored as JSON without loss"):
            round_trip(frame)


def test_a_name_of_the_columns_axis_survives() -> None:
    frame = pd.DataFrame({"a": [1], "b": [2]}).rename_axis("metric", axis=1)
    assert round_trip(frame).columns.name == "metric"


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (pd.DataFrame({0: [1]}), "is int, not text"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "more than once"),
        (pd.DataFrame({"Price": [1], "price": [2]}), "ignores case"),
        (pd.DataFrame({"": [1]}), "is empty"),
        (pd.DataFrame({"a\nb": [1]}), "control character"),
        (pd.DataFrame({"a,b": [1]}), "comma"),
        (pd.DataFrame({"a`b": [1]}), "backtick"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "2 levels"),
    ],
)
def test_names_that_hive_cannot_keep_are_refused(frame: pd.DataFrame, why: str) -> None:
    with pytest.raises(InvalidName, match=why):
        to_source(frame)


def test_a_frame_without_columns_is_refused() -> None:
    with pytest.raises(SchemaMismatch, match="no columns"):
        to_source(pd.DataFrame(index=[1, 2]))


CELLS = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "float64": st.floats(),
    "float32": st.floats(width=32),
    "str": st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]))),
    "boolean": st.one_of(st.none(), st.booleans()),
    "Int64": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    "datetime64[ns]": st.integers(-(2**63) + 1, 2**63 - 1),
    "datetime64[us]": st.integers(-(2**55), 2**55),
    "timedelta64[ns]": st.integers(-(2**63) + 1, 2**63 - 1),
    "category": st.one_of(st.none(), st.sampled_from(["a", "b", "c"])),
    "bytes": st.one_of(st.none(), st.binary()),
    "list": st.one_of(st.none(), st.lists(st.one_of(st.none(), st.integers(-5, 5)))),
}


def _column(kind: str, values: list[object]) -> pd.Series:
    if kind in ("bytes", "list"):
        return objects(*values)
    if kind.startswith(("datetime64", "timedelta64")):
        return pd.Series(np.array(values, dtype="int64").view(kind))
    if kind == "category":
        return category(values, ["c", "b", "a", "unused"])
    return pd.Series(values, dtype=kind)


@settings(max_examples=60)
@given(st.data())
def test_any_values_come_back_exactly(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=4))
    rows = data.draw(st.integers(0, 6))
    frame = pd.DataFrame(
        {
            f"c{i}": _column(kind, data.draw(st.lists(CELLS[kind], min_size=rows, max_size=rows)))
            for i, kind in enumerate(kinds)
        }
    )
    try:
        back = round_trip(frame)
    except SchemaMismatch as refusal:
        # The one case: a file of nanoseconds cannot hold other times beyond the year 2262.
        assert "outside the years" in str(refusal)
        assert {"datetime64[ns]", "datetime64[us]"} <= set(kinds)
        return
    assert_same(back, frame)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from(["x", "y", "z"]), st.integers(0, 3), st.integers()), max_size=12
    )
)
def test_any_partitioned_frame_comes_back_row_for_row(rows: list[tuple[str, int, int]]) -> None:
    frame = pd.DataFrame(rows, columns=["k", "d", "v"]).astype(
        {"k": "category", "d": "int8", "v": "object"}
    )
    frame["v"] = [str(value) for value in frame["v"]]
    files = stored_by(frame, ["k", "d"])
    lead = to_source(frame).logical
    back = to_output(read_table(files, lead=files[0].logical if files else lead), "pandas")
    expected = frame.sort_values(["k", "d"], kind="stable")
    got = back.sort_values(["k", "d"], kind="stable")
    assert got["v"].tolist() == expected["v"].tolist()
    assert back.dtypes.tolist() == frame.dtypes.tolist()
    assert back.columns.tolist() == ["k", "d", "v"]


def test_labels_stay_with_their_rows_when_a_frame_is_divided() -> None:
    frame = pd.DataFrame({"k": list("abab"), "n": range(4)}, index=pd.RangeIndex(10, 14))
    back = to_output(read_table(stored_by(frame, ["k"])), "pandas")
    assert back.loc[11, "n"] == 1
    assert sorted(back.index) == [10, 11, 12, 13]
    alone = to_output(read_table(stored_by(frame[:2].iloc[1:], ["k"])), "pandas")
    assert alone.index.equals(pd.RangeIndex(11, 12))


def test_a_loaded_frame_can_be_changed_in_place() -> None:
    back = round_trip(
        pd.DataFrame({"n": [1, 2], "x": [1.5, 2.5], "s": ["a", "b"], "o": objects("a", None)})
    )
    back.loc[0, ["n", "x", "s", "o"]] = [9, 9.5, "z", "z"]
    back["new"] = 1
    assert back.loc[0].tolist() == [9, 9.5, "z", "z", 1]


def test_an_arrow_table_that_was_a_frame_is_one_again() -> None:
    frame = pd.DataFrame(
        {"n": pd.array([1, None], dtype="Int8")}, index=pd.Index(["a", "b"], name="k")
    )
    table = read_table(stored(frame))
    assert isinstance(to_output(table, "arrow"), pa.Table)
    assert_same(to_output(read_table(stored(table)), "pandas"), frame)

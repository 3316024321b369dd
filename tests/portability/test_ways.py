"""Batch, online and stream give the same to the bit, for generated schemas and rows."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

import airflow_sfx as sfx
from tests.portability.functions import INPUTS, PURE

CARRIERS = ["AA", "UA", "WN"]
times = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))
finite = st.floats(allow_nan=False)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "double": finite,
    "float": st.floats(allow_nan=False, width=32),
    "bigint": st.integers(-(1 << 63), (1 << 63) - 1),
    "int": st.integers(-(1 << 31), (1 << 31) - 1),
    "tinyint": st.integers(-128, 127),
    "boolean": st.booleans(),
    "string": st.text(max_size=6),
    "date": st.dates(dt.date(1, 1, 1)),
    "timestamp": times,
    "timestamp[us, tz=America/New_York]": times.map(lambda one: one.replace(tzinfo=dt.UTC)),
    "decimal(12,2)": st.decimals(-(10**10) + 1, 10**10 - 1, places=2),
    "binary": st.binary(max_size=4),
}
TYPES = st.sampled_from([*VALUES, *(f"{one} not null" for one in VALUES)])
SCHEMAS = st.dictionaries(st.sampled_from(list("abcdefgh")), TYPES, min_size=1, max_size=6)


def value_of(kind: Any) -> st.SearchStrategy[Any]:
    if isinstance(kind, list):
        return st.none() | st.sampled_from(kind)
    plain = kind.removesuffix(" not null")
    return VALUES[plain] if plain != kind else st.none() | VALUES[plain]


@st.composite
def schema_and_rows(draw) -> tuple[dict[str, str], list[dict[str, Any]]]:
    schema = draw(SCHEMAS)
    row = st.fixed_dictionaries({name: value_of(kind) for name, kind in schema.items()})
    return schema, draw(st.lists(row, min_size=1, max_size=5))


def same(one: Any, other: Any) -> bool:
    return repr(one) == repr(other)


def in_all_ways(function, rows: list[dict[str, Any]], frame: pd.DataFrame) -> None:
    online = [function.of_row(row) for row in rows]
    assert same(list(function.stream(rows, batch=2)), online)
    assert same(function.as_results(function(frame)), online)
    assert same(function.of_rows(rows), online)


@given(schema_and_rows())
@settings(max_examples=80)
def test_any_schema_and_rows_are_the_same_in_all_ways(case) -> None:
    schema, rows = case
    function = sfx.portable(inputs=schema, outputs=schema)(lambda frame: frame)
    frame = pd.DataFrame(
        {name: pd.Series([r[name] for r in rows], dtype=object) for name in schema}
    )
    in_all_ways(function, rows, frame)
    stored = function(frame)
    assert same(function.as_results(stored), [function.of_row(row) for row in rows])
    assert stored.dtypes.equals(function(stored).dtypes), "what it gives, it takes as a whole"
    assert stored.equals(function(stored))


ROW = st.fixed_dictionaries(
    {
        **{name: value_of(kind) for name, kind in INPUTS.items()},
        "x": st.none() | st.floats(-1e9, 1e9),
        "n": st.none() | st.integers(-(10**12), 10**12),
        "k": st.integers(-(10**6), 10**6),
    }
)


@pytest.mark.parametrize("function", PURE, ids=lambda one: one.name)
@given(rows=st.lists(ROW, min_size=1, max_size=8))
@settings(max_examples=8)
def test_a_pure_function_is_the_same_in_all_ways(function, rows) -> None:
    in_all_ways(function, rows, pd.DataFrame(rows, dtype=object))


SAME: list[tuple[str | list[Any], list[Any], Any]] = [
    ("bigint", [1, 1.0, np.int8(1), np.uint64(1), Decimal("1.00")], 1),
    ("double", [1, 1.0, np.float32(1), np.int64(1), Decimal("1.0")], 1.0),
    ("double", [None, float("nan"), pd.NA, np.float64("nan")], None),
    ("double", [float("inf"), "Infinity", np.float32("inf"), Decimal("inf")], float("inf")),
    ("float", [float("-inf"), "-Infinity"], float("-inf")),
    ("decimal(6,2)", [12.5, "12.50", Decimal("12.5"), "1.25e1"], Decimal("12.50")),
    (
        "date",
        ["2016-10-31", dt.date(2016, 10, 31), pd.Timestamp("2016-10-31")],
        dt.date(2016, 10, 31),
    ),
    (
        "timestamp",
        ["2016-10-31T12:00", dt.datetime(2016, 10, 31, 12), np.datetime64("2016-10-31T12:00")],
        dt.datetime(2016, 10, 31, 12),
    ),
    (
        "timestamp[us, tz=UTC]",
        ["2016-10-31T12:00:00Z", "2016-10-31T08:00:00-04:00", pd.Timestamp("2016-10-31T12:00Z")],
        dt.datetime(2016, 10, 31, 12, tzinfo=dt.UTC),
    ),
    (CARRIERS, ["UA", np.str_("UA")], "UA"),
]


@pytest.mark.parametrize(("kind", "values", "wanted"), SAME, ids=lambda one: str(one)[:20])
def test_a_value_is_the_same_whatever_its_type_was(kind, values, wanted) -> None:
    function = sfx.portable(inputs={"v": kind}, outputs={"v": kind})(lambda frame: frame)
    assert [function.online(v=one) for one in values] == [{"v": wanted}] * len(values)
    frame = pd.DataFrame({"v": pd.Series(values, dtype=object)})
    assert function.as_results(function(frame)) == [{"v": wanted}] * len(values)


DTYPES = ["Int64", "float64", "int8", "uint16", "Float64", "float32", "int64[pyarrow]"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["bigint", "double", "int not null"])
def test_a_column_of_any_numeric_dtype_is_what_json_is(dtype, kind) -> None:
    function = sfx.portable(inputs={"n": kind}, outputs={"n": kind})(lambda frame: frame)
    online = [function.of_row(one) for one in json.loads('[{"n": 1}, {"n": 3}]')]
    assert same(function.as_results(function(pd.DataFrame({"n": [1, 3]}, dtype=dtype))), online)


def test_frames_of_polars_and_arrow_are_batches_too() -> None:
    import polars as pl

    function = PURE[0]
    rows = [{**dict.fromkeys(INPUTS), "x": 1.5, "f": 0.5, "k": 1}] * 2
    table = pa.Table.from_pylist(rows)
    online = [function.of_row(one) for one in rows]
    assert function.as_results(function(table)) == online
    assert function.as_results(function(pl.DataFrame(rows, infer_schema_length=None))) == online


def test_the_caller_s_index_stays_and_its_frame_is_not_changed() -> None:
    @sfx.portable(inputs={"n": "bigint"}, outputs={"n": "bigint"})
    def spoilt(rows):
        rows["n"] = 0
        rows.attrs["a"] = 1
        return rows

    frame = pd.DataFrame({"n": pd.array([1, 2], dtype="Int64")}, index=["a", "b"])
    assert spoilt(frame).index.tolist() == ["a", "b"]
    assert frame["n"].tolist() == [1, 2]
    assert not frame.attrs


def test_what_wraps_a_portable_function_does_not_take_over_its_attributes() -> None:
    assert not {"function", "inputs", "outputs", "check"} & vars(PURE[0]).keys()


REFUSED: list[tuple[str | list[Any], Any, str]] = [
    ("bigint", "1", "the column 'v' (int64) has '1': pass a whole number from -9"),
    ("bigint", 1.5, "has 1.5: pass a whole number"),
    ("bigint", True, "has True: pass a whole number"),
    ("tinyint", 128, "has 128: pass a whole number from -128 to 127"),
    ("bigint not null", None, "has a missing value: it is declared as not null"),
    ("double", "far", "the column 'v' (double) has 'far': pass a number"),
    ("double", (1 << 53) + 1, "it has more digits than a double"),
    ("float", 1e300, "it is too large for 32 bits"),
    ("boolean", 1, "pass true or false"),
    ("string", 5, "pass text"),
    ("string", "\ud800", "it is not valid UTF-8"),
    ("date", "31.10.2016", "pass a date, as 2016-10-31"),
    ("date", dt.datetime(2016, 10, 31, 12), "it is a time"),
    ("timestamp", "2016-10-31T12:00:00Z", "it has a time zone, and the column has none"),
    ("timestamp", "2016-10-31T12:00:00.0000001", "it is finer than a microsecond"),
    ("timestamp", pd.Timestamp("2016-10-31T12:00:00.000000001"), "finer than a microsecond"),
    ("timestamp[us, tz=UTC]", "2016-10-31T12:00:00", "it has no time zone: pass one"),
    ("decimal(6,2)", "1.234", "at most 2 decimals and 6 digits"),
    ("decimal(6,2)", "NaN", "at most 2 decimals and 6 digits"),
    ("decimal(6,2)", 1e9, "at most 2 decimals and 6 digits"),
    ("binary", "text", "pass bytes"),
    (
        CARRIERS,
        "XX",
        "(category of string) has 'XX': it is not one of its 3 categories, such as 'AA'",
    ),
]


@pytest.mark.parametrize(("kind", "value", "why"), REFUSED, ids=lambda one: str(one)[:25])
def test_what_does_not_fit_is_refused_alike_in_all_ways(kind, value, why) -> None:
    function = sfx.portable(inputs={"v": kind}, outputs={"v": kind})(lambda frame: frame)
    with pytest.raises(sfx.SchemaMismatch) as online:
        function.online(v=value)
    assert why in str(online.value)
    with pytest.raises(sfx.SchemaMismatch) as batch:
        function(pd.DataFrame({"v": pd.Series([value], dtype=object)}))
    assert str(batch.value) == f"row 0: {online.value}"
    with pytest.raises(sfx.SchemaMismatch) as stream:
        list(function.stream([{"v": value}]))
    assert str(stream.value) == f"record 0: {online.value}"


def test_a_stream_yields_what_is_before_a_record_that_fails() -> None:
    function = sfx.portable(inputs={"n": "bigint"}, outputs={"n": "bigint"})(lambda frame: frame)
    found = []
    with pytest.raises(sfx.SchemaMismatch, match="record 3: the column 'n'"):
        found.extend(function.stream(({"n": n if n != 3 else "x"} for n in range(9)), batch=2))
    assert found == [{"n": 0}, {"n": 1}, {"n": 2}]

    @sfx.portable(inputs={"n": "bigint"}, outputs={"n": "bigint"})
    def fails(rows):
        if (rows["n"] == 3).any():
            raise ValueError("three")
        return rows

    found = []
    with pytest.raises(ValueError, match="three"):
        found.extend(fails.stream({"n": n} for n in range(9)))
    assert found == [{"n": 0}, {"n": 1}, {"n": 2}]


RETURNED = {
    "4 rows for 2": lambda rows: pd.concat([rows, rows]),
    "in another order": lambda rows: rows.iloc[::-1],
    "no column 'n'": lambda rows: rows.rename(columns={"n": "m"}),
    "returned list": lambda rows: [1, 2],
    "row 1: the column 'n' (int64) has 'x'": lambda rows: pd.DataFrame({"n": [1, "x"]}),
}


@pytest.mark.parametrize("why", RETURNED)
def test_what_a_function_must_not_return_is_refused(why) -> None:
    function = sfx.portable(inputs={"n": "bigint"}, outputs={"n": "bigint"})(RETURNED[why])
    with pytest.raises(sfx.SchemaMismatch, match=r"the function .*") as error:
        function(pd.DataFrame({"n": [1, 2]}))
    assert why in str(error.value)


DECLARED: list[tuple[Any, str]] = [
    ({}, "names no columns"),
    ({"n": "int32x"}, "'int32x' for the column 'n', which is not a type"),
    ({"n": "varchar(3)"}, "which is not a type"),
    ({"n": "array<int>"}, "has no portable values"),
    ({"n": "timestamp[us, tz=Mars/Olympus]"}, "which is not a type"),
    ({"n": ["a", 1]}, "pass different values, all text, integers or booleans"),
    ({"n": ["a", "a"]}, "pass different values"),
    ({"n": 5}, "which is not a type"),
    ({"n": "int", "N": "int"}, "have the same name in Hive"),
]


@pytest.mark.parametrize(("declared", "why"), DECLARED, ids=lambda one: str(one)[:25])
def test_a_bad_declaration_is_refused_when_it_is_made(declared, why) -> None:
    with pytest.raises(sfx.SfxError) as error:
        sfx.portable(inputs=declared, outputs={"n": "int"})
    assert why in str(error.value)


def test_the_columns_of_a_models_signature_are_declarations() -> None:
    from airflow_sfx.models.schema.signature import signature_of

    frame = pd.DataFrame(
        {
            "n": pd.array([1, None], dtype="Int64"),
            "c": pd.Categorical(["UA", "AA"], CARRIERS, ordered=True),
            "at": pd.to_datetime(["2016-10-31T12:00Z"] * 2),
        }
    )
    features = {one.name: one for one in signature_of(frame, None, None)}
    function = sfx.portable(inputs=features, outputs=features)(lambda rows: rows)
    assert function(frame)["c"].dtype == frame["c"].dtype
    assert function.online(n=1, c="UA", at="2016-10-31T12:00:00Z")["n"] == 1
    assert [one.type for one in function.signature.inputs] == [
        "int64",
        "string",
        "timestamp[us, tz=UTC]",
    ]


def test_the_columns_of_a_functions_own_signature_are_declarations() -> None:
    kinds = {f"c{place}": kind for place, kind in enumerate(VALUES)}
    first = sfx.portable(inputs=kinds, outputs={"n": "int"})(lambda rows: rows)
    again = {one.name: one for one in first.signature.inputs}
    second = sfx.portable(inputs=again, outputs={"n": "int"})(lambda rows: rows)
    assert second.inputs == first.inputs

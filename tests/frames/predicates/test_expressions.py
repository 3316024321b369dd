"""Filters compare as Python does, whatever the types of column and literal.

Types that have no common type are rejected.
"""

from __future__ import annotations

import datetime as dt
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given, settings, strategies as st

from airflow_sfx.core.errors import InconsistentBatch, SchemaMismatch
from airflow_sfx.frames.outputs import iter_batches, read_table, to_output
from tests.frames.builders import pandas, sales, stored, stored_by

SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
NAIVE = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999))
AWARE = st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 12, 31), timezones=st.timezones())
SPANS = st.timedeltas(dt.timedelta(days=-100_000), dt.timedelta(days=100_000))
NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.integers(-(2**70), 2**70),
    st.sampled_from([2**e + d for e in (7, 8, 15, 31, 53, 63, 64) for d in (-1, 0, 1)]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(-300, 300, width=32),
    st.decimals(-1000, 1000, places=4),
    st.sampled_from(
        [
            -0.0,
            0.1,
            Decimal("0.1"),
            Decimal("1E+999999"),
            Fraction(1, 3),
            np.int8(3),
            np.float32(0.1),
        ]
    ),
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=3)


def _coarse(step: int) -> Callable[[Any], Any]:
    """Values that a unit of so many microseconds holds."""

    def rounded(value: Any) -> Any:
        start = (
            dt.datetime(1, 1, 1) if isinstance(value, dt.datetime) else dt.timedelta(days=-100_000)
        )
        return value - (value - start) % dt.timedelta(microseconds=step)

    return rounded


UTC_TIMES = st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 12, 31), timezones=st.just(dt.UTC))
KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any], st.SearchStrategy[Any]]] = {
    **{
        f"{sign}int{width}": (
            getattr(pa, f"{sign}int{width}")(),
            st.integers(
                0 if sign else -(2 ** (width - 1)), 2 ** (width if sign else width - 1) - 1
            ),
            NUMBERS,
        )
        for sign in ("", "u")
        for width in (8, 16, 32, 64)
    },
    "float64": (pa.float64(), st.floats(), NUMBERS),
    "float32": (pa.float32(), st.floats(width=32), NUMBERS),
    "float16": (pa.float16(), st.floats(width=16).map(np.float16), NUMBERS),
    "decimal": (pa.decimal128(7, 2), st.decimals(-99_999, 99_999, places=2), NUMBERS),
    "decimal of 38 digits": (
        pa.decimal128(38, 0),
        st.integers(1 - 10**38, 10**38 - 1).map(Decimal),
        NUMBERS,
    ),
    "small decimal": (pa.decimal32(5, 2), st.decimals(-999, 999, places=2), NUMBERS),
    "run ends": (pa.run_end_encoded(pa.int32(), pa.int64()), st.integers(0, 3), NUMBERS),
    "bool": (pa.bool_(), st.booleans(), st.booleans()),
    "text": (pa.string(), TEXTS, TEXTS),
    "large text": (pa.large_string(), TEXTS, TEXTS),
    "text view": (pa.string_view(), TEXTS, TEXTS),
    "category": (pa.dictionary(pa.int32(), pa.string()), TEXTS, TEXTS),
    "category of integers": (pa.dictionary(pa.int32(), pa.int64()), st.integers(-9, 9), NUMBERS),
    "category of times": (pa.dictionary(pa.int32(), pa.timestamp("us")), NAIVE, NAIVE),
    "binary": (pa.binary(), st.binary(max_size=3), st.binary(max_size=3)),
    "binary view": (pa.binary_view(), st.binary(max_size=3), st.binary(max_size=3)),
    "fixed binary": (pa.binary(2), st.binary(min_size=2, max_size=2), st.binary(max_size=3)),
    "date": (pa.date32(), st.dates(), st.one_of(st.dates(), NAIVE)),
    "date64": (pa.date64(), st.dates(), st.one_of(st.dates(), NAIVE)),
    "time in s": (
        pa.time32("s"),
        st.times().map(lambda time: time.replace(microsecond=0)),
        st.times(),
    ),
    "time in ns": (pa.time64("ns"), st.times(), st.times()),
    **{
        f"duration in {unit}": (pa.duration(unit), SPANS.map(_coarse(step)), SPANS)
        for unit, step in (("s", 10**6), ("ms", 10**3), ("us", 1))
    },
    **{
        f"time in {unit}": (
            pa.timestamp(unit),
            NAIVE.map(_coarse(step)),
            st.one_of(NAIVE, st.dates()),
        )
        for unit, step in (("s", 10**6), ("ms", 10**3), ("us", 1))
    },
    "zoned time": (pa.timestamp("us", "Europe/Berlin"), UTC_TIMES, AWARE),
    "zoned time in s": (
        pa.timestamp("s", "UTC"),
        UTC_TIMES.map(lambda time: time.replace(microsecond=0)),
        AWARE,
    ),
    "nothing": (pa.null(), st.none(), st.one_of(NUMBERS, TEXTS)),
}


def comparable(value: Any) -> Any:
    """Convert a value as Python compares it: dates with times, decimals with floats."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime(value.year, value.month, value.day)
    if isinstance(value, np.generic):
        return comparable(value.item())
    if isinstance(value, float) and math.isfinite(value):
        return Fraction(value)
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < 400:
        return Fraction(value)
    return value


def same(value: Any, other: Any) -> bool:
    """Return whether a list has the value: null and NaN are values like others."""
    if value is None or other is None:
        return value is other
    nan = [isinstance(one, float | Decimal) and math.isnan(one) for one in (value, other)]
    return all(nan) if any(nan) else bool(value == other)


def holds(value: Any, sign: str, literal: Any) -> bool:
    """Return Python's result of a condition."""
    if sign in ("in", "not in"):
        found = any(same(comparable(value), comparable(one)) for one in literal)
        return found is (sign == "in")
    if value is None or literal is None:
        return False
    return SIGNS[sign](comparable(value), comparable(literal))


def column(kind: Any, values: Sequence[Any]) -> pa.Array[Any]:
    if isinstance(kind, pa.RunEndEncodedType):
        made: Any = pc
        encoded: pa.Array[Any] = made.run_end_encode(
            pa.array(values, kind.value_type), run_end_type=kind.run_end_type
        )
        return encoded
    if isinstance(kind, pa.DictionaryType):
        return pa.array(values, kind.value_type).dictionary_encode()
    return pa.array(values, kind)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Any, list[Any], str, Any]:
    kind, own, literals = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    values = draw(st.lists(st.one_of(st.none(), own), min_size=1, max_size=8))
    literal = st.one_of(st.none(), own if kind == pa.null() else literals, st.sampled_from(values))
    sign = draw(st.sampled_from([*SIGNS, "in", "not in"]))
    return (
        kind,
        values,
        sign,
        draw(st.lists(literal, max_size=3) if sign in ("in", "not in") else literal),
    )


@settings(max_examples=700, deadline=None)
@given(cases())
@example((pa.int64(), [1, 2**53 + 1, None], "==", 2.0**53))
@example((pa.uint64(), [1, 2**64 - 1], ">", -1))
@example((pa.int64(), [1, -(2**63)], "<", 2**63))
@example((pa.float64(), [0.0, -0.0, math.nan], "in", [0]))
@example((pa.duration("s"), [dt.timedelta(seconds=1)], ">", dt.timedelta(microseconds=999_999)))
@example(
    (
        pa.timestamp("us"),
        [dt.datetime(9999, 12, 31, 23, 59, 59, 999999)],
        "<=",
        dt.date(9999, 12, 31),
    )
)
def test_a_filter_keeps_the_rows_for_which_python_says_so(
    case: tuple[Any, list[Any], str, Any],
) -> None:
    kind, values, sign, literal = case
    table = pa.table(
        {
            "x": column(kind, values),
            "row": range(len(values)),
            "v": pa.array(["v"] * len(values), pa.string_view()),
        }
    )
    expected = [
        row for row, value in enumerate(table["x"].to_pylist()) if holds(value, sign, literal)
    ]
    files = stored(table)
    found = read_table(files, filters=[("x", sign, literal)])
    assert found["row"].to_pylist() == expected
    assert found.schema.types == table.schema.types
    pieces = list(
        iter_batches(files, filters=[("x", sign, literal), ("row", ">=", 0)], batch_rows=2)
    )
    assert [row for piece in pieces for row in piece["row"].to_pylist()] == expected
    assert (
        read_table(files, filters=[[("x", sign, literal)], [("row", "<", 0)]], columns=["row"])[
            "row"
        ].to_pylist()
        == expected
    )


UNFIT: list[tuple[str, Any, str]] = [
    (
        "at",
        dt.datetime(2016, 10, 31, tzinfo=dt.UTC),
        "no time zone and the value has one. Use a time without a zone",
    ),
    ("at", pd.Timestamp("2016-10-31", tz="Asia/Tokyo"), "no time zone and the value has one"),
    (
        "zoned",
        dt.datetime(2016, 10, 31),
        "has a time zone and the value has none. Give the value one",
    ),
    ("zoned", dt.date(2016, 10, 31), "has a time zone and the value has none"),
    ("zoned", np.datetime64("2016-10-31"), "has a time zone and the value has none"),
    ("day", dt.datetime(2016, 10, 31, tzinfo=dt.UTC), "no time zone and the value has one"),
    (
        "day",
        "2016-10-31",
        "holds dates or times and the value is of type str. Use a datetime or a date",
    ),
    (
        "clock",
        dt.time(5, tzinfo=dt.UTC),
        "no time zone and the value has one. Use a time of day without a zone",
    ),
    ("clock", dt.timedelta(hours=5), "holds times of day and the value is of type timedelta"),
    ("took", 5, "holds durations and the value is of type int. Use a timedelta"),
    ("took", np.timedelta64(5, "M"), "numpy's unit 'M'"),
    ("n", "1", "holds numbers and the value is of type str. Use a number"),
    ("n", True, "holds numbers and the value is of type bool"),
    ("n", 1j, "holds numbers and the value is of type complex"),
    ("n", [1], "holds numbers and the value is of type list"),
    ("n", pd.Period("2016"), "holds numbers and the value is of type Period"),
    ("s", 5, "holds text and the value is of type int. Use text"),
    ("s", b"a", "holds text and the value is of type bytes"),
    ("s", "\ud800", "half a surrogate pair"),
    ("c", 5, "holds text and the value is of type int"),
    ("raw", "a", "holds bytes and the value is of type str. Use bytes"),
    ("ok", 1, "holds True and False and the value is of type int"),
    ("many", [1], "pyarrow expression"),
    ("inner", {"a": 1}, "pyarrow expression"),
]
EVERY = pa.table(
    {
        "at": pa.array([dt.datetime(2016, 10, 31)], pa.timestamp("us")),
        "zoned": pa.array([dt.datetime(2016, 10, 31)], pa.timestamp("us", "UTC")),
        "day": [dt.date(2016, 10, 31)],
        "clock": [dt.time(5)],
        "took": pa.array([5], pa.duration("s")),
        "n": [1],
        "s": ["a"],
        "c": pa.array(["a"]).dictionary_encode(),
        "raw": [b"a"],
        "ok": [True],
        "many": [[1]],
        "inner": [{"a": 1}],
    }
)


@pytest.mark.parametrize(("name", "literal", "why"), UNFIT, ids=lambda one: ascii(one)[:30])
@pytest.mark.parametrize("sign", ["==", "<", "in"])
def test_what_has_no_common_type_is_refused_with_column_type_and_literal(
    name: str, literal: Any, why: str, sign: str
) -> None:
    condition = (name, sign, [literal] if sign == "in" else literal)
    with pytest.raises(SchemaMismatch, match=why) as refused:
        read_table(stored(EVERY), filters=[condition])
    assert f"column {name!r}, which is {EVERY.schema.field(name).type}" in str(refused.value)
    assert repr(literal) in str(refused.value)


def test_no_condition_keeps_all_rows_and_no_value_keeps_none() -> None:
    files = stored(sales())
    for everything in ([], (), [[]], [[], [("n", "<", 0)]], iter([])):
        assert len(read_table(files, filters=everything)) == 100
    assert len(read_table(files, filters=[("n", "in", [])])) == 0
    assert len(read_table(files, filters=[("n", "not in", [])])) == 100
    assert len(read_table(files, filters=[("note", "not in", [None])])) == 50


def test_an_iterator_of_conditions_is_read_once() -> None:
    assert len(read_table(stored(sales()), filters=iter([("n", "<", 5)]))) == 5
    assert len(read_table(stored(sales()), filters=[("n", "in", iter([1, 2]))])) == 2


@pytest.mark.parametrize(
    ("filters", "why"),
    [
        (("n", ">", 3), "not a list of conditions"),
        ("n > 3", "it is a str"),
        ({"n": 3}, "it is a dict"),
        ([("n", ">", 3), [("n", "<", 5)]], "mixes conditions and lists"),
        ([("n", ">", 3, 4)], "not a condition of a column"),
        ([("n", "like", 3)], "not one of the operators ==, !=, "),
        ([("n", ["=="], 3)], "not one of the operators"),
        ([("note", "in", "abc")], "needs a list of values, and 'abc' is not one"),
        ([("n", "in", 5)], "needs a list of values"),
        ([[("n", ">")]], "not a condition of a column"),
        ([None], "not a list of conditions"),
    ],
)
def test_what_is_no_filter_is_refused_with_what_one_looks_like(filters: Any, why: str) -> None:
    with pytest.raises(SchemaMismatch, match=why):
        read_table(stored(sales()), filters=filters)


N, AT, NOTE = pc.field("n"), pc.field("at"), pc.field("note")
FAILING = [
    NOTE.cast(pa.int64()) > 1,
    pc.divide(N, 0) > 1,
    (N + 250).cast(pa.uint8()) > 1,
    pc.greater(AT, pa.scalar(dt.datetime(2016, 10, 31))),
    pc.greater(N, pa.scalar(2**63, pa.uint64())),
]


@pytest.mark.parametrize("expression", FAILING, ids=lambda one: str(one)[:40])
def test_an_expression_that_fails_on_a_value_is_no_damaged_file(expression: pc.Expression) -> None:
    """People restore backups when a message reports damaged files."""
    for files in (stored(sales()), [*stored(sales()), *stored(sales().assign(more=1))]):
        with pytest.raises(SchemaMismatch, match="does not fit the columns"):
            read_table(files, filters=expression)
        with pytest.raises(SchemaMismatch, match="does not fit the columns"):
            list(iter_batches(files, filters=expression, columns=["price"]))


def test_a_damaged_file_is_one_with_a_filter_too() -> None:
    (file,) = stored(sales())
    assert isinstance(file.source, pa.Buffer)
    content = bytearray(file.source.to_pybytes())
    content[10:2000] = bytes(1990)
    for filters in ([("n", ">", 3)], pc.divide(N, 0) > 1):
        with pytest.raises(InconsistentBatch, match="it is missing, truncated or changed"):
            read_table([replace(file, source=pa.py_buffer(bytes(content)))], filters=filters)
    other = stored(pd.DataFrame({**sales(), "n": ["text"] * 100}))[0]
    with pytest.raises(InconsistentBatch, match="not the file that the manifest names"):
        read_table([replace(other, logical=file.logical)], filters=[("n", ">", 3)])


def test_ordered_categories_are_compared_by_their_order_and_others_by_their_text() -> None:
    sizes = pd.Categorical(
        ["low", "high", "mid", None], categories=["low", "mid", "high"], ordered=True
    )
    frame = pd.DataFrame(
        {"size": sizes, "shop": pd.Categorical(["b", "a", "c", None], categories=["c", "b", "a"])}
    )
    files = stored(frame)
    for sign, compare in SIGNS.items():
        if sign not in ("=", "==", "!="):
            expected = frame["size"][compare(frame["size"], "mid")]
            assert (
                pandas(files, filters=[("size", sign, "mid")])["size"].tolist() == expected.tolist()
            )
    assert pandas(files, filters=[("size", "==", "huge")]).empty
    assert pandas(files, filters=[("shop", ">", "a")])["shop"].tolist() == ["b", "c"]
    with pytest.raises(
        SchemaMismatch,
        match="its categories are ordered, and the value is not one of them. "
        "Use one of these: .*mid",
    ):
        pandas(files, filters=[("size", ">", "huge")])


def test_a_period_is_compared_with_periods_of_its_frequency() -> None:
    files = stored(pd.DataFrame({"month": pd.period_range("2016-01", periods=4, freq="M")}))
    march = pd.Period("2016-03", "M")
    assert pandas(files, filters=[("month", ">=", march)])["month"].tolist() == [march, march + 1]
    assert pandas(files, filters=[("month", "in", [march])])["month"].tolist() == [march]
    with pytest.raises(SchemaMismatch, match="Use a period of that frequency"):
        pandas(files, filters=[("month", "=", pd.Period("2016-03-01", "D"))])


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_durations_and_times_of_day_are_compared_in_time_not_in_units_of_files(unit: str) -> None:
    clocks = [dt.time(0, 0, 1), dt.time(0, 0, 2)]
    clock = pa.array(clocks, pa.time32("s")).cast(
        (pa.time32 if unit in ("s", "ms") else pa.time64)(unit)
    )
    files = stored(
        pa.table(
            {"took": pa.array([1, 2], pa.duration("s")).cast(pa.duration(unit)), "clock": clock}
        )
    )
    for limit in (
        dt.timedelta(seconds=1),
        pd.Timedelta(1, "s"),
        np.timedelta64(1000, "ms"),
        pa.scalar(1, pa.duration("s")),
    ):
        assert len(read_table(files, filters=[("took", ">", limit)])) == 1
    assert (
        len(read_table(files, filters=[("took", ">", dt.timedelta(microseconds=1_999_999))])) == 1
    )
    assert len(read_table(files, filters=[("clock", ">", dt.time(0, 0, 1))])) == 1
    assert (
        len(read_table(files, filters=pc.field("took") > pa.scalar(dt.timedelta(seconds=1)))) == 1
    )


def test_partition_keys_are_compared_as_their_types() -> None:
    days = [dt.date(2016, 10, day) for day in (1, 2, 3)]
    files = stored_by(pd.DataFrame({"k": [1, 2, 3], "day": days, "n": 0}), ["k", "day"])
    assert read_table(files, filters=[("k", ">", 1.5), ("day", "<", dt.datetime(2016, 10, 2, 1))])[
        "k"
    ].to_pylist() == [2]
    assert len(read_table(files, filters=[("k", "<", 2**70)])) == 3
    with pytest.raises(SchemaMismatch, match="column 'day', which is date32"):
        read_table(files, filters=[("day", "=", "2016-10-01")])
    unread = [
        replace(stored(pd.DataFrame({"n": [i]}))[0], keys={"day": f"2016-10-3{i}"}) for i in (0, 1)
    ]
    assert read_table(unread, filters=[("day", "in", ["2016-10-31"])])["n"].to_pylist() == [1]
    with pytest.raises(SchemaMismatch, match="column 'day', which is string"):
        read_table(unread, filters=[("day", "<", dt.date(2016, 10, 31))])


def test_every_output_has_the_same_rows() -> None:
    filters = [("n", ">", 3.5), ("at", "<", pd.Timestamp("2016-11-01", tz="Asia/Tokyo"))]
    table = read_table(stored(sales()), filters=filters)
    frames: list[Any] = [to_output(table, "pandas"), to_output(table, "polars")]
    assert isinstance(frames[1], pl.DataFrame)
    assert [list(frame["n"]) for frame in frames] == [table["n"].to_pylist()] * 2

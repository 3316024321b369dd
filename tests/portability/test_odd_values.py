"""Values that nobody expects are the same, or refused alike, in all ways, by an error of ours."""

from __future__ import annotations

import datetime as dt
import enum
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

import airflow_sfx as sfx
from airflow_sfx.portability.function import Portable

KINDS: list[Any] = [
    *("double", "double not null", "float", "bigint", "bigint not null", "tinyint", "boolean"),
    *("boolean not null", "string", "string not null", "date", "timestamp", "binary"),
    *("timestamp[us, tz=America/New_York]", "decimal(12,2)", "decimal(38,10)"),
    *(["AA", "UA"], [1, 2], [True, False]),
]
NEW_YORK = ZoneInfo("America/New_York")


class Number(enum.IntEnum):
    ONE = 1


class Shy:
    def __repr__(self) -> str:
        raise RuntimeError("it is not printed")


def deep(levels: int = 5000) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


ODD: list[Any] = [
    *("Infinity", "-Infinity", "inf"),
    *(True, False, 0, -1, 1.0, -0.0, 0.5, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64),
    *(10**400, 10**5000, math.nan, math.inf, -math.inf, 1e-320, 3.5e38, 16777217, 0.1),
    *(
        "",
        "1",
        "NaN",
        "true",
        "AA",
        "\x00",
        "\ud800",
        "e\u0301",
        "x" * 20_000,
        b"",
        bytearray(b"x"),
    ),
    *(
        bytearray(b"x"),
        Decimal("1.00"),
        Decimal("-0"),
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
    ),
    *(Decimal("1e400"), Decimal("1e-400"), Decimal("0.1"), "1e999999", "\u0661", "1_000", " 1"),
    *(dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.datetime(2016, 10, 31), dt.time(12)),
    *(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999), dt.timedelta(1)),
    dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=14))),
    dt.datetime(9999, 12, 31, 23, tzinfo=dt.timezone(dt.timedelta(hours=-12))),
    dt.datetime(2016, 11, 6, 1, 30, fold=1, tzinfo=NEW_YORK),
    dt.datetime(2016, 11, 6, 1, 30, tzinfo=NEW_YORK),
    dt.datetime(2016, 3, 13, 2, 30, tzinfo=NEW_YORK),
    dt.datetime(2016, 11, 6, 1, 30, fold=1),
    *("20161031", "2016-W44-1", "2016-10-31T24:00:00", "2016-10-31T12:00:00.1234567", "0000-01-01"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "2016-10-31T12:00:60", "12:00"),
    *(pd.Timestamp("2016-10-31T12:00:00.000000001"), pd.NaT, pd.NA, pd.Timedelta(1)),
    *(pd.Timestamp(np.datetime64("10000-01-01", "s")), pd.Period("2016"), pd.Interval(0, 1)),
    *(np.int8(1), np.uint64(2**63), np.float16(0.1), np.longdouble(1), np.bool_(True)),
    *(np.str_("AA"), np.bytes_(b"x"), np.datetime64("2016-10-31"), np.datetime64("10000-01-01")),
    *(np.datetime64("NaT"), np.timedelta64(1, "s"), np.array(1), np.array([1, 2]), np.complex64(1)),
    *(pa.scalar(1), pa.scalar(None), pa.scalar(math.nan), pa.scalar(1, pa.timestamp("ns"))),
    *(pa.scalar(2**62, pa.timestamp("s")), pa.scalar(None, pa.string()), pa.scalar("AA")),
    *([], deep(), {"a": 1}, {1}, object(), int, Fraction(1), 1j, Number.ONE, Shy(), ...),
]


def unchanged(kind: Any) -> Portable:
    return sfx.portable(inputs={"v": kind}, outputs={"v": kind})(lambda rows: rows)


def outcome(call: Any, where: str = "") -> str:
    """Return what a call returns, or the words of its refusal; other errors are not caught."""
    try:
        return repr(call())
    except sfx.SchemaMismatch as error:
        return str(error).removeprefix(where)


def column(values: list[Any]) -> pd.DataFrame:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return pd.DataFrame({"v": pd.Series(made, dtype=object)})


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_an_odd_value_is_the_same_or_refused_alike_in_all_ways(kind) -> None:
    function = unchanged(kind)
    for value in ODD:
        frame = pd.DataFrame({"v": pd.Series([None], dtype=object)})
        frame["v"].array[0] = value
        row = {"v": value}
        online = outcome(lambda row=row: [function.online(**row)])
        assert outcome(lambda row=row: list(function.stream([row])), "record 0: ") == online
        assert outcome(lambda row=row: function.of_rows([row])) == online
        batch = outcome(lambda frame=frame: function.as_results(function(frame)), "row 0: ")
        assert batch == online


SERIES: dict[str, Any] = {
    "far times": np.array(["10000-01-01", "2016-10-31"], "M8[s]"),
    "early times": np.array(["-0100-01-01", "2016-10-31"], "M8[s]"),
    "times beyond microseconds": np.array([1 << 62, 0], "M8[s]"),
    "far dates of Arrow": pa.array([2932897, 0], pa.int32()).cast(pa.date32()),
    "far times of Arrow": pa.array([1 << 62, 0], pa.timestamp("s")),
    "fine times of Arrow": pa.array([1, 0], pa.timestamp("ns", "UTC")),
    "decimals of Arrow": pa.array([Decimal("1.50"), None]),
    "lists of Arrow": pa.array([[1], None]),
    "nulls of Arrow": pa.nulls(2),
    "bytes of Arrow": pa.array([b"\xff", None]),
    "signalling": pd.Series([Decimal("sNaN"), Decimal(1)], dtype=object),
    "not a number in Float64": pd.array([0.0, 1.0], dtype="Float64") / 0,
    "uint64": np.array([1 << 63, 1], np.uint64),
    "long doubles": np.array([1, 0.1], np.longdouble),
    "complex": np.array([1, 1j]),
    "durations": np.array([1, 2], "m8[s]"),
    "periods": pd.array(["2016", "2017"], dtype="period[Y]"),
    "sparse": pd.array([0, 1], dtype="Sparse[int64]"),
    "categories of times": pd.Categorical(pd.to_datetime(["2016-10-31", None])),
    "categories in another order": pd.Categorical(["AA", None], ["UA", "AA"]),
    "categories of numbers": pd.Categorical([1, 2], [2, 1]),
    "categories of booleans": pd.Categorical([True, False]),
    "booleans": np.array([True, False]),
    "nullable booleans": pd.array([True, None], dtype="boolean"),
    "half": np.array([0.1, np.inf], np.float16),
    "minus zero": np.array([-0.0, 0.0]),
    "text of Python": pd.array(["AA", None], dtype="string[python]"),
    "large text of Arrow": pa.array(["AA", None], pa.large_string()),
    "dictionary of Arrow": pa.array(["AA", None]).dictionary_encode(),
    "nothing": np.array([]),
}


def _as_pandas(values: Any) -> Any:
    is_arrow = isinstance(values, pa.Array)
    return pd.array(values, dtype=pd.ArrowDtype(values.type)) if is_arrow else values


@pytest.mark.parametrize("name", SERIES)
def test_a_column_of_any_dtype_is_what_its_values_are_one_by_one(name) -> None:
    frame = pd.DataFrame({"v": _as_pandas(SERIES[name])})
    for kind in KINDS:
        function = unchanged(kind)
        batch = outcome(lambda f=function: f.as_results(f(frame)))
        try:
            alone = frame["v"].tolist()
        except OverflowError:  # Python has no such dates
            assert "that Python has not: leave out" in batch or kind == "timestamp", (kind, batch)
            continue
        online = outcome(lambda f=function, rows=alone: [f.of_row({"v": one}) for one in rows])
        assert batch == online or batch.partition(": ")[2] == online, (kind, batch, online)


@given(
    kind=st.sampled_from(KINDS),
    values=st.lists(st.sampled_from([None, *ODD]), min_size=1, max_size=5),
    batch=st.integers(1, 3),
)
@settings(max_examples=100)
def test_what_is_before_the_first_odd_value_is_answered(kind, values, batch) -> None:
    function = unchanged(kind)
    found, failed = [], None
    try:
        found.extend(function.stream(({"v": value} for value in values), batch=batch))
    except sfx.SchemaMismatch as error:
        failed = str(error)
    wanted = []
    for number, value in enumerate(values):
        try:
            wanted.append(function.online(v=value))
        except sfx.SchemaMismatch as error:
            assert failed == f"record {number}: {error}"
            break
    assert repr(found) == repr(wanted)
    assert (failed is None) == (len(found) == len(values))


RECORDS: list[tuple[Any, str]] = [
    ({}, "the row has no column 'v'"),
    ({"V": 1}, "the row has no column 'v'"),
    (None, "it is None: pass records as mappings"),
    ([("v", 1)], "pass records as mappings"),
    (deep(), "it is a value of type list that cannot be printed: pass records"),
    (Shy(), "it is a value of type Shy that cannot be printed"),
    ("v", "it is 'v'"),
]


@pytest.mark.parametrize(("record", "why"), RECORDS, ids=[one[1][:30] for one in RECORDS])
def test_a_record_that_is_none_is_refused_with_its_number(record, why) -> None:
    function = unchanged("bigint")
    with pytest.raises(sfx.SchemaMismatch) as error:
        list(function.stream([{"v": 1}, record]))
    assert str(error.value).startswith("record 1: ")
    assert why in str(error.value)
    with pytest.raises(sfx.SchemaMismatch) as alone:
        function.of_row(record)
    assert str(error.value) == f"record 1: {alone.value}"
    assert function.online(v=1, more=deep(), __class__=1) == {"v": 1}


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_no_rows_are_no_rows_in_all_ways(kind) -> None:
    function = unchanged(kind)
    empty = function(pd.DataFrame({"v": []}))
    assert function.of_rows([]) == function.as_results(empty) == list(function.stream([])) == []
    assert empty.dtypes.equals(function.frame_of_read([]).dtypes)


BAD_ARRAYS: dict[str, Any] = {
    "date": pa.array([2932897], pa.int32()).cast(pa.date32()),
    "timestamp": pa.array([1 << 62], pa.timestamp("s")),
    "bigint": pa.array([1 << 63], pa.uint64()),
}


@pytest.mark.parametrize("kind", BAD_ARRAYS)
def test_what_python_cannot_read_of_a_result_is_refused_in_all_ways(kind) -> None:
    values = _as_pandas(BAD_ARRAYS[kind])
    function = sfx.portable(inputs={"v": "int"}, outputs={"v": kind})(
        lambda rows: pd.DataFrame({"v": values})
    )
    for call in (
        lambda: function.online(v=1),
        lambda: list(function.stream([{"v": 1}])),
        lambda: function(pd.DataFrame({"v": [1]})),
    ):
        with pytest.raises(sfx.SchemaMismatch, match="what the function <lambda> returned"):
            call()


def returning(kind: Any, made: Any) -> Portable:
    return sfx.portable(inputs={"v": "int"}, outputs={"v": kind})(lambda rows: made)


RESULTS: dict[str, Any] = {
    "twice": pd.DataFrame([[1, 2]], columns=["v", "v"]),
    "another twice": pd.DataFrame([[1, 2, 1]], columns=["w", "w", "v"]),
    "two levels": pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("v", "a")])),
    "names in categories": pd.DataFrame([[1]], columns=pd.CategoricalIndex(["v"])),
    "a missing name": pd.DataFrame([[1, 2]], columns=[math.nan, "v"]),
    "a column of another name": pd.Series([1], name="w"),
    "an index of text": pd.DataFrame({"v": [1]}, index=["a"]),
    "a missing index": pd.DataFrame({"v": [1]}, index=pd.Index([pd.NA], dtype="Int64")),
    "an index of levels": pd.DataFrame({"v": [1]}, index=pd.MultiIndex.from_tuples([(0, 0)])),
    "no frame": None,
    "no rows": pd.DataFrame({"v": []}),
}


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_an_odd_result_is_the_same_or_refused_alike_in_all_ways(kind) -> None:
    arrays = [pd.Series(_as_pandas(one)).iloc[:1] for one in SERIES.values() if len(one)]
    odd = [column([None]) for _ in ODD]
    for frame, value in zip(odd, ODD, strict=True):
        frame["v"].array[0] = value
    for made in (*odd, *(pd.DataFrame({"v": one}) for one in arrays), *RESULTS.values()):
        function = returning(kind, made)
        online = outcome(lambda f=function: [f.online(v=1)]).replace(": row 0: ", ": ")
        for call in (
            lambda f=function: list(f.stream([{"v": 1}])),
            lambda f=function: f.as_results(f(pd.DataFrame({"v": [1]}))),
        ):
            assert outcome(call).replace(": row 0: ", ": ") == online

"""Columns of every logical type, for hypothesis.

pandas columns of each dtype, and Arrow's and polars' of the types that pandas lacks.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import strategies as st
from pyarrow.compute import run_end_encode

UNITS = ("s", "ms", "us", "ns")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
FREQUENCIES = ("M", "D", "Q-DEC", "Y-DEC", "W-SUN", "h", "min", "s")

Column = pd.Series | pl.Series | pa.Array
Columns = st.SearchStrategy[Column]
Values = st.SearchStrategy[Any]

SMALL = st.integers(-5, 5)
TEXTS = st.one_of(
    st.sampled_from(["", "a", "b", "5", "nan", "None", "2016-10-31", "ä\U0001f600"]),
    st.text(max_size=3),
)
SECONDS = st.integers(0, 10**9)
ANY_INT64 = st.integers(-(2**63) + 1, 2**63 - 1)  # the least is NaT
STAMPS: dict[str, Values] = {
    "s": st.one_of(
        st.sampled_from(["0001-01-01", "9999-12-31T23:59:59"]), st.integers(-(10**9), 4 * 10**9)
    ),
    "ms": st.one_of(
        st.sampled_from(["0001-01-01", "9999-12-31T23:59:59.999"]),
        st.integers(-(10**12), 4 * 10**12),
    ),
    "us": st.one_of(
        st.sampled_from(["0001-01-01", "9999-12-31T23:59:59.999999"]),
        st.integers(-(10**15), 4 * 10**15),
    ),
    "ns": st.one_of(st.sampled_from([0, 10**9, 1477872000 * 10**9]), ANY_INT64),
}
SPANS = st.one_of(SMALL, ANY_INT64)


def rows(values: Values, *, null: Any = None) -> st.SearchStrategy[list[Any]]:
    """Up to three values, some of them null."""
    return st.lists(st.one_of(values, st.just(null)), max_size=3)


def series(dtype: str, values: Values, *, nulls: bool = True) -> Columns:
    """A pandas column of a dtype."""
    drawn = rows(values) if nulls else st.lists(values, max_size=3)
    return drawn.map(lambda found: pd.Series(found, dtype=dtype))


def objects(values: Values) -> Columns:
    """A pandas column of Python objects."""

    def made(found: list[Any]) -> pd.Series:
        array = np.empty(len(found), dtype=object)
        for place, value in enumerate(found):
            array[place] = value
        return pd.Series(array)

    return rows(values).map(made)


def arrow(kind: pa.DataType, values: Values) -> Columns:
    """An Arrow column."""
    return rows(values).map(lambda found: pa.array(found, kind))


def extension(kind: Any, values: Values) -> Columns:
    """An Arrow column of an extension type."""
    return rows(values).map(
        lambda found: pa.ExtensionArray.from_storage(kind, pa.array(found, kind.storage_type))
    )


def whole(bits: int, *, signed: bool = True) -> Values:
    """Integers that a width holds, the least and the greatest often."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return st.one_of(st.integers(0, 5), st.sampled_from([low, high]), st.integers(low, high))


def decimals(places: int) -> Values:
    """Decimals of a scale, as large as 9."""
    return st.integers(-9 * 10**places, 9 * 10**places).map(
        lambda one: Decimal(one).scaleb(-places)
    )


def stamps(unit: str, zone: str | None = None) -> Columns:
    """Times of a unit, without a zone or in one."""

    def made(found: list[Any]) -> pd.Series:
        naive = pd.Series(
            np.array([np.datetime64(one, unit) for one in found], dtype=f"datetime64[{unit}]")
        )
        return naive if zone is None else naive.dt.tz_localize("UTC").dt.tz_convert(zone)

    return rows(STAMPS[unit] if zone is None else SECONDS, null="NaT").map(made)


def spans(unit: str) -> Columns:
    """Durations of a unit."""

    def made(found: list[Any]) -> pd.Series:
        return pd.Series(
            np.array([np.timedelta64(one, unit) for one in found], dtype=f"timedelta64[{unit}]")
        )

    return rows(SPANS, null="NaT").map(made)


def periods(frequency: str) -> Columns:
    """Periods of a frequency."""
    ordinals = st.lists(st.integers(-600, 600), max_size=3)
    return ordinals.map(
        lambda found: pd.Series(pd.PeriodIndex.from_ordinals(found, freq=frequency))
    )


def intervals(closed: Any, values: Values, dtype: str) -> Columns:
    """Intervals closed at a side."""

    def made(ends: list[tuple[Any, Any]]) -> pd.Series:
        low = pd.Index([min(pair) for pair in ends], dtype=dtype)
        high = pd.Index([max(pair) for pair in ends], dtype=dtype)
        return pd.Series(pd.arrays.IntervalArray.from_arrays(low, high, closed=closed))

    return st.lists(st.tuples(values, values), max_size=3).map(made)


def categories(values: Values, dtype: str, *, ordered: bool = False) -> Columns:
    """Categories, some of them unused, and codes of them."""

    def made(drawn: tuple[list[Any], list[int]]) -> pd.Series:
        labels, codes = drawn
        kept = [code % (len(labels) + 1) - 1 for code in codes]
        return pd.Series(
            pd.Categorical.from_codes(kept, pd.Index(labels, dtype=dtype), ordered=ordered)
        )

    return st.tuples(
        st.lists(values, unique=True, max_size=3), st.lists(st.integers(0, 9), max_size=3)
    ).map(made)


def no_categories(dtype: str, *, ordered: bool = False) -> Columns:
    """Categories of which there are none, in the dtypes that pandas gives them then."""
    index = pd.Index([], dtype=dtype)
    return st.integers(0, 3).map(
        lambda rows: pd.Series(pd.Categorical.from_codes([-1] * rows, index, ordered=ordered))
    )


def polars(dtype: Any, values: Values) -> Columns:
    """A polars column."""
    return rows(values).map(lambda found: pl.Series(found, dtype=dtype))


def enums(labels: str) -> Columns:
    """A polars column of an enum, some of whose categories may be unused."""
    values = st.sampled_from(labels) if labels else st.none()
    return polars(pl.Enum(list(labels)), values)


def _pairs(values: Values) -> Values:
    return st.dictionaries(st.sampled_from("ab"), values).map(lambda found: list(found.items()))


def _struct(**values: Values) -> Values:
    return st.fixed_dictionaries(values)


def _lists(values: Values) -> Values:
    return st.lists(values, max_size=2)


def _stamp(seconds: int) -> pd.Timestamp:
    return pd.Timestamp(seconds, unit="s")


_MOMENTS = SECONDS.map(_stamp)
_NONE = st.none()

_WIDTHS: dict[str, Columns] = {
    **{f"int{bits}": series(f"int{bits}", whole(bits), nulls=False) for bits in (8, 16, 32, 64)},
    **{
        f"uint{bits}": series(f"uint{bits}", whole(bits, signed=False), nulls=False)
        for bits in (8, 16, 32, 64)
    },
    **{f"Int{bits}": series(f"Int{bits}", whole(bits)) for bits in (8, 64)},
    "UInt64": series("UInt64", whole(64, signed=False)),
    "float16": series("float16", st.floats(width=16)),
    "float32": series("float32", st.floats(width=32)),
    "float64": series("float64", st.one_of(st.sampled_from([0.0, 1.0, 5.0]), st.floats())),
    "Float64": series("Float64", st.floats(allow_nan=False)),
    "bool": series("bool", st.booleans(), nulls=False),
    "boolean": series("boolean", st.booleans()),
    "str": series("str", TEXTS),
    "string": series("string", TEXTS),
}
_OBJECTS: dict[str, Columns] = {
    "text objects": objects(TEXTS),
    "bytes objects": objects(st.binary(max_size=3)),
    "UUID objects": objects(st.uuids()),
    "int objects": objects(whole(64)),
    "float objects": objects(st.floats(allow_nan=False)),
    "bool objects": objects(st.booleans()),
    "date objects": objects(st.dates()),
    "time objects": objects(st.times()),
    "datetime objects": objects(st.datetimes()),
    "aware datetime objects": objects(st.datetimes(timezones=st.just(dt.UTC))),
    "timedelta objects": objects(st.timedeltas(dt.timedelta(-(10**5)), dt.timedelta(10**5))),
    "Decimal objects": objects(decimals(2)),
    "numpy scalar objects": objects(SMALL.map(np.int16)),
    "empty list objects": objects(st.just([])),
    "list of int objects": objects(_lists(SMALL)),
    "list of text objects": objects(_lists(TEXTS)),
    "list of timedelta objects": objects(_lists(st.timedeltas(dt.timedelta(-5), dt.timedelta(5)))),
    "tuple objects": objects(st.lists(SMALL, min_size=1, max_size=2).map(tuple)),
    "vector objects": objects(_lists(SMALL).map(lambda found: np.array(found, "int32"))),
    "dict of int objects": objects(_struct(a=SMALL)),
    "dict of text objects": objects(_struct(a=TEXTS)),
    "dict of None objects": objects(_struct(a=_NONE)),
    "dict of two objects": objects(_struct(a=SMALL, b=st.just("x"))),
    "None objects": st.integers(0, 3).map(lambda count: pd.Series([None] * count, dtype=object)),
    "all NaN": st.integers(0, 3).map(lambda count: pd.Series([np.nan] * count, dtype="float64")),
}
_TIMES: dict[str, Columns] = {
    **{f"datetime64[{unit}]": stamps(unit) for unit in UNITS},
    **{
        f"datetime64[{unit}, {zone}]": stamps(unit, zone)
        for unit, zone in zip(UNITS, ZONES, strict=True)
    },
    **{f"timedelta64[{unit}]": spans(unit) for unit in UNITS},
    **{f"period[{frequency}]": periods(frequency) for frequency in FREQUENCIES},
    "interval of time": intervals("right", _MOMENTS, "datetime64[us]"),
    "interval of timedelta": intervals(
        "right", SMALL.map(lambda days: pd.Timedelta(days, "D")), "timedelta64[s]"
    ),
}
_LABELS: dict[str, Columns] = {
    **{
        f"interval of int, {side}": intervals(side, SMALL, "int64")
        for side in ("left", "right", "both", "neither")
    },
    "interval of float, right": intervals("right", st.floats(-5, 5), "float64"),
    "category of text": categories(TEXTS, "str"),
    "category of text, ordered": categories(TEXTS, "str", ordered=True),
    "category of int": categories(SMALL, "int64"),
    "category of float": categories(st.floats(-5, 5), "float64"),
    "category of nothing, float64": no_categories("float64"),
    "category of nothing, object": no_categories("object"),
    "category of nothing, ordered": no_categories("float64", ordered=True),
    "category of period": categories(
        SMALL.map(lambda one: pd.Period(ordinal=one, freq="M")), "period[M]"
    ),
    "category of time": categories(_MOMENTS, "datetime64[us]"),
    "category of timedelta": categories(
        SMALL.map(lambda days: pd.Timedelta(days, "D")), "timedelta64[s]"
    ),
}
_ARROW: dict[str, Columns] = {
    "arrow date32": arrow(pa.date32(), st.dates()),
    "arrow date64": arrow(pa.date64(), st.dates()),
    "arrow time32[s]": arrow(pa.time32("s"), st.integers(0, 86399)),
    "arrow time32[ms]": arrow(pa.time32("ms"), st.integers(0, 86399999)),
    "arrow time64[us]": arrow(pa.time64("us"), st.integers(0, 86399 * 10**6)),
    "arrow time64[ns]": arrow(
        pa.time64("ns"), st.one_of(st.just(10**9), st.integers(0, 86399 * 10**9))
    ),
    "arrow duration[s]": arrow(pa.duration("s"), SMALL),
    "arrow decimal(5,0)": arrow(pa.decimal128(5, 0), decimals(0)),
    "arrow decimal(7,2)": arrow(pa.decimal128(7, 2), decimals(2)),
    "arrow decimal(38,10)": arrow(pa.decimal128(38, 10), decimals(10)),
    "arrow decimal(38,0)": arrow(pa.decimal128(38, 0), decimals(0)),
    "arrow decimal(20,0)": arrow(pa.decimal128(20, 0), decimals(0)),
    "arrow decimal32": arrow(pa.decimal32(5, 2), decimals(2)),
    "arrow decimal256": arrow(pa.decimal256(38, 2), decimals(2)),
    "arrow null": st.integers(0, 3).map(pa.nulls),
    "arrow binary": arrow(pa.binary(), st.binary(max_size=3)),
    "arrow fixed binary": arrow(pa.binary(2), st.binary(min_size=2, max_size=2)),
    "arrow string view": arrow(pa.string_view(), TEXTS),
    "arrow large string": arrow(pa.large_string(), TEXTS),
    "arrow list of null": arrow(pa.list_(pa.null()), _lists(_NONE)),
    "arrow list of time": arrow(pa.list_(pa.timestamp("us")), _lists(st.datetimes())),
    "arrow list of time in ns": arrow(pa.list_(pa.timestamp("ns")), _lists(st.integers(0, 2**62))),
    "arrow list of moment": arrow(pa.list_(pa.timestamp("us", "UTC")), _lists(st.datetimes())),
    "arrow list of duration": arrow(pa.list_(pa.duration("s")), _lists(SMALL)),
    "arrow list of duration in ns": arrow(pa.list_(pa.duration("ns")), _lists(SMALL)),
    "arrow large list": arrow(pa.large_list(pa.int32()), _lists(SMALL)),
    "arrow list of large int": arrow(
        pa.list_(pa.int64()), _lists(st.one_of(_NONE, st.just(2**60 + 1)))
    ),
    "arrow fixed list": arrow(pa.list_(pa.int16(), 2), st.lists(SMALL, min_size=2, max_size=2)),
    "arrow map": arrow(pa.map_(pa.string(), pa.int64()), _pairs(SMALL)),
    "arrow map of null": arrow(pa.map_(pa.string(), pa.null()), _pairs(_NONE)),
    "arrow struct of duration": arrow(pa.struct([("a", pa.duration("ms"))]), _struct(a=SMALL)),
    "arrow struct of null": arrow(
        pa.struct([("a", pa.int64()), ("b", pa.null())]), _struct(a=SMALL)
    ),
    "arrow bool8": extension(pa.bool8(), st.integers(0, 1)),
    "arrow uuid": extension(pa.uuid(), st.binary(min_size=16, max_size=16)),
    "arrow runs": rows(st.integers(0, 2)).map(
        lambda found: run_end_encode(pa.array(found, pa.int32()))
    ),
    "arrow category of null": st.integers(0, 3).map(
        lambda rows: pa.nulls(rows).dictionary_encode()
    ),
    "arrow category of null and text": rows(TEXTS).map(
        lambda found: pa.array(found, pa.string()).dictionary_encode(null_encoding="encode")
    ),
    "arrow category of time": rows(SECONDS).map(
        lambda found: pa.array(found, pa.timestamp("s")).dictionary_encode()
    ),
    "arrow category of duration": rows(SMALL).map(
        lambda found: pa.array(found, pa.duration("s")).dictionary_encode()
    ),
}

_POLARS: dict[str, Columns] = {
    "polars category": polars(pl.Categorical, TEXTS),
    **{f"polars enum category {labels!r}": enums(labels) for labels in ("", "ab", "ba", "bc")},
}

KINDS: dict[str, Columns] = {**_WIDTHS, **_OBJECTS, **_TIMES, **_LABELS, **_ARROW, **_POLARS}
"""A strategy for each kind of column, by its name."""

_ALIKE = (
    "time",
    "int",
    "float",
    "date",
    "period",
    "duration",
    "list",
    "dict",
    "text",
    "str",
    "interval",
    "decimal",
    "map",
)


def alike(one: str, other: str) -> bool:
    """Return whether files store two kinds alike, so that they are easily confused."""
    if "category" in one and "category" in other:
        return True
    first, second = (
        next((word for word in _ALIKE if word in name.lower()), name) for name in (one, other)
    )
    return first == second


@st.composite
def pairs(
    draw: st.DrawFn, kinds: Callable[[str], bool] = lambda name: True
) -> tuple[tuple[str, Column], tuple[str, Column]]:
    """Draw two columns with the names of their kinds: equal, similar, or any.

    Now and then both are the same column.
    """
    known = sorted(filter(kinds, KINDS))
    first = draw(st.sampled_from(known))
    near = [name for name in known if alike(name, first)]
    second = draw(st.one_of(st.just(first), st.sampled_from(near), st.sampled_from(known)))
    a = draw(KINDS[first])
    b = a if second == first and draw(st.booleans()) else draw(KINDS[second])
    return (first, a), (second, b)

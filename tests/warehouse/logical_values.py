"""Values independent of the library: pandas, Arrow and polars have the same ones."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import types

_NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


def of_pandas(column: pd.Series | pd.Index) -> list[Any]:
    """A pandas column as tuples of what a value is and the value."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories = of_pandas(dtype.categories)
        return [None if code < 0 else categories[code] for code in column.array.codes]
    if isinstance(dtype, pd.ArrowDtype):
        return of_arrow(column.array.__arrow_array__())
    if isinstance(dtype, pd.PeriodDtype):
        return [
            None if one is pd.NaT else ("period", dtype.freq.freqstr, one.ordinal) for one in column
        ]
    if isinstance(dtype, pd.IntervalDtype):
        ends = zip(of_pandas(column.array.left), of_pandas(column.array.right), strict=True)
        return [
            None if left is None else ("interval", dtype.closed, left, right)
            for left, right in ends
        ]
    if getattr(dtype, "kind", "") in "Mm" and not isinstance(dtype, pd.PeriodDtype):
        return _of_times(column)
    return [_of_object(value) for value in column]


def _of_times(column: Any) -> list[Any]:
    zoned = getattr(column.dtype, "tz", None) is not None
    name = "span" if column.dtype.kind == "m" else "moment" if zoned else "time without a zone"
    unit = np.datetime_data(column.array._ndarray.dtype)[0]
    numbers = column.array._ndarray.view("int64")
    return [
        None if number == np.iinfo("int64").min else (name, int(number) * _NANOSECONDS[unit])
        for number in numbers
    ]


def _of_object(value: Any) -> Any:  # noqa: PLR0911, PLR0912  a table of types, in order
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool | np.bool_):
        return ("truth", bool(value))
    if isinstance(value, np.timedelta64):
        return _of_times(pd.Series(np.array([value])))[0]
    if isinstance(value, int | np.integer):
        return ("number", int(value))
    if isinstance(value, float | np.floating):
        return None if math.isnan(value) else ("number", float(value))
    if isinstance(value, Decimal):
        return ("decimal", value)
    if isinstance(value, pd.Timestamp | np.datetime64):
        return _of_times(
            pd.Series(np.array([value]) if isinstance(value, np.datetime64) else [value])
        )[0]
    if isinstance(value, dt.datetime):
        naive = value.tzinfo is None
        passed = value.replace(tzinfo=dt.UTC) if naive else value
        whole = (passed - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
        return ("time without a zone" if naive else "moment", whole * 1000)
    if isinstance(value, dt.date):
        return ("date", value.toordinal())
    if isinstance(value, dt.time):
        parts = (value.hour * 60 + value.minute) * 60 + value.second
        return ("time of day", (parts * 1_000_000 + value.microsecond) * 1000)
    if isinstance(value, pd.Timedelta):
        return (
            "span",
            value.as_unit("ns").value if value.unit == "ns" else value.as_unit("us").value * 1000,
        )
    if isinstance(value, dt.timedelta):
        return ("span", (value // dt.timedelta(microseconds=1)) * 1000)
    if isinstance(value, uuid.UUID):
        return ("text", str(value))
    if isinstance(value, Mapping):
        return (
            "struct",
            tuple(sorted((key, _of_object(one)) for key, one in value.items() if _of_object(one))),
        )
    if isinstance(value, list | tuple | np.ndarray):
        return ("list", tuple(_of_object(one) for one in value))
    return ("text" if isinstance(value, str) else type(value).__name__, value)


def of_arrow(column: Any) -> list[Any]:  # noqa: PLR0911  a table of types, in order
    """An Arrow column likewise."""
    if isinstance(column, pa.ChunkedArray):
        return [value for chunk in column.chunks for value in of_arrow(chunk)]
    kind = column.type
    if isinstance(kind, pa.DictionaryType):
        values = of_arrow(column.dictionary)
        return [None if code is None else values[code] for code in column.indices.to_pylist()]
    if isinstance(kind, pa.BaseExtensionType):
        return of_arrow(column.storage)
    if types.is_timestamp(kind):
        name = "time without a zone" if kind.tz is None else "moment"
        return _integers(column, name, _NANOSECONDS[kind.unit])
    if types.is_duration(kind):
        return _integers(column, "span", _NANOSECONDS[kind.unit])
    if types.is_time(kind):
        return _integers(column, "time of day", _NANOSECONDS[kind.unit])
    if types.is_date(kind):
        return [None if one is None else ("date", one) for one in _days(column)]
    if types.is_struct(kind):
        fields = [(kind.field(i).name, of_arrow(column.field(i))) for i in range(kind.num_fields)]
        valid = column.is_valid().to_pylist()
        return [
            ("struct", tuple(sorted((name, values[row]) for name, values in fields if values[row])))
            if there
            else None
            for row, there in enumerate(valid)
        ]
    if types.is_map(kind):
        return [_of_map(one.values) if one.is_valid else None for one in column]
    if types.is_run_end_encoded(kind):
        return of_arrow(pa.compute.run_end_decode(column))
    if types.is_nested(kind):
        return [
            None if not one.is_valid else ("list", tuple(of_arrow(one.values))) for one in column
        ]
    return [_of_object(value) for value in column.to_pylist()]


def _of_map(entries: Any) -> Any:
    """A map as pandas has it: a list of pairs."""
    both = zip(of_arrow(entries.field(0)), of_arrow(entries.field(1)), strict=True)
    return ("list", tuple(("list", pair) for pair in both))


def _integers(column: Any, name: str, unit: int) -> list[Any]:
    width = pa.int32() if types.is_time32(column.type) else pa.int64()
    return [None if one is None else (name, one * unit) for one in column.view(width).to_pylist()]


def _days(column: Any) -> list[int | None]:
    days = column.cast(pa.date32()).view(pa.int32()).to_pylist()
    return [None if day is None else day + dt.date(1970, 1, 1).toordinal() for day in days]


def as_engines_have(value: Any) -> Any:  # noqa: PLR0911  a table of types, in order
    """Return a value as other engines have it.

    They have whole microseconds for durations and times of day, and one kind of time.
    """
    if value is None:
        return None
    kind, *rest = value
    if kind in ("number", "decimal"):
        number = rest[0]
        return (
            "number",
            number if isinstance(number, float) and math.isinf(number) else Fraction(number),
        )
    if kind in ("span", "time of day"):
        return ("number", Fraction(rest[0], 1000))
    if kind in ("moment", "time without a zone"):
        return ("time", rest[0] // 1000)
    if kind == "period":
        return ("number", Fraction(rest[1]))
    if kind == "interval":
        return (
            "struct",
            tuple(
                (name, as_engines_have(end))
                for name, end in zip(("left", "right"), rest[1:], strict=True)
            ),
        )
    if kind == "struct":
        return (kind, tuple((name.lower(), as_engines_have(field)) for name, field in rest[0]))
    if kind == "list":
        return (kind, tuple(as_engines_have(one) for one in rest[0]))
    return value

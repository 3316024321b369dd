"""Python values as exact numbers, to compare them with the values of a column."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from decimal import Decimal
from fractions import Fraction
from numbers import Rational
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

from airflow_sfx.frames._typing import AnyType

NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


_NUMPY_UNITS: dict[str, int] = {
    "D": 86_400 * 10**9,
    "h": 3_600 * 10**9,
    "m": 60 * 10**9,
    **NANOSECONDS,
}


DAY = 86_400 * 10**9


_EPOCH = dt.datetime(1970, 1, 1)


_NO_ZONE = (
    "the column has a time zone and the value has none. Give the value one, such as datetime(2016,"
    " 11, 1, tzinfo=UTC)"
)


_MOST_DIGITS = (
    400  # before or after the point; beyond it, comparisons with any column have the same result
)


class NotComparable(Exception):
    """A column and a value have no common type; the message has the remedy."""


def exact_number(kind: Any, value: Any) -> Fraction | float:
    """Convert a value to an exact number, times to nanoseconds."""
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return _number(value)
    if types.is_timestamp(kind):
        return _timestamp_number(value, zoned=kind.tz is not None)
    if types.is_date(kind):
        return _timestamp_number(value, zoned=False)
    if types.is_time(kind):
        return _time_of_day_number(value)
    if types.is_duration(kind):
        return _duration_number(value)
    raise NotComparable(
        "a column of this type cannot be compared as a whole. Compare a part of it with a pyarrow"
        " expression"
    )


def _number(value: Any) -> Fraction | float:
    if isinstance(value, bool):
        raise _other_type("numbers", value, "a number")
    if isinstance(value, Rational):
        return Fraction(value)
    if isinstance(value, float):
        return Fraction(value) if math.isfinite(value) else value
    if isinstance(value, Decimal):
        if not value.is_finite():
            return math.nan if value.is_nan() else math.copysign(math.inf, value)
        if value and abs(value.adjusted()) > _MOST_DIGITS:
            value = Decimal(
                (
                    value.as_tuple().sign,
                    (1,),
                    _MOST_DIGITS if value.adjusted() > 0 else -_MOST_DIGITS,
                )
            )
        return Fraction(value)
    raise _other_type("numbers", value, "a number")


def _timestamp_number(value: Any, *, zoned: bool) -> Fraction:
    if isinstance(value, np.datetime64):
        if zoned:
            raise NotComparable(_NO_ZONE)
        return _numpy_number(value, "datetime64[D]")
    if not isinstance(value, dt.date):
        raise _other_type("dates or times", value, "a datetime or a date")
    offset = value.utcoffset() if isinstance(value, dt.datetime) else None
    if zoned and offset is None:
        raise NotComparable(_NO_ZONE)
    if not zoned and offset is not None:
        raise NotComparable(
            "the column has no time zone and the value has one. Use a time without a zone:"
            " datetime(2016, 11, 1)"
        )
    if hasattr(value, "asm8"):  # pandas' own, with nanoseconds and years beyond 9999
        return _numpy_number(value.asm8, "datetime64[D]")
    if not isinstance(value, dt.datetime):
        return Fraction((value - _EPOCH.date()).days * DAY)
    return Fraction(
        _nanoseconds(value.replace(tzinfo=None) - _EPOCH) - _nanoseconds(offset or dt.timedelta())
    )


def _time_of_day_number(value: Any) -> Fraction:
    if not isinstance(value, dt.time):
        raise _other_type("times of day", value, "a datetime.time")
    if value.tzinfo is not None:
        raise NotComparable(
            "the column has no time zone and the value has one. Use a time of day without a zone"
        )
    parts = dt.timedelta(0, value.second, value.microsecond, 0, value.minute, value.hour)
    return Fraction(_nanoseconds(parts))


def _duration_number(value: Any) -> Fraction:
    if hasattr(value, "asm8"):
        value = value.asm8
    if isinstance(value, np.timedelta64):
        return _numpy_number(value, "timedelta64[W]")
    if isinstance(value, dt.timedelta):
        return Fraction(_nanoseconds(value))
    raise _other_type("durations", value, "a timedelta")


def _other_type(held: str, value: object, use: str) -> NotComparable:
    return NotComparable(
        f"the column holds {held} and the value is of type {type(value).__name__}. Use {use}"
    )


def _nanoseconds(span: dt.timedelta) -> int:
    return (span.days * 86_400 + span.seconds) * 10**9 + span.microseconds * 10**3


def _numpy_number(value: Any, coarse: str) -> Fraction:
    unit, count = np.datetime_data(value.dtype)
    if unit in ("Y", "M", "W") and coarse == "datetime64[D]":
        value, (unit, count) = value.astype(coarse), ("D", 1)
    if unit == "W":
        unit, count = "D", 7 * count
    step = _NUMPY_UNITS.get(unit)
    if step is None:
        raise NotComparable(
            f"numpy's unit {unit!r} has no fixed length. Use a unit such as 'D' or 's'"
        )
    return Fraction(int(value.astype(np.int64)) * count * step)


def gridless_value(kind: Any, value: Any) -> Any:
    """Return a boolean, binary or text value to compare with a column of that type."""
    if types.is_boolean(kind):
        if isinstance(value, bool):
            return value
        raise _other_type("True and False", value, "one of them")
    if is_binary(kind):
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
        raise _other_type("bytes", value, "bytes")
    if isinstance(value, uuid.UUID):
        return str(value)
    if not isinstance(value, str):
        raise _other_type("text", value, "text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotComparable(
            "the value has half a surrogate pair, which text in files cannot have"
        ) from None
    return value


def python_value(value: Any) -> Any:
    """Convert a value of Arrow or NumPy to Python's, and any null to None."""
    if isinstance(value, pa.Scalar):
        try:
            value = value.as_py()
        except (ValueError, OverflowError) as error:
            raise NotComparable(f"Python cannot represent the value ({error})") from error
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, np.datetime64 | np.timedelta64):
        return None if np.isnat(value) else value
    if isinstance(value, np.generic):
        value = value.item()
    return None if type(value).__name__ in ("NAType", "NaTType") else value


def is_binary(kind: AnyType) -> bool:
    """Return whether a type is one of Arrow's binary types that can be compared."""
    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)

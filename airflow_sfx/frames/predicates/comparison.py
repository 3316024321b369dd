"""A column compared with a value of Python, exactly: as Python itself compares the two.

Arrow casts the value or the column where their types differ, to a type that may not hold them: it
fails, or rounds. Here the value is brought into the column's own type, and rounded to where the
answer stays the same: of whole numbers ``n < 2.5`` is ``n <= 2``, and ``n < 2**63`` holds for all
of 64 bits. Where no type holds both, the comparison is refused.
"""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from numbers import Rational
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames._typing import AnyArray, AnyField, AnyType
from airflow_sfx.frames.types.hive import only_nulls

COMPARE: dict[str, Callable[[Any, Any], pc.Expression]] = {
    "==": lambda column, value: column == value,
    "!=": lambda column, value: column != value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
}
"""The comparisons of a column and one value."""

_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_NUMPY_UNITS: dict[str, int] = {
    "D": 86_400 * 10**9,
    "h": 3_600 * 10**9,
    "m": 60 * 10**9,
    **_NANOSECONDS,
}
_DAY = 86_400 * 10**9
_EPOCH = dt.datetime(1970, 1, 1)
_NO_ZONE = (
    "the column has a time zone and the value has none. Give the value one, such as datetime(2016,"
    " 11, 1, tzinfo=UTC)"
)
_MOST_DIGITS = 400  # of a decimal before or after the point: more differ from these for no column


@dataclass(frozen=True, slots=True)
class Grid:
    """The values that a type has at equal distances, each with its number.

    Args:
        step: The distance, in the unit of values as `_exact` gives them.
        least: The number of the least value.
        greatest: The number of the greatest.
    """

    step: Fraction
    least: int
    greatest: int


class NotComparable(Exception):
    """A column and a value have no common type; the message says why and what to do."""


def unknown() -> pc.Expression:
    """What a comparison with null is, as in SQL. It is no constant, as Arrow imports pandas to make it."""
    null: Any = pa.scalar(None, pa.bool_())  # the stubs know plain values only
    return pc.scalar(null)


def comparison(
    column: AnyField, operator: str, value: object, categories: AnyArray | None = None
) -> pc.Expression:
    """Compare a column with a value.

    Args:
        column: The column.
        operator: One of `COMPARE`.
        value: The value; a null compares as null.
        categories: The values of an ordered category in their order, by which it is compared; other
            categories are compared as their values.

    Returns:
        The comparison, null where the column is.

    Raises:
        SchemaMismatch: No type holds the column's values and the value.

    Example:
        >>> comparison(pa.field("n", pa.int8()), "<", 2.5)
        <pyarrow.compute.Expression (n <= 2)>
    """
    kind: Any = column.type
    field: Any = pc.field(column.name)
    try:
        value = _plain(value)
        if value is None or only_nulls(kind):
            return unknown()
        if types.is_dictionary(kind):
            if kind.ordered and categories is not None and operator not in ("==", "!="):
                return _by_order(field, operator, value, categories)
            kind = kind.value_type
        return _compared(field, kind, operator, value)
    except NotComparable as why:
        raise not_comparable(column, value, str(why)) from None


def among(column: AnyField, values: Sequence[object]) -> pc.Expression:
    """Whether a column has one of some values; null and NaN are values like others here.

    Args:
        column: The column.
        values: The values.

    Returns:
        The condition, which is never null.

    Raises:
        SchemaMismatch: No type holds the column's values and one of these.

    Example:
        >>> among(pa.field("s", pa.string()), [])
        <pyarrow.compute.Expression false>
    """
    field: Any = pc.field(column.name)
    kind: Any = column.type.value_type if types.is_dictionary(column.type) else column.type
    nulls = False
    found: list[Any] = []
    for given in values:
        try:
            value = _plain(given)
            if value is None:
                nulls = True
            elif not types.is_null(kind):
                found.extend(_equal_values(kind, value))
        except NotComparable as why:
            raise not_comparable(column, given, str(why)) from None
    condition: Any = pc.scalar(False)
    if found:
        condition = field.isin(pa.concat_arrays([pa.array([one], kind) for one in found]))
    found_or_null: pc.Expression = condition | field.is_null() if nulls else condition
    return found_or_null


def not_comparable(column: AnyField, value: object, why: str) -> SchemaMismatch:
    """The error for a value that a column cannot be compared with.

    Args:
        column: The column.
        value: The value.
        why: What is wrong, and the remedy.

    Returns:
        The error, to be raised.
    """
    return SchemaMismatch(
        f"a filter cannot compare column {column.name!r}, which is {column.type}, with"
        f" {value!r:.120}: {why}"
    )


def _compared(field: Any, kind: Any, operator: str, value: object) -> pc.Expression:
    if types.is_boolean(kind) or _is_text(kind) or _is_binary(kind):
        own = _own(kind, value)
        if types.is_fixed_size_binary(kind) and len(own) != kind.byte_width:
            field, kind = field.cast(pa.binary()), pa.binary()
        return COMPARE[operator](field, pa.scalar(own, kind))
    exact = _exact(kind, value)
    if isinstance(exact, float) and math.isnan(exact):
        return _always(field, operator == "!=")
    below, above = _neighbours(kind, exact)
    if below is not None and above is not None and below.equals(above):
        return COMPARE[operator](field, below)
    if operator in ("==", "!="):
        return _always(field, operator == "!=")
    less = operator in ("<", "<=")
    bound, other = (below, above) if less else (above, below)
    if (
        bound is None or other is None
    ):  # beyond all values of the type, on the one side or the other
        return _always(field, bound is not None)
    return COMPARE["<=" if less else ">="](field, bound)


def _by_order(field: Any, operator: str, value: object, categories: AnyArray) -> pc.Expression:
    place = categories.to_pylist().index(value) if value in categories.to_pylist() else None
    if place is None:
        raise NotComparable(
            "its categories are ordered, and the value is not one of them. Use one of these: "
            f"{categories.to_pylist()!r:.200}"
        )
    wanted = {
        "<": categories[:place],
        "<=": categories[: place + 1],
        ">": categories[place + 1 :],
        ">=": categories[place:],
    }[operator]
    found: pc.Expression = pc.if_else(field.is_null(), unknown(), field.isin(wanted))
    return found


def _always(field: Any, truth: bool) -> pc.Expression:
    """The same for every value, and null for null."""
    constant: pc.Expression = pc.if_else(field.is_null(), unknown(), pc.scalar(truth))
    return constant


def _equal_values(kind: Any, value: object) -> list[Any]:
    """The values of a type that equal a value: one, or none, or two of zero, of which Arrow tells -0.0 apart."""
    if types.is_boolean(kind) or _is_text(kind) or _is_binary(kind):
        own = _own(kind, value)
        fits = not types.is_fixed_size_binary(kind) or len(own) == kind.byte_width
        return [pa.scalar(own, kind)] if fits else []
    exact = _exact(kind, value)
    if isinstance(exact, float) and math.isnan(exact):
        return [pa.scalar(exact, kind)] if types.is_floating(kind) else []
    below, above = _neighbours(kind, exact)
    if below is None or above is None or not below.equals(above):
        return []
    return (
        [pa.scalar(zero, kind) for zero in (0.0, -0.0)]
        if types.is_floating(kind) and exact == 0
        else [below]
    )


def _neighbours(kind: Any, exact: Fraction | float) -> tuple[Any, Any]:
    """The greatest value of a type that is not above a number, and the least that is not below it; None for none."""
    if types.is_floating(kind):
        return _floats_around(kind, exact)
    grid = _grid(kind)
    if isinstance(exact, float):  # infinite
        low, high = (
            (grid.greatest, grid.greatest + 1) if exact > 0 else (grid.least - 1, grid.least)
        )
    else:
        low, high = math.floor(exact / grid.step), math.ceil(exact / grid.step)
    below = _numbered(kind, min(low, grid.greatest)) if low >= grid.least else None
    above = _numbered(kind, max(high, grid.least)) if high <= grid.greatest else None
    return below, above


def _floats_around(kind: Any, exact: Fraction | float) -> tuple[Any, Any]:
    dtype = np.dtype(kind.to_pandas_dtype()).type
    if isinstance(exact, float):
        return pa.scalar(exact, kind), pa.scalar(exact, kind)
    with np.errstate(over="ignore"):
        try:
            near = dtype(float(exact))
        except OverflowError:
            near = dtype(math.inf if exact > 0 else -math.inf)
        below = above = near
        if not math.isinf(near) and Fraction(float(near)) == exact:
            pass
        elif float(near) > exact:
            below = np.nextafter(near, dtype(-math.inf))
        else:
            above = np.nextafter(near, dtype(math.inf))
    return pa.scalar(float(below), kind), pa.scalar(float(above), kind)


def _grid(kind: Any) -> Grid:
    if types.is_integer(kind):
        if types.is_signed_integer(kind):
            return Grid(Fraction(1), -(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1)
        return Grid(Fraction(1), 0, 2**kind.bit_width - 1)
    if types.is_decimal(kind):
        return Grid(Fraction(1, 10**kind.scale), 1 - 10**kind.precision, 10**kind.precision - 1)
    if types.is_date(kind):
        return Grid(Fraction(_DAY), -(2**31), 2**31 - 1)
    width = 31 if types.is_time32(kind) else 63
    return Grid(Fraction(_NANOSECONDS[kind.unit]), -(2**width), 2**width - 1)


def _numbered(kind: Any, number: int) -> Any:
    """The value of a type that has a number on its grid."""
    if types.is_integer(kind):
        return pa.scalar(number, kind)
    if types.is_decimal(kind):
        digits = tuple(map(int, str(abs(number))))
        return pa.scalar(Decimal((int(number < 0), digits, -kind.scale)), kind)
    if types.is_date32(kind):
        return pa.array([number], pa.int32()).view(kind)[0]
    if types.is_date64(kind):
        return pa.array([number * 86_400_000], pa.int64()).view(kind)[0]
    return pa.array([number], pa.int32() if types.is_time32(kind) else pa.int64()).view(kind)[0]


def _exact(kind: Any, value: Any) -> Fraction | float:
    """A value as an exact number: of times, nanoseconds; infinite and NaN as floats."""
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return _number(value)
    if types.is_timestamp(kind):
        return _moment(value, zoned=kind.tz is not None)
    if types.is_date(kind):
        return _moment(value, zoned=False)
    if types.is_time(kind):
        return _clock(value)
    if types.is_duration(kind):
        return _span(value)
    raise NotComparable(
        "a column of this type cannot be compared as a whole. Compare a part of it with a pyarrow"
        " expression"
    )


def _number(value: Any) -> Fraction | float:
    if isinstance(value, bool):
        raise _another_kind("numbers", value, "a number")
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
    raise _another_kind("numbers", value, "a number")


def _moment(value: Any, *, zoned: bool) -> Fraction:
    if isinstance(value, np.datetime64):
        if zoned:
            raise NotComparable(_NO_ZONE)
        return _numpy(value, "datetime64[D]")
    if not isinstance(value, dt.date):
        raise _another_kind("dates or times", value, "a datetime or a date")
    offset = value.utcoffset() if isinstance(value, dt.datetime) else None
    if zoned and offset is None:
        raise NotComparable(_NO_ZONE)
    if not zoned and offset is not None:
        raise NotComparable(
            "the column has no time zone and the value has one. Use a time without a zone:"
            " datetime(2016, 11, 1)"
        )
    if hasattr(
        value, "asm8"
    ):  # pandas' own, which is finer than a microsecond, and may be later than the year 9999
        return _numpy(value.asm8, "datetime64[D]")
    if not isinstance(value, dt.datetime):
        return Fraction((value - _EPOCH.date()).days * _DAY)
    return Fraction(
        _nanoseconds(value.replace(tzinfo=None) - _EPOCH) - _nanoseconds(offset or dt.timedelta())
    )


def _clock(value: Any) -> Fraction:
    if not isinstance(value, dt.time):
        raise _another_kind("times of day", value, "a datetime.time")
    if value.tzinfo is not None:
        raise NotComparable(
            "the column has no time zone and the value has one. Use a time of day without a zone"
        )
    parts = dt.timedelta(0, value.second, value.microsecond, 0, value.minute, value.hour)
    return Fraction(_nanoseconds(parts))


def _span(value: Any) -> Fraction:
    if hasattr(value, "asm8"):
        value = value.asm8
    if isinstance(value, np.timedelta64):
        return _numpy(value, "timedelta64[W]")
    if isinstance(value, dt.timedelta):
        return Fraction(_nanoseconds(value))
    raise _another_kind("durations", value, "a timedelta")


def _another_kind(held: str, value: object, use: str) -> NotComparable:
    return NotComparable(
        f"the column holds {held} and the value is of type {type(value).__name__}. Use {use}"
    )


def _nanoseconds(span: dt.timedelta) -> int:
    return (span.days * 86_400 + span.seconds) * 10**9 + span.microseconds * 10**3


def _numpy(value: Any, coarse: str) -> Fraction:
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


def _own(kind: Any, value: Any) -> Any:
    """A value of a type without a grid."""
    if types.is_boolean(kind):
        if isinstance(value, bool):
            return value
        raise _another_kind("True and False", value, "one of them")
    if _is_binary(kind):
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
        raise _another_kind("bytes", value, "bytes")
    if isinstance(value, uuid.UUID):
        return str(value)
    if not isinstance(value, str):
        raise _another_kind("text", value, "text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotComparable(
            "the value has half a surrogate pair, which no text in a file can have"
        ) from None
    return value


def _plain(value: Any) -> Any:
    """A value of Arrow or NumPy as Python's; None for the missing values of all libraries."""
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


def _is_text(kind: AnyType) -> bool:
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _is_binary(kind: AnyType) -> bool:
    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)

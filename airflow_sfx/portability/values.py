"""One value in a column: what it becomes, or why it does not fit.

These rules are the only ones: a frame's columns that have another dtype than the declared one, the
rows of `online` and the records of a stream all pass through them.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.validation import shown
from airflow_sfx.portability.schema import Column

Read = Callable[[Any], Any]
"""Returns a value as the column has it, None if it is missing; raises if it does not fit."""

_MISSING = {"NAType", "NaTType", "NoneType"}
_INFINITE = {"Infinity": math.inf, "-Infinity": -math.inf}
"""How answers in JSON have infinite numbers, so rows may have them, too."""
_MOST_EXACT = 1 << 53
_TOO_FINE = "it is finer than a microsecond: round it"
_OUTSIDE = "it is outside of the years 1 to 9999: leave it out"
_FINER = re.compile(r"[.,]\d{6}(\d+)")


class MisfitError(ValueError):
    """A value does not fit; the message is the remedy."""


def reader(column: Column) -> Read:
    """Return the function that brings one value into a column.

    Args:
        column: The column.

    Returns:
        The function. It returns the column's own Python type: int, float, bool, str, bytes, date,
        datetime (in UTC without a zone where the column has one), Decimal; None for a missing
        value; and raises `SchemaMismatch`.

    Example:
        >>> from airflow_sfx.portability.schema import columns_of
        >>> read = reader(columns_of({"n": "bigint"}, "inputs")[0])
        >>> read(1.0), read(None)
        (1, None)
        >>> read("1")
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.SchemaMismatch: the column 'n' (int64) has '1': pass a whole \
number from -9223372036854775808 to 9223372036854775807
    """
    convert, is_plain = _conversion(column), _plainly(column)
    nullable = column.feature.nullable
    categories = None if column.feature.categories is None else set(column.feature.categories)

    def read(value: Any) -> Any:
        if is_plain(value):
            return value
        try:
            if hasattr(value, "as_py"):
                value = value.as_py()
            missing = is_missing(value)
            found = None if missing else convert(_plain(value))
        except MisfitError as error:
            raise misfit(column, _shown(value), str(error)) from error.__cause__
        except (ValueError, OverflowError, ArithmeticError, TypeError) as error:
            raise misfit(column, _shown(value), "pass a value of the column's type") from error
        if missing and not nullable:
            raise misfit(column, "a missing value", "it is declared as not null, so fill it")
        if categories is not None and not missing and found not in categories:
            raise misfit(column, _shown(value), _one_of(column))
        return found

    return read


def _shown(value: Any) -> str:
    return shown(value.item() if isinstance(value, np.generic) else value)


def misfit(column: Column, what: str, remedy: str) -> SchemaMismatch:
    """Return the error for a value that does not fit its column."""
    feature = column.feature
    kind = f"category of {feature.type}" if feature.categories is not None else feature.type
    return SchemaMismatch(f"the column {column.name!r:.80} ({kind}) has {what}: {remedy}")


def is_missing(value: Any) -> bool:
    """Return whether a value is missing: None, NaN, NaT or NA.

    Example:
        >>> is_missing(None), is_missing(float("nan")), is_missing(0)
        (True, True, False)
    """
    if isinstance(value, float | np.floating):
        return bool(value != value)  # noqa: PLR0124  NaN
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    return type(value).__name__ in _MISSING


def _plainly(column: Column) -> Callable[[Any], bool]:
    """Return a quick test for the values that most rows have, which need no conversion."""
    known = column.feature.categories
    if known is not None:
        kind, values = type(known[0]), frozenset(known)
        return lambda value: type(value) is kind and value in values
    match column.feature.kind:
        case "number" if column.arrow.bit_width == 64:  # noqa: PLR2004
            return lambda value: type(value) is float and value == value  # noqa: PLR0124  NaN
        case "integer":
            most = (1 << (column.arrow.bit_width - 1)) - 1
            return lambda value: type(value) is int and -most <= value <= most
        case "text":
            return lambda value: type(value) is str and value.isascii()
        case "boolean":
            return lambda value: type(value) is bool
    return lambda value: False


def _plain(value: Any) -> Any:
    """Return a scalar of numpy or pandas as Python's."""
    if isinstance(value, np.datetime64):
        return _of_numpy_time(value)
    if isinstance(value, np.longdouble):  # its item() is itself
        return float(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, pd.Timestamp):
        if value.nanosecond:
            raise MisfitError(_TOO_FINE)
        if not MINYEAR <= value.year <= MAXYEAR:
            raise MisfitError(_OUTSIDE)
    return value


def _of_numpy_time(value: np.datetime64) -> datetime:
    whole = value.astype("datetime64[us]")
    if whole != value:
        raise MisfitError(_TOO_FINE)
    found = whole.item()
    if not isinstance(found, datetime):
        raise MisfitError(_OUTSIDE)
    return found


def _conversion(column: Column) -> Read:  # noqa: PLR0911  a table of kinds
    arrow = column.arrow
    match column.feature.kind:
        case "integer":
            return _integers(arrow.bit_width)
        case "number":
            return _single if arrow.bit_width == 32 else _number  # noqa: PLR2004
        case "decimal":
            return _decimals(arrow.precision, arrow.scale)
        case "time":
            return _naive if column.zone is None else _aware
        case "date":
            return _date
        case "text":
            return _text
        case "boolean":
            return _of(bool, "true or false")
        case _:
            return _of(bytes, "bytes")


def _of(kind: type, what: str) -> Read:
    def convert(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        raise MisfitError(f"pass {what}")

    return convert


def _integers(bits: int) -> Read:
    least, greatest = -(1 << (bits - 1)), (1 << (bits - 1)) - 1

    def convert(value: Any) -> int:
        if type(value) is int:
            if least <= value <= greatest:
                return value
        elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            whole = int(value) if math.isfinite(value) else None
            if whole is not None and whole == value and least <= whole <= greatest:
                return whole
        raise MisfitError(f"pass a whole number from {least} to {greatest}")

    return convert


def _number(value: Any) -> float:
    if type(value) is float:
        return value
    if isinstance(value, str) and value in _INFINITE:
        return _INFINITE[value]
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise MisfitError("pass a number")
    if isinstance(value, int) and abs(value) <= _MOST_EXACT:
        return float(value)
    found = float(value)
    same = Decimal(repr(found)) == value if isinstance(value, Decimal) else found == value
    if not same:
        raise MisfitError("it has more digits than a double: declare a decimal, or round it")
    return found


def _single(value: Any) -> float:
    """Return the nearest number of 32 bits, as the column's type defines it."""
    number = _number(value)
    try:
        return float(struct.unpack("<f", struct.pack("<f", number))[0])
    except OverflowError as error:
        raise MisfitError("it is too large for 32 bits: declare a double") from error


def _decimals(precision: int, scale: int) -> Read:
    context = Context(prec=precision, traps=[InvalidOperation, Inexact])
    step = Decimal(1).scaleb(-scale)
    rule = f"pass a number with at most {scale} decimals and {precision} digits"

    def convert(value: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
            raise MisfitError(rule)
        try:  # a float is the shortest number that is read as it, as in JSON
            given = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
            found = given.quantize(step, context=context)
        except (ArithmeticError, ValueError) as error:
            raise MisfitError(rule) from error
        if not found.is_finite():
            raise MisfitError(rule)
        return found.copy_abs() if found.is_zero() else found

    return convert


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise MisfitError("pass text")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise MisfitError("it is not valid UTF-8: replace lone surrogates") from error
    return str(value)


def _date(value: Any) -> date:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise MisfitError("pass a date, as 2016-10-31") from error
    if isinstance(value, datetime):
        if value.tzinfo is None and value.time() == time():
            return value.date()
        raise MisfitError("it is a time: pass a date, or declare a timestamp")
    if isinstance(value, date):
        return value
    raise MisfitError("pass a date, as 2016-10-31")


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        finer = _FINER.search(value)
        if finer and finer[1].strip("0"):
            raise MisfitError(_TOO_FINE)
        try:
            return datetime.fromisoformat(value)
        except ValueError as error:
            raise MisfitError("pass a time in ISO 8601, as 2016-10-31T12:00:00") from error
    if isinstance(value, datetime):
        to_python = getattr(value, "to_pydatetime", None)
        return value if to_python is None else to_python()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    raise MisfitError("pass a time in ISO 8601, as 2016-10-31T12:00:00")


def _naive(value: Any) -> datetime:
    moment = _moment(value)
    if moment.tzinfo is not None:
        raise MisfitError(
            "it has a time zone, and the column has none: declare it as timestamp[us, tz=UTC]"
        )
    return moment.replace(fold=0)  # which no column has


def _aware(value: Any) -> datetime:
    moment = _moment(value)
    if moment.tzinfo is None:
        raise MisfitError("it has no time zone: pass one, as 2016-10-31T12:00:00Z")
    return moment.astimezone(UTC).replace(tzinfo=None)


def _one_of(column: Column) -> str:
    known = column.feature.categories or ()
    shown = ", ".join(f"{one!r:.40}" for one in known[:5])
    return f"it is not one of its {len(known)} categories, such as {shown}"


def giver(column: Column) -> Read:
    """Return the function that turns a value of a column into what `online` returns.

    Args:
        column: The column.

    Returns:
        The function: times get the column's zone, all else stays.

    Example:
        >>> from airflow_sfx.portability.schema import columns_of
        >>> give = giver(columns_of({"at": "timestamp[us, tz=Asia/Tokyo]"}, "outputs")[0])
        >>> give(datetime(2016, 10, 31, 12)).isoformat()
        '2016-10-31T21:00:00+09:00'
    """
    if column.zone is None:
        return lambda value: value
    zone = ZoneInfo(column.zone)
    return lambda value: None if value is None else value.replace(tzinfo=UTC).astimezone(zone)

"""Days, times and spans of R to Arrow, exactly or not at all.

R counts days and seconds in doubles. A value is stored in microseconds, or in nanoseconds if one of
the column needs them, and only if R gets the very same double back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames._typing import AnyArray
from airflow_sfx.frames.rds.values import DOUBLE, INTEGER, NA_INTEGER, NA_REAL, Vector, is_na
from airflow_sfx.frames.types.limits import is_zone

Doubles = npt.NDArray[np.float64]

UNITS = {"secs": 1, "mins": 60, "hours": 3600, "days": 86400, "weeks": 604800}
"""The units of a difftime, in seconds."""
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FAR = 2.0**63 - 2.0**53


def date_to_arrow(column: Vector) -> tuple[AnyArray, dict[str, Any]]:
    """Convert a Date.

    Args:
        column: The vector.

    Returns:
        The days, and the spec.

    Raises:
        SchemaMismatch: A day is infinite, NaN, or has a fraction.
    """
    values, missing, spec = _doubles(column)
    whole = np.where(missing, 0, values)
    with np.errstate(invalid="ignore"):
        bad = ~np.isfinite(whole) | (whole != np.floor(whole)) | (np.abs(whole) >= -NA_INTEGER)
    if bad.any():
        raise SchemaMismatch(
            f"has the Date {whole[bad][0]} days after 1970-01-01, and a date is a whole, finite"
            " number of days: use as.Date(floor(as.numeric(x)), origin = '1970-01-01'), and NA for"
            " no date"
        )
    days: Any = pa.array(whole.astype(np.int32), mask=missing if missing.any() else None)
    return days.cast(pa.date32()), spec


def time_to_arrow(column: Vector) -> tuple[AnyArray, dict[str, Any]]:
    """Convert a POSIXct.

    Args:
        column: The vector.

    Returns:
        The times in their zone, or in UTC if it is not set; and the spec.

    Raises:
        SchemaMismatch: A time is infinite, NaN, or finer than a nanosecond.
    """
    values, missing, spec = _doubles(column)
    zones = column.texts("tzone")
    zone = zones[0] if len(zones) == 1 and zones[0] and is_zone(zones[0]) else None
    if zone is None:
        spec["tzone"] = zones or None
    counts, unit = _counted(
        values, missing, 1, "round it, as in as.POSIXct(round(as.numeric(x), 6))"
    )
    return _typed(counts, missing, pa.timestamp, unit, zone or "UTC"), spec


def difftime_to_arrow(column: Vector) -> tuple[AnyArray, dict[str, Any]]:
    """Convert a difftime.

    Args:
        column: The vector.

    Returns:
        The durations, and the spec with its unit.

    Raises:
        SchemaMismatch: A value is infinite, NaN, or finer than a nanosecond.
    """
    values, missing, spec = _doubles(column)
    unit = next(iter(column.texts("units")), None)
    if unit not in UNITS:
        raise SchemaMismatch("is a difftime without a unit: create it with as.difftime()")
    if column.classes != ("difftime",):
        spec["class"] = list(column.classes)
    spec["units"] = unit
    remedy = f'round it, as in as.difftime(round(as.numeric(x), 6), units = "{unit}")'
    counts, kind = _counted(values, missing, UNITS[unit], remedy)
    return _typed(counts, missing, pa.duration, kind), spec


def doubles_of(array: AnyArray, per_unit: int = 1) -> Doubles:
    """Return times or durations as R's doubles, NA for null.

    Args:
        array: An Arrow array of timestamps, durations or times of day.
        per_unit: The seconds of one unit.

    Returns:
        The doubles.

    Raises:
        SchemaMismatch: A value is finer than doubles are there.

    Example:
        >>> doubles_of(pa.array([90_000_000], pa.duration("us")), 60).tolist()
        [1.5]
    """
    missing = array.is_null().to_numpy(zero_copy_only=False)
    wide = array.cast(pa.int32()) if types.is_time32(array.type) else array
    counts = wide.cast(pa.int64()).fill_null(0).to_numpy()
    unit = _PER_SECOND[array.type.unit]
    found = _as_doubles(counts, unit, per_unit)
    again = _as_counts(found, unit, per_unit)
    if (again != counts).any():
        raise SchemaMismatch(
            f"has times in {array.type.unit} that a double cannot hold, as R's times are: convert"
            " the column to microseconds, or leave it out with columns ="
        )
    found[missing] = NA_REAL
    return found


def _doubles(column: Vector) -> tuple[Doubles, npt.NDArray[np.bool_], dict[str, Any]]:
    if column.kind == INTEGER:
        missing = column.values == NA_INTEGER
        return column.values.astype(np.float64), missing, {"storage": "integer"}
    if column.kind != DOUBLE:
        raise SchemaMismatch(
            f"is of the class {column.classes[0]}, and not a number: create it anew"
        )
    return column.values, is_na(column.values), {}


def _counted(
    values: Doubles, missing: npt.NDArray[np.bool_], per_unit: int, remedy: str
) -> tuple[npt.NDArray[np.int64], str]:
    """Return values as whole microseconds or nanoseconds, and the unit."""
    known = np.where(missing, 0.0, values)
    for name in ("us", "ns"):
        per_second = _PER_SECOND[name]
        with np.errstate(over="ignore"):
            finite = np.abs(known) * (per_unit * per_second) < _FAR  # also false for NaN
        counts = _as_counts(np.where(finite, known, 0.0), per_second, per_unit)
        bad = ~finite | (_as_doubles(counts, per_second, per_unit) != known)
        if not bad.any():
            return counts, name
    raise SchemaMismatch(
        f"has the value {float(known[bad][0])!r}, which is not a whole number of nanoseconds in"
        f" range, as times are stored: {remedy}, and use NA for no value"
    )


def _as_counts(values: Doubles, per_second: int, per_unit: int) -> npt.NDArray[np.int64]:
    """Return doubles as whole counts; the part before the point is exact."""
    whole: Doubles = np.floor(values)
    part = np.rint((values - whole) * (per_second * per_unit))
    counts: npt.NDArray[np.int64] = whole.astype(np.int64) * (per_second * per_unit)
    return counts + part.astype(np.int64)


def _as_doubles(counts: npt.NDArray[np.int64], per_second: int, per_unit: int) -> Doubles:
    """Return whole counts as the doubles that are nearest."""
    scale = per_second * per_unit
    whole, part = np.divmod(counts, scale)
    found: Doubles = whole + part / scale
    exact = np.abs(counts) <= 2**53
    found[exact] = counts[exact] / scale
    return found


def _typed(
    counts: npt.NDArray[np.int64], missing: npt.NDArray[np.bool_], kind: Any, *unit: str
) -> AnyArray:
    made: Any = pa.array(counts, mask=missing if missing.any() else None)
    return made.cast(kind(*unit))

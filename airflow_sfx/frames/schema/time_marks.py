"""Time marks: the unit of times in files, and the precision and range of values."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.schema import TimeMarks
from airflow_sfx.frames._typing import AnyArray, AnyColumn, AnyType
from airflow_sfx.frames.types.nested import leaves, walk


def marks_of(table: pa.Table) -> dict[str, TimeMarks]:
    """Compute the time marks of a frame's columns from their values.

    Args:
        table: The frame.

    Returns:
        The marks by column; columns without times are absent.

    Example:
        >>> marks_of(pa.table({"t": pa.array([1], pa.timestamp("ns")), "n": [1]}))
        {'t': TimeMarks(unit='', finer=True, beyond=False)}
    """
    return {
        field.name: _marks(column)
        for field, column in zip(table.schema, table.columns, strict=True)
        if _has_times(field.type)
    }


def assumed_marks(schema: pa.Schema) -> dict[str, TimeMarks]:
    """Assume time marks for files without a record of them, by their types.

    Args:
        schema: The files' schema.

    Returns:
        The marks by column; columns without times are absent.

    Example:
        >>> marks = assumed_marks(pa.schema([("t", pa.timestamp("ns")), ("d", pa.duration("s"))]))
        >>> marks["t"]
        TimeMarks(unit='', finer=True, beyond=False)
    """
    found = {}
    for field in schema:
        if _has_times(field.type):
            finer = any(types.is_timestamp(one) and one.unit == "ns" for _, one in walk(field.type))
            found[field.name] = TimeMarks(finer=finer)
    return found


def time_out_of_range(column: str, kind: AnyType, unit: str) -> SchemaMismatch | None:
    """Create the error for durations that do not fit the unit of files.

    Args:
        column: The column's name.
        kind: Its type in the frame.
        unit: The unit in files.

    Returns:
        The error to raise, or None if the type has no durations or times of day.
    """
    if not any(types.is_duration(one) or types.is_time(one) for _, one in walk(kind)):
        return None
    if unit == "ns":
        return SchemaMismatch(
            f"column {column!r} ({kind}) has a duration longer than 292 years, and the table stores"
            " nanoseconds: store the long ones in a column of their own"
        )
    return SchemaMismatch(
        f"column {column!r} ({kind}) has a value finer than a microsecond or longer than 292,000"
        ' years, and files store microseconds: round it, as with .dt.round("us"), or store whole'
        " nanoseconds as int64"
    )


def _has_times(kind: AnyType) -> bool:
    return any(_is_time(one) for _, one in walk(kind))


def _is_time(kind: AnyType) -> bool:
    return types.is_timestamp(kind) or types.is_duration(kind) or types.is_time(kind)


def _marks(column: AnyColumn) -> TimeMarks:
    found = TimeMarks()
    for chunk in column.chunks:
        for leaf in leaves(chunk, _is_time):
            found |= _marks_of_leaf(leaf)
    if not column.num_chunks and any(
        types.is_duration(one) or types.is_time(one) for _, one in walk(column.type)
    ):
        return TimeMarks("us")
    return found


def _marks_of_leaf(leaf: AnyArray) -> TimeMarks:
    kind: Any = leaf.type
    finer = kind.unit == "ns" and not _fits(leaf, _in_unit(kind, "us"))
    if not types.is_timestamp(kind):
        return TimeMarks("ns" if finer else "us")
    return TimeMarks(
        finer=finer, beyond=kind.unit != "ns" and not _fits(leaf, _in_unit(kind, "ns"))
    )


def _in_unit(kind: Any, unit: Any) -> AnyType:
    if types.is_timestamp(kind):
        return pa.timestamp(unit, kind.tz)
    return pa.duration(unit) if types.is_duration(kind) else pa.time64(unit)


def _fits(array: AnyArray, target: AnyType) -> bool:
    try:
        array.cast(target)
    except pa.ArrowInvalid:
        return False
    return True

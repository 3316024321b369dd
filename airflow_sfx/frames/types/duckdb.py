"""Tables in types that DuckDB supports, with every value unchanged.

DuckDB lacks some of Arrow's types. Its intervals have microseconds, and leave as months, days and
nanoseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pyarrow as pa
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames._typing import AnyColumn, AnyType
from airflow_sfx.frames.types.casts import convert_chunks, widen_array
from airflow_sfx.frames.types.families import is_list

_MAX_PRECISION = 38
_INTERVAL = pa.month_day_nano_interval()


def duckdb_type(kind: AnyType, span: str = "us") -> AnyType:  # noqa: PLR0911  a table of types
    """Return the Arrow type to convert a column to, so that DuckDB reads it exactly.

    Args:
        kind: The column's Arrow type.
        span: The unit of durations.

    Returns:
        A type that holds the same values; the type itself if DuckDB supports it.

    Example:
        >>> duckdb_type(pa.float16()), duckdb_type(pa.dictionary(pa.int8(), pa.string()))
        (DataType(float), DataType(string))
    """
    wide: Any = kind
    if types.is_float16(kind):
        return pa.float32()
    if types.is_decimal256(kind):
        return pa.decimal128(min(wide.precision, _MAX_PRECISION), wide.scale)
    if types.is_duration(kind):
        return pa.duration(span)
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return duckdb_type(wide.value_type, span)
    if isinstance(kind, pa.BaseExtensionType):
        return kind if kind == pa.uuid() else duckdb_type(wide.storage_type, span)
    if types.is_map(kind):
        return pa.map_(duckdb_type(wide.key_type, span), duckdb_type(wide.item_type, span))
    if types.is_struct(kind):
        fields = [wide.field(i) for i in range(wide.num_fields)]
        return pa.struct([field.with_type(duckdb_type(field.type, span)) for field in fields])
    if types.is_fixed_size_list(kind):
        return pa.list_(duckdb_type(wide.value_type, span), wide.list_size)
    if is_list(kind):
        return pa.list_(duckdb_type(wide.value_type, span))
    return kind


def to_duckdb(column: AnyColumn, name: str) -> AnyColumn:
    """Convert a column to the type that `duckdb_type` returns.

    Args:
        column: The column.
        name: Its name, for messages.

    Raises:
        SchemaMismatch: DuckDB cannot hold a value.

    Example:
        >>> to_duckdb(pa.chunked_array([pa.array([2000], pa.duration("ns"))]), "s").type
        DurationType(duration[us])
    """
    target = duckdb_type(column.type)
    if target == column.type and not _contains(target, types.is_duration):
        return column
    try:
        if isinstance(column.type, pa.BaseExtensionType):
            kind: Any = column.type
            chunks: list[Any] = column.chunks
            column = pa.chunked_array([one.storage for one in chunks], type=kind.storage_type)
        # in nanoseconds, as DuckDB returns intervals with them, which may not fit
        column = convert_chunks(column, duckdb_type(column.type, "ns"), widen_array)
        return convert_chunks(column, target, widen_array)
    except pa.ArrowException as error:
        raise SchemaMismatch(
            f"SQL cannot hold the column {name!r} ({column.type}): {error}. Do not select it, or"
            " use load_dataframe"
        ) from error


def from_duckdb(table: pa.Table, wide: Sequence[bool]) -> pa.Table:
    """Return a result of DuckDB in types of frames, with distinct names.

    Intervals without months become durations, and integers of 128 bits, as sums are, become
    ``int64`` if they fit.

    Args:
        table: The result.
        wide: Whether each column has integers of 128 bits.

    Example:
        >>> interval = pa.array([(0, 1, 5_000)], pa.month_day_nano_interval())
        >>> from_duckdb(pa.table({"i": interval}), [False]).column("i").to_pylist()
        [datetime.timedelta(days=1, microseconds=5)]
    """
    columns = []
    for column, integers in zip(table.columns, wide, strict=True):
        if _contains(column.type, lambda kind: kind == _INTERVAL):
            columns.append(_as_durations(column))
        elif integers:
            columns.append(_as_integers(column))
        else:
            columns.append(column)
    return pa.Table.from_arrays(columns, names=_distinct(table.column_names))


def _distinct(names: Sequence[str]) -> list[str]:
    """Number names that occur again: ``n``, ``n_1``."""
    found: list[str] = []
    for name in names:
        new, number = name, 0
        while new in found:
            number += 1
            new = f"{name}_{number}"
        found.append(new)
    return found


def _as_integers(column: AnyColumn) -> AnyColumn:
    try:
        return column.cast(pa.decimal128(_MAX_PRECISION, 0)).cast(pa.int64())
    except pa.ArrowException:  # too large
        return column


def _as_durations(column: AnyColumn) -> AnyColumn:
    """Return a column with durations for its intervals, unless one has months."""
    try:
        values = [_with_timedeltas(value) for value in column.to_pylist()]
    except _Months:
        return column
    return pa.chunked_array([pa.array(values, _type_of_durations(column.type))])


class _Months(Exception):
    """An interval has months, and is not a duration."""


def _with_timedeltas(value: Any) -> Any:
    if isinstance(value, pa.MonthDayNano):
        if value.months:
            raise _Months
        return timedelta(days=value.days, microseconds=value.nanoseconds // 1000)
    if isinstance(value, dict):
        return {key: _with_timedeltas(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_timedeltas(one) for one in value]
    if isinstance(value, tuple):  # of a map
        return tuple(_with_timedeltas(one) for one in value)
    return value


def _type_of_durations(kind: Any) -> Any:
    if kind == _INTERVAL:
        return pa.duration("us")
    if types.is_map(kind):
        return pa.map_(_type_of_durations(kind.key_type), _type_of_durations(kind.item_type))
    if types.is_struct(kind):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        return pa.struct([field.with_type(_type_of_durations(field.type)) for field in fields])
    if types.is_fixed_size_list(kind):
        return pa.list_(_type_of_durations(kind.value_type), kind.list_size)
    return pa.list_(_type_of_durations(kind.value_type)) if is_list(kind) else kind


def _contains(kind: Any, wanted: Callable[[Any], bool]) -> bool:
    if types.is_nested(kind):
        return any(_contains(kind.field(i).type, wanted) for i in range(kind.num_fields))
    return wanted(kind)

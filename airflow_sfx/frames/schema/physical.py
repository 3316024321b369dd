"""The types that files have: a frame's columns as Spark, Hive and Trino read them, and back to what they were.

A category is written as its values, a duration and a time of day as an integer that counts
microseconds (nanoseconds in a column that began with finer ones), an unsigned integer as the next
wider type, text of any width as text, a timestamp in microseconds. Timestamps finer than that do
not fit Parquet's microseconds, and those engines read its nanoseconds not at all, or as integers:
such a file has all its timestamps in the older INT96, which all of them read. Column names are
written in lower case, as Hive keeps them; while a column's type is open it has a name in files that
no engine looks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_sfx.core.errors import InconsistentBatch, SchemaMismatch
from airflow_sfx.core.schema import Column
from airflow_sfx.frames._typing import AnyArray, AnyColumn, AnyField, AnyType
from airflow_sfx.frames.column_names import open_name
from airflow_sfx.frames.schema.kinds import refused_times
from airflow_sfx.frames.types.casts import to_restored, to_stored
from airflow_sfx.frames.types.hive import arrow_type, hive_type, is_list, is_open
from airflow_sfx.frames.types.limits import check_levels, check_zones
from airflow_sfx.frames.types.logical import LogicalSchema, schema_of
from airflow_sfx.frames.types.widening import widen

Nulls = Literal["text", "apart", "kept"]

_FINEST = "us"
_FEW_CHUNKS = 64
_SAME: dict[pa.DataType, pa.DataType] = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
    pa.float16(): pa.float32(),
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
    pa.date64(): pa.date32(),
}


@dataclass(frozen=True, slots=True)
class PhysicalTable:
    """A table as it is written.

    Args:
        table: Its columns; text columns may keep their dictionaries, which Parquet stores as plain
            text.
        int96: Whether timestamps must be written as INT96.
    """

    table: pa.Table
    int96: bool


def physical_type(logical: AnyType, *, finest: str = _FINEST, nulls: Nulls = "text") -> AnyType:  # noqa: PLR0911  a table of types, in order
    """The type that a column has in the file.

    Args:
        logical: The column's type in the frame.
        finest: The unit of its timestamps: ``us``, or ``ns`` in a file with INT96.
        nulls: What becomes of parts that are still open: ``text``; ``apart``, text again, and
            fields of structs have the name that `open_name` gives; or ``kept``, nulls as they are.

    Returns:
        The type that the file's column is read as.

    Example:
        >>> physical_type(pa.dictionary(pa.int8(), pa.string())), physical_type(pa.timestamp("s", "Asia/Tokyo"))
        (DataType(string), TimestampType(timestamp[us, tz=UTC]))
    """
    kind: Any = logical
    inner = partial(physical_type, finest=finest, nulls=nulls)
    if types.is_null(logical):
        return logical if nulls == "kept" else pa.string()
    if logical in _SAME:
        return _SAME[logical]
    if types.is_dictionary(logical) or types.is_run_end_encoded(logical):
        return inner(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return inner(kind.storage_type)
    if types.is_timestamp(logical):
        unit = "ns" if finest == "ns" and kind.unit == "ns" else _FINEST
        return pa.timestamp(unit, None if kind.tz is None else "UTC")
    if types.is_time(logical) or types.is_duration(logical):
        return pa.int64()
    if types.is_fixed_size_binary(logical):
        return pa.binary()
    if types.is_decimal(logical):
        return pa.decimal128(kind.precision, kind.scale)
    if is_list(kind):
        return pa.list_(inner(kind.value_type))
    if types.is_map(logical):
        return pa.map_(inner(kind.key_type), inner(kind.item_type))
    if types.is_struct(logical):
        apart = nulls == "apart" and not is_open(kind)
        names = [
            open_name(one.name) if apart and is_open(one.type) else one.name for one in kind.fields
        ]
        return pa.struct(
            [(name, inner(one.type)) for name, one in zip(names, kind.fields, strict=True)]
        )
    return logical


def file_name(field: AnyField, *, apart: bool = True) -> str:
    """What files call a column: its name in lower case, or apart from all that engines look for while its type is open.

    Args:
        field: The column.
        apart: Whether the files are of a version that does so.

    Example:
        >>> file_name(pa.field("N", pa.int8())), file_name(pa.field("N", pa.null()))
        ('n', '__sfx_open__n')
    """
    return open_name(field.name) if apart and is_open(field.type) else field.name.lower()


def physical_schema(
    schema: pa.Schema, columns: Sequence[Column] | None = None, *, finest: str = _FINEST
) -> pa.Schema:
    """The schema of the files of a frame.

    Args:
        schema: The frame's schema, without partition keys.
        columns: The table's columns where the table may have wider types, as `merge_columns` gives
            them.
        finest: As for `physical_type`.

    Returns:
        One field a column, named as `file_name` says.

    Raises:
        SchemaMismatch: A column cannot be stored, or not in the table's type.

    Example:
        >>> physical_schema(pa.schema([("N", pa.int32())]), [Column("n", "bigint")]).field("n").type
        DataType(int64)
    """
    wanted = {column.name.lower(): column.type for column in columns or ()}
    fields = []
    for field in schema:
        check_storable(field)
        own = physical_type(field.type, finest=finest, nulls="apart")
        table = wanted.get(field.name.lower())
        if table is not None and not is_open(field.type) and table != hive_type(field.type):
            own = _in_table(field, own, table, finest)
        fields.append(pa.field(file_name(field), own))
    return pa.schema(fields)


def _in_table(field: AnyField, own: AnyType, table: str, finest: str) -> AnyType:
    """The type that a file has of a column, so that it fits the table's."""
    other, known = arrow_type(table), physical_type(field.type, finest=finest, nulls="kept")
    wider = widen(own, other)
    if wider is None or widen(known, other) is None or widen(other, known) != other:
        raise SchemaMismatch(
            f"column {field.name!r} is {field.type} in the frame and {table} in the table, and"
            " cannot be converted without loss: convert the frame's column"
        )
    return wider


def check_storable(field: AnyField) -> None:
    """Refuse a column that Parquet and Hive cannot hold.

    Args:
        field: The column.

    Raises:
        SchemaMismatch: Its type cannot be stored; the message names the column.
    """
    check_levels(field)
    check_zones(field)
    try:
        hive_type(field.type)
        _no_inner_dictionary(field.type, top=True)
    except SchemaMismatch as error:
        raise SchemaMismatch(
            f"column {field.name!r} ({field.type}) cannot be stored: {error}"
        ) from error


def to_physical(table: pa.Table, columns: Sequence[Column] | None = None) -> PhysicalTable:
    """Give a table the types that are written.

    Args:
        table: The frame's table, without partition keys.
        columns: The table's columns where the table may have wider types.

    Returns:
        The table to write, and whether its timestamps need INT96.

    Raises:
        SchemaMismatch: A column, or a value of one, cannot be stored.

    Example:
        >>> to_physical(pa.table({"c": pa.array([1001], pa.timestamp("ns"))})).int96
        True
    """
    units = units_of(columns or ())
    coarse, fine = (
        physical_schema(table.schema, columns, finest=finest) for finest in ("us", "ns")
    )
    return convert(table, coarse, fine, units)


def units_of(columns: Iterable[Column]) -> dict[str, str]:
    """The unit of durations and times of day in the files of a table's columns, by name in lower case, where it is told."""
    return {
        column.name.lower(): column.kind.marks.unit for column in columns if column.kind.marks.unit
    }


def convert(
    table: pa.Table,
    coarse: pa.Schema,
    fine: pa.Schema,
    units: Mapping[str, str] = MappingProxyType({}),
) -> PhysicalTable:
    """As `to_physical`, with the two possible schemas at hand.

    Args:
        table: The frame's table.
        coarse: The files' schema with microseconds.
        fine: The files' schema with INT96.
        units: The units of durations and times of day in files, where they are not microseconds.

    Returns:
        The table to write.
    """
    if coarse.equals(fine):
        return PhysicalTable(_converted(table, coarse, units), int96=False)
    try:
        return PhysicalTable(_converted(table, coarse, units, strict=True), int96=False)
    except pa.ArrowInvalid:
        made = _converted(table, fine, units)
        _check_int96(made)
        return PhysicalTable(made, int96=True)


def from_physical(table: pa.Table, logical: LogicalSchema) -> pa.Table:
    """Give a table as read from files the types that the frame had.

    Args:
        table: The columns read, keys included, named in lower case; any order, and more than
            needed.
        logical: What the frame was.

    Returns:
        The frame's table: every column of ``logical`` that ``table`` has, in its order.

    Raises:
        InconsistentBatch: A column's type or values are not what the frame can have had.

    Example:
        >>> logical = LogicalSchema(pa.schema([("T", pa.duration("s"))]))
        >>> from_physical(pa.table({"t": [5]}), logical).schema.field("T").type
        DurationType(duration[s])
    """
    there = {name: i for i, name in enumerate(table.column_names)}
    fields: list[AnyField] = []
    columns: list[AnyColumn] = []
    for field in logical.schema:
        position = there.get(file_name(field, apart=logical.apart))
        if position is None:
            continue
        fields.append(field)
        columns.append(restored_column(table.column(position), field, logical))
    if not fields:
        return table.select([])
    return pa.Table.from_arrays(columns, schema=schema_of(fields, logical.schema.metadata))


def restored_column(column: AnyColumn, field: AnyField, logical: LogicalSchema) -> AnyColumn:
    """Give one column as read from files the type that it had in the frame; see `from_physical`."""
    unit = logical.unit(field.name)
    try:
        if isinstance(field.type, pa.DictionaryType):
            return _encoded(column, field.type, logical.dictionaries[field.name], unit)
        if column.type == field.type and not types.is_nested(field.type):
            return column
        return _by_chunk(column, field.type, partial(to_restored, unit=unit))
    except (pa.ArrowException, KeyError) as error:
        raise InconsistentBatch(
            f"column {field.name!r} was {field.type} when it was stored and the files have"
            f" {column.type} that does not fit it ({error}): they are not the files that were"
            " written"
        ) from error


def _converted(
    table: pa.Table, schema: pa.Schema, units: Mapping[str, str], *, strict: bool = False
) -> pa.Table:
    columns = []
    for column, field, target in zip(table.columns, table.schema, schema, strict=True):
        unit = units.get(field.name.lower(), _FINEST)
        try:
            columns.append(_written(column, target.type, unit))
        except pa.ArrowException as error:
            if strict and isinstance(error, pa.ArrowInvalid):
                raise
            raise refused_times(field.name, field.type, unit) or SchemaMismatch(
                f"column {field.name!r} ({field.type}) has a value that cannot be stored as"
                f" {target.type} ({error}): convert the column first"
            ) from error
    return pa.Table.from_arrays(columns, names=schema.names)


def _written(column: AnyColumn, target: AnyType, unit: str) -> AnyColumn:
    source: Any = column.type
    if source == target or (
        target in (pa.string(), pa.binary()) and _SAME.get(source) == target and _wide(source)
    ):
        return column
    if (
        types.is_dictionary(source)
        and target == pa.string()
        and source.value_type in (pa.string(), pa.large_string())
        # Parquet would be given every value of the dictionary, used or not.
        and all(len(chunk.dictionary) <= len(chunk) for chunk in column.chunks)
    ):
        return column
    return _by_chunk(column, target, partial(to_stored, unit=unit))


def _wide(source: AnyType) -> bool:
    """Whether the writer takes the type as it is and makes the same file of it."""
    return source in (pa.large_string(), pa.large_binary())


def _by_chunk(
    column: AnyColumn, target: AnyType, change: Callable[[AnyArray, AnyType], AnyArray]
) -> AnyColumn:
    return pa.chunked_array([change(chunk, target) for chunk in column.chunks], type=target)


def _encoded(column: AnyColumn, wanted: AnyType, dictionary: AnyArray, unit: str) -> AnyColumn:
    """Give a column of values the codes that they have in a dictionary; they are compared as the file's type."""
    if types.is_null(dictionary.type) or column.null_count == len(column):
        codes: Any = pa.nulls(len(column), wanted.index_type)
        return pa.chunked_array(
            [pa.DictionaryArray.from_arrays(codes, dictionary, ordered=wanted.ordered)]
        )
    if types.is_dictionary(column.type):
        if column.num_chunks > _FEW_CHUNKS:
            column = pa.chunked_array([column.unify_dictionaries().combine_chunks()])
        chunks = [_recoded(chunk, dictionary, unit) for chunk in column.chunks]
    else:
        found: AnyColumn = pc.index_in(column, value_set=to_stored(dictionary, column.type, unit))
        chunks = found.chunks
    if sum(chunk.null_count for chunk in chunks) != column.null_count:
        raise pa.ArrowInvalid("a value is none of the column's categories")
    made: list[AnyArray] = [
        pa.DictionaryArray.from_arrays(
            codes.cast(wanted.index_type), dictionary, ordered=wanted.ordered
        )
        for codes in chunks
    ]
    return pa.chunked_array(made)


def _recoded(chunk: AnyArray, dictionary: AnyArray, unit: str) -> AnyArray:
    """The codes of a chunk in another dictionary than its own."""
    own = to_stored(dictionary, chunk.dictionary.type, unit)
    if own[: len(chunk.dictionary)].equals(
        chunk.dictionary
    ):  # as a file has it that was written with this dictionary
        return chunk.indices
    return pc.index_in(chunk.dictionary, value_set=own).take(chunk.indices)


def _check_int96(table: pa.Table) -> None:
    """Refuse a timestamp that INT96 cannot be read back from: readers make nanoseconds of it, 1677 to 2262."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind: Any = column.type
        if types.is_timestamp(kind) and kind.unit != "ns":
            try:
                column.cast(pa.timestamp("ns", kind.tz))
            except pa.ArrowInvalid as error:
                raise SchemaMismatch(
                    f"column {name!r} has a time outside the years 1678 to 2261, and another column"
                    " has times finer than a microsecond; Parquet files that Hive and Spark read"
                    " cannot hold both: round the finer column to microseconds, as with"
                    ' .dt.floor("us")'
                ) from error


def _no_inner_dictionary(kind: Any, *, top: bool = False) -> None:
    if types.is_dictionary(kind):
        if not top:
            raise SchemaMismatch(
                "it has categories inside a nested type: convert them to plain values"
            )
        if types.is_nested(kind.value_type) or isinstance(kind.value_type, pa.BaseExtensionType):
            raise SchemaMismatch("its categories are nested values: convert it to plain values")
        return
    if is_list(kind) or types.is_run_end_encoded(kind):
        _no_inner_dictionary(kind.value_type)
    elif types.is_map(kind):
        _no_inner_dictionary(kind.key_type)
        _no_inner_dictionary(kind.item_type)
    elif types.is_struct(kind):
        for i in range(kind.num_fields):
            _no_inner_dictionary(kind.field(i).type)

"""Physical types: the types in files, which Hive, Spark and Trino read.

- A category is written as its values, an unsigned integer as the next wider type, and text of any
  width as text.
- A duration or time of day is written as an integer of microseconds, or of nanoseconds if the
  column's first values needed them.
- A timestamp is written in microseconds. If one is finer, all timestamps of the file are written
  as INT96: those engines do not read Parquet's nanoseconds, or read them as integers.
- Column names are written in lower case, as in Hive. An open column has a name in files that no
  engine looks up (see `open_name`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
from airflow_sfx.frames.schema.time_marks import time_out_of_range
from airflow_sfx.frames.types.casts import convert_chunks, from_physical_array, to_physical_array
from airflow_sfx.frames.types.families import is_list
from airflow_sfx.frames.types.hive import arrow_type, hive_type
from airflow_sfx.frames.types.limits import check_nesting, check_time_zones
from airflow_sfx.frames.types.logical import LogicalSchema, schema_of
from airflow_sfx.frames.types.open_types import is_open
from airflow_sfx.frames.types.widening import widen

OpenAs = Literal["text", "renamed_text", "null"]

_FINEST = "us"
_FEW_CHUNKS = 64
_PHYSICAL: dict[pa.DataType, pa.DataType] = {
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
    """A table with physical types, ready to be written.

    Args:
        table: The table; text columns may keep their dictionaries, which Parquet stores as text.
        int96: Whether timestamps must be written as INT96.
    """

    table: pa.Table
    int96: bool


def physical_type(  # noqa: PLR0911
    logical: AnyType, *, finest: str = _FINEST, open_as: OpenAs = "text"
) -> AnyType:
    """Return the type of a column in files.

    Args:
        logical: The column's type in the frame.
        finest: The unit of timestamps: ``us``, or ``ns`` in a file with INT96.
        open_as: The type of open parts: ``text``; ``renamed_text``, with struct fields renamed by
            `open_name`; or ``null``.

    Returns:
        The type that the column is read as.

    Example:
        >>> physical_type(pa.dictionary(pa.int8(), pa.string()))
        DataType(string)
        >>> physical_type(pa.timestamp("s", "Asia/Tokyo"))
        TimestampType(timestamp[us, tz=UTC])
    """
    kind: Any = logical
    inner = partial(physical_type, finest=finest, open_as=open_as)
    if types.is_null(logical):
        return logical if open_as == "null" else pa.string()
    if logical in _PHYSICAL:
        return _PHYSICAL[logical]
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
        renamed = open_as == "renamed_text" and not is_open(kind)
        names = [
            open_name(one.name) if renamed and is_open(one.type) else one.name
            for one in kind.fields
        ]
        return pa.struct(
            [(name, inner(one.type)) for name, one in zip(names, kind.fields, strict=True)]
        )
    return logical


def file_name(field: AnyField, *, open_names: bool = True) -> str:
    """Return the name of a column in files: in lower case, or that of an open column.

    Args:
        field: The column.
        open_names: As `LogicalSchema.open_names`.

    Returns:
        The name.

    Example:
        >>> file_name(pa.field("N", pa.int8())), file_name(pa.field("N", pa.null()))
        ('n', '__sfx_open__n')
    """
    return open_name(field.name) if open_names and is_open(field.type) else field.name.lower()


def physical_schema(
    schema: pa.Schema, columns: Sequence[Column] | None = None, *, finest: str = _FINEST
) -> pa.Schema:
    """Return the schema of the files of a frame.

    Args:
        schema: The frame's schema, without partition keys.
        columns: The table's columns, which may have wider types, as `merge_columns` returns them;
            or None for the frame's own types.
        finest: As for `physical_type`.

    Returns:
        One field per column, named by `file_name`.

    Raises:
        SchemaMismatch: A column cannot be stored, or cannot be converted to the table's type.

    Example:
        >>> physical_schema(pa.schema([("N", pa.int32())]), [Column("n", "bigint")]).field("n").type
        DataType(int64)
    """
    wanted = {column.name.lower(): column.type for column in columns or ()}
    fields = []
    for field in schema:
        check_storable(field)
        own = physical_type(field.type, finest=finest, open_as="renamed_text")
        table = wanted.get(field.name.lower())
        if table is not None and not is_open(field.type) and table != hive_type(field.type):
            own = _in_table(field, own, table, finest)
        fields.append(pa.field(file_name(field), own))
    return pa.schema(fields)


def _in_table(field: AnyField, own: AnyType, table: str, finest: str) -> AnyType:
    """Return the physical type of a column, widened to the table's Hive type."""
    other, known = arrow_type(table), physical_type(field.type, finest=finest, open_as="null")
    wider = widen(own, other)
    if wider is None or widen(known, other) is None or widen(other, known) != other:
        raise SchemaMismatch(
            f"column {field.name!r} is {field.type} in the frame and {table} in the table, and"
            " cannot be converted without loss: convert the frame's column"
        )
    return wider


def check_storable(field: AnyField) -> None:
    """Reject a column that Parquet and Hive cannot store.

    Args:
        field: The column.

    Raises:
        SchemaMismatch: The column cannot be stored; the message names it.
    """
    check_nesting(field)
    check_time_zones(field)
    try:
        hive_type(field.type)
        _reject_inner_dictionary(field.type, top=True)
    except SchemaMismatch as error:
        raise SchemaMismatch(
            f"column {field.name!r} ({field.type}) cannot be stored: {error}"
        ) from error


def to_physical(table: pa.Table, columns: Sequence[Column] | None = None) -> PhysicalTable:
    """Convert a frame to the physical types of its file.

    Args:
        table: The frame, without partition keys.
        columns: As for `physical_schema`.

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
    """Return the units of durations and times of day in files, by column.

    Args:
        columns: The table's columns.

    Returns:
        The known units by name in lower case.
    """
    return {
        column.name.lower(): column.kind.marks.unit for column in columns if column.kind.marks.unit
    }


def convert(
    table: pa.Table,
    coarse: pa.Schema,
    fine: pa.Schema,
    units: Mapping[str, str] = MappingProxyType({}),
) -> PhysicalTable:
    """Convert a frame as `to_physical` does, given the two possible schemas.

    Args:
        table: The frame, without partition keys.
        coarse: The files' schema with timestamps in microseconds.
        fine: The files' schema with INT96.
        units: The units of durations and times of day in files by column in lower case; default:
            microseconds.

    Returns:
        The table to write.
    """
    if coarse.equals(fine):
        return PhysicalTable(_table_to_physical(table, coarse, units), int96=False)
    try:
        return PhysicalTable(_table_to_physical(table, coarse, units, strict=True), int96=False)
    except pa.ArrowInvalid:
        made = _table_to_physical(table, fine, units)
        _check_int96(made)
        return PhysicalTable(made, int96=True)


def from_physical(table: pa.Table, logical: LogicalSchema) -> pa.Table:
    """Convert a table that was read from files back to the types of the frame.

    Args:
        table: The columns read, including partition keys, under their names in files; in any
            order, and possibly more than needed.
        logical: The frame's schema.

    Returns:
        The frame: every column of ``logical`` that ``table`` has, in the order of ``logical``.

    Raises:
        InconsistentBatch: A column's type or values do not fit the frame's schema.

    Example:
        >>> logical = LogicalSchema(pa.schema([("T", pa.duration("s"))]))
        >>> from_physical(pa.table({"t": [5]}), logical).schema.field("T").type
        DurationType(duration[s])
    """
    there = {name: i for i, name in enumerate(table.column_names)}
    fields: list[AnyField] = []
    columns: list[AnyColumn] = []
    for field in logical.schema:
        position = there.get(file_name(field, open_names=logical.open_names))
        if position is None:
            continue
        fields.append(field)
        columns.append(column_from_physical(table.column(position), field, logical))
    if not fields:
        return table.select([])
    return pa.Table.from_arrays(columns, schema=schema_of(fields, logical.schema.metadata))


def column_from_physical(column: AnyColumn, field: AnyField, logical: LogicalSchema) -> AnyColumn:
    """Convert one column back to its type in the frame; see `from_physical`."""
    unit = logical.unit(field.name)
    try:
        if isinstance(field.type, pa.DictionaryType):
            return _encode_categories(column, field.type, logical.dictionaries[field.name], unit)
        if column.type == field.type and not types.is_nested(field.type):
            return column
        return convert_chunks(column, field.type, partial(from_physical_array, unit=unit))
    except (pa.ArrowException, KeyError) as error:
        raise InconsistentBatch(
            f"column {field.name!r} was {field.type} when it was stored, and the files have"
            f" {column.type}, which does not fit ({error}): they are not the files that were"
            " written"
        ) from error


def _table_to_physical(
    table: pa.Table, schema: pa.Schema, units: Mapping[str, str], *, strict: bool = False
) -> pa.Table:
    columns = []
    for column, field, target in zip(table.columns, table.schema, schema, strict=True):
        unit = units.get(field.name.lower(), _FINEST)
        try:
            columns.append(_column_to_physical(column, target.type, unit))
        except pa.ArrowException as error:
            if strict and isinstance(error, pa.ArrowInvalid):
                raise
            raise time_out_of_range(field.name, field.type, unit) or SchemaMismatch(
                f"column {field.name!r} ({field.type}) has a value that cannot be stored as"
                f" {target.type} ({error}): convert the column first"
            ) from error
    return pa.Table.from_arrays(columns, names=schema.names)


def _column_to_physical(column: AnyColumn, target: AnyType, unit: str) -> AnyColumn:
    source: Any = column.type
    if source == target or (
        target in (pa.string(), pa.binary())
        and _PHYSICAL.get(source) == target
        and _is_large(source)
    ):
        return column
    if (
        types.is_dictionary(source)
        and target == pa.string()
        and source.value_type in (pa.string(), pa.large_string())
        # Parquet stores every value of the dictionary, used or not.
        and all(len(chunk.dictionary) <= len(chunk) for chunk in column.chunks)
    ):
        return column
    return convert_chunks(column, target, partial(to_physical_array, unit=unit))


def _is_large(source: AnyType) -> bool:
    """Return whether the writer accepts the type as it is."""
    return source in (pa.large_string(), pa.large_binary())


def _encode_categories(
    column: AnyColumn, wanted: AnyType, dictionary: AnyArray, unit: str
) -> AnyColumn:
    """Encode a column by a given dictionary; values are compared in the file's type."""
    if types.is_null(dictionary.type) or column.null_count == len(column):
        codes: Any = pa.nulls(len(column), wanted.index_type)
        return pa.chunked_array(
            [pa.DictionaryArray.from_arrays(codes, dictionary, ordered=wanted.ordered)]
        )
    if types.is_dictionary(column.type):
        if column.num_chunks > _FEW_CHUNKS:
            column = pa.chunked_array([column.unify_dictionaries().combine_chunks()])
        chunks = [_codes_in(chunk, dictionary, unit) for chunk in column.chunks]
    else:
        found: AnyColumn = pc.index_in(
            column, value_set=to_physical_array(dictionary, column.type, unit)
        )
        chunks = found.chunks
    if sum(chunk.null_count for chunk in chunks) != column.null_count:
        raise pa.ArrowInvalid("a value is not one of the column's categories")
    made: list[AnyArray] = [
        pa.DictionaryArray.from_arrays(
            codes.cast(wanted.index_type), dictionary, ordered=wanted.ordered
        )
        for codes in chunks
    ]
    return pa.chunked_array(made)


def _codes_in(chunk: AnyArray, dictionary: AnyArray, unit: str) -> AnyArray:
    """Return the codes of a dictionary chunk in another dictionary."""
    own = to_physical_array(dictionary, chunk.dictionary.type, unit)
    if own[: len(chunk.dictionary)].equals(chunk.dictionary):  # written with this dictionary
        return chunk.indices
    return pc.index_in(chunk.dictionary, value_set=own).take(chunk.indices)


def _check_int96(table: pa.Table) -> None:
    """Reject timestamps that INT96 cannot be read as: 1677 to 2262, in nanoseconds."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind: Any = column.type
        if types.is_timestamp(kind) and kind.unit != "ns":
            try:
                column.cast(pa.timestamp("ns", kind.tz))
            except pa.ArrowInvalid as error:
                raise SchemaMismatch(
                    f"column {name!r} has a time outside the years 1678 to 2261, and another column"
                    " has times finer than a microsecond. Parquet files for Hive and Spark cannot"
                    ' hold both: round the finer column to microseconds, as with .dt.floor("us")'
                ) from error


def _reject_inner_dictionary(kind: Any, *, top: bool = False) -> None:
    if types.is_dictionary(kind):
        if not top:
            raise SchemaMismatch(
                "it has categories inside a nested type: convert them to plain values"
            )
        if types.is_nested(kind.value_type) or isinstance(kind.value_type, pa.BaseExtensionType):
            raise SchemaMismatch("its categories are nested values: convert it to plain values")
        return
    if is_list(kind) or types.is_run_end_encoded(kind):
        _reject_inner_dictionary(kind.value_type)
    elif types.is_map(kind):
        _reject_inner_dictionary(kind.key_type)
        _reject_inner_dictionary(kind.item_type)
    elif types.is_struct(kind):
        for i in range(kind.num_fields):
            _reject_inner_dictionary(kind.field(i).type)

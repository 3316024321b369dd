"""Batches of one table that were stored with different schemas, read as one frame: the newest schema leads."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.schema import Column
from airflow_sfx.frames.arrow import AnyArray, AnyField
from airflow_sfx.frames.hive import arrow_type
from airflow_sfx.frames.logical import LogicalSchema, schema_of
from airflow_sfx.frames.pandas_frame import METADATA, memory_of, nameless_levels, without_index

_ALIKE = (
    (pa.string(), pa.large_string(), pa.string_view()),
    (pa.binary(), pa.large_binary(), pa.binary_view()),
    (pa.date32(), pa.date64()),
)


def unify(schemas: Sequence[LogicalSchema], lead: LogicalSchema | None = None) -> LogicalSchema:
    """The schema that rows of all batches fit.

    Args:
        schemas: The batches' schemas, oldest first.
        lead: The newest; the last one if it is not given.

    Returns:
        The lead's columns in their order, then those that only older batches have. A type is the lead's, or wider where
        an older batch needs it. Categories are the lead's, then those that only older batches have.

    Raises:
        SchemaMismatch: Two batches have types for a column that nothing holds both of.

    Example:
        >>> old, new = (LogicalSchema(pa.schema([("n", kind)])) for kind in (pa.int64(), pa.int32()))
        >>> unify([old, new]).schema.field("n").type
        DataType(int64)
    """
    leading = lead if lead is not None else schemas[-1]
    others = list({id(one): one for one in reversed(schemas) if one is not leading}.values())
    if not others:
        return leading
    ordered = [leading, *others]
    groups: dict[str, list[tuple[AnyField, LogicalSchema]]] = {}
    for one in ordered:
        for field in one.schema:
            groups.setdefault(field.name.lower(), []).append((field, one))
    metadata_schema, dropped = _common_index(ordered)
    fields: list[AnyField] = []
    dictionaries: dict[str, AnyArray] = {}
    for name, group in groups.items():
        if name in dropped:
            continue
        field, dictionary = _one_column(group)
        fields.append(field)
        if dictionary is not None:
            dictionaries[field.name] = dictionary
    metadata = _common_memory(ordered, metadata_schema, fields)
    return LogicalSchema(schema_of(fields, metadata), dictionaries)


def with_absent(
    lead: LogicalSchema, schemas: Iterable[LogicalSchema], columns: Iterable[Column], asked: Iterable[object] = ()
) -> LogicalSchema:
    """The newest schema, and the table's columns that no batch has, so that they can be asked for and read as null.

    Args:
        lead: The newest schema.
        schemas: The batches' schemas.
        columns: The table's columns.
        asked: The names that are asked for. They say how a column is spelt that the table has in lower case, as Hive has
            all.

    Returns:
        The schema; the very same if the batches have all columns. One of a type that only engines know stays absent.

    Example:
        >>> lead = LogicalSchema(pa.schema([("n", pa.int64())]))
        >>> with_absent(lead, [lead], [Column("N", "bigint"), Column("s", "string")]).schema.names
        ['n', 's']
    """
    known = {name.lower() for one in (lead, *schemas) for name in one.schema.names}
    spelt = {name.lower(): name for name in asked if isinstance(name, str)}
    schema = lead.schema
    for column in columns:
        if column.name.lower() not in known:
            with contextlib.suppress(SchemaMismatch):
                name = spelt.get(column.name, column.name)
                schema = schema.append(pa.field(name, arrow_type(column.type)))
    return lead if schema is lead.schema else LogicalSchema(schema, lead.dictionaries)


def scan_together(kind: Any, unified: Any) -> bool:
    """Whether files with the one type can be read as the other by casting what is in the file.

    A duration in seconds and one in milliseconds are both integers in their files, so that they cannot.

    Args:
        kind: A batch's type.
        unified: The type that it is read as.

    Returns:
        True if one scan can read the file along with others.

    Example:
        >>> scan_together(pa.int8(), pa.int64()), scan_together(pa.duration("s"), pa.duration("ms"))
        (True, False)
    """
    if kind == unified:
        return True
    if types.is_dictionary(kind):
        return scan_together(kind.value_type, unified)
    if types.is_dictionary(unified):
        return scan_together(kind, unified.value_type)
    return types.is_null(kind) or _grows(kind, unified)


def _grows(kind: Any, unified: Any) -> bool:
    """Whether a type differs from another only in how much it holds, and holds less."""
    if types.is_timestamp(kind) and types.is_timestamp(unified):
        return (kind.tz is None) == (unified.tz is None)
    if types.is_decimal(kind) and types.is_decimal(unified):
        whole = unified.precision - unified.scale >= kind.precision - kind.scale
        return bool(whole and unified.scale >= kind.scale)
    if types.is_integer(kind) and types.is_integer(unified):
        signs = types.is_signed_integer(kind), types.is_signed_integer(unified)
        return bool(unified.bit_width > kind.bit_width and (signs[0] == signs[1] or signs[1]))
    if types.is_floating(unified):
        exact = types.is_floating(kind) or (types.is_integer(kind) and kind.bit_width < unified.bit_width)
        return bool(exact and kind.bit_width <= unified.bit_width)
    return any(kind in alike and unified in alike for alike in _ALIKE)


def _one_column(group: list[tuple[AnyField, LogicalSchema]]) -> tuple[AnyField, AnyArray | None]:
    field, owner = group[0]
    if all(other.type == field.type for other, _ in group[1:]) and not types.is_dictionary(field.type):
        return field, None
    kind: Any = field.type
    for other, _ in group[1:]:
        kind = _wider(kind, other.type, field.name)
    if not types.is_dictionary(kind):
        return field.with_type(kind), None
    dictionary = owner.dictionaries.get(field.name, pa.array([], kind.value_type))
    same: Any = True
    for other, one in group[1:]:
        values = one.dictionaries.get(other.name)
        if values is not None and len(values) and not values.equals(dictionary):
            dictionary, same = _union(dictionary.cast(kind.value_type), values.cast(kind.value_type)), False
    if same and kind == field.type:
        return field, dictionary
    # The order of categories of several batches is nobody's: it is kept only where all agree.
    return field.with_type(pa.dictionary(pa.int32(), kind.value_type, kind.ordered and same)), dictionary


def _union(first: AnyArray, more: AnyArray) -> AnyArray:
    added = more.filter(pc.invert(pc.is_in(more, value_set=first)))
    return pa.concat_arrays([first, added])


def _wider(lead: Any, other: Any, name: str) -> Any:  # noqa: PLR0911  a table of types, in order
    """The lead's type, or a wider one if the other's values would not fit."""
    if lead == other or types.is_null(other):
        return lead
    if types.is_null(lead):
        return other
    if types.is_dictionary(lead) and types.is_dictionary(other):
        value = _wider(lead.value_type, other.value_type, name)
        return pa.dictionary(pa.int32(), value, lead.ordered and other.ordered)
    if types.is_dictionary(lead) or types.is_dictionary(other):
        plain = [one.value_type if types.is_dictionary(one) else one for one in (lead, other)]
        return _wider(plain[0], plain[1], name)
    if types.is_timestamp(lead) and types.is_timestamp(other) and (lead.tz is None) != (other.tz is None):
        raise SchemaMismatch(
            f"column {name!r} is {lead} in one batch and {other} in an older one, and a time without a zone is no "
            "moment: load the partitions one by one, and store the older again with a zone"
        )
    if types.is_timestamp(lead) and types.is_timestamp(other):
        return pa.timestamp(min(lead.unit, other.unit, key=("ns", "us", "ms", "s").index), lead.tz)
    try:
        fields = [pa.schema([pa.field(name, one)]) for one in (lead, other)]
        return pa.unify_schemas(fields, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return lead  # stored so on purpose, with evolve="any": older values are converted, or refused, when read


def _common_index(schemas: list[LogicalSchema]) -> tuple[pa.Schema, set[str]]:
    """The lead's schema with its index if all have that index; else without, and the nameless levels to drop.

    A table says nothing of the types of these, so that they may be dates in one batch and numbers in another.
    """
    lead = schemas[0].schema
    entries = [(memory_of(one.schema) or {}).get("index") for one in schemas]
    kinds = [[one.schema.field(name).type for name in sorted(nameless_levels(one.schema))] for one in schemas]
    if all(entry == entries[0] for entry in entries) and all(kind == kinds[0] for kind in kinds):
        return lead, set()
    return without_index(lead), {name.lower() for one in schemas for name in nameless_levels(one.schema)}


def _common_memory(
    schemas: list[LogicalSchema], lead: pa.Schema, fields: Iterable[AnyField]
) -> dict[bytes, bytes] | None:
    """The lead's metadata, with the record of each column from the newest batch that has it in the unified type."""
    memories = [(one, (memory_of(one.schema) or {}).get("columns", {})) for one in schemas]
    if not any(records for _, records in memories) and memory_of(lead) is None:
        return dict(lead.metadata) if lead.metadata else None
    records: dict[str, Any] = {}
    for field in fields:
        found = _record(field, memories)
        if found is not None:
            records[field.name] = found
    memory = memory_of(lead) or {}
    memory.pop("columns", None)
    attrs = memory.pop("attrs", None)
    if attrs and all((memory_of(one.schema) or {}).get("attrs") == attrs for one in schemas):
        memory["attrs"] = attrs  # as pandas itself keeps them when frames are put together
    if records:
        memory["columns"] = records
    text = json.dumps(memory, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return {**(lead.metadata or {}), METADATA: text.encode()}


def _record(field: AnyField, memories: list[tuple[LogicalSchema, dict[str, Any]]]) -> Any:
    """A column's record: of the newest batch that had it so, else of the newest that had the column."""
    fallback: Any = None
    for schema, records in memories:
        for own in schema.schema:
            if own.name.lower() == field.name.lower():
                if own.type == field.type:
                    return records.get(own.name)
                fallback = fallback or records.get(own.name)
    return fallback

"""One schema for batches with different ones; the newest schema leads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.schema import Column, TimeMarks
from airflow_sfx.frames._typing import AnyArray, AnyField, AnyType
from airflow_sfx.frames.evolution.remedies import APART, APART_CLI
from airflow_sfx.frames.pandas.interval_labels import joined_labels
from airflow_sfx.frames.pandas.metadata import (
    Spec,
    column_specs,
    pandas_metadata_of,
    unnamed_index_columns,
    with_pandas_metadata,
    without_index,
)
from airflow_sfx.frames.schema.kinds import kinds_by_path
from airflow_sfx.frames.types.casts import widen_array
from airflow_sfx.frames.types.families import is_list
from airflow_sfx.frames.types.hive import arrow_type
from airflow_sfx.frames.types.logical import LogicalSchema, schema_of
from airflow_sfx.frames.types.open_types import only_nulls, typed_paths

_UNITS = ("s", "ms", "us", "ns")
_BINARY = (pa.binary(), pa.large_binary(), pa.binary_view())
_HARMLESS = ("UUID", "tuple", "uint64", "extension", "timestamp")
"""Kinds that are cast or rejected value by value if batches differ in them, so never mixed up."""
_AS_TEXT = " as text"
_ENUM = b"_PL_ENUM_VALUES2"
"""The key of the categories of polars' enums in the metadata of a field."""
_ALIKE = (
    (pa.string(), pa.large_string(), pa.string_view()),
    _BINARY,
    (pa.date32(), pa.date64()),
)


def unify(schemas: Sequence[LogicalSchema], lead: LogicalSchema | None = None) -> LogicalSchema:
    """Return the schema that the rows of all batches fit.

    Args:
        schemas: The batches' schemas, oldest first.
        lead: The newest schema, or None for the last of ``schemas``.

    Returns:
        The lead's columns in their order, followed by those that only older batches have. A type is
        the lead's, or wider if an older batch needs it. Categories are the lead's, followed by
        those that only older batches have.

    Raises:
        SchemaMismatch: The types of a column in two batches have no common type.

    Example:
        >>> old = LogicalSchema(pa.schema([("n", pa.int64())]))
        >>> new = LogicalSchema(pa.schema([("n", pa.int32())]))
        >>> unify([old, new]).schema.field("n").type
        DataType(int64)
    """
    leading = lead if lead is not None else schemas[-1]
    others = list({id(one): one for one in reversed(schemas) if one is not leading}.values())
    if not others:
        return leading
    ordered = [leading, *others]
    groups: dict[str, list[_Own]] = {}
    for one in ordered:
        specs_of_one = column_specs(one.schema)
        for field in one.schema:
            groups.setdefault(field.name.lower(), []).append(
                _Own(field, one, specs_of_one.get(field.name))
            )
    metadata_schema, dropped = _common_index(ordered)
    fields: list[AnyField] = []
    dictionaries: dict[str, AnyArray] = {}
    marks: dict[str, TimeMarks] = {}
    specs: dict[str, Spec] = {}
    for name, group in groups.items():
        if name in dropped:
            continue
        field, dictionary = _one_column(group)
        fields.append(field)
        if dictionary is not None:
            dictionaries[field.name] = dictionary
        mark = group[0].logical.marks.get(group[0].field.name)
        if mark is not None:
            marks[field.name] = mark
        spec = _common_spec(field, group)
        if spec is not None:
            specs[field.name] = spec
    metadata = _common_metadata(ordered, metadata_schema, specs)
    return LogicalSchema(schema_of(fields, metadata), dictionaries, marks, leading.open_names)


def with_missing_columns(
    lead: LogicalSchema,
    schemas: Iterable[LogicalSchema],
    columns: Iterable[Column],
    asked: Iterable[object] = (),
) -> LogicalSchema:
    """Add the table's columns that no batch has to the newest schema.

    Args:
        lead: The newest schema.
        schemas: The batches' schemas.
        columns: The table's columns.
        asked: The column names that the caller passed; their case is used for columns whose names
            the table has in lower case.

    Returns:
        The schema; the same object if the batches have all columns. Columns of types that frames
        cannot have are not added.

    Example:
        >>> lead = LogicalSchema(pa.schema([("n", pa.int64())]))
        >>> columns = [Column("N", "bigint"), Column("s", "string")]
        >>> with_missing_columns(lead, [lead], columns).schema.names
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
    return lead if schema is lead.schema else replace(lead, schema=schema)


def scan_together(kind: Any, unified: Any) -> bool:
    """Return whether a scan can cast the column of a file to the unified type.

    Durations in seconds and in milliseconds are both integers in files, so a scan cannot convert
    one to the other.

    Args:
        kind: The column's type in a batch.
        unified: The unified type.

    Returns:
        True if one scan can read the file together with others.

    Example:
        >>> scan_together(pa.int8(), pa.int64())
        True
        >>> scan_together(pa.duration("s"), pa.duration("ms"))
        False
    """
    if kind == unified:
        return True
    if types.is_dictionary(kind):
        return scan_together(kind.value_type, unified)
    if types.is_dictionary(unified):
        return scan_together(kind, unified.value_type)
    if types.is_null(kind):  # text without values in files, which casts to any flat type
        return not types.is_nested(unified)
    return _is_narrower(kind, unified)


def _is_narrower(kind: Any, unified: Any) -> bool:
    """Return whether a type is a narrower form of another."""
    if types.is_timestamp(kind) and types.is_timestamp(unified):
        return (kind.tz is None) == (unified.tz is None)
    if types.is_decimal(kind) and types.is_decimal(unified):
        whole = unified.precision - unified.scale >= kind.precision - kind.scale
        return bool(whole and unified.scale >= kind.scale)
    if types.is_integer(kind) and types.is_integer(unified):
        signs = types.is_signed_integer(kind), types.is_signed_integer(unified)
        return bool(unified.bit_width > kind.bit_width and (signs[0] == signs[1] or signs[1]))
    if types.is_floating(unified):
        exact = types.is_floating(kind) or (
            types.is_integer(kind) and kind.bit_width < unified.bit_width
        )
        return bool(exact and kind.bit_width <= unified.bit_width)
    return any(kind in alike and unified in alike for alike in _ALIKE)


def _one_column(group: Sequence[_Own]) -> tuple[AnyField, AnyArray | None]:
    _reject_other_kinds(group)
    known = _with_values(group)
    field = known[0].field.with_name(group[0].field.name)
    alike = all(other.field.type == field.type for other in known[1:])
    if alike and not types.is_dictionary(field.type):
        return field, None
    finest = _Finest.of(group)
    kind: Any = field.type
    for other in known[1:]:
        kind = _wider(kind, other.field.type, field.name, finest)
    if not types.is_dictionary(kind):
        return _without_enum(field).with_type(kind), None
    dictionary = known[0].logical.dictionaries.get(
        known[0].field.name, pa.array([], kind.value_type)
    )
    same: Any = True
    for other in known[1:]:
        values = other.logical.dictionaries.get(other.field.name)
        if values is not None and len(values) and not values.equals(dictionary):
            dictionary = _union(dictionary, values, kind.value_type, field.name)
            same = False
    if same and alike:
        return field, dictionary
    # Categories of several batches are ordered only if all batches have the same.
    wide = pa.dictionary(pa.int32(), kind.value_type, kind.ordered and same)
    return (field if same else _without_enum(field)).with_type(wide), dictionary


def _with_values(group: Sequence[_Own]) -> Sequence[_Own]:
    """Return the columns that are not open; the first one if all are."""
    return [own for own in group if not only_nulls(own.field.type)] or group[:1]


def _without_enum(field: AnyField) -> AnyField:
    """Remove polars' enum from a field: polars reads other categories as null."""
    metadata: dict[bytes, bytes] = dict(field.metadata or {})
    if _ENUM not in metadata:
        return field
    del metadata[_ENUM]
    return field.with_metadata(metadata) if metadata else field.remove_metadata()


@dataclass(frozen=True, slots=True)
class _Own:
    """A column of one batch.

    Args:
        field: Its name and type.
        logical: The batch's schema.
        spec: Its spec in the pandas metadata, or None.
    """

    field: AnyField
    logical: LogicalSchema
    spec: Spec | None

    @property
    def parts(self) -> dict[str, str]:
        """Its kinds by path, where the Hive type does not determine them."""
        return kinds_by_path(self.field.type, self.spec)


@dataclass(frozen=True, slots=True)
class _Finest:
    """The finest units that a column of several batches needs.

    Args:
        stamps: For timestamps: nanoseconds only if a value is finer than a microsecond.
        spans: For durations and times of day: nanoseconds only if a batch's files have them.
    """

    stamps: str
    spans: str

    @classmethod
    def of(cls, group: Sequence[_Own]) -> _Finest:
        marks = [own.logical.marks.get(own.field.name, TimeMarks()) for own in group]
        return cls(
            "ns" if any(one.finer for one in marks) else "us",
            "ns" if any(one.unit == "ns" or not one.unit for one in marks) else "us",
        )


def _reject_other_kinds(group: Sequence[_Own]) -> None:
    """Reject batches with different kinds of one column, such as months and days."""
    first = group[0]
    if all(own.field.type == first.field.type and own.spec == first.spec for own in group[1:]):
        return
    known: dict[str, str | None] = {}
    for own in group:
        parts = own.parts
        for path in typed_paths(own.field.type):
            part = parts.get(path)
            part = (
                None
                if part is None or part.startswith(_HARMLESS) or part.endswith(_AS_TEXT)
                else part
            )
            if known.setdefault(path, part) != part:
                raise SchemaMismatch(
                    f"column {first.field.name!r} is {known[path] or 'plain values'} in one batch"
                    f" and {part or 'plain values'} in an older one, and neither can be read as the"
                    " other",
                    remedy=APART,
                    cli_remedy=APART_CLI,
                )


def _union(first: AnyArray, more: AnyArray, kind: AnyType, name: str) -> AnyArray:
    try:
        first, more = widen_array(first, kind), widen_array(more, kind)
    except pa.ArrowException as error:
        raise SchemaMismatch(
            f"column {name!r} has categories of {first.type} in one batch and of {more.type} in"
            f" another, and one of them is not {kind} ({error})",
            remedy=APART,
            cli_remedy=APART_CLI,
        ) from error
    added = more.filter(pc.invert(pc.is_in(more, value_set=first)))
    return pa.concat_arrays([first, added])


def _wider(lead: Any, other: Any, name: str, finest: _Finest) -> Any:  # noqa: PLR0911, PLR0912
    """Return the lead's type, or a wider one if the other's values do not fit it."""
    if lead == other or types.is_null(other):
        return lead
    if types.is_null(lead):
        return other
    if types.is_dictionary(lead) and types.is_dictionary(other):
        value = _wider(lead.value_type, other.value_type, name, finest)
        return pa.dictionary(pa.int32(), value, lead.ordered and other.ordered)
    plain = [_value_type(one) for one in (lead, other)]
    if plain != [lead, other]:
        return _wider(plain[0], plain[1], name, finest)
    if types.is_timestamp(lead) and types.is_timestamp(other):
        if (lead.tz is None) != (other.tz is None):
            raise SchemaMismatch(
                f"column {name!r} is {lead} in one batch and {other} in an older one, and a time"
                " without a zone cannot be converted: load the partitions one by one, and store the"
                " older again with a zone"
            )
        return pa.timestamp(_unit(lead, other, finest.stamps), lead.tz)
    if types.is_duration(lead) and types.is_duration(other):
        return pa.duration(_unit(lead, other, finest.spans))
    if types.is_time(lead) and types.is_time(other):
        unit = _unit(lead, other, finest.spans)
        return pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
    if is_list(lead) and is_list(other):
        return pa.list_(_wider(lead.value_type, other.value_type, name, finest))
    if types.is_map(lead) and types.is_map(other):
        key = _wider(lead.key_type, other.key_type, name, finest)
        return pa.map_(key, _wider(lead.item_type, other.item_type, name, finest))
    if types.is_struct(lead) and types.is_struct(other):
        return _wider_struct(lead, other, name, finest)
    if all(types.is_fixed_size_binary(one) or one in _BINARY for one in (lead, other)):
        return pa.binary()
    try:
        fields = [pa.schema([pa.field(name, one)]) for one in (lead, other)]
        return pa.unify_schemas(fields, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        # Stored with evolve="any": older values are converted or rejected when they are read.
        return lead


def _wider_struct(lead: Any, other: Any, name: str, finest: _Finest) -> Any:
    theirs = {field.name.lower(): field for field in other.fields}
    fields = []
    for field in lead.fields:
        match = theirs.pop(field.name.lower(), field)
        fields.append((field.name, _wider(field.type, match.type, f"{name}.{field.name}", finest)))
    return pa.struct(fields + [(field.name, field.type) for field in theirs.values()])


def _value_type(kind: Any) -> Any:
    """Return the value type of categories and runs, or the type itself."""
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return kind.value_type
    return kind


def _unit(lead: Any, other: Any, finest: str) -> Any:
    finer = max(lead.unit, other.unit, key=_UNITS.index)
    return min(finer, finest, key=_UNITS.index)


def _common_index(schemas: list[LogicalSchema]) -> tuple[pa.Schema, set[str]]:
    """Return the lead's schema without an index that differs, and columns to drop.

    The columns to drop are those of unnamed levels. The table does not restrict their types, so
    they may be dates in one batch and numbers in another.
    """
    lead = schemas[0].schema
    entries = [(pandas_metadata_of(one.schema) or {}).get("index") for one in schemas]
    kinds = [_unnamed_levels(one) for one in schemas]
    if all(entry == entries[0] for entry in entries) and all(kind == kinds[0] for kind in kinds):
        return lead, set()
    return without_index(lead), {
        name.lower() for one in schemas for name in unnamed_index_columns(one.schema)
    }


def _unnamed_levels(logical: LogicalSchema) -> list[tuple[AnyType, Any]]:
    """Return the types and specs of unnamed index levels."""
    specs = column_specs(logical.schema)
    names = sorted(unnamed_index_columns(logical.schema))
    return [(logical.schema.field(name).type, specs.get(name)) for name in names]


def _common_metadata(
    schemas: list[LogicalSchema], lead: pa.Schema, specs: Mapping[str, Spec]
) -> dict[bytes, bytes] | None:
    """Return the lead's metadata with the given specs and the common attrs."""
    all_metadata = [pandas_metadata_of(one.schema) or {} for one in schemas]
    if (
        not any("columns" in pandas_metadata for pandas_metadata in all_metadata)
        and pandas_metadata_of(lead) is None
    ):
        return dict(lead.metadata) if lead.metadata else None
    pandas_metadata = pandas_metadata_of(lead) or {}
    pandas_metadata.pop("columns", None)
    attrs = pandas_metadata.pop("attrs", None)
    if attrs and all(one.get("attrs") == attrs for one in all_metadata):
        pandas_metadata["attrs"] = attrs  # as pandas.concat does
    if specs:
        pandas_metadata["columns"] = dict(specs)
    return with_pandas_metadata(lead, pandas_metadata).metadata


def _common_spec(field: AnyField, group: Sequence[_Own]) -> Spec | None:
    """Return a column's spec if all batches with values agree on it, or None."""
    known = _with_values(group)
    coded = types.is_dictionary(field.type)
    specs = [own.spec if coded else _value_spec(own) for own in known]
    first = specs[0]
    if first is None or any(_comparable(spec) != _comparable(first) for spec in specs[1:]):
        return None
    made = {**first, "type": str(field.type)} if "type" in first else {**first}
    if "labels" in made:
        labels = [(own.spec or {}, own.logical.dictionaries[own.field.name]) for own in known]
        made["labels"] = joined_labels(labels)
    elif "values" in made and coded:
        made["values"] = {**made["values"], "type": str(field.type.value_type)}
    return made


def _value_spec(own: _Own) -> Spec | None:
    """Return the spec of a column's values, for categories read as plain values."""
    if own.spec is not None and types.is_dictionary(own.field.type):
        return own.spec.get("values") if "labels" not in own.spec else None
    return own.spec


def _comparable(spec: Spec | None) -> Any:
    if spec is None:
        return None
    found = {key: value for key, value in spec.items() if key not in ("type", "labels")}
    return {**found, "values": _comparable(found["values"])} if "values" in found else found

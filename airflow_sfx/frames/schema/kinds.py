"""Column kinds: logical types of columns that Hive types do not determine.

An integer in a file may be a number, a duration, a time of day or a period; a text may be a UUID; a
timestamp may have a time zone. Batches that differ in that cannot be read as one frame, although
their Hive types are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pyarrow import types

from airflow_sfx.core.schema import OPEN, Column, ColumnKind, TimeMarks
from airflow_sfx.frames._typing import AnyType
from airflow_sfx.frames.pandas.interval_labels import label_type
from airflow_sfx.frames.pandas.metadata import Spec, column_specs
from airflow_sfx.frames.types.hive import columns_of
from airflow_sfx.frames.types.logical import LogicalSchema
from airflow_sfx.frames.types.nested import walk
from airflow_sfx.frames.types.open_types import typed_paths

_OBJECTS = {"UUID": "UUID", "tuple": "tuple"}
"""Kinds of Python objects that must not be mixed with plain values of the same Hive type."""


def kinds_of(logical: LogicalSchema) -> dict[str, ColumnKind]:
    """Return the kind of each column of a frame.

    Args:
        logical: The frame's schema.

    Returns:
        The kinds by name, for all columns.

    Example:
        >>> schema = pa.schema([("d", pa.duration("s")), ("n", pa.int64())])
        >>> kinds_of(LogicalSchema(schema))["d"].parts
        (('', 'duration'),)
    """
    specs: Mapping[str, Spec] = column_specs(logical.schema)
    found = {}
    for field in logical.schema:
        parts = kinds_by_path(field.type, specs.get(field.name))
        marks = logical.marks.get(field.name, TimeMarks())
        found[field.name] = ColumnKind(tuple(sorted(parts.items())), marks)
    return found


def table_columns(logical: LogicalSchema) -> tuple[Column, ...]:
    """Return the table columns of a frame: their Hive types and kinds.

    Args:
        logical: The frame's schema.

    Returns:
        One column per field, in order.

    Raises:
        SchemaMismatch: Hive has no type for a column; the message names the column.

    Example:
        >>> table_columns(LogicalSchema(pa.schema([("d", pa.duration("s"))])))[0].kind.description
        'duration'
    """
    kinds = kinds_of(logical)
    return tuple(Column(one.name, one.type, kinds[one.name]) for one in columns_of(logical.schema))


def kinds_by_path(kind: Any, spec: Spec | None) -> dict[str, str]:
    """Return the kinds of a column's parts that its Hive type does not determine.

    Args:
        kind: The column's Arrow type.
        spec: Its spec in the pandas metadata, or None.

    Returns:
        The kinds by path, as `ColumnKind.by_path` has them.

    Example:
        >>> kinds_by_path(pa.int64(), {"kind": "period", "freq": "period[M]"})
        {'': 'period[M]'}
    """
    what = None if spec is None else spec["kind"]
    if spec is not None and what == "category" and types.is_dictionary(kind):
        if "labels" in spec:
            return {"": f"interval[{spec['values']['closed']}] of {label_type(spec)} as text"}
        return kinds_by_path(kind.value_type, spec.get("values"))
    found = {path: part for path, one in walk(kind) if (part := _kind(one))}
    if spec is None:
        return found
    if what == "period":
        found[""] = str(spec["freq"])
    elif what == "interval":
        found[""] = f"interval[{spec['closed']}]"
    elif what == "object" and spec["of"] in _OBJECTS:
        found[""] = _OBJECTS[spec["of"]]
    return found


def conflicting_path(mine: Column, theirs: Column, types_: tuple[AnyType, AnyType]) -> str | None:
    """Find the first part whose kind differs between two columns of compatible types.

    Args:
        mine: One column.
        theirs: The other column.
        types_: Their types, with null for open parts.

    Returns:
        The path of the part, or None if all kinds are equal.
    """
    one, other = mine.kind.by_path, theirs.kind.by_path
    if not one and not other:
        return None
    known = [typed_paths(kind) for kind in types_]
    return next(
        (path for path in sorted(known[0] & known[1]) if one.get(path) != other.get(path)), None
    )


def describe_part(column: Column, path: str) -> str:
    """Describe the type of a column's part for messages.

    Example:
        >>> months = Column("p", "bigint", ColumnKind((("", "period[M]"),)))
        >>> describe_part(months, ""), describe_part(Column("p", "bigint"), "")
        ('period[M]', 'bigint')
    """
    part = column.kind.by_path.get(path)
    if not path:
        return part or column.type
    return f"{column.type} with {part or 'plain values'} at {path.removeprefix('.')}"


def _kind(kind: Any) -> str | None:  # noqa: PLR0911  a table of types, in order
    if types.is_null(kind):
        return OPEN
    if types.is_duration(kind):
        return "duration"
    if types.is_time(kind):
        return "time of day"
    if types.is_timestamp(kind):
        return None if kind.tz is None else "timestamp with time zone"
    if types.is_uint64(kind):
        return "uint64"
    if isinstance(kind, pa.BaseExtensionType):
        return str(kind)
    return None

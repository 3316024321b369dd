"""The logical type of a frame's column, where its Hive type does not say it: what a table remembers of its columns.

An integer in a file may be a number, a duration, a time of day or a period; a text may be a UUID; a
timestamp may have a zone. Batches that differ in that cannot be read together, although Hive has
one type for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.schema import OPEN, Column, ColumnKind, TimeMarks
from airflow_sfx.frames._typing import AnyArray, AnyColumn, AnyType
from airflow_sfx.frames.pandas.columns import label_type
from airflow_sfx.frames.pandas.frame import memory_of
from airflow_sfx.frames.pandas.objects import Spec
from airflow_sfx.frames.types.hive import columns_of, is_list, only_nulls
from airflow_sfx.frames.types.logical import LogicalSchema

_OBJECTS = {"UUID": "UUID", "tuple": "tuple"}
"""Objects that would be others, read together with plain values of the same Hive type."""


def kinds_of(logical: LogicalSchema) -> dict[str, ColumnKind]:
    """What each column of a frame is.

    Args:
        logical: The frame's schema.

    Returns:
        By the frame's names, every column.

    Example:
        >>> kinds_of(LogicalSchema(pa.schema([("d", pa.duration("s")), ("n", pa.int64())])))["d"].parts
        (('', 'duration'),)
    """
    records: Mapping[str, Spec] = (memory_of(logical.schema) or {}).get("columns", {})
    found = {}
    for field in logical.schema:
        parts = parts_of(field.type, records.get(field.name))
        marks = logical.marks.get(field.name, TimeMarks())
        found[field.name] = ColumnKind(tuple(sorted(parts.items())), marks)
    return found


def table_columns(logical: LogicalSchema) -> tuple[Column, ...]:
    """The columns that a frame gives a table: their Hive types, and what these do not say.

    Raises:
        SchemaMismatch: A column has a type that Hive does not know; the message names the column.

    Example:
        >>> table_columns(LogicalSchema(pa.schema([("d", pa.duration("s"))])))[0].kind.description
        'duration'
    """
    kinds = kinds_of(logical)
    return tuple(Column(one.name, one.type, kinds[one.name]) for one in columns_of(logical.schema))


def parts_of(kind: Any, record: Spec | None) -> dict[str, str]:
    """What a column's parts are that its Hive type does not say.

    Args:
        kind: Its type.
        record: What pandas has to know of it.

    Returns:
        By path, as `ColumnKind` has them.

    Example:
        >>> parts_of(pa.int64(), {"kind": "period", "freq": "period[M]"})
        {'': 'period[M]'}
    """
    what = None if record is None else record["kind"]
    if record is not None and what == "category" and types.is_dictionary(kind):
        if "labels" in record:
            return {"": f"interval[{record['values']['closed']}] of {label_type(record)} as text"}
        return parts_of(kind.value_type, record.get("values"))
    found = {path: part for path, one in _walk(kind) if (part := _part(one))}
    if record is None:
        return found
    if what == "period":
        found[""] = str(record["freq"])
    elif what == "interval":
        found[""] = f"interval[{record['closed']}]"
    elif what == "object" and record["of"] in _OBJECTS:
        found[""] = _OBJECTS[record["of"]]
    return found


def opened(kind: AnyType, parts: Mapping[str, str], path: str = "") -> AnyType:
    """A type with nulls where it is still open.

    Args:
        kind: The type.
        parts: What its parts are.
        path: Where it is itself.

    Returns:
        The type.

    Example:
        >>> opened(pa.list_(pa.string()), {"[]": "open"})
        ListType(list<item: null>)
    """
    if parts.get(path) == OPEN:
        return pa.null()
    if OPEN not in parts.values():
        return kind
    if is_list(kind):
        return pa.list_(opened(kind.value_type, parts, f"{path}[]"))
    if types.is_map(kind):
        return pa.map_(
            opened(kind.key_type, parts, f"{path}{{key}}"),
            opened(kind.item_type, parts, f"{path}{{value}}"),
        )
    if types.is_struct(kind):
        return pa.struct(
            [
                (one.name, opened(one.type, parts, f"{path}.{one.name.lower()}"))
                for one in kind.fields
            ]
        )
    return kind


def filled(one: Any, other: Any) -> AnyType:
    """A type, with another's parts where it is open.

    Args:
        one: The type.
        other: Another; where it does not fit, the first stays as it is.

    Returns:
        The type.

    Example:
        >>> filled(pa.list_(pa.null()), pa.list_(pa.int8())), filled(pa.int8(), pa.null())
        (ListType(list<item: int8>), DataType(int8))
    """
    if one == other or (only_nulls(one) and not types.is_null(other)):
        return other
    if types.is_list(one) and types.is_list(other):
        return pa.list_(filled(one.value_type, other.value_type))
    if types.is_large_list(one) and types.is_large_list(other):
        return pa.large_list(filled(one.value_type, other.value_type))
    if types.is_map(one) and types.is_map(other):
        return pa.map_(filled(one.key_type, other.key_type), filled(one.item_type, other.item_type))
    if types.is_struct(one) and types.is_struct(other):
        theirs = {field.name: field.type for field in other.fields}
        return pa.struct(
            [
                (field.name, filled(field.type, theirs.get(field.name, field.type)))
                for field in one.fields
            ]
        )
    return one


def open_parts(kind: AnyType) -> dict[str, str]:
    """The parts of a type that are still open.

    Example:
        >>> open_parts(pa.struct([("a", pa.int8()), ("b", pa.list_(pa.null()))]))
        {'.b[]': 'open'}
    """
    return {path: OPEN for path, one in _walk(kind) if types.is_null(one)}


def typed_paths(kind: AnyType) -> set[str]:
    """The paths of those parts of a type that are not open.

    Example:
        >>> sorted(typed_paths(pa.list_(pa.null())))
        ['']
    """
    return {path for path, one in _walk(kind) if not types.is_null(one)}


def clash(mine: Column, theirs: Column, types_: tuple[AnyType, AnyType]) -> str | None:
    """Where two columns of types that go together are different things.

    Args:
        mine: The one.
        theirs: The other.
        types_: Their types, with nulls where they are open.

    Returns:
        The path of the first such part; None where they are alike.
    """
    one, other = mine.kind.by_path, theirs.kind.by_path
    if not one and not other:
        return None
    known = [typed_paths(kind) for kind in types_]
    return next(
        (path for path in sorted(known[0] & known[1]) if one.get(path) != other.get(path)), None
    )


def shown(column: Column, path: str) -> str:
    """A part of a column, for messages.

    Example:
        >>> shown(Column("p", "bigint", ColumnKind((("", "period[M]"),))), ""), shown(Column("p", "bigint"), "")
        ('period[M]', 'bigint')
    """
    part = column.kind.by_path.get(path)
    if not path:
        return part or column.type
    return f"{column.type} with {part or 'plain values'} at {path.removeprefix('.')}"


def marks_of(table: pa.Table) -> dict[str, TimeMarks]:
    """What the values of a table's columns say about their times.

    Args:
        table: The frame.

    Returns:
        By column; columns without times are absent.

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
    """What has to be assumed of files that nobody has made a record for: each unit is the one that the type says.

    Args:
        schema: The files' schema.

    Returns:
        By column; columns without times are absent.

    Example:
        >>> assumed_marks(pa.schema([("t", pa.timestamp("ns")), ("d", pa.duration("s"))]))
        {'t': TimeMarks(unit='', finer=True, beyond=False), 'd': TimeMarks(unit='', finer=False, beyond=False)}
    """
    found = {}
    for field in schema:
        if _has_times(field.type):
            finer = any(
                types.is_timestamp(one) and one.unit == "ns" for _, one in _walk(field.type)
            )
            found[field.name] = TimeMarks(finer=finer)
    return found


def _part(kind: Any) -> str | None:  # noqa: PLR0911  a table of types, in order
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


def _walk(kind: Any, path: str = "") -> Iterator[tuple[str, AnyType]]:
    """The parts of a type with their paths. Those of a category are those of its values, as files have them."""
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        yield from _walk(kind.value_type, path)
        return
    yield path, kind
    if isinstance(kind, pa.BaseExtensionType):
        yield from ((where, one) for where, one in _walk(kind.storage_type, path) if where != path)
    elif is_list(kind):
        yield from _walk(kind.value_type, f"{path}[]")
    elif types.is_map(kind):
        yield from _walk(kind.key_type, f"{path}{{key}}")
        yield from _walk(kind.item_type, f"{path}{{value}}")
    elif types.is_struct(kind):
        for field in kind.fields:
            yield from _walk(field.type, f"{path}.{field.name.lower()}")


def _has_times(kind: AnyType) -> bool:
    return any(_is_time(one) for _, one in _walk(kind))


def _is_time(kind: AnyType) -> bool:
    return types.is_timestamp(kind) or types.is_duration(kind) or types.is_time(kind)


def _marks(column: AnyColumn) -> TimeMarks:
    found = TimeMarks()
    for chunk in column.chunks:
        for leaf in leaves(chunk, _is_time):
            found |= _marks_of_leaf(leaf)
    if not column.num_chunks and any(
        types.is_duration(one) or types.is_time(one) for _, one in _walk(column.type)
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


def leaves(array: Any, wanted: Callable[[AnyType], bool]) -> Iterator[AnyArray]:
    """The arrays of some types in an array, without values that nothing refers to.

    Args:
        array: The array.
        wanted: Which types.

    Yields:
        The arrays; of categories, those of their values.

    Example:
        >>> [leaf.to_pylist() for leaf in leaves(pa.array([[1], [2]])[1:], pa.types.is_integer)]
        [[2]]
    """
    kind: Any = array.type
    if not any(wanted(one) for _, one in _walk(kind)):
        return
    if isinstance(array, pa.DictionaryArray):
        yield from leaves(array.dictionary, wanted)
    elif isinstance(array, pa.ExtensionArray):
        yield from leaves(array.storage, wanted)
    elif types.is_run_end_encoded(kind):
        yield from leaves(array.values, wanted)
    elif is_list(kind):
        yield from leaves(array.flatten(), wanted)
    elif types.is_map(kind):
        start, end = array.offsets[0].as_py(), array.offsets[-1].as_py()
        for half in (array.keys, array.items):
            yield from leaves(half.slice(start, end - start) if len(half) >= end else half, wanted)
    elif types.is_struct(kind):
        for child in array.flatten():
            yield from leaves(child, wanted)
    else:
        yield array


def refused_times(column: str, kind: AnyType, unit: str) -> SchemaMismatch | None:
    """The error for a column whose durations or times of day do not fit the unit that files have; None where it has none.

    Args:
        column: The column's name.
        kind: Its type in the frame.
        unit: The unit in files.
    """
    if not any(types.is_duration(one) or types.is_time(one) for _, one in _walk(kind)):
        return None
    if unit == "ns":
        return SchemaMismatch(
            f"column {column!r} ({kind}) has a duration longer than 292 years, and the table has"
            " nanoseconds: store the long ones in a column of their own"
        )
    return SchemaMismatch(
        f"column {column!r} ({kind}) has a value that is finer than a microsecond, or longer than"
        ' 292,000 years, and files have microseconds: round it, as with .dt.round("us"), or store'
        " whole nanoseconds as int64"
    )

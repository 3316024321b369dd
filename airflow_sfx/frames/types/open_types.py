"""Open columns: columns, or parts of nested columns, that have had no value yet.

A column of nulls has no type until its first value is stored, and neither have the items of lists
that were all empty. Such a column or part is *open*: its Arrow type is null. The first value
decides its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pyarrow import types

from airflow_sfx.core.schema import OPEN
from airflow_sfx.frames._typing import AnyType
from airflow_sfx.frames.types.families import is_list
from airflow_sfx.frames.types.nested import walk


def is_open(arrow: AnyType) -> bool:
    """Return whether a type is open as a whole: null, or made of open types only.

    Example:
        >>> is_open(pa.list_(pa.null())), is_open(pa.struct([("a", pa.null()), ("b", pa.int8())]))
        (True, False)
    """
    if types.is_null(arrow):
        return True
    if types.is_dictionary(arrow) or types.is_run_end_encoded(arrow) or is_list(arrow):
        return is_open(arrow.value_type)
    if types.is_map(arrow):
        return is_open(arrow.key_type) or is_open(arrow.item_type)
    return (
        types.is_struct(arrow)
        and arrow.num_fields > 0
        and all(is_open(field.type) for field in arrow.fields)
    )


def only_nulls(arrow: AnyType) -> bool:
    """Return whether null is the only value of a type, or of its categories or runs.

    Example:
        >>> only_nulls(pa.dictionary(pa.int8(), pa.null())), only_nulls(pa.list_(pa.null()))
        (True, False)
    """
    if types.is_dictionary(arrow) or types.is_run_end_encoded(arrow):
        return only_nulls(arrow.value_type)
    return types.is_null(arrow)


def open_paths(kind: AnyType) -> dict[str, str]:
    """Return the parts of a type that are open, by path.

    Example:
        >>> open_paths(pa.struct([("a", pa.int8()), ("b", pa.list_(pa.null()))]))
        {'.b[]': 'open'}
    """
    return {path: OPEN for path, one in walk(kind) if types.is_null(one)}


def typed_paths(kind: AnyType) -> set[str]:
    """Return the paths of the parts of a type that are not open.

    Example:
        >>> sorted(typed_paths(pa.list_(pa.null())))
        ['']
    """
    return {path for path, one in walk(kind) if not types.is_null(one)}


def with_open_parts(kind: AnyType, parts: Mapping[str, str], path: str = "") -> AnyType:
    """Return a type with null as the type of its open parts.

    Args:
        kind: The type, which has another type for them, as Hive types do.
        parts: The kinds of its parts by path, as `ColumnKind.by_path` has them.
        path: The path of the type itself.

    Returns:
        The type.

    Example:
        >>> with_open_parts(pa.list_(pa.string()), {"[]": "open"})
        ListType(list<item: null>)
    """
    if parts.get(path) == OPEN:
        return pa.null()
    if OPEN not in parts.values():
        return kind
    if is_list(kind):
        return pa.list_(with_open_parts(kind.value_type, parts, f"{path}[]"))
    if types.is_map(kind):
        return pa.map_(
            with_open_parts(kind.key_type, parts, f"{path}{{key}}"),
            with_open_parts(kind.item_type, parts, f"{path}{{value}}"),
        )
    if types.is_struct(kind):
        return pa.struct(
            [
                (one.name, with_open_parts(one.type, parts, f"{path}.{one.name.lower()}"))
                for one in kind.fields
            ]
        )
    return kind


def fill_open(one: Any, other: Any) -> AnyType:
    """Fill the open parts of a type with those of another.

    Args:
        one: The type.
        other: The other type; where it does not match, the first stays as it is.

    Returns:
        The type.

    Example:
        >>> fill_open(pa.list_(pa.null()), pa.list_(pa.int8())), fill_open(pa.int8(), pa.null())
        (ListType(list<item: int8>), DataType(int8))
    """
    if one == other or (only_nulls(one) and not types.is_null(other)):
        return other
    if types.is_list(one) and types.is_list(other):
        return pa.list_(fill_open(one.value_type, other.value_type))
    if types.is_large_list(one) and types.is_large_list(other):
        return pa.large_list(fill_open(one.value_type, other.value_type))
    if types.is_map(one) and types.is_map(other):
        return pa.map_(
            fill_open(one.key_type, other.key_type), fill_open(one.item_type, other.item_type)
        )
    if types.is_struct(one) and types.is_struct(other):
        theirs = {field.name: field.type for field in other.fields}
        return pa.struct(
            [
                (field.name, fill_open(field.type, theirs.get(field.name, field.type)))
                for field in one.fields
            ]
        )
    return one

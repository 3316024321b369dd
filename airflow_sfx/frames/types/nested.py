"""Walks over the parts of nested types and arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
from pyarrow import types

from airflow_sfx.frames._typing import AnyArray, AnyType
from airflow_sfx.frames.types.families import is_list


def walk(kind: Any, path: str = "") -> Iterator[tuple[str, AnyType]]:
    """Walk over a type and its nested parts.

    Args:
        kind: The type.
        path: The path of the type itself.

    Yields:
        Path and type of each part: a list's items are ``[]``, a map's keys ``{key}`` and values
        ``{value}``, a struct's field ``.name``. The parts of a category are those of its values.

    Example:
        >>> list(walk(pa.list_(pa.int8())))
        [('', ListType(list<item: int8>)), ('[]', DataType(int8))]
    """
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        yield from walk(kind.value_type, path)
        return
    yield path, kind
    if isinstance(kind, pa.BaseExtensionType):
        yield from ((where, one) for where, one in walk(kind.storage_type, path) if where != path)
    elif is_list(kind):
        yield from walk(kind.value_type, f"{path}[]")
    elif types.is_map(kind):
        yield from walk(kind.key_type, f"{path}{{key}}")
        yield from walk(kind.item_type, f"{path}{{value}}")
    elif types.is_struct(kind):
        for field in kind.fields:
            yield from walk(field.type, f"{path}.{field.name.lower()}")


def leaves(array: Any, wanted: Callable[[AnyType], bool]) -> Iterator[AnyArray]:
    """Walk over the leaf arrays of an array, without values that no row refers to.

    Args:
        array: The array.
        wanted: A predicate for the types of the leaves.

    Yields:
        The leaf arrays of these types; of categories, those of their values.

    Example:
        >>> [leaf.to_pylist() for leaf in leaves(pa.array([[1], [2]])[1:], pa.types.is_integer)]
        [[2]]
    """
    kind: Any = array.type
    if not any(wanted(one) for _, one in walk(kind)):
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

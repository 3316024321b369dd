"""Maps from an integer or a text to a number.

A map has no order: it is sorted by key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from airflow_sfx.components.columns.restore import refused
from airflow_sfx.components.kinds.parts import (
    Part,
    Stored,
    checked_type,
    decoded,
    encoded,
    from_primitive,
    to_primitive,
    type_of,
)

_PYTHON: dict[type, str] = {int: "<i8", float: "<f8", bool: "|b1"}


class MapSpec(msgspec.Struct, tag="m", array_like=True, frozen=True):
    """What a map is.

    Args:
        count: How many keys it has.
        keys: ``text``, or the type of its keys.
        values: The type of its values.
        plain_keys: Whether the keys are Python's integers, not NumPy's.
        plain_values: Whether the values are Python's numbers, not NumPy's.
    """

    count: Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]
    keys: str
    values: str
    plain_keys: bool
    plain_values: bool

    @property
    def kind(self) -> Literal["map"]:
        """The kind of component."""
        return "map"


def split_map(value: Mapping[Any, Any]) -> tuple[MapSpec, list[Part]] | None:
    """Return what a map is, and its columns; None for another dict.

    A map has keys of one type, texts or integers of 64 bits, and numbers of one type.

    Raises:
        SchemaMismatch: A key is not valid Unicode.
    """
    key_types, value_types = set(map(type, value)), set(map(type, value.values()))
    if len(key_types) != 1 or len(value_types) != 1:
        return None
    (key_type,), (value_type,) = key_types, value_types
    if key_type is bool or not (key_type in (int, str) or issubclass(key_type, np.integer)):
        return None
    if not (value_type in _PYTHON or issubclass(value_type, np.number | np.bool)):
        return None
    if any(_outside(numbers) for numbers in (value, value.values())):
        return None
    keys = sorted(value)
    values = [value[key] for key in keys]
    column = np.array(values, dtype=_PYTHON.get(value_type))
    kind = checked_type(column.dtype, "a map's values")
    second = Part("value", to_primitive(column))
    plain = value_type in _PYTHON
    if key_type is str:
        texts = [encoded(key, "the key") for key in keys]
        return MapSpec(len(keys), "text", kind, True, plain), [Part("key", texts), second]
    first = np.array(keys, dtype=_PYTHON.get(key_type))
    spec = MapSpec(len(keys), first.dtype.str, kind, key_type is int, plain)
    return spec, [Part("key", to_primitive(first)), second]


def _outside(numbers: Any) -> bool:
    """Return whether one of Python's integers does not fit 64 bits."""
    return any(type(one) is int and not -(1 << 63) <= one < 1 << 63 for one in numbers)


def join_map(spec: MapSpec, stored: Stored) -> dict[Any, Any]:
    """Return the map again, sorted by key.

    Raises:
        ModelRefused: The columns are not those of a map.
    """
    stored.budget.take(spec.count * 128)
    keys: list[Any]
    if spec.keys == "text":
        keys = [decoded(text) for text in stored.texts(0, spec.count)]
    else:
        found = from_primitive(stored, 0, spec.count, type_of(spec.keys))
        keys = found.tolist() if spec.plain_keys else list(found)
    values = from_primitive(stored, 1, spec.count, type_of(spec.values))
    numbers = values.tolist() if spec.plain_values else list(values)
    whole = dict(zip(keys, numbers, strict=True))
    if len(whole) != spec.count:
        raise refused("has a key twice")
    return whole

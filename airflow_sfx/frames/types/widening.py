"""The narrowest type that holds every value of two types."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyarrow import types

from airflow_sfx.frames.types.hive import MAX_DECIMAL_DIGITS

_INTEGERS = (pa.int8(), pa.int16(), pa.int32(), pa.int64())
_EXACT_IN_DOUBLE = (pa.int8(), pa.int16(), pa.int32(), pa.float32())  # at most 53 bits


def widen(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:  # noqa: PLR0911
    """Return the narrowest type that holds every value of two types exactly.

    Args:
        one: A type that `arrow_type` returns.
        other: Another such type.

    Returns:
        One of the two, or a wider decimal or struct; None if there is no such type. Struct fields
        keep the names that ``one`` has.

    Example:
        >>> widen(pa.int8(), pa.float64()), widen(pa.int64(), pa.float64())
        (DataType(double), None)
    """
    if one == other or types.is_null(other):
        return one
    if types.is_null(one):
        return other
    if types.is_timestamp(one) and types.is_timestamp(other):
        return one  # Hive's timestamp has neither unit nor zone
    if one in _INTEGERS and other in _INTEGERS:
        return max(one, other, key=_INTEGERS.index)
    if pa.float64() in (one, other):
        return pa.float64() if (other if one == pa.float64() else one) in _EXACT_IN_DOUBLE else None
    if types.is_decimal(one) and types.is_decimal(other):
        return _widen_decimals(one, other)
    if types.is_list(one) and types.is_list(other):
        item = widen(one.value_type, other.value_type)
        return None if item is None else pa.list_(item)
    if types.is_map(one) and types.is_map(other):
        key, item = widen(one.key_type, other.key_type), widen(one.item_type, other.item_type)
        return None if key is None or item is None else pa.map_(key, item)
    if types.is_struct(one) and types.is_struct(other):
        return _widen_structs(one, other)
    return None


def _widen_decimals(one: Any, other: Any) -> pa.DataType | None:
    scale = max(one.scale, other.scale)
    precision = max(one.precision - one.scale, other.precision - other.scale) + scale
    return pa.decimal128(precision, scale) if precision <= MAX_DECIMAL_DIGITS else None


def _widen_structs(one: Any, other: Any) -> pa.DataType | None:
    theirs = {field.name.lower(): field for field in other.fields}
    fields: list[tuple[str, pa.DataType]] = []
    for mine in one.fields:
        match = theirs.pop(mine.name.lower(), mine)
        wider = widen(mine.type, match.type)
        if wider is None:
            return None
        fields.append((mine.name, wider))
    return pa.struct(fields + [(field.name, field.type) for field in theirs.values()])

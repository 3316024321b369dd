"""Which Arrow columns Python's own objects can hold without loss.

pyarrow converts integers among nulls inside lists to floats, and nanosecond times inside structs
to numbers, and drops the zone of times inside lists. A column with such values keeps its Arrow
type in pandas.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_sfx.frames._typing import AnyArray, AnyColumn
from airflow_sfx.frames.types.families import is_list
from airflow_sfx.frames.types.nested import leaves

EXACT_IN_FLOAT = 2**53
"""The greatest integer up to which all are exact as float64, pandas' type if there are nulls."""


def exact_in_pandas(column: AnyColumn) -> bool:
    """Return whether pyarrow converts a column to Python objects without loss.

    Args:
        column: The Arrow column.

    Returns:
        False if a nested value would be rounded, lose its zone or become a number. Values that
        Python cannot represent, such as years beyond 9999, are errors in pyarrow.

    Example:
        >>> exact_in_pandas(pa.chunked_array([[[2**60 + 1, None]]]))
        False
        >>> exact_in_pandas(pa.chunked_array([[[1, None]]]))
        True
    """
    if not types.is_nested(column.type):
        return True
    if _has(column.type, _is_changed):
        return False
    return not any(
        _rounded(leaf) for chunk in column.chunks for leaf in leaves(chunk, types.is_integer)
    )


def beyond_float(column: AnyColumn) -> bool:
    """Return whether a column of integers has one that a float would round."""
    bounds: Any = pc.min_max(column).as_py()
    return bounds["max"] is not None and (
        bounds["max"] > EXACT_IN_FLOAT or bounds["min"] < -EXACT_IN_FLOAT
    )


def _has(kind: Any, wanted: Any, *, within: Any = None) -> bool:
    """Return whether a predicate holds for a leaf of a type and its parent."""
    if types.is_map(kind):
        return _has(kind.key_type, wanted, within=kind) or _has(kind.item_type, wanted, within=kind)
    if types.is_struct(kind):
        return any(_has(kind.field(i).type, wanted, within=kind) for i in range(kind.num_fields))
    if is_list(kind):
        return _has(kind.value_type, wanted, within=kind)
    return bool(wanted(kind, within))


def _is_changed(leaf: Any, within: Any) -> bool:
    if isinstance(within, pa.StructType | pa.MapType):
        return (types.is_timestamp(leaf) or types.is_duration(leaf)) and leaf.unit == "ns"
    return bool(types.is_timestamp(leaf) and leaf.tz is not None)


def _rounded(leaf: AnyArray) -> bool:
    return bool(leaf.null_count and beyond_float(pa.chunked_array([leaf])))

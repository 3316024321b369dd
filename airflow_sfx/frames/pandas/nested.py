"""Which Arrow columns pandas' own objects hold exactly.

pyarrow makes floats of integers beside nulls inside lists, numbers of nanosecond times inside
structs, and drops the zone of times inside lists. A column where that would change a value keeps
Arrow's type in pandas, too.
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
"""Greater integers are not exact as float64, which pandas makes of integers with nulls."""


def exact_in_pandas(column: AnyColumn) -> bool:
    """Whether the objects that pyarrow makes of a column are its values.

    Args:
        column: The Arrow column.

    Returns:
        False where a nested value would be rounded, lose its zone or become a number. pyarrow
        itself refuses what Python has no object for, such as a date beyond the year 9999.

    Example:
        >>> exact_in_pandas(pa.chunked_array([[[2**60 + 1, None]]])), exact_in_pandas(pa.chunked_array([[[1, None]]]))
        (False, True)
    """
    if not types.is_nested(column.type):
        return True
    if _has(column.type, _becomes_another):
        return False
    return not any(
        _rounded(leaf) for chunk in column.chunks for leaf in leaves(chunk, types.is_integer)
    )


def beyond_float(column: AnyColumn) -> bool:
    """Whether a column of integers has one that a float would round."""
    bounds: Any = pc.min_max(column).as_py()
    return bounds["max"] is not None and (
        bounds["max"] > EXACT_IN_FLOAT or bounds["min"] < -EXACT_IN_FLOAT
    )


def _has(kind: Any, wanted: Any, *, within: Any = None) -> bool:
    """Whether a leaf of a type is wanted; it is asked with the innermost type around it."""
    if types.is_map(kind):
        return _has(kind.key_type, wanted, within=kind) or _has(kind.item_type, wanted, within=kind)
    if types.is_struct(kind):
        return any(_has(kind.field(i).type, wanted, within=kind) for i in range(kind.num_fields))
    if is_list(kind):
        return _has(kind.value_type, wanted, within=kind)
    return bool(wanted(kind, within))


def _becomes_another(leaf: Any, within: Any) -> bool:
    if isinstance(within, pa.StructType | pa.MapType):
        return (types.is_timestamp(leaf) or types.is_duration(leaf)) and leaf.unit == "ns"
    return bool(types.is_timestamp(leaf) and leaf.tz is not None)


def _rounded(leaf: AnyArray) -> bool:
    return bool(leaf.null_count and beyond_float(pa.chunked_array([leaf])))

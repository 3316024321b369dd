"""List columns of R: a vector of one kind, or NULL, in each row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames._typing import AnyArray
from airflow_sfx.frames.rds.values import (
    CHARACTER,
    DOUBLE,
    INTEGER,
    LIST,
    LOGICAL,
    NA_INTEGER,
    NAMES,
    NULL,
    RAW,
    Vector,
    is_na,
)

_TYPES: dict[int, Any] = {
    LOGICAL: pa.bool_(),
    INTEGER: pa.int32(),
    DOUBLE: pa.float64(),
    CHARACTER: pa.large_string(),
}
_ASIS = "AsIs"


def list_to_arrow(column: Vector) -> tuple[AnyArray, dict[str, Any]]:
    """Convert a list column.

    Args:
        column: The list, of atomic vectors without attributes of one kind, and NULLs.

    Returns:
        The lists, or binary values for raw vectors; null for NULL. And the spec.

    Raises:
        SchemaMismatch: The members cannot be stored.

    Example:
        >>> from airflow_sfx.frames.rds.values import integers
        >>> list_to_arrow(Vector(LIST, [integers(1, 2), Vector(NULL)]))[0].to_pylist()
        [[1, 2], None]
    """
    if column.kind != LIST:
        raise SchemaMismatch("is of the class AsIs, and not a list: convert it with unclass()")
    members: list[Vector] = list(column.values)
    spec: dict[str, Any] = {"kind": "list"}
    if column.classes:
        spec["class"] = [_ASIS]
    kinds = {member.kind for member in members} - {NULL}
    if any(member.attributes for member in members):
        raise SchemaMismatch(
            "is a list with a member that has names, a class or other attributes: store the plain"
            " values, as in lapply(x, as.vector)"
        )
    if not kinds:
        return pa.nulls(len(members)), spec
    if len(kinds) > 1:
        shown = " and ".join(sorted(NAMES[kind] for kind in kinds))
        raise SchemaMismatch(f"is a list of {shown}: use one type for all members")
    (kind,) = kinds
    missing = np.array([member.kind == NULL for member in members], np.bool_)
    if kind == RAW:
        texts = [None if one.kind == NULL else one.values.tobytes() for one in members]
        return pa.array(texts, pa.binary()), spec
    if kind not in _TYPES:
        raise SchemaMismatch("is a list of lists: store its values in columns, or as JSON")
    offsets = np.zeros(len(members) + 1, np.int32)
    np.cumsum([len(member) for member in members], out=offsets[1:])
    some = [member for member in members if member.kind != NULL]
    inner = _joined(kind, some)
    valid = pa.array(~missing).buffers()[1] if missing.any() else None
    made: Any = pa.Array.from_buffers(
        pa.list_(inner.type),
        len(members),
        [valid, pa.py_buffer(offsets.data)],
        children=[inner],
    )
    return made, spec


def _joined(kind: int, members: list[Vector]) -> AnyArray:
    if kind == CHARACTER:
        return pa.concat_arrays([member.values for member in members])
    values = np.concatenate([member.values for member in members])
    missing = is_na(values) if kind == DOUBLE else values == NA_INTEGER
    return pa.array(values != 0 if kind == LOGICAL else values, mask=missing, from_pandas=False)

"""Casts of columns that lose no value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_sfx.frames._typing import AnyArray, AnyColumn, AnyType
from airflow_sfx.frames.types.casts import widen_array
from airflow_sfx.frames.types.lossless import first_lossy_row, value_text


@dataclass(frozen=True, slots=True)
class LostValue:
    """The first value that a cast would lose or change.

    Args:
        row: Its row.
        text: The value as text.
    """

    row: int
    text: str


def cast_exactly(
    column: AnyColumn, kind: AnyType, *, parse: bool = False, nan_as_null: bool = False
) -> AnyColumn | LostValue:
    """Cast a column, unless that would lose a value.

    Args:
        column: The column.
        kind: The type to cast to.
        parse: Whether text may be parsed; see `first_lossy_row`.
        nan_as_null: Whether NaN becomes null in integers and decimals.

    Returns:
        The column, or the first value that would be lost.

    Example:
        >>> cast_exactly(pa.chunked_array([[2.0, None]]), pa.int64()).to_pylist()
        [2, None]
        >>> cast_exactly(pa.chunked_array([[2.0, 2.5]]), pa.int64())
        LostValue(row=1, text='2.5')
    """
    chunks: list[AnyArray] = []
    row = 0
    for chunk in column.chunks:
        values = _without_nan(chunk, kind) if nan_as_null else chunk
        if values.null_count == len(values):
            chunks.append(pa.nulls(len(values), kind))
        else:
            lossy = first_lossy_row(values, kind, parse=parse)
            if lossy is not None:
                return LostValue(row + lossy, value_text(values, lossy))
            chunks.append(widen_array(values, kind))
        row += len(chunk)
    return pa.chunked_array(chunks, type=kind)


def _without_nan(array: Any, kind: AnyType) -> Any:
    """Return an array with null for NaN, if the type has no NaN."""
    if not types.is_floating(array.type) or types.is_floating(kind):
        return array
    nan = pc.is_nan(array.cast(pa.float64()))
    return pc.if_else(nan, pa.scalar(None, array.type), array)

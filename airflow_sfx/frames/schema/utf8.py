"""The check that text is UTF-8.

Arrow accepts other bytes unchecked and writes them to files, which readers then reject.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames._typing import AnyArray, AnyType
from airflow_sfx.frames.types.limits import check_nesting
from airflow_sfx.frames.types.nested import leaves

_BINARY: dict[pa.DataType, pa.DataType] = {
    pa.string(): pa.binary(),
    pa.large_string(): pa.large_binary(),
    pa.string_view(): pa.binary_view(),
}
_OFFSETS = {pa.string(): np.int32, pa.large_string(): np.int64}
_LAST_ASCII = 0x7F


def check_texts(table: pa.Table) -> None:
    """Reject text that is not UTF-8, at any depth.

    Args:
        table: The frame.

    Raises:
        SchemaMismatch: A text is not UTF-8, or a column is nested too deeply; the message names
            the column.

    Example:
        >>> check_texts(pa.table({"s": ["ä", None]}))
    """
    for field, column in zip(table.schema, table.columns, strict=True):
        check_nesting(field)
        for chunk in column.chunks:
            for leaf in leaves(
                chunk.storage if isinstance(chunk, pa.ExtensionArray) else chunk, _is_text
            ):
                if not _is_utf8(leaf):
                    raise SchemaMismatch(
                        f"column {field.name!r} has text that is not UTF-8:"
                        f" {_first_invalid(leaf)!r:.80}. Decode it from its own encoding, or store"
                        " it as binary"
                    )


def _is_text(kind: AnyType) -> bool:
    return kind in _BINARY


def _is_utf8(leaf: AnyArray) -> bool:
    """Return whether all text of an array is UTF-8, by a cast without a copy."""
    if _is_ascii(leaf):  # true of most text, and ten times faster
        return True
    try:
        leaf.cast(_BINARY[leaf.type]).cast(leaf.type)
    except pa.ArrowInvalid:
        return False
    return True


def _is_ascii(leaf: AnyArray) -> bool:
    """Return whether an array's bytes are all ASCII, or False if unsure."""
    if leaf.type not in _OFFSETS or not len(leaf):
        return False
    _, ends, content = leaf.buffers()
    if ends is None or content is None:
        return False
    offsets = np.frombuffer(ends, _OFFSETS[leaf.type])
    used = np.frombuffer(content, np.uint8)[offsets[leaf.offset] : offsets[leaf.offset + len(leaf)]]
    return bool(used.max(initial=0) <= _LAST_ASCII)


def _first_invalid(leaf: Any) -> bytes:
    """Return the first text that is not UTF-8, by bisection."""
    while len(leaf) > 1:
        half = len(leaf) // 2
        leaf = leaf[half:] if _is_utf8(leaf[:half]) else leaf[:half]
    found: bytes = leaf.cast(_BINARY[leaf.type])[0].as_py()
    return found

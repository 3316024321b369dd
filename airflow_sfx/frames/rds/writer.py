"""Writes vectors of R as an RDS file of version 2, uncompressed."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np

from airflow_sfx.frames.rds.texts import written_texts
from airflow_sfx.frames.rds.values import (
    CHARACTER,
    CHARSXP,
    HAS_ATTRIBUTES,
    HAS_TAG,
    IS_OBJECT,
    LIST,
    NULL,
    PAIRS,
    REFERENCE,
    SYMBOL,
    UTF8,
    Vector,
)

_VERSION, _WRITTEN_BY, _READ_BY = 2, 0x00040202, 0x00020300
_LONG = 2**31


def write_rds(vector: Vector, file: BinaryIO) -> None:
    """Write a vector.

    Args:
        vector: The vector.
        file: The file, open for writing.

    Raises:
        OSError: The disk is full.

    Example:
        >>> import io
        >>> from airflow_sfx.frames.rds.reader import read_rds
        >>> from airflow_sfx.frames.rds.values import integers
        >>> write_rds(integers(1, 2), file := io.BytesIO())
        >>> read_rds(file.getvalue()).values.tolist()
        [1, 2]
    """
    file.write(b"B\n" + _words(_VERSION, _WRITTEN_BY, _READ_BY))
    file.writelines(_Writer().vector(vector))


class _Writer:
    """The symbols that a file has so far."""

    def __init__(self) -> None:
        self._symbols: dict[str, int] = {}

    def vector(self, vector: Vector) -> Iterable[bytes | memoryview]:
        """Yield the bytes of a vector."""
        if vector.kind == NULL:
            yield _words(NULL)
            return
        attributes = vector.attributes
        flags = HAS_ATTRIBUTES if attributes else 0
        yield _words(vector.kind | flags | (IS_OBJECT if "class" in attributes else 0))
        yield _length(len(vector))
        if vector.kind == LIST:
            for member in vector.values:
                yield from self.vector(member)
        elif vector.kind == CHARACTER:
            yield written_texts(vector.values)
        else:
            yield _little(vector.values).tobytes()
        if attributes:
            for name, value in attributes.items():
                yield _words(PAIRS | HAS_TAG)
                yield self._symbol(name)
                yield from self.vector(value)
            yield _words(NULL)

    def _symbol(self, name: str) -> bytes:
        if name in self._symbols:
            return _words(REFERENCE | (self._symbols[name] << 8))
        self._symbols[name] = len(self._symbols) + 1
        text = name.encode()
        return _words(SYMBOL, CHARSXP | UTF8, len(text)) + text


def _little(values: Any) -> Any:
    made = np.ascontiguousarray(values)
    return made.astype(made.dtype.newbyteorder("<"), copy=False)


def _words(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}i", *numbers)


def _length(length: int) -> bytes:
    if length < _LONG:
        return _words(length)
    return _words(-1, length >> 32) + struct.pack("<I", length & 0xFFFFFFFF)

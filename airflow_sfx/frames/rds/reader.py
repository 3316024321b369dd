"""Reads RDS files into vectors of R, without running anything."""

from __future__ import annotations

from typing import Any

import numpy as np

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames.rds.texts import Truncated, read_texts
from airflow_sfx.frames.rds.values import (
    CHARACTER,
    CHARSXP,
    DOUBLE,
    HAS_ATTRIBUTES,
    HAS_TAG,
    INTEGER,
    LIST,
    LOGICAL,
    NULL,
    PAIRS,
    RAW,
    REFERENCE,
    SYMBOL,
    Vector,
)

_FORMATS = {b"B\n": "<", b"X\n": ">"}
_VERSION, _WITH_ENCODING = 2, 3
_MOST_LEVELS = 16
_NUMBERS = {LOGICAL: "i4", INTEGER: "i4", DOUBLE: "f8", RAW: "u1"}
_REFUSED = {
    3: "a function",
    4: "an environment",
    5: "a promise",
    6: "language",
    7: "a function",
    8: "a function",
    15: "complex numbers",
    17: "language",
    20: "an expression",
    21: "byte code",
    22: "an external pointer",
    23: "a weak reference",
    25: "an S4 object",
    238: "a compact vector of version 3",
    239: "language",
    240: "language",
    241: "an environment",
    242: "an environment",
    247: "an object of another session",
    248: "an environment",
    249: "a namespace",
    253: "an environment",
}
"""What is refused, by its type."""


def read_rds(data: bytes | memoryview) -> Vector:
    """Read an uncompressed RDS file of version 2.

    Args:
        data: The content of the file.

    Returns:
        The vector in it.

    Raises:
        SchemaMismatch: The file is damaged, compressed, or has something that is not a vector.

    Example:
        >>> read_rds(bytes.fromhex("420a 02000000 02040400 00030200 0d000000 01000000 07000000"))
        ... # doctest: +ELLIPSIS
        Vector(kind=13, values=array([7], dtype=int32), attributes={})
    """
    order = _FORMATS.get(bytes(data[:2]))
    if order is None:
        raise SchemaMismatch(
            "the file is not an uncompressed RDS file: write it with"
            " saveRDS(x, file, version = 2, compress = FALSE)"
        )
    reader = _Reader(data, order)
    try:
        return reader.read_file()
    except Truncated:
        raise SchemaMismatch(
            f"the RDS file is damaged near byte {reader.at:,} of {len(data):,}: it was truncated or"
            " changed after it was written; is the disk full?"
        ) from None
    except SchemaMismatch as error:
        if reader.column is None:
            raise
        raise SchemaMismatch(f"column {reader.column + 1} of the frame {error}") from error


class _Reader:
    """A place in a file.

    Args:
        data: The content of the file.
        order: The order of bytes.
    """

    def __init__(self, data: bytes | memoryview, order: str) -> None:
        self._data = np.frombuffer(data, np.uint8)
        self._order = order
        self._symbols: list[str] = []
        self.at = 2
        self.column: int | None = None

    def read_file(self) -> Vector:
        version, _, _ = self._integer(), self._integer(), self._integer()
        if version not in (_VERSION, _WITH_ENCODING):
            raise SchemaMismatch(
                f"the RDS file is of version {version}: write it with"
                " saveRDS(x, file, version = 2, compress = FALSE)"
            )
        if version == _WITH_ENCODING:
            self._take(self._integer())
        made = self._value(0)
        if self.at != len(self._data):
            raise Truncated
        return made

    def _take(self, size: int) -> Any:
        if not 0 <= size <= len(self._data) - self.at:
            raise Truncated
        found = self._data[self.at : self.at + size]
        self.at += size
        return found

    def _integer(self) -> int:
        return int(self._take(4).view(f"{self._order}i4")[0])

    def _length(self) -> int:
        length = self._integer()
        if length == -1:  # a long vector
            length = (self._integer() << 32) + (self._integer() & 0xFFFFFFFF)
        if length < 0:
            raise Truncated
        return length

    def _value(self, level: int) -> Vector:
        return self._vector(self._integer(), level)

    def _vector(self, flags: int, level: int) -> Vector:
        if level > _MOST_LEVELS:
            raise SchemaMismatch(f"nests more than {_MOST_LEVELS} lists")
        kind = flags & 0xFF
        if kind == NULL:
            return Vector(NULL)
        if kind == LIST:
            values: Any = self._members(level)
        elif kind == CHARACTER:
            length = self._length()
            values, self.at = read_texts(self._data, self.at, length, self._order)
        elif kind in _NUMBERS:
            dtype = np.dtype(self._order + _NUMBERS[kind])
            values = self._take(self._length() * dtype.itemsize).view(dtype)
            values = values.astype(dtype.newbyteorder("="), copy=False)
        elif kind in _REFUSED:
            raise SchemaMismatch(
                f"holds {_REFUSED[kind]}, which is not data: drop it, or convert it"
            )
        else:
            raise Truncated
        attributes = self._pairs(level) if flags & HAS_ATTRIBUTES else {}
        return Vector(kind, values, attributes)

    def _members(self, level: int) -> list[Vector]:
        length = self._length()
        if length * 4 > len(self._data) - self.at:
            raise Truncated
        members = []
        for place in range(length):
            if not level:
                self.column = place
            members.append(self._value(level + 1))
        if not level:
            self.column = None
        return members

    def _pairs(self, level: int) -> dict[str, Vector]:
        """Read attributes."""
        found: dict[str, Vector] = {}
        while (flags := self._integer()) & 0xFF == PAIRS and flags & HAS_TAG:
            if flags & HAS_ATTRIBUTES:
                raise Truncated
            name = self._symbol()
            found[name] = self._value(level + 1)
        if flags & 0xFF != NULL:
            raise Truncated
        return found

    def _symbol(self) -> str:
        flags = self._integer()
        if flags & 0xFF == REFERENCE:
            place = (flags >> 8) or self._integer()
            if not 1 <= place <= len(self._symbols):
                raise Truncated
            return self._symbols[place - 1]
        if flags & 0xFF != SYMBOL or self._integer() & 0xFF != CHARSXP:
            raise Truncated
        name = bytes(self._take(self._integer())).decode(errors="replace")
        self._symbols.append(name)
        return name

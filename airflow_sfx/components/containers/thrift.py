"""Thrift's compact protocol, as far as Parquet's headers and footers need it."""

from __future__ import annotations

from typing import Final, TypeAlias

from airflow_sfx.components.columns.restore import refused

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_DEEPEST: Final = 12


class Long(int):
    """An integer that is declared with 64 bits."""


Value: TypeAlias = "int | bytes | list[Value] | dict[int, Value]"
"""An integer, bytes, a list of values of one type, or a struct: its fields by number."""


def encode(fields: dict[int, Value]) -> bytes:
    r"""Return a struct as bytes.

    Args:
        fields: The fields by number, in ascending order; a `Long` has 64 bits, another integer 32.

    Example:
        >>> encode({1: 3, 2: b"x"})
        b'\x15\x06\x18\x01x\x00'
    """
    found = bytearray()
    before = 0
    for number, value in fields.items():
        found.append((number - before) << 4 | _type_of(value))
        found += _value(value)
        before = number
    return bytes([*found, 0])


def _type_of(value: Value) -> int:
    match value:
        case Long():
            return _I64
        case int():
            return _I32
        case bytes():
            return _BINARY
        case list():
            return _LIST
    return _STRUCT


def _value(value: Value) -> bytes:
    match value:
        case int():
            return varint(value << 1 if value >= 0 else (-value << 1) - 1)
        case bytes():
            return varint(len(value)) + value
        case list():
            kind = _type_of(value[0])
            count = len(value)
            head = (
                bytes([count << 4 | kind])
                if count < 15  # noqa: PLR2004
                else bytes([0xF0 | kind]) + varint(count)
            )
            return head + b"".join(_value(one) for one in value)
    return encode(value)


def varint(number: int) -> bytes:
    r"""Return an unsigned number, seven bits a byte.

    Example:
        >>> varint(300)
        b'\xac\x02'
    """
    found = bytearray()
    while number > 0x7F:  # noqa: PLR2004
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


class Reader:
    """Reads structs from bytes, and never more than there are.

    Args:
        data: The bytes.
        start: Where the first struct begins.
        end: Where they end, or None for the end of the bytes.
    """

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self._data = data
        self._end = len(data) if end is None else end
        self.position = start

    def struct(self, depth: int = 0) -> dict[int, Value]:
        """Return the next struct.

        Raises:
            ModelRefused: It is truncated, or nested too deeply.
        """
        if depth > _DEEPEST:
            raise refused("has a footer that is nested too deeply")
        found: dict[int, Value] = {}
        number = 0
        while head := self._byte():
            delta, kind = head >> 4, head & 0xF
            number = number + delta if delta else self._integer()
            found[number] = 1 if kind == _TRUE else 0 if kind == _FALSE else self._item(kind, depth)
        return found

    def _item(self, kind: int, depth: int) -> Value:
        if kind in (_I16, _I32, _I64):
            return self._integer()
        if kind == _BINARY:
            return self._take(self.varint())
        if kind in (_LIST, _SET):
            return self._list(depth)
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_BYTE, _TRUE, _FALSE):
            return self._byte()
        if kind == _DOUBLE:
            return self._take(8)
        raise refused("has a footer with a type that Parquet does not use")

    def _list(self, depth: int) -> list[Value]:
        head = self._byte()
        count, kind = head >> 4, head & 0xF
        if count == 15:  # noqa: PLR2004
            count = self.varint()
        if count > self._end - self.position:
            raise refused("has a footer with a list that is longer than itself")
        return [self._item(kind, depth + 1) for _ in range(count)]

    def _integer(self) -> int:
        found = self.varint()
        return found >> 1 if not found & 1 else -(found >> 1) - 1

    def varint(self) -> int:
        """Return the next unsigned number.

        Raises:
            ModelRefused: It is truncated, or has more than 64 bits.
        """
        found = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            found |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004
                return found
        raise refused("has a footer with a number of more than 64 bits")

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, size: int) -> bytes:
        end = self.position + size
        if size < 0 or end > self._end:
            raise refused("has a footer that is truncated")
        found = self._data[self.position : end]
        self.position = end
        return found

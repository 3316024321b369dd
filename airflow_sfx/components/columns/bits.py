"""Integers in as few bits as they need, least significant bit first."""

from __future__ import annotations

import numpy as np

from airflow_sfx.components.columns._typing import Array

WIDEST = 64
_AT_ONCE = 1 << 16  # a multiple of 8: each piece ends at a whole byte
_WHOLE = {8: "<u1", 16: "<u2", 32: "<u4", 64: "<u8"}


def width_of(greatest: int) -> int:
    """Return how many bits an integer from 0 needs.

    Example:
        >>> [width_of(number) for number in (0, 1, 255, 256)]
        [0, 1, 8, 9]
    """
    return greatest.bit_length()


def size_of(count: int, width: int) -> int:
    """Return how many bytes so many integers of a width take.

    Example:
        >>> size_of(9, 1)
        2
    """
    return (count * width + 7) // 8


def pack(values: Array, width: int) -> bytes:
    r"""Pack integers.

    Args:
        values: Integers from 0, as ``uint64``, below ``2 ** width``.
        width: The bits of each, from 0 to 64.

    Example:
        >>> pack(np.array([1, 0, 1], dtype=np.uint64), 1)
        b'\x05'
    """
    if width == 0:
        return b""
    if width in _WHOLE:
        return values.astype(_WHOLE[width]).tobytes()
    kind = "<u4" if width < 32 else "<u8"  # noqa: PLR2004
    pieces = []
    for start in range(0, len(values), _AT_ONCE):
        some = values[start : start + _AT_ONCE].astype(kind).view("u1")
        each = np.unpackbits(some, bitorder="little").reshape(-1, np.dtype(kind).itemsize * 8)
        pieces.append(np.packbits(each[:, :width], bitorder="little").tobytes())
    return b"".join(pieces)


def unpack(data: bytes | memoryview, count: int, width: int) -> Array:
    r"""Return packed integers as ``uint64``.

    Args:
        data: At least `size_of` bytes.
        count: How many integers.
        width: The bits of each, from 0 to 64.

    Example:
        >>> unpack(b"\x05", 3, 1).tolist()
        [1, 0, 1]
    """
    found = np.zeros(count, dtype=np.uint64)
    if width == 0 or count == 0:
        return found
    source = np.frombuffer(data, dtype="u1", count=size_of(count, width))
    if width in _WHOLE:
        found[:] = source.view(_WHOLE[width])
        return found
    bytes_each = 4 if width < 32 else 8  # noqa: PLR2004
    for start in range(0, count, _AT_ONCE):
        number = min(_AT_ONCE, count - start)
        begin = start * width // 8
        some = source[begin : begin + size_of(number, width)]
        each = np.unpackbits(some, count=number * width, bitorder="little").reshape(number, width)
        wide = np.zeros((number, bytes_each * 8), dtype="u1")
        wide[:, :width] = each
        found[start : start + number] = np.packbits(wide, axis=1, bitorder="little").view(
            f"<u{bytes_each}"
        )[:, 0]
    return found

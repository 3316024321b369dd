"""Compression of bytes: deflate for small ones, zstd for large ones.

Deflate is in the standard library, so a small component is unpacked without pyarrow.
"""

from __future__ import annotations

import zlib

from airflow_sfx.core.errors import ModelRefused

STORED, DEFLATE, ZSTD = 0, 1, 2
"""How bytes are compressed: not at all, raw deflate, or one frame of zstd."""

_SMALL = 1 << 14
_MEDIUM = 1 << 18
LARGE = 1 << 22
"""More bytes are never compressed hard."""


def zstd(data: bytes, *, hard: bool) -> bytes:
    """Compress bytes with zstd, the less hard the more they are.

    Args:
        data: The bytes.
        hard: Whether the result is kept; else it is only compared with others.
    """
    import pyarrow as pa

    level = 9 if len(data) <= (LARGE if hard else _SMALL) else 3
    if hard and len(data) <= _MEDIUM:
        level = 19
    found: bytes = pa.Codec("zstd", compression_level=level).compress(data, asbytes=True)
    return found


def smallest(data: bytes, *, hard: bool) -> tuple[int, bytes]:
    """Return how bytes are best compressed, and the result.

    Args:
        data: The bytes.
        hard: As for `zstd`.
    """
    found = [(STORED, data)]
    if len(data) <= _SMALL:
        packer = zlib.compressobj(9, wbits=-15)
        found.append((DEFLATE, packer.compress(data) + packer.flush()))
    if len(data) > _SMALL // 4:
        found.append((ZSTD, zstd(data, hard=hard)))
    return min(found, key=lambda one: len(one[1]))


def decompress(data: bytes | memoryview, codec: int, size: int) -> bytes | memoryview:
    """Return the bytes that were compressed, and never more than their size.

    Args:
        data: The compressed bytes.
        codec: One of `STORED`, `DEFLATE` and `ZSTD`.
        size: How many bytes there must be.

    Raises:
        ModelRefused: They are not that many, or not compressed so.
    """
    if codec == STORED:
        found: bytes | memoryview = data
    elif codec == DEFLATE:
        found = _inflate(data, size)
    else:
        found = _unzstd(data, size)
    if len(found) != size:
        raise ModelRefused(
            f"a packed component has {len(found)} bytes where {size} are declared: it is damaged;"
            " get it again from where it was packed"
        )
    return found


def _inflate(data: bytes | memoryview, size: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=-15)
    try:
        found = unpacker.decompress(data, size + 1)
    except zlib.error as error:
        raise _damaged("deflate", error) from error
    return found


def _unzstd(data: bytes | memoryview, size: int) -> bytes:
    import pyarrow as pa

    if size == 0:
        return b""
    try:
        found: bytes = pa.Codec("zstd").decompress(data, decompressed_size=size, asbytes=True)
    except (OSError, ValueError) as error:
        raise _damaged("zstd", error) from error
    return found


def _damaged(codec: str, error: Exception) -> ModelRefused:
    return ModelRefused(
        f"a packed component has bytes that are not {codec}: {error}; it is damaged; get it again"
        " from where it was packed"
    )

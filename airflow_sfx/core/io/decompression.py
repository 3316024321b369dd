"""Decompression of untrusted bytes, with a limit on the size of the content."""

from __future__ import annotations

import zlib

_LEAST = 16 << 20
_TIMES = 400
"""The largest ratio of content to compressed bytes.

Summaries of a model's log, compressed at level 1, shrink to a 230th at most, and bytes made to fill
memory to a thousandth. Other writers check `is_plausible` first.
"""
_GZIP = 16 + zlib.MAX_WBITS


def is_plausible(size: int, compressed: int) -> bool:
    """Whether `decompress` accepts this size of content and compressed bytes.

    Example:
        >>> is_plausible(1 << 20, 1 << 10), is_plausible(1 << 30, 1 << 20)
        (True, False)
    """
    return size < _limit(compressed)


def decompress(compressed: bytes, *, gzip: bool = False) -> bytes:
    """Decompress bytes of zlib or gzip.

    Args:
        compressed: The bytes.
        gzip: Whether they have gzip's header.

    Returns:
        The content.

    Raises:
        ValueError: The bytes are invalid or truncated, or their content exceeds what this package
            writes.

    Example:
        >>> decompress(zlib.compress(b"abc"))
        b'abc'
    """
    limit = _limit(len(compressed))
    reader = zlib.decompressobj(_GZIP if gzip else zlib.MAX_WBITS)
    try:
        content = reader.decompress(compressed, limit)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if reader.eof:
        return content
    if reader.unconsumed_tail:
        raise ValueError(f"{len(compressed)} bytes decompress to more than {limit}")
    raise ValueError("they are truncated")


def _limit(compressed: int) -> int:
    return _LEAST + _TIMES * compressed

"""Unpacking what may be anybody's: never to more than the packed bytes can have come from."""

from __future__ import annotations

import zlib

_LEAST = 16 << 20
_TIMES = 100
"""What is written here becomes a hundredth of its size at the smallest; what was made to fill memory, a thousandth."""
_GZIP = 16 + zlib.MAX_WBITS


def unpack(packed: bytes, *, gzip: bool = False) -> bytes:
    """Unpack bytes of zlib or gzip.

    Args:
        packed: The bytes.
        gzip: Whether they have gzip's header.

    Returns:
        The content.

    Raises:
        ValueError: They are no such bytes, are cut short, or unpack to far more than anything written here.

    Example:
        >>> unpack(zlib.compress(b"abc"))
        b'abc'
    """
    limit = _LEAST + _TIMES * len(packed)
    reader = zlib.decompressobj(_GZIP if gzip else zlib.MAX_WBITS)
    try:
        content = reader.decompress(packed, limit)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if reader.eof:
        return content
    if reader.unconsumed_tail:
        raise ValueError(f"{len(packed)} bytes unpack to more than {limit}")
    raise ValueError("they are cut short")

"""Unpacking what may be anybody's: never to more than the packed bytes can have come from."""

from __future__ import annotations

import zlib

_LEAST = 16 << 20
_TIMES = 400
"""Bundles of ledger entries, packed at level 1, become a 230th of their size at the smallest; what was made to fill memory, a
thousandth. Other writers ask `is_plausible` first."""
_GZIP = 16 + zlib.MAX_WBITS


def is_plausible(size: int, packed: int) -> bool:
    """Whether `decompress` gives back so many bytes from so many packed ones.

    Example:
        >>> is_plausible(1 << 20, 1 << 10), is_plausible(1 << 30, 1 << 20)
        (True, False)
    """
    return size < _limit(packed)


def decompress(packed: bytes, *, gzip: bool = False) -> bytes:
    """Unpack bytes of zlib or gzip.

    Args:
        packed: The bytes.
        gzip: Whether they have gzip's header.

    Returns:
        The content.

    Raises:
        ValueError: They are no such bytes, are cut short, or unpack to far more than anything
            written here.

    Example:
        >>> decompress(zlib.compress(b"abc"))
        b'abc'
    """
    limit = _limit(len(packed))
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


def _limit(packed: int) -> int:
    return _LEAST + _TIMES * packed

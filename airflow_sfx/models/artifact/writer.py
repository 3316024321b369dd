"""Writes artifacts: the same entries give the same bytes."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping

from airflow_sfx.models.artifact.contents import check_content
from airflow_sfx.models.artifact.rules import (
    FIRST,
    LAST,
    MOST_ENTRIES,
    STORED,
    check_names,
    check_sizes,
    in_order,
)

LOCAL = struct.Struct("<4sHHHHHIIIHH")
CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
END = struct.Struct("<4sHHHHIIH")
LOCAL_MARK, CENTRAL_MARK, END_MARK = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"

NEEDED = 20
"""The version of the zip format that is needed to unpack an entry: 2.0."""
MADE_BY = (3 << 8) | NEEDED
"""Unix, so that the entries' modes count."""
MODE = 0o100644 << 16
"""A regular file that its owner may write, in an entry's external attributes."""
TIME, DATE = 0, (1 << 5) | 1
"""1980-01-01 00:00:00, the earliest that a zip file can say."""
STORE, DEFLATE = 0, 8
_LEVEL = 9
_LARGE, _SAMPLE, _GAIN = 1 << 20, 64 << 10, 0.98
"""From which size an entry is sampled, how much of it, and what repetitions have to save."""


def write_artifact(entries: Mapping[str, bytes], where: str = "the artifact") -> bytes:
    """Pack entries as an artifact, with their sums as its last entry.

    Args:
        entries: The content of each entry by name, ``MODEL.json`` among them.
        where: The artifact, for messages.

    Returns:
        The zip file. It depends on nothing but the entries and zlib's version.

    Raises:
        ModelRefused: An entry's name or content is not one of an artifact.

    Example:
        >>> packed = write_artifact({"MODEL.json": b"{}", "CARD.md": b"# Delays"})
        >>> packed == write_artifact({"CARD.md": b"# Delays", "MODEL.json": b"{}"})
        True
    """
    assert FIRST in entries and LAST not in entries and len(entries) < MOST_ENTRIES
    names = in_order(entries)
    sums = "".join(f"{hashlib.sha256(entries[name]).hexdigest()}  {name}\n" for name in names)
    contents = {**{name: entries[name] for name in names}, LAST: sums.encode()}
    check_names(contents, where)
    body, directory = bytearray(), bytearray()
    for name, content in contents.items():
        check_content(name, content, where)
        method, packed = _packed(name, content)
        path = name.encode("ascii")
        sizes = (zlib.crc32(content), len(packed), len(content), len(path))
        at = (0, 0, 0, 0, MODE, len(body))
        directory += CENTRAL.pack(CENTRAL_MARK, MADE_BY, NEEDED, 0, method, TIME, DATE, *sizes, *at)
        directory += path
        body += LOCAL.pack(LOCAL_MARK, NEEDED, 0, method, TIME, DATE, *sizes, 0)
        body += path
        body += packed
    count = len(contents)
    end = END.pack(END_MARK, 0, 0, count, count, len(directory), len(body), 0)
    artifact = bytes(body + directory + end)
    check_sizes(len(artifact), map(len, contents.values()), where)
    return artifact


def _packed(name: str, content: bytes) -> tuple[int, bytes]:
    """Return the method and the bytes that are smallest; nothing that is compressed already."""
    if name.endswith(STORED):
        return STORE, content
    packed = _deflated(content, _strategy(content))
    return (DEFLATE, packed) if len(packed) < len(content) else (STORE, content)


def _strategy(content: bytes) -> int:
    """Return how to deflate: weights repeat nothing, and are not searched for repetitions."""
    if len(content) < _LARGE:
        return zlib.Z_DEFAULT_STRATEGY
    middle = len(content) // 2
    sample = content[middle : middle + _SAMPLE]
    searched, unsearched = (
        len(_deflated(sample, one)) for one in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY)
    )
    gains = searched < _GAIN * unsearched
    return zlib.Z_DEFAULT_STRATEGY if gains else zlib.Z_HUFFMAN_ONLY


def _deflated(content: bytes, strategy: int) -> bytes:
    deflater = zlib.compressobj(
        _LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, strategy
    )
    return deflater.compress(content) + deflater.flush()

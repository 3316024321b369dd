"""Reads artifacts of any origin: checks everything, and runs and creates nothing.

Zip files leave much to the reader: several directories, headers that contradict each other, data
between entries. An artifact has exactly the form that `writer` gives it, and all else is refused.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from airflow_sfx.core.errors import ModelRefused
from airflow_sfx.models.artifact.contents import check_content
from airflow_sfx.models.artifact.rules import (
    FIRST,
    LAST,
    MOST_BYTES,
    MOST_ENTRIES,
    check_names,
    check_sizes,
)
from airflow_sfx.models.artifact.writer import (
    CENTRAL,
    CENTRAL_MARK,
    DATE,
    DEFLATE,
    END,
    END_MARK,
    LOCAL,
    LOCAL_MARK,
    MADE_BY,
    MODE,
    NEEDED,
    STORE,
    TIME,
)

FIRST_BYTES = 64 << 10
"""How many bytes of an artifact have its first entry, for a read of a range."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of the directory."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    offset: int


def read_artifact(data: bytes | memoryview, where: str) -> dict[str, bytes]:
    """Unpack an artifact, after checking all of it.

    Args:
        data: The zip file.
        where: Where it is from, for messages.

    Returns:
        The content of each entry by name, without ``SHA256SUMS``.

    Raises:
        ModelRefused: It is not an artifact, or was altered since it was written.

    Example:
        >>> from airflow_sfx.models.artifact.writer import write_artifact
        >>> packed = write_artifact({"MODEL.json": b"{}", "CARD.md": b"# Delays"})
        >>> sorted(read_artifact(packed, "delays.zip"))
        ['CARD.md', 'MODEL.json']
        >>> read_artifact(packed[:-1], "delays.zip")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.ModelRefused: delays.zip is not a model artifact...
    """
    view = memoryview(data).cast("B")
    if len(view) > MOST_BYTES:
        check_sizes(len(view), (), where)
    entries = _directory(view, where)
    check_names((one.name for one in entries), where)
    check_sizes(len(view), (one.size for one in entries), where)
    contents = {one.name: _content(view, one, where) for one in entries}
    _check_sums(contents, where)
    for name, content in contents.items():
        check_content(name, content, where)
    del contents[LAST]
    return contents


def read_first(data: bytes | memoryview, where: str) -> bytes:
    """Return ``MODEL.json`` from the first bytes of an artifact, without checking the rest.

    Args:
        data: The first `FIRST_BYTES` of the zip file, or fewer if it is smaller.
        where: Where it is from, for messages.

    Raises:
        ModelRefused: The artifact does not begin with it.
    """
    view = memoryview(data).cast("B")
    try:
        mark, _, _, method, _, _, _, packed, size, named, extra = LOCAL.unpack_from(view, 0)
    except struct.error:
        raise _not_one(where, "it is too short") from None
    start = LOCAL.size + named
    name = bytes(view[LOCAL.size : start])
    if (mark, name, method, extra) != (LOCAL_MARK, FIRST.encode(), STORE, 0) or packed != size:
        raise _not_one(where, f"it does not begin with {FIRST}")
    if start + size > len(view):
        raise _not_one(where, f"its {FIRST} has {size} bytes")
    return bytes(view[start : start + size])


def _directory(view: memoryview, where: str) -> list[_Entry]:
    """Return the entries that the directory at the end lists, which must be all there is."""
    if len(view) < END.size:
        raise _not_one(where, "it is too short")
    mark, disk, start_disk, here, count, size, offset, comment = END.unpack_from(
        view, len(view) - END.size
    )
    if (mark, disk, start_disk, comment) != (END_MARK, 0, 0, 0) or here != count:
        raise _not_one(where, "it does not end with the directory of a zip file")
    if not 0 < count <= MOST_ENTRIES or offset + size != len(view) - END.size:
        raise _not_one(where, "its directory does not fit")
    entries, place = [], offset
    for _ in range(count):
        entry, place = _entry(view, place, where)
        entries.append(entry)
    if place != offset + size:
        raise _not_one(where, "its directory has more than its entries")
    _check_contiguous(view, entries, offset, where)
    return entries


def _entry(view: memoryview, place: int, where: str) -> tuple[_Entry, int]:
    try:
        mark, made, needed, flags, method, time, date, crc, packed, size, *lengths = (
            CENTRAL.unpack_from(view, place)
        )
    except struct.error:
        raise _not_one(where, "its directory is truncated") from None
    named, extra, comment, disk, internal, mode, offset = lengths
    if (mark, needed, flags, time, date) != (CENTRAL_MARK, NEEDED, 0, TIME, DATE):
        raise _not_one(where, "an entry has other flags or another time")
    if (made, mode) != (MADE_BY, MODE):
        raise _not_one(where, "an entry is not a regular file, but a link or a directory")
    if (extra, comment, disk, internal) != (0, 0, 0, 0) or method not in (STORE, DEFLATE):
        raise _not_one(where, "an entry has extra fields or another compression")
    end = place + CENTRAL.size + named
    try:
        name = bytes(view[place + CENTRAL.size : end]).decode("ascii")
    except UnicodeDecodeError:
        raise _not_one(where, "an entry's name is not ASCII") from None
    return _Entry(name, method, crc, packed, size, offset), end


def _check_contiguous(view: memoryview, entries: list[_Entry], directory: int, where: str) -> None:
    """Check that the entries follow one another, and that their own headers say the same."""
    place = 0
    for one in entries:
        path = one.name.encode("ascii")
        sizes = (one.crc, one.packed, one.size, len(path))
        header = LOCAL.pack(LOCAL_MARK, NEEDED, 0, one.method, TIME, DATE, *sizes, 0)
        found = bytes(view[place : place + len(header) + len(path)])
        if one.offset != place or found != header + path:
            raise _not_one(where, f"the header of {one.name!r:.80} differs from the directory")
        place += len(header) + len(path) + one.packed
    if place != directory:
        raise _not_one(where, "it has bytes that belong to no entry")


def _content(view: memoryview, entry: _Entry, where: str) -> bytes:
    start = entry.offset + LOCAL.size + len(entry.name)
    packed = view[start : start + entry.packed]
    if entry.method == STORE:
        content = bytes(packed)
    else:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = inflater.decompress(packed, entry.size + 1)
        except zlib.error as error:
            raise _altered(where, entry.name, str(error)) from error
        if not inflater.eof or inflater.unused_data:
            raise _altered(where, entry.name, "it unpacks to another size")
    if len(content) != entry.size or zlib.crc32(content) != entry.crc:
        raise _altered(where, entry.name, "its size or its checksum differs")
    return content


def _check_sums(contents: Mapping[str, bytes], where: str) -> None:
    """Check that the last entry lists all others, with the sums that they have."""
    listed = dict(_sums(contents.get(LAST, b""), where))
    names = [name for name in contents if name != LAST]
    if list(listed) != names:
        other = next(iter(set(listed) ^ set(names)), "")
        raise ModelRefused(
            f"{where}: {LAST} does not list exactly the other entries, as {other!r:.80} shows:"
            " nothing of it is used; get the artifact again from where it was saved"
        )
    for name in names:
        if hashlib.sha256(contents[name]).hexdigest() != listed[name]:
            raise _altered(where, name, f"its SHA-256 is not that of {LAST}")


def _sums(content: bytes, where: str) -> Iterator[tuple[str, str]]:
    for line in content.decode("ascii", "replace").splitlines():
        value, mark, name = line.partition("  ")
        if not mark or len(value) != 2 * hashlib.sha256().digest_size:
            raise _not_one(where, f"{LAST} has the line {line!r:.80}")
        yield name, value


def _altered(where: str, name: str, why: str) -> ModelRefused:
    return ModelRefused(
        f"{where}: the entry {name!r:.80} was altered or truncated ({why}): nothing of the artifact"
        " is used; get it again from where it was saved"
    )


def _not_one(where: str, why: str) -> ModelRefused:
    return ModelRefused(
        f"{where} is not a model artifact, or was altered: {why}. Nothing of it was read; save the"
        " model again, or get the artifact from where it was saved"
    )

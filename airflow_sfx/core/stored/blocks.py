"""Many records in one object, ordered by name, that can be read one by one.

::

    {"version":42,…,"blocks":[["20160101",0,11803,"9f…"],…],"checksum":"…"}   the header, one line
    [["20160101",…],["20160102",…],…]                                         a block, one line
    …

The header says which names each block begins with, where it lies, and what its digest is; it ends
with the digest of all that comes before it. So one record of ten thousand takes a read of the
header and of one block.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from airflow_sfx.core.errors import InconsistentBatch
from airflow_sfx.core.serde import Count, Record, decode, encode

_RECORDS_A_BLOCK = 128
_BYTES_A_BLOCK = 1 << 15
"""A block ends with the record that exceeds one of these."""
_FIRST_READ = 1 << 16
"""The bytes that are read first: the header and blocks of some hundred records."""
_PART_READ_WHOLE = 4
"""If a quarter of the blocks is wanted, all are read, in one request."""
_CHECKSUM = b',"checksum":"'
_END = b'"}\n'
_DIGITS = 32

Fetch = Callable[[int, int], "tuple[memoryview, int] | None"]
"""Returns a range of an object's bytes and the size of the whole; None if it does not exist."""


class Named(Protocol):
    """A record that a name orders."""

    @property
    def name(self) -> str:
        """The name."""


R = TypeVar("R", bound=Named)


class _Index(Record):
    blocks: tuple[tuple[str, Count, Count, str], ...]


def to_blocks(header: Mapping[str, object], records: Iterable[Named]) -> bytes:
    """Encode records in the order of their names.

    Args:
        header: The members that apply to all records.
        records: The records, of different names.

    Returns:
        The content of the object.
    """
    lines: list[bytes] = []
    index: list[tuple[str, int, int, str]] = []
    start = 0
    for first, line in _lines(sorted(records, key=lambda one: one.name)):
        index.append((first, start, len(line), _digest(line)))
        lines.append(line + b"\n")
        start += len(line) + 1
    body = encode({**header, "blocks": index}).encode()[:-1]
    return b"".join((body, _CHECKSUM, _digest(body).encode(), _END, *lines))


def _lines(ordered: Iterable[Named]) -> Iterator[tuple[str, bytes]]:
    """Yield the first name and the content of each block."""
    first, size = "", 0
    some: list[bytes] = []
    for one in ordered:
        first = first if some else one.name
        some.append(encode(one).encode())
        size += len(some[-1])
        if len(some) >= _RECORDS_A_BLOCK or size >= _BYTES_A_BLOCK:
            yield first, b"[%b]" % b",".join(some)
            some, size = [], 0
    if some:
        yield first, b"[%b]" % b",".join(some)


class Blocks(Generic[R]):
    """An object of records, as far as it has been read.

    Args:
        header: The header's JSON text.
        kind: The type of a record.
        what: What the object is, with its path, for messages.
    """

    def __init__(
        self, header: bytes, kind: type[R], what: str, fetch: Fetch, start: int, read: bytes
    ) -> None:
        self.header = header
        self._kind, self._what, self._fetch = kind, what, fetch
        self._start = start
        self._read = read
        self._index = decode(header, _Index, what).blocks
        self._known: dict[int, Sequence[R]] = {}

    @classmethod
    def open(cls, fetch: Fetch, kind: type[R], what: str) -> Blocks[R] | None:
        """Read the header of an object, and the blocks that come with it.

        Args:
            fetch: Reads a range of the object.
            kind: The type of a record.
            what: What the object is, with its path, for messages.

        Returns:
            The object, or None if it does not exist.

        Raises:
            InconsistentBatch: The header was altered or truncated.
        """
        size = _FIRST_READ
        while True:
            found = fetch(0, size)
            if found is None:
                return None
            data, whole = bytes(found[0]), found[1]
            line, end, _ = data.partition(b"\n")
            if end or len(data) >= whole:
                break
            size *= 4
        body, mark, rest = line.rpartition(_CHECKSUM)
        if not mark or rest + b"\n" != _digest(body).encode() + _END:
            raise _altered(what)
        return cls(body + b"}", kind, what, fetch, len(line) + 1, data)

    def find(self, names: Collection[str]) -> dict[str, R]:
        """Return the records of some names, by name; those that do not exist are left out."""
        firsts = [first for first, *_ in self._index]
        due = {place for name in names if (place := bisect_right(firsts, name) - 1) >= 0}
        wanted = set(names)
        if len(due) > max(1, len(self._index) // _PART_READ_WHOLE):
            self._read_rest()
        return {one.name: one for place in due for one in self._block(place) if one.name in wanted}

    def all(self) -> list[R]:
        """Return all records, in the order of their names."""
        if len(self._index) > len(self._known) + 1:
            self._read_rest()
        return [one for place in range(len(self._index)) for one in self._block(place)]

    def first(self) -> R | None:
        """Return the first record, or None without records."""
        return self._block(0)[0] if self._index else None

    def _read_rest(self) -> None:
        """Read all of the object in one request, unless it has been."""
        _, start, size, _ = self._index[-1]
        end = self._start + start + size
        if len(self._read) < end:
            found = self._fetch(0, end)
            self._read = b"" if found is None else bytes(found[0])

    def _block(self, place: int) -> Sequence[R]:
        if place not in self._known:
            first, start, size, digest = self._index[place]
            begin = self._start + start
            line = self._read[begin : begin + size]
            if len(line) < size:
                found = self._fetch(begin, begin + size)
                line = b"" if found is None else bytes(found[0])
            if _digest(line) != digest:
                raise _altered(self._what)
            records: Any = decode(line, tuple[self._kind, ...], self._what)  # type: ignore[name-defined]
            if not records or records[0].name != first:
                raise _altered(self._what)
            self._known[place] = records
        return self._known[place]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_DIGITS]


def _altered(what: str) -> InconsistentBatch:
    return InconsistentBatch(
        f"{what} does not match its checksum: it was changed or truncated after it was written;"
        " restore it"
    )

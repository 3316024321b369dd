"""Remote Parquet files: the byte ranges of a scan, fetched before it begins.

pyarrow then scans its own memory. It could call a Python file object from its threads, but a thread
that is still reading when the interpreter shuts down crashes the process.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

Range = tuple[int, int]
"""Start and end of a byte range; the end is exclusive."""
Fetch = Callable[[Sequence[Range]], Sequence[memoryview]]
"""Fetches the bytes of ranges."""

_HOLE_BYTES = 1 << 20
"""The largest gap between two ranges that are fetched as one; about as costly as a request."""
_RANGE_BYTES = 16 << 20
"""The largest range of one request; longer ranges are split, and fetched concurrently."""
_PADDING = 100
"""How much old writers of Parquet understate the size of a dictionary, in bytes (PARQUET-816)."""
_TAIL_BYTES = 1 << 16
"""How many bytes of a file's end are fetched first; most footers are shorter."""
_MAGIC_BYTES = 8
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class RangedFile:
    """A remote file, of which ranges can be fetched.

    Args:
        size: Its size in bytes.
        tail: Its last bytes, including the whole footer.
        fetch: Fetches several ranges.
    """

    size: int
    tail: memoryview
    fetch: Fetch

    @classmethod
    def of(cls, size: int, fetch: Fetch) -> RangedFile:
        """Open a file of a given size: fetch its end, and the rest of a longer footer."""
        (tail,) = fetch([(max(0, size - _TAIL_BYTES), size)])
        length = int.from_bytes(tail[-_MAGIC_BYTES:-_LENGTH_BYTES], "little") + _MAGIC_BYTES
        if tail.nbytes < length <= size:  # a greater length is invalid, which pyarrow reports
            (front,) = fetch([(size - length, size - tail.nbytes)])
            tail = memoryview(bytes(front) + bytes(tail))
        return cls(size, tail, fetch)

    def metadata(self) -> pq.FileMetaData:
        """Parse the footer."""
        return pq.read_metadata(pa.BufferReader(self.buffer()))

    def buffer(self, ranges: Sequence[Range] = ()) -> pa.Buffer:
        """Return the file with its tail and some ranges; the rest takes no memory."""
        pool = pa.system_memory_pool()  # the default pool reuses pages, which are mapped already
        sparse = pa.allocate_buffer(self.size, pool)
        target = memoryview(sparse).cast("B")
        target[self.size - self.tail.nbytes :] = self.tail
        for (start, stop), part in zip(ranges, self.fetch(ranges) if ranges else (), strict=True):
            target[start:stop] = part
        return sparse

    def read_all(self) -> None:
        """Read every row group, one after another.

        Raises:
            ArrowException: A part of the file cannot be read.
        """
        metadata = self.metadata()
        every = {metadata.schema.column(place).path for place in range(metadata.num_columns)}
        for number in range(metadata.num_row_groups):
            content = self.buffer(column_ranges(metadata, [number], every))
            pq.ParquetFile(pa.BufferReader(content)).read_row_group(number)


def batch_row_groups(
    metadata: pq.FileMetaData, groups: Sequence[int], columns: Collection[str], at_once: int | None
) -> Iterator[list[int]]:
    """Group consecutive row groups by the compressed size of some columns.

    Args:
        metadata: The file's footer.
        groups: The numbers of the row groups.
        columns: The columns' names.
        at_once: The maximum size of a batch in bytes, or None for all row groups at once.

    Yields:
        The numbers of row groups; at least one each time.
    """
    held: list[int] = []
    size = 0
    for number in groups:
        next_size = sum(chunk.total_compressed_size for chunk in _chunks(metadata, number, columns))
        if held and at_once is not None and size + next_size > at_once:
            yield held
            held, size = [], 0
        held.append(number)
        size += next_size
    if held:
        yield held


def column_ranges(
    metadata: pq.FileMetaData, groups: Iterable[int], columns: Collection[str]
) -> list[Range]:
    """Return the byte ranges of columns in a file.

    Args:
        metadata: The file's footer.
        groups: The numbers of the row groups.
        columns: The columns' names; the outermost name for nested columns.

    Returns:
        The ranges in order; adjacent ones are merged, and large ones are split.
    """
    chunks = [chunk for number in groups for chunk in _chunks(metadata, number, columns)]
    joined: list[Range] = []
    for start, stop in sorted(map(_range_of, chunks)):
        if joined and start - joined[-1][1] <= _HOLE_BYTES:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return [
        (cut, min(cut + _RANGE_BYTES, stop))
        for start, stop in joined
        for cut in range(start, stop, _RANGE_BYTES)
    ]


def _chunks(
    metadata: pq.FileMetaData, number: int, columns: Collection[str]
) -> list[pq.ColumnChunkMetaData]:
    group = metadata.row_group(number)
    return [
        one
        for one in map(group.column, range(group.num_columns))
        if _is_of(one.path_in_schema, columns)
    ]


def _is_of(path: str, columns: Collection[str]) -> bool:
    return path in columns or any(
        path[:place] in columns for place, sign in enumerate(path) if sign == "."
    )


def _range_of(chunk: pq.ColumnChunkMetaData) -> Range:
    first = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < (offset := chunk.dictionary_page_offset or 0) < first:
        first = offset
    return first, first + chunk.total_compressed_size + _PADDING

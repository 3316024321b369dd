"""Parquet files that lie elsewhere: which of their bytes a scan needs, fetched before it begins.

What pyarrow then scans is memory of its own. It could call a file object of Python's from its
threads, but one that is still reading when the interpreter shuts down takes the process with it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

Range = tuple[int, int]
"""The number of a first byte, and of the one before which to end."""
Fetch = Callable[[Sequence[Range]], Sequence[memoryview]]
"""Gives the bytes of ranges."""

_HOLE_BYTES = 1 << 20
"""Up to how many bytes between two ranges are fetched with them: a server sends as many while it answers a request."""
_RANGE_BYTES = 16 << 20
"""From how many bytes on a range is fetched by several requests at once."""
_PADDING = 100
"""By how many bytes old writers of Parquet have told the size of a dictionary wrong (PARQUET-816)."""
_TAIL_BYTES = 1 << 16
"""How much of a file's end is fetched first: the footers of most files are shorter."""
_MAGIC_BYTES = 8
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class RangedFile:
    """A file of which ranges can be fetched.

    Args:
        size: How many bytes it has.
        tail: The last of them, with all of the footer.
        fetch: Fetches ranges, several at a time.
    """

    size: int
    tail: memoryview
    fetch: Fetch

    @classmethod
    def of(cls, size: int, fetch: Fetch) -> RangedFile:
        """A file of so many bytes: its end is fetched, and the rest of a footer that is longer than that."""
        (tail,) = fetch([(max(0, size - _TAIL_BYTES), size)])
        length = int.from_bytes(tail[-_MAGIC_BYTES:-_LENGTH_BYTES], "little") + _MAGIC_BYTES
        if (
            tail.nbytes < length <= size
        ):  # greater than that it is no footer, as whoever reads it will say
            (front,) = fetch([(size - length, size - tail.nbytes)])
            tail = memoryview(bytes(front) + bytes(tail))
        return cls(size, tail, fetch)

    def metadata(self) -> pq.FileMetaData:
        """What the footer says."""
        return pq.read_metadata(pa.BufferReader(self.buffer()))

    def buffer(self, ranges: Sequence[Range] = ()) -> pa.Buffer:
        """The file with its tail and these ranges; elsewhere is nothing, which takes addresses and hardly any memory."""
        pool = (
            pa.system_memory_pool()
        )  # the default one gives out pages that were full before, and they stay
        sparse = pa.allocate_buffer(self.size, pool)
        target = memoryview(sparse).cast("B")
        target[self.size - self.tail.nbytes :] = self.tail
        for (start, stop), part in zip(ranges, self.fetch(ranges) if ranges else (), strict=True):
            target[start:stop] = part
        return sparse

    def read_all(self) -> None:
        """Read every row group, one after another.

        Raises:
            ArrowException: Something of the file cannot be read.
        """
        metadata = self.metadata()
        every = {metadata.schema.column(place).path for place in range(metadata.num_columns)}
        for number in range(metadata.num_row_groups):
            content = self.buffer(ranges_of(metadata, [number], every))
            pq.ParquetFile(pa.BufferReader(content)).read_row_group(number)


def grouped(
    metadata: pq.FileMetaData, groups: Sequence[int], columns: Collection[str], at_once: int | None
) -> Iterator[list[int]]:
    """Row groups one after another, as many at a time as have so many bytes of these columns, or all; at least one."""
    held: list[int] = []
    size = 0
    for number in groups:
        coming = sum(chunk.total_compressed_size for chunk in _chunks(metadata, number, columns))
        if held and at_once is not None and size + coming > at_once:
            yield held
            held, size = [], 0
        held.append(number)
        size += coming
    if held:
        yield held


def ranges_of(
    metadata: pq.FileMetaData, groups: Iterable[int], columns: Collection[str]
) -> list[Range]:
    """Where columns are in a file.

    Args:
        metadata: What its footer says.
        groups: The numbers of the row groups.
        columns: The columns' names; of nested ones that of the outermost.

    Returns:
        The ranges in their order, those near each other as one, large ones in several.
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

"""Encode and write the files of batches concurrently."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from airflow_sfx.core.manifest import DataFile
from airflow_sfx.core.schema import ColumnStatistics

Out = TypeVar("Out")

IN_FLIGHT_BYTES = 192 << 20
"""The most bytes of a frame that may wait to be written at once."""
HELD_BYTES = 64 << 20
"""The most bytes of encoded files that may wait for their directories."""
_LARGE_FILE_BYTES = 1 << 20
_LARGEST_GROUP = 16


@dataclass(frozen=True, slots=True)
class EncodedFile:
    """A Parquet file in memory.

    Args:
        content: Its bytes, as a buffer.
        rows: How many rows it holds.
        statistics: What its columns hold.
    """

    content: memoryview
    rows: int
    statistics: Mapping[str, ColumnStatistics]


Put = Callable[[str, int, EncodedFile], DataFile]
"""Puts a file into a batch's directory, given the partition, the file's number and the file."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """An existing file that becomes part of a batch unchanged.

    Args:
        file: As the manifest will name it.
        statistics: What its columns hold.
    """

    file: DataFile
    statistics: Mapping[str, ColumnStatistics]

    @property
    def rows(self) -> int:
        """The number of its rows."""
        return self.file.rows


@dataclass(frozen=True, slots=True)
class Written:
    """A written file.

    Args:
        name: The partition's name.
        file: The file, as the manifest will name it.
        encoded: What was encoded, without its content.
    """

    name: str
    file: DataFile
    encoded: EncodedFile


@dataclass(frozen=True, slots=True)
class _Held:
    """An encoded file whose directory is not claimed yet."""

    name: str
    number: int
    encoded: EncodedFile


class FileWriter:
    """Encodes and writes files on the threads of a pool.

    Args:
        pool: The threads.
        encode: Encodes rows as a Parquet file.
        put: Puts the file into its batch's directory.
        claimed: Done once the directories are claimed, or None if they are already.
        small: The number of small files, or 0 if they are large or their number is unknown.
        threads: The number of threads for files.
    """

    def __init__(
        self,
        pool: Executor,
        encode: Callable[[Any], EncodedFile],
        put: Put,
        *,
        claimed: Future[None] | None,
        small: int,
        threads: int,
    ) -> None:
        self._pool, self._encode, self._put, self._claimed = pool, encode, put, claimed
        self._small = small > 0
        # Handing one small file to another thread takes as long as encoding some of its columns:
        # several go together.
        self._group_size = max(1, min(_LARGEST_GROUP, small // (4 * threads)))
        self._in_flight, self._held = _Budget(IN_FLIGHT_BYTES), _Budget(HELD_BYTES)
        self._counts: dict[str, int] = {}
        self._group: list[tuple[str, int, Any]] = []
        self._begun: list[Future[Sequence[Written | _Held]]] = []

    def add(self, name: str, rows: Any) -> None:
        """Write the rows of a partition's next file, after waiting for free bytes."""
        number = self._counts[name] = self._counts.get(name, -1) + 1
        self._group.append((name, number, rows))
        # This includes one large partition among many small ones.
        large = not self._small or rows.nbytes >= _LARGE_FILE_BYTES
        if large or len(self._group) >= self._group_size:
            self._begin(rows.nbytes if large else 0)

    def written(self) -> Iterator[Written]:
        """Wait for all files, and return them in the order in which they came."""
        if self._group:
            self._begin(0)
        if self._claimed is not None:
            self._claimed.result()
        placed = []
        for begun in self._begun:
            group = begun.result()
            late = any(isinstance(one, _Held) for one in group)
            placed.append(self._pool.submit(self._put_held, group) if late else begun)
        for done in placed:
            for one in done.result():
                if isinstance(one, Written):
                    yield one

    def _begin(self, size: int) -> None:
        group, self._group = self._group, []
        self._in_flight.take(size)
        self._begun.append(
            self._pool.submit(self._in_flight.spend, size, partial(self._write, group))
        )

    def _write(self, group: list[tuple[str, int, Any]]) -> Sequence[Written | _Held]:
        done: list[Written | _Held] = []
        for name, number, rows in group:
            file = _Held(name, number, self._encode(rows))
            free = self._claimed is None or self._claimed.done()
            wait = not free and self._held.offers(file.encoded.content.nbytes)
            done.append(file if wait else self._put_one(file))
        return done

    def _put_held(self, group: Sequence[Written | _Held]) -> Sequence[Written | _Held]:
        return [self._put_one(one) if isinstance(one, _Held) else one for one in group]

    def _put_one(self, held: _Held) -> Written:
        if self._claimed is not None:
            self._claimed.result()
        file = self._put(held.name, held.number, held.encoded)
        return Written(held.name, file, replace(held.encoded, content=memoryview(b"")))


class _Budget:
    """A limit of pending bytes; a single piece is always allowed, whatever its size."""

    def __init__(self, limit: int) -> None:
        self._free = self._limit = limit
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._free >= min(size, self._limit))
            self._free -= size

    def offers(self, size: int) -> bool:
        """Acquire bytes if that many are free."""
        with self._changed:
            if self._free < size:
                return False
            self._free -= size
            return True

    def spend(self, size: int, action: Callable[[], Out]) -> Out:
        """Run a task that the bytes were acquired for, and release them."""
        try:
            return action()
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()

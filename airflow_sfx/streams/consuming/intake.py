"""Records that wait: a thread for each shard reads ahead into bounded memory."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from airflow_sfx.core.errors import StreamUnavailable
from airflow_sfx.streams.source import Chunk, Source, Start, StreamRecord

_log = logging.getLogger(__name__)
_CHUNK = 10_000
"""The most records of one read; services have limits of their own."""
_IDLE = 0.05
"""The pause after a read without records, in seconds; readers wait by themselves."""
_LONGEST_PAUSE = 30.0
_LEAVE = 5.0
"""How long to wait for readers that are stopped, in seconds."""


@dataclass(slots=True)
class Taken:
    """What was read since the last time.

    Args:
        records: The records by shard.
        ended: The shards of which these are the last.
        behind: How far the last read of each shard is behind its newest record, if known.
    """

    records: dict[str, list[StreamRecord]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    behind: dict[str, timedelta] = field(default_factory=dict)


class Intake:
    """Reads shards ahead of what is stored, up to a number of records and of bytes.

    Args:
        source: The stream.
        start: Where shards without a position begin.
        max_records: The most records that wait. A read that begins below it may pass it.
        max_bytes: Likewise for their bytes.
    """

    def __init__(self, source: Source, start: Start, max_records: int, max_bytes: int) -> None:
        self._source, self._start = source, start
        self._most, self._most_bytes = max_records, max_bytes
        self._changed = threading.Condition()
        self._threads: dict[str, _ShardThread] = {}
        self._waiting = Taken()
        self._count = self._bytes = 0
        self._first: float | None = None
        self._failed: BaseException | None = None
        self._give_up = 0.0

    @property
    def shards(self) -> set[str]:
        """The shards that are read, or were read to their end."""
        return set(self._threads)

    def follow(self, positions: Mapping[str, str]) -> None:
        """Read these shards from now on, and no others.

        Args:
            positions: The positions by shard, for those that were not read before.
        """
        self.drop(self._threads.keys() - positions.keys())
        for shard, after in positions.items():
            if shard not in self._threads:
                self._threads[shard] = _ShardThread(self, self._source, shard, after, self._start)

    def drop(self, shards: Collection[str]) -> None:
        """Read some shards no more, and forget what was read of them."""
        with self._changed:
            for shard in list(shards):
                thread = self._threads.pop(shard, None)
                if thread is not None:
                    thread.stop()
                gone = self._waiting.records.pop(shard, [])
                self._count -= len(gone)
                self._bytes -= sum(len(one.data) for one in gone)
                self._waiting.ended.discard(shard)
                self._waiting.behind.pop(shard, None)
            self._changed.notify_all()

    def take(self, seconds: float, most: float, stop: threading.Event) -> Taken:
        """Return what was read: a window's worth.

        Args:
            seconds: For how long to gather after the first record.
            most: For how long to wait without any record.
            stop: Return at once if it is set.

        Raises:
            Exception: A reader failed in a way that is not the service's.
        """
        end = time.monotonic() + most
        with self._changed:
            while not stop.is_set() and self._failed is None:
                due = end if self._first is None else min(end, self._first + seconds)
                left = due - time.monotonic()
                if left <= 0 or self._is_full():
                    break
                self._changed.wait(min(left, 0.2))
            if self._failed is not None:
                raise self._failed
            taken, self._waiting = self._waiting, Taken()
            self._waiting.behind = dict(taken.behind)
            self._count, self._bytes, self._first = 0, 0, None
            self._changed.notify_all()
        return taken

    def close(self) -> None:
        """Stop all readers, and wait for them, but not for a service that does not answer."""
        self._give_up = self._give_up or time.monotonic() + _LEAVE
        threads = list(self._threads.values())
        with self._changed:
            for one in threads:
                one.stop()
            self._changed.notify_all()
        for one in threads:
            one.join(max(0.0, self._give_up - time.monotonic()))

    def add(self, thread: _ShardThread, chunk: Chunk) -> None:
        """Keep what a thread has read; wait until there is room."""
        shard = thread.shard
        size = sum(len(one.data) for one in chunk.records)
        with self._changed:
            while self._is_full() and not thread.stopped.is_set():
                self._changed.wait(1)
            if thread.stopped.is_set():
                return
            if chunk.records:
                self._waiting.records.setdefault(shard, []).extend(chunk.records)
                self._count += len(chunk.records)
                self._bytes += size
                self._first = self._first or time.monotonic()
            if chunk.behind is not None:
                self._waiting.behind[shard] = chunk.behind
            if chunk.ended:
                self._waiting.ended.add(shard)
            if chunk.ended or self._is_full() or self._count == len(chunk.records):
                self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """Raise an error of a thread where records are taken."""
        with self._changed:
            self._failed = error
            self._changed.notify_all()

    def _is_full(self) -> bool:
        return self._count >= self._most or self._bytes >= self._most_bytes


class _ShardThread:
    """Reads one shard until it ends or is stopped."""

    def __init__(
        self, intake: Intake, source: Source, shard: str, after: str, start: Start
    ) -> None:
        self._intake, self._source, self._after, self._start = intake, source, after, start
        self.shard = shard
        self.stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"shard {shard}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read no more; `Intake.add` keeps nothing from now on."""
        self.stopped.set()

    def join(self, seconds: float) -> None:
        """Wait for the thread; one that is left over ends after its read, or with the process."""
        self._thread.join(seconds)

    def _run(self) -> None:
        failures = 0
        while not self.stopped.is_set():
            try:
                reader = self._source.reader(self.shard, self._after, self._start)
                try:
                    while not self.stopped.is_set():
                        chunk = reader.read(_CHUNK)
                        failures = 0
                        self._intake.add(self, chunk)
                        if chunk.ended:
                            return
                        if chunk.records:
                            self._after = chunk.records[-1].sequence
                        else:
                            self.stopped.wait(_IDLE)
                finally:
                    reader.close()
            except StreamUnavailable as error:
                if self.stopped.is_set():
                    return
                failures += 1
                pause = min(0.2 * 2 ** min(failures, 10), _LONGEST_PAUSE)
                _log.warning("%s; the shard %s is read again later", error, self.shard)
                self.stopped.wait(random.uniform(0, pause))  # noqa: S311
            except BaseException as error:
                self._intake.fail(error)
                return

"""What a stream is: shards of records in order, read from a position on.

A stream service implements `Source` and `ShardReader`, and nothing else. Where a table is in a
stream is no matter of the source: the table's log knows it, and the caller passes it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Literal, Self

Start = Literal["trim_horizon", "latest"] | datetime
"""Where a table starts in a shard that it has no position of: at the oldest record that the stream
has, after the newest, or at the first that arrived at a time or later (with a zone)."""


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A record of a stream.

    Args:
        shard: The shard that it is in.
        sequence: Its place in the shard: digits, greater than those of all records before it, read
            as one whole number of any length. Gaps are allowed.
        key: Its key, which decides its shard; empty for none. Records of a key are in order.
        arrived: When the stream got it, in UTC.
        data: What was sent.
    """

    shard: str
    sequence: str
    key: str
    arrived: datetime
    data: bytes


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard of a stream: a sequence of records in order.

    Args:
        id: Its name, which no other shard of the stream ever has.
        parents: The shards that it continues: one after a split, two after a merge. All of their
            records come before its own. Those that the stream no longer lists are finished.
    """

    id: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one read of a shard returned.

    Args:
        records: The next records, in order; none if there are none now.
        behind: How far these records are behind the newest one of the shard; zero if the reader is
            at its end, None if the service does not say.
        ended: Whether the shard is closed, and this was the last of it.
    """

    records: Sequence[StreamRecord]
    behind: timedelta | None = None
    ended: bool = False


class ShardReader(ABC):
    """Reads a shard from a position on. It is used by one thread at a time."""

    @abstractmethod
    def read(self, limit: int) -> Chunk:
        """Return the next records.

        It returns what is there. Only if there is nothing, it may wait, for a second at most; so
        it can be called again and again, and keeps within the rates of its service by itself. It
        retries what the service throttles or drops, and renews what expires in the service, such
        as iterators, without losing or repeating a record.

        Args:
            limit: The most records, at least 1.

        Returns:
            The records. After ``ended``, it is not called again.

        Raises:
            StreamUnavailable: The service does not answer, for longer than is usual. The caller may
                open another reader after the last record that it got.
        """

    def close(self) -> None:  # noqa: B027  some hold nothing
        """Free what the reader holds, such as a connection. The position is not kept."""


class Source(ABC):
    """A stream: lists its shards, and opens readers of them, from any thread."""

    @property
    @abstractmethod
    def stream(self) -> str:
        """The stream's name in the log: its service and its own name, as ``kinesis:clicks``."""

    @abstractmethod
    def shards(self) -> Sequence[Shard]:
        """List the shards that can be read: open ones, and closed ones with records.

        Raises:
            StreamUnavailable: The service does not answer, or has no such stream.
        """

    @abstractmethod
    def reader(self, shard: str, after: str, start: Start) -> ShardReader:
        """Open a reader of a shard.

        Args:
            shard: The shard.
            after: The reader begins after this sequence, whether or not the stream still has that
                record, and even if it never had; empty for ``start``.
            start: Where it begins without ``after``.

        Raises:
            StreamUnavailable: The service does not answer, or has no such shard.
        """

    def close(self) -> None:  # noqa: B027  some hold nothing
        """Free what the source holds."""

    def __enter__(self) -> Self:
        """Return the source."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

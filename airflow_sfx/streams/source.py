"""What a stream is: shards of records in order, read from a position on.

A stream service implements `Source` and `ShardReader`, and nothing else. Where a table is in a
stream is no matter of the source: the table's log knows it, and the caller passes it.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Literal, Self, get_args

from airflow_sfx.core.errors import InvalidName, RecordsExpired

Start = Literal["trim_horizon", "latest"] | datetime
"""Where a table starts in a shard that it has no position of: at the oldest record that the stream
has, after the newest, or at the first that arrived at a time or later (with a zone)."""


OnExpired = Literal["fail", "continue"]
"""What reading does where the stream has dropped records that the table may lack."""

_log = logging.getLogger(__name__)


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
            RecordsExpired: The stream has dropped records after the one that the reader was opened
                after, or may have, and the source is not to continue without them.
        """

    def close(self) -> None:  # noqa: B027  some hold nothing
        """Free what the reader holds, such as a connection. The position is not kept."""


class Source(ABC):
    """A stream: lists its shards, and opens readers of them, from any thread."""

    on_expired: OnExpired = "fail"
    """What reading does where records that the table lacks may have expired."""

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

    def interrupt(self) -> None:  # noqa: B027  some never wait for long
        """Stop calls from waiting, in every thread: their results are no longer needed.

        A call that is throttled, or waits for its next attempt, fails with `StreamUnavailable`, and
        so does a later one at its first failure. The source is only closed afterwards. It may be
        called in a handler of a signal.
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


def check_start(start: Start) -> Start:
    """Return where to start in a shard.

    Args:
        start: What was passed.

    Raises:
        InvalidName: It is not one of the words, or a time without a zone.
    """
    if isinstance(start, datetime) and start.tzinfo is not None:
        return start
    if start in ("trim_horizon", "latest"):
        return start
    raise InvalidName(
        f"start={start!s:.80} is not a place in a stream: pass 'trim_horizon', 'latest' or a"
        " datetime with a zone"
    )


def check_on_expired(on_expired: OnExpired) -> OnExpired:
    """Return what to do where records have expired.

    Args:
        on_expired: What was passed.

    Raises:
        InvalidName: It is not one of the words.
    """
    if on_expired not in get_args(OnExpired):
        raise InvalidName(f"on_expired={on_expired!r:.80} is not 'fail' or 'continue'")
    return on_expired


def expired(stream: str, shard: str, after: str, why: str, on_expired: OnExpired) -> None:
    """Raise, or log, that a stream no longer has records that a table may lack.

    Args:
        stream: The stream.
        shard: Its shard.
        after: The last record that was read, or the table's position.
        why: How the source found out.
        on_expired: Whether to continue.

    Raises:
        RecordsExpired: The source is not to continue.
    """
    rule = (
        f"records of the shard {shard} of {stream} may be lost after {after or 'its start'}: {why}"
    )
    if on_expired == "continue":
        _log.warning("%s; continuing with the oldest record that the stream has", rule)
        return
    raise RecordsExpired(
        rule,
        stream=stream,
        shard=shard,
        after=after,
        remedy="store the missing records from another copy, then pass on_expired='continue' to"
        " continue with the oldest record that the stream has",
        cli_remedy="store the missing records from another copy, then pass --on-expired continue to"
        " continue with the oldest record that the stream has",
    )

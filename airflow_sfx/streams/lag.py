"""How far a table is behind a stream: the oldest record that it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from airflow_sfx.streams.source import Chunk, Source, Start

_RECORDS = 2
"""Kinesis reads from the position on: the record there, and the one that is looked for."""
_MOST_READS = 50
"""Reads of a shard that may return nothing before its first record, as Kinesis does over gaps."""
_SILENT_READS = 3
"""Reads without records of a service that does not say how far they are behind."""


@dataclass(frozen=True, slots=True)
class ShardLag:
    """How far a table is behind one shard.

    Args:
        shard: The shard.
        position: The last record that the table has of it; empty for none.
        oldest: When the oldest record arrived that the table lacks, or None if it has all.
    """

    shard: str
    position: str
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class StreamLag:
    """How far a table is behind a stream.

    Args:
        stream: The stream, as ``kinesis:clicks``.
        at: When it was found out, in UTC.
        shards: The lag of each shard that can be read.
    """

    stream: str
    at: datetime
    shards: tuple[ShardLag, ...]

    @property
    def oldest(self) -> datetime | None:
        """When the oldest record arrived that the table lacks, or None if it has all."""
        return min((one.oldest for one in self.shards if one.oldest), default=None)

    @property
    def behind(self) -> timedelta:
        """How long the oldest record waits that the table lacks; zero if it has all."""
        return timedelta(0) if self.oldest is None else max(self.at - self.oldest, timedelta(0))

    def has_passed(self, time: datetime) -> bool:
        """Return whether the table has all records that arrived before a time.

        Args:
            time: The time, with a zone.
        """
        return self.at >= time and (self.oldest is None or self.oldest >= time)


def stream_lag(
    source: Source, positions: Mapping[str, str], start: Start = "trim_horizon"
) -> StreamLag:
    """Return how far a table is behind a stream, by one record of each shard.

    Args:
        source: The stream.
        positions: The table's position by shard, as of `Warehouse.stream_positions`.
        start: Where the table starts in shards of which it has no record.

    Returns:
        The lag of each shard.

    Raises:
        StreamUnavailable: The stream does not answer.

    Example:
        ::

            positions = sfx.stream_positions("web", "clicks")["kinesis:clicks"]
            with sfx.streams.KinesisSource("clicks") as source:
                print(sfx.streams.stream_lag(source, positions).behind)
    """
    at = datetime.now(UTC)  # before the reads: what arrives meanwhile is no lag
    lags = []
    for shard in source.shards():
        position = positions.get(shard.id, "")
        lags.append(ShardLag(shard.id, position, _oldest(source, shard.id, position, start)))
    return StreamLag(source.stream, at, tuple(lags))


def _oldest(source: Source, shard: str, position: str, start: Start) -> datetime | None:
    """Return when the first record after a position arrived, or None if there is none."""
    reader = source.reader(shard, position, start)
    try:
        silent = 0
        chunk = Chunk(())
        for _ in range(_MOST_READS):
            chunk = reader.read(_RECORDS)
            if chunk.records:
                return chunk.records[0].arrived
            silent += chunk.behind is None
            if chunk.ended or chunk.behind == timedelta(0) or silent == _SILENT_READS:
                return None
        return datetime.now(UTC) - (chunk.behind or timedelta(0))
    finally:
        reader.close()

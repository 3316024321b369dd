"""How far a table is behind a stream."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from airflow_sfx.streams.lag import stream_lag
from airflow_sfx.streams.source import Chunk, Shard, ShardReader, Source, Start, StreamRecord

SECOND = timedelta(seconds=1)


class Chunks(ShardReader):
    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.chunks, self.is_closed = list(chunks), False

    def read(self, limit: int) -> Chunk:
        return self.chunks.pop(0) if len(self.chunks) > 1 else self.chunks[0]

    def close(self) -> None:
        self.is_closed = True


class Given(Source):
    """A stream whose shards answer reads as they are told."""

    stream = "test:clicks"

    def __init__(self, **shards: Sequence[Chunk]) -> None:
        self.given = shards
        self.opened: list[tuple[str, str, Start, Chunks]] = []

    def shards(self) -> Sequence[Shard]:
        return [Shard(one) for one in self.given]

    def reader(self, shard: str, after: str, start: Start) -> ShardReader:
        chunks = Chunks(self.given[shard])
        self.opened.append((shard, after, start, chunks))
        return chunks


def record(arrived: datetime) -> Chunk:
    return Chunk([StreamRecord("a", "8", "", arrived, b"{}")], SECOND)


def test_the_lag_is_that_of_the_oldest_record_that_the_table_lacks() -> None:
    now = datetime.now(UTC)
    source = Given(a=[record(now - 60 * SECOND)], b=[record(now - 20 * SECOND)], c=[Chunk(())])
    lag = stream_lag(source, {"a": "7", "c": "9"}, "latest")
    assert [(one.shard, one.position) for one in lag.shards] == [("a", "7"), ("b", ""), ("c", "9")]
    assert lag.shards[2].oldest is None
    assert 60 * SECOND <= lag.behind < 70 * SECOND
    assert [one[:3] for one in source.opened] == [
        ("a", "7", "latest"),
        ("b", "", "latest"),
        ("c", "9", "latest"),
    ]
    assert all(reader.is_closed for *_, reader in source.opened)


def test_a_table_has_passed_a_time_once_it_has_all_that_arrived_before() -> None:
    now = datetime.now(UTC)
    lag = stream_lag(Given(a=[record(now - 60 * SECOND)]), {})
    assert lag.has_passed(now - 60 * SECOND)
    assert not lag.has_passed(now - 59 * SECOND)
    nothing = stream_lag(Given(a=[Chunk((), ended=True)]), {"a": "7"})
    assert nothing.behind == timedelta(0)
    assert nothing.has_passed(now)
    assert not nothing.has_passed(now + 3600 * SECOND)


def test_empty_reads_before_a_record_are_repeated() -> None:
    now = datetime.now(UTC)
    empty = Chunk((), 30 * SECOND)
    assert stream_lag(Given(a=[empty, empty, record(now - 30 * SECOND)]), {}).oldest is not None
    endless = stream_lag(Given(a=[empty]), {})
    assert 30 * SECOND <= endless.behind + SECOND < 40 * SECOND

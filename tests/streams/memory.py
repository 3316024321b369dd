"""A stream in memory, with shards that split and merge."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_sfx.core.errors import StreamUnavailable
from airflow_sfx.streams.source import Chunk, Shard, ShardReader, Source, Start, StreamRecord

BEGAN = datetime(2016, 11, 1, 12, tzinfo=UTC)


class MemoryStream(Source):
    """A stream, and the source that reads it; sequences are far apart and grow over all shards."""

    stream = "memory:clicks"

    def __init__(self, shards: int = 2) -> None:
        self.lock = threading.Lock()
        self.records: dict[str, list[StreamRecord]] = {}
        self.parents: dict[str, tuple[str, ...]] = {}
        self.closed: set[str] = set()
        self.sent = 0
        self.failures = 0
        """How many of the next reads fail."""
        self.given = 0
        """How many records readers have got."""
        self.longest_read = 1_000_000
        for _ in range(shards):
            self.add()

    def add(self, *parents: str) -> str:
        name = f"shard-{len(self.records):02d}"
        self.records[name], self.parents[name] = [], parents
        self.closed |= set(parents)
        return name

    @property
    def open(self) -> list[str]:
        return [name for name in self.records if name not in self.closed]

    def put(self, key: object, data: object, arrived: datetime | None = None) -> StreamRecord:
        with self.lock:
            shard = self.open[hash(str(key)) % len(self.open)]
            return self.put_into(shard, str(key), data, arrived)

    def put_into(
        self, shard: str, key: str, data: object, arrived: datetime | None = None
    ) -> StreamRecord:
        self.sent += 1
        sequence = str(49_607_933_892_580_429_045_866_716_038_015_163_261 + 7 * self.sent)
        arrived = arrived or BEGAN + timedelta(seconds=self.sent)
        raw = data if isinstance(data, bytes) else json.dumps(data).encode()
        record = StreamRecord(shard, sequence, key, arrived, raw)
        self.records[shard].append(record)
        return record

    def split(self, shard: str) -> None:
        with self.lock:
            self.add(shard)
            self.add(shard)

    def merge(self, one: str, other: str) -> None:
        with self.lock:
            self.add(one, other)

    def shards(self) -> Sequence[Shard]:
        with self.lock:
            return [Shard(name, parents) for name, parents in self.parents.items()]

    def reader(self, shard: str, after: str, start: Start) -> ShardReader:
        with self.lock:
            records = self.records[shard]
            if after:
                place = sum(int(one.sequence) <= int(after) for one in records)
            elif start == "trim_horizon":
                place = 0
            elif start == "latest":
                place = len(records)
            else:
                place = sum(one.arrived < start for one in records)  # type: ignore[operator]
        return _Reader(self, shard, place)


class _Reader(ShardReader):
    def __init__(self, stream: MemoryStream, shard: str, place: int) -> None:
        self.stream, self.shard, self.place = stream, shard, place

    def read(self, limit: int) -> Chunk:
        stream = self.stream
        with stream.lock:
            if stream.failures:
                stream.failures -= 1
                raise StreamUnavailable(f"{self.shard} does not answer now")
            records = stream.records[self.shard]
            found = records[self.place : self.place + min(limit, stream.longest_read)]
            self.place += len(found)
            stream.given += len(found)
            rest = len(records) - self.place
            ended = self.shard in stream.closed and not rest
            return Chunk(found, timedelta(seconds=rest), ended)


def many(stream: MemoryStream, count: int, **more: Any) -> list[int]:
    """Put records whose numbers grow, with a tenth as many keys; returns the numbers."""
    first = stream.sent
    for number in range(first, first + count):
        stream.put(number % max(count // 10, 1), {"n": number, **more})
    return list(range(first, first + count))

"""A stream whose shards split and merge, through Lambda into a table: each record once."""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

import airflow_sfx as sfx
from airflow_sfx.streams.source import ShardReader, StreamRecord
from tests.streams.on_lambda.deployed import DONE, dead_letters, function, stored
from tests.streams.on_lambda.runtime import FunctionFailed, LambdaFunction, kinesis_event
from tests.streams.servers.processes import Server
from tests.streams.servers.streams import KinesisStream

RECORDS, KEYS, MOST, KILLS = 1800, 97, 120, 4


class Mapping:
    """What Lambda does with a stream: of each shard one event at a time, in order, parents first.

    A fifth of the events is delivered again after an answer, with records before them; and
    environments are killed while they work.
    """

    def __init__(self, stream: KinesisStream, uri: str, folder: Path, ended: ExitStack) -> None:
        self._stream, self._uri, self._folder, self._ended = stream, uri, folder, ended
        self._dice = random.Random(22)
        self._environments = [self._new() for _ in range(2)]
        self.again = self.killed = 0

    def deliver_all(self) -> None:
        """Deliver records until there are no more."""
        got: defaultdict[str, list[StreamRecord]] = defaultdict(list)
        done: set[str] = set()
        readers: dict[str, ShardReader] = {}
        with self._stream.source() as source:
            while sum(map(len, got.values())) < RECORDS:
                shards = source.shards()
                waiting = {one.id for one in shards} - done
                for shard in shards:
                    if shard.id in done or waiting & {*shard.parents}:
                        continue
                    if shard.id not in readers:
                        readers[shard.id] = source.reader(shard.id, "", "trim_horizon")
                    chunk = readers[shard.id].read(self._dice.randint(1, MOST))
                    got[shard.id] += chunk.records
                    if chunk.records:
                        self._deliver(shard.id, got[shard.id], len(chunk.records))
                    if chunk.ended:
                        done.add(shard.id)

    def _deliver(self, shard: str, records: Sequence[StreamRecord], count: int) -> None:
        self._until_it_answers(shard, records[-count:])
        if self._dice.random() < 0.2:
            self.again += 1
            self._until_it_answers(shard, records[-self._dice.randint(count, 3 * count) :])

    def _until_it_answers(self, shard: str, records: Sequence[StreamRecord]) -> None:
        data = [
            {"sequence": one.sequence, "data": one.data, "arrived": one.arrived.timestamp()}
            for one in records
        ]
        event = kinesis_event(self._stream.name, shard, data)
        while True:
            number = self._dice.randrange(2)
            running = self._environments[number]
            if self.killed < KILLS and self._dice.random() < 0.2:
                threading.Timer(self._dice.random() / 4, running.kill).start()
            try:
                assert running.invoke(event) == DONE
                return
            except FunctionFailed as failed:
                assert "code" in failed.error, failed
                self.killed += 1
                self._environments[number] = self._new()

    def _new(self) -> LambdaFunction:
        return self._ended.enter_context(function(self._uri, self._folder))


@pytest.mark.parametrize(
    ("server", "kind"), [("kinesis_local", "embedded"), ("kinesalite", "stack")]
)
def test_each_record_of_a_stream_is_in_the_table_once_and_in_order(
    server, kind, tmp_path, request
) -> None:
    kinesis: Server = request.getfixturevalue(server)
    uri: str = request.getfixturevalue(f"{kind}_uri")
    stream = KinesisStream(kinesis.url, 2)
    put(stream)
    with ExitStack() as ended:
        mapping = Mapping(stream, uri, tmp_path, ended)
        mapping.deliver_all()
    assert mapping.again > 0
    assert mapping.killed > 0
    assert stored(uri) == Counter(n for n in range(RECORDS) if n != 13)
    assert [one.split(b",")[0] for one in dead_letters(uri)["data"]] == [b'{"n": 13']
    warehouse = sfx.connect(uri)
    version = {
        entry.batch_id: entry.version for entry in warehouse.history("web", "doubles", limit=None)
    }
    frame = warehouse.load_dataframe("web", "doubles", columns=["n", "window"]).sort_values("n")
    versions = frame["window"].map(version)
    assert bool(versions.groupby(frame["n"] % KEYS).is_monotonic_increasing.all())


def put(stream: KinesisStream) -> None:
    """Put the records; the shards split, two into four, and merge, four into three."""
    third = RECORDS // 3
    for first in range(0, RECORDS, third):
        some = range(first, first + third)
        stream.put([(f"key-{n % KEYS}", b'{"n": %d, "at": null}' % n) for n in some])
        if first == 0:
            for shard in stream.open_shards():
                stream.split(shard)
        elif first == third:
            stream.merge(*stream.open_shards()[1:3])

"""Each record is in the table once, whatever dies, comes again, splits or is lost on the way.

``make soak`` runs it with a million records.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_sfx.core.errors import PartitionNotFound, StreamUnavailable, TableNotFound
from airflow_sfx.streams.engine import Engine, Rules
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.streams.consume import TABLE
from tests.streams.functions import POISON, squares
from tests.streams.servers.faults import KinesisProxy, faulty
from tests.streams.servers.processes import Server
from tests.streams.servers.streams import KinesisStream

RECORDS = int(os.environ.get("SOAK_RECORDS", "100000"))
KEYS, PUT = 997, 2500
KILLS = max(8, RECORDS // 10_000)
HOUR = 3600
MOST_MEMORY = 600 << 20
"""The most bytes of a consumer, however many records there are."""
SECONDS = 120 + RECORDS / 500
FAULTS = {
    "GetRecords": {"throttled": 0.03, "lost": 0.03, "broken": 0.02, "expired": 0.03},
    "GetShardIterator": {"throttled": 0.05, "lost": 0.05},
    "ListShards": {"limited": 0.05, "lost": 0.05},
}


class Consumers:
    """Processes that consume a stream, two at a time."""

    def __init__(self, uri: str, url: str, stream: str, folder: Path) -> None:
        self._arguments = [uri, url, stream]
        self._folder, self._random = folder, random.Random(5)
        self._clocks = [0, -HOUR, 26 * HOUR, 7, -26 * HOUR]
        self.killed, self.most_memory = 0, 0
        self.running = [self._start() for _ in range(2)]

    def _start(self) -> subprocess.Popen[bytes]:
        self._clocks.append(self._clocks.pop(0))
        command = [sys.executable, "-m", "tests.streams.consume", *self._arguments]
        with (self._folder / "consumers.log").open("ab") as log:
            return subprocess.Popen([*command, str(self._clocks[0])], stdout=log, stderr=log)

    def kill_one(self) -> None:
        """Kill one, and start another, whose clock is another's."""
        number = self._random.randrange(2)
        assert self.running[number].poll() is None, (self._folder / "consumers.log").read_text()
        self.running[number].kill()
        self.running[number].wait()
        self.killed += 1
        self.running[number] = self._start()

    def measure(self) -> None:
        """Note how much memory each has taken at most."""
        for process in self.running:
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{process.pid}/status").read_text()
                found = re.search(r"VmHWM:\s+(\d+) kB", status)
                self.most_memory = max(self.most_memory, int(found[1]) << 10 if found else 0)

    def stop(self) -> None:
        """Stop all: each stores what it has read."""
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(60) for process in self.running]
        assert codes == [0, 0], (self._folder / "consumers.log").read_text()


@contextlib.contextmanager
def consumers(uri: str, url: str, stream: str, folder: Path) -> Iterator[Consumers]:
    made = Consumers(uri, url, stream, folder)
    try:
        yield made
    finally:
        for process in made.running:
            process.kill()
            process.wait()


def produce(stream: KinesisStream, started: threading.Event) -> None:
    """Put all records; the shards split, two into four, and merge, four into three."""
    for first in range(0, RECORDS, PUT):
        some = range(first, min(first + PUT, RECORDS))
        stream.put([(f"key-{number % KEYS}", b'{"n": %d}' % number) for number in some])
        started.set()
        if first == RECORDS // 5 // PUT * PUT:
            for shard in stream.open_shards():
                stream.split(shard)
        if first == RECORDS // 2 // PUT * PUT:
            stream.merge(*stream.open_shards()[1:3])


def deliver_again(uri: str, stream: KinesisStream, done: threading.Event) -> Counter[str]:
    """Apply what the table has again, with records that follow, as a service that redelivers."""
    found: Counter[str] = Counter()
    warehouse, chance = connect(uri), random.Random(3)
    engine = Engine(warehouse, f"kinesis:{stream.name}", squares, TABLE, Rules(max_attempts=1))
    with stream.source() as source:
        while not done.wait(0.5):
            positions = dict(engine.positions())
            if not positions:
                continue
            shard = chance.choice(sorted(positions))
            reader = source.reader(shard, "", "trim_horizon")
            try:
                records = reader.read(chance.randrange(100, 3000)).records
            except StreamUnavailable:  # the server is too busy to answer in time
                continue
            applied = engine.apply({shard: records})
            found.update(windows=1, known=applied.known, new=applied.rows)
    return found


def stored(warehouse: Warehouse) -> int:
    with contextlib.suppress(TableNotFound, PartitionNotFound):
        rows = warehouse.load_dataframe("web", "clicks", columns=["n"], as_="arrow")
        return int(rows.num_rows)
    return 0


@pytest.mark.timeout(SECONDS + 300)
def test_each_record_is_in_the_table_once(kinesalite: Server, tmp_path: Path) -> None:
    uri = f"embedded://{tmp_path}/w"
    stream = KinesisStream(kinesalite.url, 2)
    started, done, again = threading.Event(), threading.Event(), Counter[str]()
    producer = threading.Thread(target=produce, args=(stream, started))
    redelivery = threading.Thread(
        target=lambda: again.update(deliver_again(uri, stream, done)), daemon=True
    )
    with (
        faulty(kinesalite.port, FAULTS, seed=11) as proxy,
        consumers(uri, proxy.url, stream.name, tmp_path) as running,
    ):
        proxy.plan("GetRecords", "", *FAULTS["GetRecords"])  # each of them once at least
        proxy.plan("ListShards", "limited")
        producer.start()
        started.wait(60)
        redelivery.start()
        progress(connect(uri), running, proxy)
        producer.join()
        done.set()
        redelivery.join(60)
        running.stop()
    assert_once(connect(uri))
    assert_in_order(connect(uri), stream)
    assert running.killed >= KILLS
    assert set(proxy.done) == {"throttled", "lost", "broken", "expired", "limited"}
    assert again["known"] > 0
    assert 0 < running.most_memory < MOST_MEMORY


def progress(warehouse: Warehouse, running: Consumers, proxy: KinesisProxy) -> None:
    """Kill consumers until the table has all records."""
    give_up = time.monotonic() + SECONDS
    wanted = RECORDS - len(range(POISON, RECORDS, 1000))
    while (have := stored(warehouse)) < wanted or running.killed < KILLS:
        assert time.monotonic() < give_up, f"{have} of {wanted} rows, {running.killed} kills"
        time.sleep(1.5)
        running.measure()
        if running.killed < KILLS:
            running.kill_one()


def assert_once(warehouse: Warehouse) -> None:
    """No record is missing, and none is there twice: neither as row nor as dead letter."""
    rows = warehouse.load_dataframe("web", "clicks", columns=["n"], as_="arrow")["n"]
    dead = warehouse.load_dataframe("web", "clicks_dead_letters")
    numbers = Counter(rows.to_pylist())
    bad = Counter(int(data[6:-1]) for data in dead["data"])
    double = [number for some in (numbers, bad) for number, count in some.items() if count > 1]
    assert double == []
    assert sorted(bad) == list(range(POISON, RECORDS, 1000))
    assert set(range(RECORDS)) - numbers.keys() - bad.keys() == set()
    assert len(numbers) + len(bad) == RECORDS


def assert_in_order(warehouse: Warehouse, stream: KinesisStream) -> None:
    """Later records of a key are in later versions of the table, or later in the same batch."""
    versions = {
        entry.batch_id: entry.version for entry in warehouse.history("web", "clicks", limit=None)
    }
    frame = warehouse.load_dataframe("web", "clicks", columns=["n", "window"])
    frame["version"] = frame["window"].map(versions)
    frame["key"] = frame["n"] % KEYS
    by_key = frame.sort_values("n").groupby("key")["version"]
    assert bool(by_key.is_monotonic_increasing.all())

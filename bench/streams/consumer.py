"""A consumer: how many records it sustains, and how soon an event is visible.

The sources are real servers on this machine, which share its processors with the consumer.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import psutil

import airflow_sfx as sfx
from airflow_sfx.core.table import TableRef
from airflow_sfx.streams.consumer import Consumer, Pace, Progress
from airflow_sfx.streams.engine import Rules
from airflow_sfx.streams.source import Source
from tests.streams.servers import processes
from tests.streams.servers.streams import KafkaStream, KinesisStream, TestStream

_RECORDS, _SHARDS = 100_000, 4
_RATE, _SECONDS = 2000, 20
TABLE = TableRef("web", "scores")
PACE = Pace(window=0.5)
INPUTS = {"n": "bigint not null", "sent": "double", "distance": "double", "carrier": "string"}


@sfx.portable(inputs=INPUTS, outputs={"n": "bigint", "sent": "double", "late": "double"})
def late(flights: pd.DataFrame) -> pd.DataFrame:
    slow = flights["carrier"].isin(["UA", "AA"])
    return flights.assign(late=flights["distance"] / 500.0 + slow.astype("float64"))


def sustained(folder: Path, runs: int) -> dict[str, object]:
    """Return records a second of one consumer: from a full stream into an embedded warehouse."""
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")
    found: dict[str, object] = {}
    for name, stream in _streams(folder).items():
        with stream as made:
            made.put(records(0, _RECORDS))
            seconds, cpu = zip(
                *(
                    read_all(made.source(), folder / f"{name}-{run}", _RECORDS, PACE)
                    for run in range(runs)
                ),
                strict=True,
            )
        found[f"stream: {name} -> embedded"] = {
            "records/s": round(_RECORDS / statistics.median(seconds)),
            "records/s of CPU": round(_RECORDS / statistics.median(cpu)),
            "runs": runs,
            "load": round(psutil.getloadavg()[0], 1),
        }
    return found


def event_to_visible(folder: Path) -> dict[str, object]:
    """Return how long after an event its row can be read, at 2,000 records a second."""
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")
    found: dict[str, object] = {}
    for name, stream in _streams(folder).items():
        with stream as made:
            delays = sorted(_delays(made, folder / f"latency-{name}"))
        found[f"stream: event to visible, {name}"] = {
            "p50 s": round(statistics.median(delays), 3),
            "p99 s": round(delays[int(len(delays) * 0.99)], 3),
            "records": len(delays),
            "load": round(psutil.getloadavg()[0], 1),
        }
    return found


def _streams(folder: Path) -> dict[str, object]:
    @contextmanager
    def kinesis() -> Iterator[TestStream]:
        with processes.kinesalite(folder) as server:
            yield KinesisStream(server.url, _SHARDS)

    @contextmanager
    def kafka() -> Iterator[TestStream]:
        with processes.tansu(folder) as address:
            yield KafkaStream(address, _SHARDS)

    return {"Kafka": kafka(), "Kinesis": kinesis()}


def records(first: int, count: int) -> list[tuple[str, bytes]]:
    now = time.time()
    text = '{"n": %d, "sent": %f, "distance": %d, "carrier": "%s"}'
    return [
        (f"key-{n % 997}", (text % (n, now, n % 2700, "UA" if n % 3 else "B6")).encode())
        for n in range(first, first + count)
    ]


@contextmanager
def _consuming(
    source: Source, place: Path, seen: list[Progress], pace: Pace = PACE
) -> Iterator[sfx.Warehouse]:
    warehouse = sfx.connect(f"embedded://{place}")
    consumer = Consumer(warehouse, source, late, TABLE, Rules(), pace=pace, report=seen.append)
    thread = threading.Thread(target=consumer.run)
    thread.start()
    try:
        yield warehouse
    finally:
        consumer.stop()
        thread.join()


def read_all(source: Source, place: Path, size: int, pace: Pace) -> tuple[float, float]:
    """Read all records of a stream into a new warehouse.

    Args:
        source: The stream.
        place: The directory of the warehouse.
        size: The number of records.
        pace: How much is read and stored at once.

    Returns:
        The seconds, and this process's seconds of CPU.
    """
    seen: list[Progress] = []
    begun, used = time.perf_counter(), time.process_time()
    with _consuming(source, place, seen, pace):
        while sum(one.records for one in seen) < size:
            time.sleep(0.01)
        return time.perf_counter() - begun, time.process_time() - used


def _delays(stream: TestStream, place: Path) -> list[float]:
    """Send records at an even rate, and return when each could be read, less when it was sent."""
    seen: list[Progress] = []
    with _consuming(stream.source(), place, seen) as warehouse:
        step = _RATE // 10
        begun = time.perf_counter()
        for number in range(_SECONDS * 10):
            time.sleep(max(0.0, begun + number / 10 - time.perf_counter()))
            stream.put(records(number * step, step))
        while sum(one.records for one in seen) < _SECONDS * _RATE:
            time.sleep(0.05)
    visible = {
        entry.batch_id: entry.at.timestamp()
        for entry in warehouse.history("web", "scores", limit=None)
    }
    rows = warehouse.load_dataframe("web", "scores", columns=["sent", "window"])
    rows = rows[rows["sent"] > rows["sent"].min() + 3]  # without the start
    return list(rows["window"].map(visible) - rows["sent"])

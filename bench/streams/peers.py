"""Our consumer beside Quix Streams, Spark structured streaming and appends of delta-rs.

All get the same records and have the same function. Quix Streams and ours read Kafka, Spark files.
Quix Streams and Spark write plain Parquet files, which they do not sync to the disk.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import psutil

import airflow_sfx as sfx
from airflow_sfx.streams.consumer import Pace
from airflow_sfx.streams.engine import Engine, Rules
from bench.beside.asking import asking
from bench.stack import PEERS_PYTHON
from bench.streams import spark
from bench.streams.consumer import TABLE, late, read_all, records
from bench.streams.windows import RECORDS, delta_appender, window_writer
from bench.timing import in_turns, summary
from tests.streams.servers import processes
from tests.streams.servers.streams import KafkaStream

OURS, QUIX, DELTA = "airflow_sfx", "Quix Streams -> Parquet", "delta-rs"
SPARK, SPARK_OURS = "Spark -> Parquet", "Spark -> airflow_sfx"
_ALL, _SHARDS, _BATCH = 100_000, 4, 20_000
_WINDOWS = 40


def beside(folder: Path, runs: int) -> Iterator[dict[str, object]]:
    """Yield records a second of a full stream, and the cost of windows of 500 records."""
    with ExitStack() as opened:
        servers = opened.enter_context(processes.tansu(folder))
        command = [PEERS_PYTHON, "-W", "ignore", "bench/streams/quix.py"]
        quix = opened.enter_context(asking(command, "Quix Streams"))
        session = opened.enter_context(spark.session(folder))
        full = _Source(folder / "full", servers, quix, session, _ALL, _SHARDS, _BATCH)
        yield _throughput(full, runs)
        few = _WINDOWS * RECORDS
        small = _Source(folder / "small", servers, quix, session, few, 1, RECORDS)
        yield _windows(small, runs)


class _Source:
    """The same records in a topic of Kafka and in files, and what reads them.

    Args:
        folder: A directory for the files, and for all that is written.
        servers: The address of a broker of Kafka.
        quix: Asks the process of Quix Streams.
        session: A session of Spark.
        size: The number of records.
        shards: The number of shards of the topic.
        each: The number of records of a file, and of a window, at most.
    """

    def __init__(
        self, folder: Path, servers: str, quix: Callable[..., dict[str, Any]], session: Any,
        size: int, shards: int, each: int,
    ) -> None:  # fmt: skip
        folder.mkdir()
        self.folder, self.size, self._each = folder, size, each
        self._servers, self._quix, self._spark = servers, quix, session
        self._stream, self._places = KafkaStream(servers, shards), count()
        some = records(0, size)
        self._stream.put(some)
        spark.write_source(folder / "source", [data for _, data in some], each)

    def ours(self) -> float:
        pace = Pace(window=0.5, max_records=self._each)
        return read_all(self._stream.source(), self._place(), self.size, pace)[0]

    def quix(self, commit_every: int = 0) -> dict[str, Any]:
        return self._quix(
            servers=self._servers, topic=self._stream.name, directory=str(self._place()),
            records=self.size, commit_every=commit_every,
        )  # fmt: skip

    def spark(self, start: spark.Start) -> tuple[float, list[dict[str, int]]]:
        began = time.perf_counter()
        batches = spark.read_all(self._spark, self.folder / "source", self._place(), start)
        return time.perf_counter() - began, batches

    def ours_by_window(self) -> float:
        """Return the time of one window of many that are read and stored one after the other."""
        warehouse, stream = sfx.connect(f"embedded://{self._place()}"), self._stream.source()
        engine = Engine(warehouse, stream.stream, late, TABLE, Rules())
        (shard,) = (one.id for one in stream.shards())
        with closing(stream.reader(shard, "", "trim_horizon")) as reader:
            return _median_of(lambda: engine.apply({shard: reader.read(self._each).records}))

    def quix_by_window(self) -> tuple[float, float]:
        """Return the time of storing a window, and of all from one to the next."""
        found = self.quix(self._each)
        return statistics.median(found["store"]), statistics.median(found["between"])

    def spark_by_window(self, start: spark.Start) -> tuple[float, float]:
        """Return the time of storing a micro-batch, and of the whole micro-batch."""
        _, batches = self.spark(start)
        steps = ("addBatch", "triggerExecution")
        store, whole = (statistics.median(one[step] for one in batches) / 1000 for step in steps)
        return store, whole

    def _place(self) -> Path:
        return self.folder / str(next(self._places))


def _throughput(source: _Source, runs: int) -> dict[str, object]:
    seconds = in_turns(
        {
            OURS: source.ours,
            QUIX: lambda: source.quix()["seconds"],
            SPARK: lambda: source.spark(spark.into_parquet)[0],
            SPARK_OURS: lambda: source.spark(spark.into_table)[0],
        },
        runs,
    )
    rates = {name: round(_ALL / statistics.median(some)) for name, some in seconds.items()}
    return _found(f"a full stream of {_ALL:,} records", seconds) | {
        "stream beside peers: records/s": rates
    }


def _windows(source: _Source, runs: int) -> dict[str, object]:
    """Measure storing a window that was read, and all from the stream to the table."""
    ours = window_writer(sfx.connect(f"embedded://{source.folder}/windows"), "scores")
    delta = delta_appender(source.folder / "delta")
    contestants: dict[str, Callable[[], tuple[float, float]]] = {
        OURS: lambda: (_median_of(ours), source.ours_by_window()),
        DELTA: lambda: (_median_of(delta), 0.0),
        QUIX: source.quix_by_window,
        SPARK: partial(source.spark_by_window, spark.into_parquet),
        SPARK_OURS: partial(source.spark_by_window, spark.into_table),
    }
    stores: dict[str, list[float]] = {name: [] for name in contestants}

    def turn(name: str) -> float:
        store, whole = contestants[name]()
        stores[name].append(store)
        return whole

    wholes = in_turns({name: partial(turn, name) for name in contestants}, runs)
    del wholes[DELTA]  # it reads no streams
    stores = {name: some[1:] for name, some in stores.items()}
    return _found(f"store a window of {RECORDS} records", stores) | _found(
        f"read and store a window of {RECORDS} records", wholes
    )


def _found(what: str, seconds: dict[str, list[float]]) -> dict[str, object]:
    load = {"load": round(psutil.getloadavg()[0], 1)}
    return {f"stream beside peers: {what}": summary(seconds, OURS) | load}


def _median_of(store: Callable[[], object]) -> float:
    seconds = []
    for _ in range(_WINDOWS):
        began = time.perf_counter()
        store()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)

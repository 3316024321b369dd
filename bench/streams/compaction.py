"""Compaction of a day's windows, one a minute, into one batch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

import airflow_sfx as sfx
from bench.log.growth import warehouse_on_stack
from bench.streams.windows import DAY, RECORDS, window_writer

WINDOWS = 1440


def embedded(folder: Path, runs: int) -> Iterator[dict[str, object]]:
    yield _of_a_day(sfx.connect(f"embedded://{folder}/day"), "embedded", runs)


def on_stack(folder: Path, runs: int) -> Iterator[dict[str, object]]:
    with warehouse_on_stack(folder) as warehouse:
        yield _of_a_day(warehouse, "S3 + Hive", runs)


def _of_a_day(warehouse: sfx.Warehouse, backend: str, runs: int) -> dict[str, object]:
    """Compact the same windows again and again, which a rollback makes current in between."""
    store = window_writer(warehouse, "day")
    for _ in range(WINDOWS):
        store()
    seconds, cpu = [], []
    for _ in range(runs):
        began, used = time.perf_counter(), time.process_time()
        warehouse.compact("web", "day", [DAY])
        seconds.append(time.perf_counter() - began)
        cpu.append(time.process_time() - used)
        commit = warehouse.history("web", "day", [DAY, "compacted"], limit=1)[0].commit
        warehouse.rollback_commit("web", "day", commit)
    return {
        f"{backend}: compaction of {WINDOWS:,} windows of {RECORDS} records": {
            "seconds": round(statistics.median(seconds), 2),
            "seconds, first": round(seconds[0], 2),
            "seconds of CPU": round(statistics.median(cpu), 2),
            "runs": runs,
            "load": round(psutil.getloadavg()[0], 1),
        }
    }

"""Many processes that commit to partitions of their own in one table, on S3 and Hive."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import psutil

from bench.beside.side import COMMITS, PROCESSES, let_write, prepare_writers
from bench.log.growth import warehouse_on_stack


def many_writers(folder: Path, runs: int) -> dict[str, object]:
    """Return the seconds from the common start to the end of the last writer."""
    seconds: list[float] = []
    failed = 0
    with warehouse_on_stack(folder) as warehouse:
        prepare_writers(warehouse, "bench")
        for run in range(-1, runs):
            began, codes = let_write(warehouse.uri, "bench")
            if run >= 0:
                seconds.append(time.perf_counter() - began)
                failed += sum(1 for code in codes if code)
        versions = warehouse.history("bench", "processes", limit=1)[0].version
    return {
        f"S3 + Hive: {PROCESSES} processes × {COMMITS} commits to partitions of their own": {
            "seconds": round(statistics.median(seconds), 1),
            "seconds, slowest run": round(max(seconds), 1),
            "failed processes": failed,
            "versions": versions,
            "runs": runs,
            "load": round(psutil.getloadavg()[0], 1),
        }
    }

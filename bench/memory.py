"""Peak memory of a store, and the time of imports.

Each measurement runs in its own process; the operating system reports the peak.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

_STORE = """
import json, sys, threading, time
import psutil
from bench.data import mixed
import airflow_sfx as sfx
import pyarrow, pyarrow.parquet, obstore
frame = mixed()
process, peak, stop = psutil.Process(), [0], threading.Event()
def watch():
    while not stop.is_set():
        peak[0] = max(peak[0], process.memory_info().rss)
        time.sleep(0.002)
warehouse = sfx.connect("embedded://" + sys.argv[1])
warehouse.store_dataframe(frame.head(10), "bench", "warm", ["p"])
before = process.memory_info().rss
thread = threading.Thread(target=watch); thread.start()
warehouse.store_dataframe(frame, "bench", "mixed", ["20161031"])
stop.set(); thread.join()
size = int(frame.memory_usage(deep=True).sum())
above = peak[0] - before
report = {"frame_bytes": size, "peak_above_frame_bytes": above, "ratio": round(above / size, 3)}
print(json.dumps(report))
"""

_STREAM = """
import json, sys, threading, time
import numpy as np, psutil, pyarrow as pa, pyarrow.parquet, obstore
import airflow_sfx as sfx
GIB = 1 << 30
columns = {"n": pa.int64(), "x": pa.float64(), "y": pa.float64(), "z": pa.float64()}
schema = pa.schema(list(columns.items()))
rows = 1 << 20
def batches(total):
    random = np.random.default_rng(0)
    for number in range(total // (rows * 32)):
        columns = [random.random(rows).round(3) for _ in range(3)]
        yield pa.record_batch([np.arange(rows) + number * rows, *columns], schema=schema)
process, peak, stop = psutil.Process(), [0], threading.Event()
def watch():
    while not stop.is_set():
        peak[0] = max(peak[0], process.memory_info().rss)
        time.sleep(0.005)
warehouse = sfx.connect("embedded://" + sys.argv[1])
warehouse.store_dataframe(pa.table({"n": [1]}), "bench", "warm", ["p"])
before = process.memory_info().rss
thread = threading.Thread(target=watch); thread.start()
stream = pa.RecordBatchReader.from_batches(schema, batches(5 * GIB))
pin = warehouse.store_dataframe(stream, "bench", "stream", ["p"])
stop.set(); thread.join()
print(json.dumps({"streamed_bytes": 5 * GIB, "peak_above_baseline_bytes": peak[0] - before}))
"""


def store_memory(folder: Path) -> dict[str, object]:
    return {"memory of a store of 2,000,000 rows": child(_STORE, str(folder / "memory"))}


def stream_memory(folder: Path) -> dict[str, object]:
    return {"memory of a stream of 5 GiB": child(_STREAM, str(folder / "stream"))}


def import_times(runs: int) -> dict[str, object]:
    ours = "import airflow_sfx.decorators.batch, airflow_sfx.hooks.sfx, airflow_sfx.plugin.plugin"
    return {
        "import airflow_sfx, ms": _import_time("pass", "import airflow_sfx", runs),
        "Airflow modules beside airflow.sdk, ms": _import_time("import airflow.sdk", ours, runs),
    }


def _import_time(base: str, extra: str, runs: int) -> dict[str, float]:
    """Time both imports within one new process.

    Times of two processes differ by more than the difference of interest.
    """
    code = f"""
import time
times = [time.perf_counter()]
{base}
times.append(time.perf_counter())
{extra}
times.append(time.perf_counter())
print([1000 * (b - a) for a, b in zip(times, times[1:])])
"""
    found = [child(code) for _ in range(runs + 1)][1:]
    before, after = zip(*found, strict=True)
    return {
        "extra": round(statistics.median(after), 1),
        "base": round(statistics.median(before), 1),
    }


def child(code: str, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])

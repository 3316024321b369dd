"""A portable function behind AWS Lambda's runtime client: cold start, warm events, and its zip."""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import psutil

from tests.streams.on_lambda.runtime import (
    LambdaFunction,
    bare_python,
    kinesis_event,
    runtime_client,
)
from tools import lambda_zip

_RECORDS = 100
_EVENTS = 30
_APP = """
import pandas as pd
import airflow_sfx as sfx


@sfx.portable(
    inputs={"distance": "double", "carrier": ["AA", "UA", "WN"], "hour": "int"},
    outputs={"late": "double"},
)
def late(flights):
    slow = flights["carrier"].eq("UA") * 4.0
    return pd.DataFrame({"late": flights["distance"] * 0.02 + slow})


handler = sfx.streams.lambda_handler(late, "web.scores", partition_by=["day", "hour"])
"""


def started(folder: Path, runs: int) -> dict[str, object]:
    """Return the seconds of a cold and a warm event of 100 records, with the zip's libraries.

    A cold event is the start of the process, its imports and the first event, on a warehouse that
    has the table.
    """
    app, libraries = folder / "app.py", folder / "libraries"
    app.write_text(_APP)
    zipped = folder / "function.zip"
    libraries.mkdir()
    unzipped = lambda_zip.prepare(libraries, [app], ".".join(map(str, sys.version_info[:2])))
    lambda_zip.pack(libraries, zipped)
    env = {
        "SFX_WAREHOUSE": f"embedded://{folder}/warehouse",
        "PYTHONPATH": f"{libraries}:{runtime_client(folder / 'runtime')}",
    }
    number = 0

    def event() -> dict:
        nonlocal number
        rows = [{"distance": 1400.0, "carrier": "UA", "hour": 7}] * _RECORDS
        records = [
            {"sequence": 10**55 + number + place, "data": json.dumps(row).encode()}
            for place, row in enumerate(rows)
        ]
        number += _RECORDS
        return kinesis_event("clicks", "shardId-000000000000", records)

    cold, warm, cold_cpu, warm_cpu = [], [], [], []
    for run in range(-1, runs):
        begun = time.perf_counter()
        with LambdaFunction("app.handler", libraries, env=env, python=bare_python()) as function:
            function.invoke(event())
            elapsed = time.perf_counter() - begun
            if run < 0:
                continue
            process = psutil.Process(function.process.pid)
            spent = sum(process.cpu_times()[:2])
            cold.append(elapsed)
            cold_cpu.append(spent)
            for _ in range(_EVENTS):
                given = event()
                begun = time.perf_counter()
                function.invoke(given)
                warm.append(time.perf_counter() - begun)
            warm_cpu.append((sum(process.cpu_times()[:2]) - spent) / _EVENTS)
    return {
        "lambda": {
            "records": _RECORDS,
            "cold_s": round(statistics.median(cold), 3),
            "cold_cpu_s": round(statistics.median(cold_cpu), 3),
            "warm_cpu_s": round(statistics.median(warm_cpu), 4),
            "warm_s": round(statistics.median(warm), 4),
            "warm_p95_s": round(statistics.quantiles(warm, n=20)[-1], 4),
            "zip_mb": round(zipped.stat().st_size / 1e6),
            "unzipped_mb": round(unzipped / 1e6),
            "runs": runs,
        }
    }

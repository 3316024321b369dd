"""Cost of reading and retaining the history of 10,000 partitions.

Each partition has ten batches. The warehouse is embedded, then on S3 and a Hive Metastore.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import requests
from playwright.sync_api import sync_playwright

import airflow_sfx as sfx
from airflow_sfx.plugin.web.cache import SECONDS
from airflow_sfx.stack import down, up
from bench.memory import child
from dags_examples.local_airflow import LocalAirflow, local_airflow

PARTITIONS, NIGHTS = 10_000, 10
TABLE = "bench.nightly"
_CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

PLAN = """
import json, sys, time
from datetime import timedelta
import airflow_sfx as sfx
from airflow_sfx.jobs.memory_use import peak_memory
begun = time.perf_counter()
plan = sfx.connect(sys.argv[1]).retain("bench", "nightly", keep_last=3, older_than=timedelta(0))
seconds = time.perf_counter() - begun
peak = peak_memory() / (1 << 20)
report = {"batches to retire": len(plan.retired), "seconds": round(seconds, 2)}
print(json.dumps(report | {"peak MB": round(peak)}))
"""


def embedded(folder: Path, runs: int) -> Iterator[dict[str, object]]:
    yield from _measured(f"embedded://{folder}/warehouse", "embedded", folder, runs)


def on_stack(folder: Path, runs: int) -> Iterator[dict[str, object]]:
    stack = up(folder / "stack")
    before = dict(os.environ)
    os.environ.update(stack.environment())
    try:
        yield from _measured(stack.uri, "S3 + Hive", folder, runs)
    finally:
        os.environ.clear()
        os.environ.update(before)
        down(folder / "stack")


def _measured(uri: str, backend: str, folder: Path, runs: int) -> Iterator[dict[str, object]]:
    warehouse = sfx.connect(uri)
    frame = pd.DataFrame({"day": [f"{number:05d}" for number in range(PARTITIONS)], "n": 1})
    for night in range(NIGHTS):
        last_night = datetime.now(UTC)
        warehouse.store_dataframe(frame.assign(n=night), "bench", "nightly", partition_by=["day"])
    morning = datetime.now(UTC)
    warehouse.store_dataframe(pd.DataFrame({"n": [-1]}), "bench", "nightly", ["00007"])
    size = f"{PARTITIONS:,} partitions × {NIGHTS} batches, {backend}"
    yield {
        f"audit, {size}": {
            "one change, seconds": _median(
                lambda: warehouse.audit("bench", "nightly", since=morning), runs
            ),
            f"{PARTITIONS:,} changes, seconds": _median(
                lambda: warehouse.audit("bench", "nightly", since=last_night), runs
            ),
        }
    }
    yield {f"plan of retention, {size}": child(PLAN, uri)}
    (folder / "dags").mkdir()
    environment = {**os.environ, "SFX_WAREHOUSE": uri}
    with local_airflow(folder / "airflow", folder / "dags", environment) as airflow:
        yield {
            f"page, {size}": {**_answers(airflow, warehouse, 20 * runs), **_paints(airflow, runs)}
        }


def _median(action: Callable[[], object], runs: int) -> float:
    return round(statistics.median(_seconds(action) for _ in range(runs)), 3)


def _seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def _p95(seconds: list[float]) -> float:
    return round(1000 * statistics.quantiles(seconds, n=20)[-1])


def _answers(airflow: LocalAirflow, warehouse: sfx.Warehouse, runs: int) -> dict[str, object]:
    newest = warehouse.history("bench", "nightly", ["00007"], limit=2)
    batch = f"batch?partition=00007&batch_id={newest[0].batch_id}"
    pair = f"before={newest[1].batch_id}&after={newest[0].batch_id}"
    last_hour = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M:%S.%fZ}"
    paths = {
        "tables": "tables",
        "a table": "tables/bench/nightly",
        "a year of partitions": "tables/bench/nightly/partitions?limit=366&usual=false",
        "a partition": "tables/bench/nightly/partition?partition=00007",
        "the changes of an hour": f"changes?since={last_hour}",
        "a partition's history": "tables/bench/nightly/history?partition=00007",
        "a batch": f"tables/bench/nightly/{batch}",
        "a comparison": f"tables/bench/nightly/diff?partition=00007&{pair}",
    }
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {airflow.login('admin')}"
    found: dict[str, list[float]] = {name: [] for name in paths}
    for run in range(-1, runs):
        for name, path in paths.items():

            def ask(path: str = path) -> None:
                session.get(f"{airflow.url}/sfx/api/{path}", timeout=60).raise_for_status()

            elapsed = _seconds(ask)
            if run >= 0:
                found[name].append(elapsed)
    return {f"{name}, p95 ms": _p95(seconds) for name, seconds in found.items()}


def _paints(airflow: LocalAirflow, runs: int) -> dict[str, object]:
    """Measure the time until a page is readable and until it is complete.

    Each run opens a new window with an empty cache.
    """
    pages = {
        "tables": "",
        "a table": f"#/table/{TABLE}",
        "a partition": f"#/partition/{TABLE}/00007",
    }
    found: dict[str, list[float]] = {
        f"{name} {what}": [] for name in pages for what in ("to be read", "complete")
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox"])
        for run in range(-1, runs):
            for name, where in pages.items():
                time.sleep(2 * SECONDS)
                context = browser.new_context(base_url=airflow.url)
                context.add_cookies(
                    [{"name": "_token", "value": airflow.login("admin"), "url": airflow.url}]
                )
                page = context.new_page()
                begun = time.perf_counter()
                page.goto(f"/sfx/{where}")
                page.locator("main[aria-busy=false]").wait_for()
                read = time.perf_counter() - begun
                page.wait_for_function("() => !document.querySelector('[aria-busy=true]')")
                if run >= 0:
                    found[f"{name} to be read"].append(read)
                    found[f"{name} complete"].append(time.perf_counter() - begun)
                context.close()
        browser.close()
    return {f"{name}, p95 ms": _p95(seconds) for name, seconds in found.items()}

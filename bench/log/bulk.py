"""Calls of 10,000 partitions: one of them is loaded, and their writer dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import statistics
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pandas as pd
import psutil

import airflow_sfx as sfx
from airflow_sfx.warehouse.table.table_log import TableLog
from bench.log.growth import warehouse_on_stack
from bench.scaling import MANY
from bench.timing import interleaved, summary

_LOADS = 10


def one_of_many(folder: Path, runs: int) -> Iterator[dict[str, object]]:
    """Yield the time of loads of one partition of a call of 10,000, beside a call of one."""
    yield _loads(sfx.connect(f"embedded://{folder}/loads"), "embedded", runs)
    with warehouse_on_stack(folder) as warehouse:
        yield _loads(warehouse, "S3 + Hive", runs)


def after_a_death(folder: Path, runs: int) -> Iterator[dict[str, object]]:
    """Yield how long a commit takes after the writer of 10,000 partitions was killed."""
    yield _deaths(sfx.connect(f"embedded://{folder}/deaths"), "embedded", runs)
    with warehouse_on_stack(folder) as warehouse:
        yield _deaths(warehouse, "S3 + Hive", runs)


def _loads(warehouse: sfx.Warehouse, backend: str, runs: int) -> dict[str, object]:
    many, one = f"one of a call of {MANY:,}", "one of a call of one"
    _store_many(warehouse)
    warehouse.store_dataframe(_frame(1), "bench", "one", partition_by=["day"])
    numbers = count(7, 7)

    def load_one_of_many() -> None:
        for _ in range(_LOADS):  # another partition each time
            warehouse.load_dataframe("bench", "many", [f"{next(numbers) % MANY:05d}"])

    def load_one() -> None:
        for _ in range(_LOADS):
            warehouse.load_dataframe("bench", "one", ["00000"])

    seconds = interleaved({many: load_one_of_many, one: load_one}, runs)
    return {f"{backend}: {_LOADS} × load of a partition": summary(seconds, many)}


def _deaths(warehouse: sfx.Warehouse, backend: str, runs: int) -> dict[str, object]:
    """Let a writer die, then time the next one, which knows nothing of the table yet."""
    _store_many(warehouse)
    found: dict[str, object] = {"without a death": round(_commit(warehouse.uri), 3)}
    for when in ("before", "after"):
        seconds = []
        for _ in range(runs):
            _killed(warehouse.uri, when)
            seconds.append(_commit(warehouse.uri))
            warehouse.repair("bench", "many")
        found[f"{when} its entry"] = round(statistics.median(seconds), 3)
    found |= {"runs": runs, "load": round(psutil.getloadavg()[0], 1)}
    return {f"{backend}: the next commit after a writer of {MANY:,} partitions died": found}


def _frame(partitions: int) -> pd.DataFrame:
    return pd.DataFrame({"day": [f"{number:05d}" for number in range(partitions)], "n": 1})


def _store_many(warehouse: sfx.Warehouse) -> None:
    warehouse.store_dataframe(_frame(MANY), "bench", "many", partition_by=["day"])


def _commit(uri: str) -> float:
    warehouse, frame = sfx.connect(uri), pd.DataFrame({"n": [1]})
    warehouse.tables()  # connects
    began = time.perf_counter()
    warehouse.store_dataframe(frame, "bench", "many", ["00007"])
    return time.perf_counter() - began


def _killed(uri: str, when: str) -> None:
    writer = multiprocessing.get_context("spawn").Process(target=_store_and_die, args=(uri, when))
    writer.start()
    writer.join()
    if writer.exitcode != -signal.SIGKILL:
        raise RuntimeError(f"the writer ended with {writer.exitcode}")


def _store_and_die(uri: str, when: str) -> None:
    create = TableLog.create

    def last_call(self: TableLog, *arguments: object) -> bool:
        if when == "after":
            create(self, *arguments)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGKILL)
        return False

    TableLog.create = last_call  # type: ignore[method-assign]
    _store_many(sfx.connect(uri))

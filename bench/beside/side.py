"""What one of the packages does, by its public calls alone.

A JSON line on standard input is a request; the answer is the seconds that it took, or a count.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from datetime import timedelta
from typing import Any

import pandas as pd

import airflow_sfx as sfx

PROCESSES, COMMITS = 32, 5
NIGHTS = 10
_SMALL = pd.DataFrame({"n": range(500), "text": [f"item {number}" for number in range(500)]})


class Side:
    """What one of the packages does, by its public calls alone.

    Args:
        uri: The warehouse.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._warehouse = sfx.connect(uri)
        self._frames: dict[str, pd.DataFrame] = {}

    def prepare(self, part: str, database: str, **more: Any) -> None:
        if part == "year":
            self._frames["year"] = pd.read_feather(more["frame"])
        if part == "processes":
            prepare_writers(self._warehouse, database)
        if part == "plan":
            days = [f"{number:05d}" for number in range(more["partitions"])]
            for night in range(NIGHTS):
                frame = pd.DataFrame({"day": days, "n": night})
                self._warehouse.store_dataframe(frame, database, "nightly", partition_by=["day"])

    def time(self, part: str, database: str, **more: Any) -> float:
        """Return the seconds that a part takes, from the moment on that it names or its start."""
        began = time.perf_counter()
        began = getattr(self, part)(database, **more) or began
        return time.perf_counter() - began

    def year(self, database: str, **_: Any) -> None:
        frame = self._frames["year"]
        self._warehouse.store_dataframe(frame, database, "year", partition_by=["date"])

    def commit(self, database: str, repeats: int) -> None:
        for _ in range(repeats):
            self._warehouse.store_dataframe(_SMALL, database, "commit", ["p"])

    def processes(self, database: str) -> float:
        began, codes = let_write(self._uri, database)
        failed = [code for code in codes if code]
        if failed:
            raise RuntimeError(f"{len(failed)} of {PROCESSES} writers failed")
        return began

    def plan(self, database: str, partitions: int) -> None:
        plan = self._warehouse.retain(database, "nightly", keep_last=3, older_than=timedelta(0))
        assert len(plan.retired) == partitions * (NIGHTS - 3)

    def objects(self, database: str, part: str) -> object:
        table = {"plan": "nightly", "processes": "processes"}.get(part, part)
        if part not in ("year", "commit"):
            return None
        before = self._listed(database, table)
        if part == "year":
            self.year(database)
        else:
            self.commit(database, 1)
        return len(self._listed(database, table) - before)

    def _listed(self, database: str, table: str) -> set[str]:
        store = self._warehouse.store
        return {info.path for top in ("_sfx", f"{database}.db/{table}") for info in store.list(top)}


def prepare_writers(warehouse: sfx.Warehouse, database: str) -> None:
    """Create the table that the processes write."""
    warehouse.store_dataframe(_SMALL, database, "processes", ["first"])


def let_write(uri: str, database: str) -> tuple[float, list[int | None]]:
    """Let many processes commit to partitions of their own, from one moment on.

    Returns:
        That moment, and the exit codes of the processes.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["airflow_sfx.warehouse.warehouse", "pandas", "__main__"])
    start = context.Barrier(PROCESSES + 1)
    writers = [
        context.Process(target=write, args=(uri, database, number, start))
        for number in range(PROCESSES)
    ]
    for writer in writers:
        writer.start()
    start.wait()
    began = time.perf_counter()
    for writer in writers:
        writer.join()
    return began, [writer.exitcode for writer in writers]


def write(uri: str, database: str, number: int, start: Any) -> None:
    warehouse = sfx.connect(uri)
    start.wait()
    for _ in range(COMMITS):
        warehouse.store_dataframe(_SMALL, database, "processes", [f"{number:02d}"])


def answer(uri: str) -> None:
    """Answer the requests on standard input with the seconds that each took."""
    side = Side(uri)
    for line in sys.stdin:
        request = json.loads(line)
        result = getattr(side, request.pop("do"))(**request)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    answer(sys.argv[1])

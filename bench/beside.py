"""An earlier airflow_sfx beside this one, on the same S3 server and Hive Metastore.

``python -m bench.beside CHECKOUT`` takes the directory of an earlier checkout, which needs no
installation: each side is a process of its own that imports its own package. They take turns.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

import airflow_sfx as sfx

HERE = Path(__file__).resolve().parent.parent
NEW, OLD = "this", "earlier"
PROCESSES, COMMITS = 32, 5
NIGHTS = 10
_SMALL = pd.DataFrame({"n": range(500), "text": [f"item {number}" for number in range(500)]})

Ask = Callable[..., Any]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.beside", description=__doc__)
    parser.add_argument("checkout", type=Path, help="the directory of an earlier checkout")
    parser.add_argument("--runs", type=int, default=7, help="counted runs of each side")
    parser.add_argument(
        "--partitions", type=int, default=10_000, help="partitions with ten batches, to retain"
    )
    parser.add_argument("--only", nargs="*", help="parts to run (default all)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, found in _measured(Path(folder), options):
            print(json.dumps({name: found}), flush=True)


def _measured(folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, object]]:
    from bench.data import flights
    from bench.stack import running
    from bench.timing import summary

    frame = folder / "flights.feather"
    flights().to_feather(frame)
    with ExitStack() as opened:
        stack = opened.enter_context(running(folder / "stack"))
        hive = f"hive://127.0.0.1:{stack.metastore_port}"
        sides = {
            name: opened.enter_context(_side(root, f"{hive}?location=s3://warehouse/{name}"))
            for name, root in ((OLD, options.checkout), (NEW, HERE))
        }
        few = {"year": options.runs, "processes": 3, "plan": 3}
        parts: dict[str, dict[str, Any]] = {
            "commit": {"repeats": 10},
            "year": {"frame": str(frame)},
            "processes": {},
            "plan": {"partitions": options.partitions},
        }
        for part, more in parts.items():
            if options.only and part not in options.only:
                continue
            for name, ask in sides.items():
                ask("prepare", part=part, database=name, **more)
            runs = few.get(part, 3 * options.runs)
            asks = {
                name: partial(ask, "time", part=part, database=name, **more)
                for name, ask in sides.items()
            }
            seconds = _in_turns(asks, runs)
            objects = {
                f"objects, {name}": ask("objects", database=name, part=part)
                for name, ask in sides.items()
            }
            yield part, summary(seconds, NEW) | objects


def _in_turns(sides: Mapping[str, Callable[[], float]], runs: int) -> dict[str, list[float]]:
    """Return the seconds that the sides report, after one turn that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    order = list(sides)
    for run in range(-1, runs):
        for name in order:
            elapsed = sides[name]()
            if run >= 0:
                seconds[name].append(elapsed)
        order.reverse()
    return seconds


@contextmanager
def _side(root: Path, uri: str) -> Iterator[Ask]:
    side = subprocess.Popen(
        [sys.executable, __file__, "side", uri],
        env={**os.environ, "PYTHONPATH": str(root)}, cwd=root, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def ask(what: str, **more: Any) -> Any:
        assert side.stdin is not None
        assert side.stdout is not None
        side.stdin.write(json.dumps({"do": what, **more}) + "\n")
        side.stdin.flush()
        line = side.stdout.readline()
        if not line:
            raise RuntimeError(f"{root} ended at {what} {more}")
        return json.loads(line)

    try:
        yield ask
    finally:
        side.stdin.close()  # type: ignore[union-attr]
        side.wait(60)


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
            self._warehouse.store_dataframe(_SMALL, database, part, ["first"])
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
        """Let many processes commit to partitions of their own, from one moment on."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["airflow_sfx.warehouse.warehouse", "pandas", "__main__"])
        start = context.Barrier(PROCESSES + 1)
        writers = [
            context.Process(target=write, args=(self._uri, database, number, start))
            for number in range(PROCESSES)
        ]
        for writer in writers:
            writer.start()
        start.wait()
        began = time.perf_counter()
        for writer in writers:
            writer.join()
        failed = [writer.exitcode for writer in writers if writer.exitcode]
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
    if sys.argv[1] == "side":
        answer(sys.argv[2])
    else:
        main()

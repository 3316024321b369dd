"""An earlier airflow_sfx beside this one, on the same S3 server and Hive Metastore.

``python -m bench.beside CHECKOUT`` takes the directory of an earlier checkout, which needs no
installation: each side is a process of its own that imports its own package. They take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench.beside.asking import asking
from bench.data import flights
from bench.stack import running
from bench.timing import in_turns, summary

HERE = Path(__file__).resolve().parents[2]
NEW, OLD = "this", "earlier"

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
            seconds = in_turns(asks, runs)
            objects = {
                f"objects, {name}": ask("objects", database=name, part=part)
                for name, ask in sides.items()
            }
            yield part, summary(seconds, NEW) | objects


@contextmanager
def _side(root: Path, uri: str) -> Iterator[Ask]:
    command = [sys.executable, Path(__file__).with_name("side.py"), uri]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with asking(command, str(root), patience=60, env=environment, cwd=root) as ask:
        yield lambda what, **more: ask(do=what, **more)


if __name__ == "__main__":
    main()

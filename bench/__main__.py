"""`python -m bench`: run the benchmarks and write bench/results.json."""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

from bench import history, memory, r_frames, scaling, scheduler, speed, stack
from bench.components import rows
from bench.log import bulk, growth, retention, writers
from bench.models import diff, scale
from bench.serving import measure as serving, online
from bench.streams import aws_lambda, compaction, consumer, peers, windows

RESULTS = Path(__file__).parent / "results.json"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Time the warehouse beside its peers."
    )
    parser.add_argument(
        "--runs", type=int, default=7, help="counted runs of each contestant (default 7)"
    )
    parts = {
        "one": lambda folder: speed.one_partition(folder, options.runs),
        "many": lambda folder: speed.many_partitions(folder, options.runs),
        "log": lambda folder: scaling.log_length(folder, options.runs),
        "partitions": lambda folder: scaling.partition_count(folder, options.runs),
        "rollback": lambda folder: scaling.roll_back_many(folder, options.runs),
        "memory": memory.store_memory,
        "stream": memory.stream_memory,
        "stack": lambda folder: stack.on_stack(folder, min(options.runs, 5)),
        "parse": lambda folder: scheduler.parse(folder, options.runs),
        "scheduler": scheduler.on_scheduler,
        "history": lambda folder: history.embedded(folder, options.runs),
        "history-stack": lambda folder: history.on_stack(folder, min(options.runs, 5)),
        "log-stack": lambda folder: growth.versions(folder, min(options.runs, 5)),
        "partitions-stack": lambda folder: growth.partitions(folder, min(options.runs, 5)),
        "writers-stack": lambda folder: writers.many_writers(folder, min(options.runs, 3)),
        "retention-stack": lambda folder: retention.plan(folder, min(options.runs, 3)),
        "one-of-many": lambda folder: bulk.one_of_many(folder, options.runs),
        "dead-writer": lambda folder: bulk.after_a_death(folder, min(options.runs, 2)),
        "components": lambda folder: rows.talk_rows(folder, options.runs),
        "components-of-models": rows.corpus_sizes,
        "model-diff": lambda folder: diff.of_a_year(folder, min(options.runs, 3)),
        "model-save": lambda folder: scale.of_a_save(folder, options.runs),
        "models-many": lambda folder: scale.of_many(folder, options.runs),
        "serving": lambda folder: serving.beside_bare(folder, options.runs),
        "serving-function": lambda folder: serving.function_beside_bare(folder, options.runs),
        "online": lambda folder: online.one_row(folder, options.runs),
        "swaps": serving.swaps,
        "lambda": lambda folder: aws_lambda.started(folder, options.runs),
        "stream-consumer": lambda folder: consumer.sustained(folder, min(options.runs, 3)),
        "stream-latency": consumer.event_to_visible,
        "stream-windows": lambda folder: windows.of_500(folder, options.runs),
        "stream-windows-many": lambda folder: windows.after_many(folder, options.runs),
        "stream-compaction": lambda folder: compaction.embedded(folder, min(options.runs, 3)),
        "stream-compaction-stack": lambda folder: compaction.on_stack(folder, min(options.runs, 3)),
        "stream-peers": lambda folder: peers.beside(folder, min(options.runs, 3)),
        "r": lambda folder: r_frames.in_r(folder, options.runs),
        "imports": lambda _: memory.import_times(options.runs),
    }
    names = ", ".join(parts)
    parser.add_argument(
        "--only",
        nargs="*",
        choices=parts,
        metavar="PART",
        help=f"parts to run (default all): {names}",
    )
    options = parser.parse_args()
    results: dict[str, object] = (
        json.loads(RESULTS.read_text())["results"] if options.only and RESULTS.exists() else {}
    )
    for name, run in parts.items():
        if options.only and name not in options.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            measured = run(Path(folder))
            for found in [measured] if isinstance(measured, dict) else measured:
                results.update(found)
                print(json.dumps(found, indent=2), flush=True)
                _save(results)


def _save(results: dict[str, object]) -> None:
    machine = {
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("pyarrow", "pandas", "deltalake", "obstore")},
    }
    RESULTS.write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()

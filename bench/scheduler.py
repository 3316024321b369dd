"""Cost of the package on a real Airflow: DAG parsing, tasks, and waiting sensors."""

from __future__ import annotations

import os
import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import psutil

import airflow_sfx as sfx
from airflow_sfx.stack import down, up
from bench.memory import child
from dags_examples.local_airflow import LocalAirflow, local_airflow

TASKS = 200
PAIRS = 20
TABLES, RUNS, SENSORS = 20, 20, 5
WAITING = RUNS * SENSORS
POLL_SECONDS, WATCH_SECONDS = 10.0, 60.0

_PARSE = """
import gc, json, logging, statistics, sys, time
logging.disable()
begun = time.perf_counter()
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import task
airflow = time.perf_counter() - begun
def parse(path):
    gc.collect()
    begun = time.perf_counter()
    bag = DagBag(path, collect_dags=False)
    bag.collect_dags(path)
    seconds = time.perf_counter() - begun
    (dag,) = bag.dags.values()
    assert len(dag.tasks) == 200
    return seconds
plain, batch = sys.argv[1:]
first = parse(plain), parse(batch)
again = [(parse(plain), parse(batch)) for _ in range(15)]
medians = [statistics.median(one) for one in zip(*again)]
ratio = statistics.median(b / a for a, b in again)
print(json.dumps({"airflow": airflow, "first": first, "again": medians, "ratio": ratio}))
"""

_DAG_OF_200 = """
from airflow.sdk import dag, task

@dag(schedule=None)
def two_hundred():
    for number in range(200):
        @task{decorator}
        def write():
            return number
        write()

two_hundred()
"""

_PAIRS = """
from airflow.sdk import chain, dag, task

def frame():
    import pandas as pd
    return pd.DataFrame({{"n": range(500), "text": [f"item {{number}}" for number in range(500)]}})

@dag(schedule=None)
def pairs():
    made = []
    for number in range({pairs}):
        @task(task_id=f"plain_{{number}}")
        def plain():
            frame()
        @task.batch(task_id=f"batch_{{number}}", table="bench.small", partitions=["p"])
        def batch():
            return frame()
        made += [plain(), batch()] if number % 2 else [batch(), plain()]
    chain(*made)

pairs()
"""

_TRIGGERS = """
import asyncio, json, os, sys
import pandas as pd, psutil
os.environ["SFX_WAREHOUSE"] = "embedded://" + sys.argv[1]
tables, waiting = int(sys.argv[2]), int(sys.argv[3])
import airflow_sfx as sfx
from airflow_sfx.triggers import BatchPartitionTrigger
for table in range(tables):
    frame = pd.DataFrame({"day": ["x"], "n": 1})
    sfx.store_dataframe(frame, "bench", f"waited_{table}", partition_by=["day"])
process = psutil.Process()
async def wait(table, number):
    trigger = BatchPartitionTrigger(f"bench.waited_{table}", [f"p{number}"], poll_seconds=1.0)
    async for event in trigger.run():
        return event
async def main():
    before = process.memory_info().rss
    pairs = [(table, number) for table in range(tables) for number in range(waiting)]
    tasks = [asyncio.create_task(wait(table, number)) for table, number in pairs]
    await asyncio.sleep(5)
    return process.memory_info().rss - before
print(json.dumps(asyncio.run(main())))
"""

# Airflow sends the whole DAG to the triggerer with each trigger of this kind: many runs of small
# DAGs, as a backfill has.
_SENSORS = """
from airflow.sdk import dag
from airflow_sfx.sensors import BatchPartitionSensor

def waiting(table):
    @dag(
        dag_id=f"waiting_{{table}}",
        schedule=None,
        max_active_runs={runs},
        max_active_tasks={waiting},
    )
    def sensors():
        for number in range({tasks}):
            BatchPartitionSensor(
                task_id=f"wait_{{number}}",
                table=f"bench.waited_{{table}}",
                partitions=[f"p{{number}}_{{{{{{{{ run_id }}}}}}}}"],
                poke_interval={seconds},
                timeout=3600,
                start_from_trigger=True,
                end_from_trigger=True,
            )
    return sensors()

for table in range({tables}):
    waiting(table)
"""


def parse(folder: Path, runs: int) -> dict[str, object]:
    """Measure the parsing of DAG files with 200 tasks.

    The first file of a process includes the imports; later files do not.
    """
    plain, batch = folder / "plain.py", folder / "batch.py"
    plain.write_text(_DAG_OF_200.format(decorator='(task_id=f"t{number}")'))
    batch.write_text(
        _DAG_OF_200.format(decorator='.batch(task_id=f"t{number}", table=f"bench.items_{number}")')
    )
    os.environ["AIRFLOW_HOME"] = str(folder)
    found = [child(_PARSE, str(plain), str(batch)) for _ in range(runs + 1)][1:]
    again = [statistics.median(one["again"][index] for one in found) for index in (0, 1)]
    imports = statistics.median(one["first"][1] - one["again"][1] for one in found)
    return {
        "parse of 200 @task.batch": {
            "seconds": {"@task": round(again[0], 4), "@task.batch": round(again[1], 4)},
            "ratio": round(statistics.median(one["ratio"] for one in found), 3),
            "imports of the first file of a process, ms": round(1000 * imports, 1),
            "airflow's own import in it, ms": round(
                1000 * statistics.median(one["airflow"] for one in found)
            ),
        }
    }


def on_scheduler(folder: Path) -> Iterator[dict[str, object]]:
    """Measure tasks and sensors on a scheduler, a triggerer and the stack."""
    stack = up(folder / "stack")
    dags = folder / "dags"
    dags.mkdir()
    (dags / "pairs.py").write_text(_PAIRS.format(pairs=PAIRS))
    (dags / "waiting.py").write_text(
        _SENSORS.format(
            tables=TABLES, runs=RUNS, tasks=SENSORS, waiting=WAITING, seconds=POLL_SECONDS
        )
    )
    capacity = {"AIRFLOW__TRIGGERER__CAPACITY": str(2 * TABLES * WAITING)}
    counted = _Counted(stack.metastore_port)
    through = stack.uri.replace(f":{stack.metastore_port}", f":{counted.port}")
    try:
        with (
            _environment({**stack.environment(), "SFX_WAREHOUSE": through}),
            local_airflow(folder / "airflow", dags, {**os.environ, **capacity}) as airflow,
        ):
            airflow.ready("pairs", *(f"waiting_{table}" for table in range(TABLES)))
            yield _overhead(airflow)
            yield _sensors(airflow, counted)
        yield _triggers(folder)
    finally:
        down(folder / "stack")


def _overhead(airflow: LocalAirflow) -> dict[str, object]:
    run_id = airflow.trigger("pairs")
    airflow.finish("pairs", run_id, seconds=900)
    took = {task["task_id"]: task["duration"] for task in airflow.tasks("pairs", run_id)}
    pairs = [(took[f"plain_{number}"], took[f"batch_{number}"]) for number in range(2, PAIRS)]
    plain, batch = (round(statistics.median(one), 3) for one in zip(*pairs, strict=True))
    extra = statistics.median(after - before for before, after in pairs)
    return {
        "a task with a frame of 10 kB": {
            "seconds": {"@task": plain, "@task.batch": batch},
            "extra, ms": round(1000 * extra),
            "pairs": len(pairs),
        }
    }


def _sensors(airflow: LocalAirflow, metastore: _Counted) -> dict[str, object]:
    warehouse = sfx.connect()
    for table in range(TABLES):
        warehouse.store_dataframe(
            _partitions(["before"]), "bench", f"waited_{table}", partition_by=["day"]
        )
    count = TABLES * WAITING
    triggerer = psutil.Process(airflow.pid("triggerer"))
    empty = _memory(triggerer)
    dags = [f"waiting_{table}" for table in range(TABLES)]
    for dag_id in dags:
        for number in range(RUNS):
            airflow.trigger(dag_id, run_id=f"run{number}")
    begun = time.monotonic()

    def waits() -> int:
        return sum(airflow.count(dag_id, "~", "deferred") for dag_id in dags)

    airflow.until(lambda: waits() == count, "all sensors wait", seconds=900)
    deferred = time.monotonic() - begun
    time.sleep(2 * POLL_SECONDS)
    calls, cpu = metastore.calls, _cpu(triggerer)
    time.sleep(WATCH_SECONDS)
    busy, asked = (_cpu(triggerer) - cpu) / WATCH_SECONDS, metastore.calls - calls
    memory = _memory(triggerer)
    frame = _partitions(
        [f"p{task}_run{number}" for task in range(SENSORS) for number in range(RUNS)]
    )
    fired = []
    for table, dag_id in enumerate(dags):
        warehouse.store_dataframe(frame, "bench", f"waited_{table}", partition_by=["day"])
        published = datetime.now(UTC)
        fired.append((dag_id, published))
    late = [
        (datetime.fromisoformat(task["end_date"]) - published).total_seconds()
        for dag_id, published in fired
        for number in range(RUNS)
        if airflow.succeeded(dag_id, f"run{number}")
        for task in airflow.tasks(dag_id, f"run{number}")
    ]
    return {
        f"{count} sensors on {TABLES} tables, polled every {POLL_SECONDS:.0f} s": {
            "cores": round(busy, 3),
            "MB": round(memory / 1e6),
            "MB above an idle triggerer": round((memory - empty) / 1e6),
            "metastore calls a table and poll": round(
                asked / TABLES / (WATCH_SECONDS / POLL_SECONDS), 2
            ),
            "seconds until all were deferred": round(deferred, 1),
            "seconds from publish to success": {
                "median": round(statistics.median(late), 1),
                "last": round(max(late), 1),
            },
        }
    }


def _triggers(folder: Path) -> dict[str, object]:
    """Measure the memory of the same triggers without Airflow around them."""
    grown = child(_TRIGGERS, str(folder / "triggers"), str(TABLES), str(WAITING))
    return {f"{TABLES * WAITING} triggers alone, MB": round(grown / 1e6, 1)}


class _Counted:
    """A proxy in front of the metastore that counts calls."""

    def __init__(self, port: int) -> None:
        self.calls, self._target = 0, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self._target))
            for source, sink in ((client, server), (server, client)):
                threading.Thread(
                    target=self._pass, args=(source, sink, source is client), daemon=True
                ).start()

    def _pass(self, source: socket.socket, sink: socket.socket, count: bool) -> None:
        while data := source.recv(1 << 16):
            if count:  # a call begins with Thrift's version, its kind, and the length of its name
                self.calls += len(
                    re.findall(rb"\x80\x01\x00\x01\x00\x00\x00[\x01-\x7f][a-z]", data)
                )
            sink.sendall(data)
        sink.close()


def _partitions(days: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"day": days, "n": 1})


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _cpu(process: psutil.Process) -> float:
    return sum(sum(one.cpu_times()[:2]) for one in _family(process))


def _memory(process: psutil.Process) -> float:
    """Return proportional memory, because the triggerer's processes share pages."""
    return sum(one.memory_full_info().pss for one in _family(process))


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)

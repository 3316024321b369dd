"""Metrics and lineage as they leave a real Airflow: by StatsD and by OpenLineage."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import time
from pathlib import Path
from typing import NamedTuple

import pytest

import airflow_sfx as sfx
from dags_examples.local_airflow import LocalAirflow, local_airflow
from tests.airflow.conftest import airflow_environment


class Observed(NamedTuple):
    """The metrics and events sent while a DAG ran."""

    metrics: list[str]
    lineage: list[dict]
    warehouse: sfx.Warehouse
    logs: dict[str, list[dict]]
    links: dict[str, str]
    url: str


@pytest.fixture(scope="module")
def observed(open_folders) -> Observed:
    home = open_folders("observed")
    dags, events = home / "dags", home / "events"
    dags.mkdir()
    shutil.copy(Path(__file__).with_name("dags") / "observed.py", dags)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd:
        statsd.bind(("127.0.0.1", 0))
        statsd.setblocking(False)
        settings = {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(statsd.getsockname()[1]),
            "AIRFLOW__METRICS__METRICS_ALLOW_LIST": "sfx",
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(
                {"type": "file", "log_file_path": str(events)}
            ),
        }
        with local_airflow(
            home / "home", dags, airflow_environment(home, dags) | settings
        ) as running:
            running.ready("observed")
            run_id = running.succeed("observed")
            warehouse = sfx.connect(running.environment["SFX_WAREHOUSE"])

            def complete() -> bool:
                return {"items", "plain", "total"} <= {
                    event["job"]["name"].rpartition(".")[2]
                    for event in read(events)
                    if event["eventType"] == "COMPLETE"
                }

            running.until(complete, "all tasks have told OpenLineage")
            logs = {task: log_of(running, run_id, task) for task in ("items", "plain")}
            path = f"dags/observed/dagRuns/{run_id}/taskInstances/items/links"
            links = running.get(path)["extra_links"]
        time.sleep(0.5)
        lines = []
        with contextlib.suppress(BlockingIOError):
            while True:
                lines += statsd.recv(65_536).decode().splitlines()
    return Observed(lines, read(events), warehouse, logs, links, running.url)


def log_of(running: LocalAirflow, run_id: str, task: str) -> list[dict]:
    """Return a task's log lines of this package, with the fields of each."""
    path = f"dags/observed/dagRuns/{run_id}/taskInstances/{task}/logs/1"
    return [
        line
        for line in running.get(path, full_content=True)["content"]
        if line.get("logger") == "airflow_sfx"
    ]


def read(events: Path) -> list[dict]:
    files = events.parent.glob(f"{events.name}*")
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_each_commit_is_counted(observed) -> None:
    counted = {}
    for line in observed.metrics:
        name, _, rest = line.partition(":")
        number, _, kind = rest.partition("|")
        if kind.startswith("c"):
            counted[name] = counted.get(name, 0) + float(number)
    assert counted["airflow.sfx.commits"] == 2
    assert counted["airflow.sfx.partitions"] == 2
    assert counted["airflow.sfx.rows"] == 4
    assert counted["airflow.sfx.bytes"] > 500
    assert counted["airflow.sfx.conflicts"] == 0
    durations = [
        float(line.split(":")[1].split("|")[0])
        for line in observed.metrics
        if line.startswith("airflow.sfx.commit_duration")
    ]
    assert len(durations) == 2
    assert all(0 < duration < 60_000 for duration in durations)


@pytest.mark.parametrize(
    ("task", "inputs", "outputs"),
    [("items", [], ["items"]), ("plain", ["items"], []), ("total", ["items"], ["total"])],
)
def test_openlineage_hears_of_the_batches_that_were_read_and_written(
    observed, task, inputs, outputs
) -> None:
    (event,) = [
        one
        for one in observed.lineage
        if one["eventType"] == "COMPLETE" and one["job"]["name"].rpartition(".")[2] == task
    ]

    def datasets(found) -> list[tuple[str, str, str, str]]:
        return [
            (
                one["namespace"],
                one["name"],
                one["facets"]["version"]["datasetVersion"],
                one["facets"]["symlinks"]["identifiers"][0]["name"],
            )
            for one in found
        ]

    def expected(tables) -> list[tuple[str, str, str, str]]:
        pins = [observed.warehouse.pin("observed", table) for table in tables]
        return [
            ("file", pin.location.removeprefix("file://"), pin.batch_id, str(pin.ref))
            for pin in pins
        ]

    assert datasets(event["inputs"]) == expected(inputs)
    assert datasets(event["outputs"]) == expected(outputs)


def test_what_was_read_and_changed_is_in_the_log_with_its_fields(observed) -> None:
    batch_id = observed.warehouse.pin("observed", "items").batch_id
    (changed,), (read,) = observed.logs["items"], observed.logs["plain"]
    assert (changed["event"], changed["table"], changed["batch_ids"]) == (
        "sfx publish",
        "observed.items",
        [batch_id],
    )
    assert (changed["rows"], changed["partitions"], changed["conflicts"]) == (3, 1, 0)
    assert (read["event"], read["table"], read["batch_ids"]) == (
        "sfx read",
        "observed.items",
        [batch_id],
    )


def test_a_task_links_to_the_history_of_its_batch(observed) -> None:
    page = f"{observed.url}/plugin/batch-history"
    assert observed.links == {"Batch history": f"{page}#/partition/observed.items/p"}

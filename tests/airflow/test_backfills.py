"""Backfills on a real scheduler: one batch a partition and run, seen and undone as one unit."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

import airflow_sfx as sfx
from dags_examples.local_airflow import LocalAirflow

DAYS = [f"201301{day:02d}" for day in range(1, 6)]


@pytest.fixture(scope="module")
def backfill(scheduler: LocalAirflow) -> str:
    """The number of a backfill of five days that has ended; the first day had a batch before."""
    warehouse = sfx.connect(scheduler.environment["SFX_WAREHOUSE"])
    frame = pd.DataFrame({"run": ["before"]})
    warehouse.store_dataframe(frame, "backfilled", "items", DAYS[:1], partition_keys=["day"])
    scheduler.ready("backfilled")
    scheduler.command(
        "backfill", "create", "--dag-id", "backfilled", "--from-date", "2013-01-01", "--to-date", "2013-01-05",
        "--dag-run-conf", '{"sfx_cascade": false, "sfx_backfill_id": "january again"}',
    )  # fmt: skip

    def ended() -> bool:
        runs = scheduler.get("dags/backfilled/dagRuns", limit=100)["dag_runs"]
        return len(runs) >= len(DAYS) and all(run["state"] == "success" for run in runs)

    scheduler.until(ended, "the backfill has ended", seconds=300)
    (made,) = scheduler.get("backfills", dag_id="backfilled")["backfills"]
    return str(made["id"])


def test_a_backfill_is_in_the_history_by_its_name_and_undone_as_one_by_its_number(
    scheduler: LocalAirflow, scheduled_warehouse: sfx.Warehouse, backfill: str
) -> None:
    for table in ("items", "totals"):
        for day in DAYS:
            entry = scheduled_warehouse.history("backfilled", table, [day])[0]
            assert (entry.producer.backfill_id, entry.producer.run_type) == ("january again", "backfill")

    nightly = scheduled_warehouse.store_dataframe(pd.DataFrame({"run": ["nightly"]}), "backfilled", "items", [DAYS[1]])
    undone = subprocess.run(
        [sys.executable, "-m", "airflow_sfx.cli", "rollback", "--backfill", "backfilled", backfill, "--yes"],
        env=scheduler.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert undone.returncode == 0, undone.stderr
    runs = {day: current(scheduled_warehouse, "items", day) for day in DAYS}
    assert runs == {DAYS[0]: "before", DAYS[1]: "nightly", **dict.fromkeys(DAYS[2:])}
    assert scheduled_warehouse.pin("backfilled", "items", [DAYS[1]]) == nightly
    assert all(current(scheduled_warehouse, "totals", day) is None for day in DAYS)
    entry = scheduled_warehouse.history("backfilled", "totals", DAYS[:1])[0]
    assert entry.reason == f"undo of the backfill {backfill} of backfilled"


def current(warehouse: sfx.Warehouse, table: str, day: str) -> str | None:
    try:
        (run,) = warehouse.load_dataframe("backfilled", table, [day])["run"]
    except sfx.PartitionNotFound:
        return None
    return str(run)


def test_a_backfill_that_has_named_itself_is_undone_by_its_name(scheduled_warehouse: sfx.Warehouse) -> None:
    frame = pd.DataFrame({"n": [1]})
    for day in DAYS:
        producer = sfx.Producer(dag_id="named", run_id=f"r{day}", task_id="t", backfill_id="again")
        scheduled_warehouse.store_dataframe(frame, "named", "items", [day], producer=producer)
    (undone,) = scheduled_warehouse.rollback_backfill(dag_id="named", backfill_id="again")
    assert set(undone.rolled_back) == set(DAYS)
    with pytest.raises(sfx.BatchNotFound, match="the backfill never of named has changed nothing"):
        scheduled_warehouse.rollback_backfill(dag_id="named", backfill_id="never")

"""Backfills on a real scheduler: one batch a partition and run, seen and undone as one unit."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

import airflow_sfx as sfx
from dags_examples.local_airflow import LocalAirflow
from tests.airflow.conftest import airflow_environment

DAYS = [f"201301{day:02d}" for day in range(1, 6)]


def backfill(
    scheduler: LocalAirflow, first: str, last: str, *options: str, dag_id: str = "backfilled"
) -> str:
    """Make a backfill and wait until it has ended; its number."""
    scheduler.ready(dag_id)
    span = ("--from-date", first, "--to-date", last)
    scheduler.command("backfill", "create", "--dag-id", dag_id, *span, *options)
    newest = max(scheduler.get("backfills", dag_id=dag_id)["backfills"], key=lambda one: one["id"])

    def ended() -> bool:
        (now,) = (
            one
            for one in scheduler.get("backfills", dag_id=dag_id)["backfills"]
            if one["id"] == newest["id"]
        )
        return now["completed_at"] is not None

    scheduler.until(ended, "the backfill has ended", seconds=300)
    return str(newest["id"])


def undo(scheduler: LocalAirflow, dag_id: str, number: str) -> None:
    """Undo a backfill by its number, beside Airflow's database."""
    undone = subprocess.run(
        [
            sys.executable,
            "-m",
            "airflow_sfx.cli",
            "rollback",
            "--backfill",
            dag_id,
            number,
            "--yes",
        ],
        env=scheduler.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert undone.returncode == 0, undone.stderr


def test_a_backfill_is_in_the_history_and_undone_as_one_by_its_number(
    scheduler: LocalAirflow, scheduled_warehouse: sfx.Warehouse
) -> None:
    frame = pd.DataFrame({"run": ["before"]})
    scheduled_warehouse.store_dataframe(
        frame, "backfilled", "items", DAYS[:1], partition_keys=["day"]
    )
    number = backfill(scheduler, "2013-01-01", "2013-01-05")
    for table in ("items", "totals"):
        for day in DAYS:
            producer = scheduled_warehouse.history("backfilled", table, [day])[0].producer
            assert (producer.backfill_id, producer.reprocess, producer.run_type) == (
                number,
                "none",
                "backfill",
            )

    nightly = scheduled_warehouse.store_dataframe(
        pd.DataFrame({"run": ["nightly"]}), "backfilled", "items", [DAYS[1]]
    )
    undo(scheduler, "backfilled", number)
    runs = {day: current(scheduled_warehouse, "items", day) for day in DAYS}
    assert runs == {DAYS[0]: "before", DAYS[1]: "nightly", **dict.fromkeys(DAYS[2:])}
    assert scheduled_warehouse.pin("backfilled", "items", [DAYS[1]]) == nightly
    assert all(current(scheduled_warehouse, "totals", day) is None for day in DAYS)
    entry = scheduled_warehouse.history("backfilled", "totals", DAYS[:1])[0]
    assert entry.reason == f"undo of the backfill {number} of backfilled"


def test_a_task_undoes_a_backfill_that_ran_days_again_and_has_a_name(
    scheduler: LocalAirflow, scheduled_warehouse: sfx.Warehouse
) -> None:
    scheduler.ready("undo_backfilled")
    first = backfill(scheduler, "2013-02-01", "2013-02-02")
    pins = [scheduled_warehouse.pin("backfilled", table) for table in ("items", "totals")]
    named = '{"sfx_backfill_id": "again"}'
    backfill(
        scheduler,
        "2013-02-01",
        "2013-02-02",
        "--reprocess-behavior",
        "completed",
        "--dag-run-conf",
        named,
    )
    producer = scheduled_warehouse.history("backfilled", "totals", ["20130202"])[0].producer
    assert (producer.backfill_id, producer.reprocess) == ("again", "completed")
    scheduler.succeed("undo_backfilled", conf={"number": "again"})
    assert [scheduled_warehouse.pin("backfilled", table) for table in ("items", "totals")] == pins
    scheduler.succeed("undo_backfilled", conf={"number": first})
    assert current(scheduled_warehouse, "totals", "20130202") is None
    assert scheduled_warehouse.history("backfilled", "items", ["20130202"])[0].reason == "by a task"


def current(warehouse: sfx.Warehouse, table: str, day: str) -> str | None:
    try:
        (run,) = warehouse.load_dataframe("backfilled", table, [day])["run"]
    except sfx.PartitionNotFound:
        return None
    return str(run)


def test_a_backfill_that_has_named_itself_is_undone_by_its_name(
    scheduled_warehouse: sfx.Warehouse,
) -> None:
    frame = pd.DataFrame({"n": [1]})
    for day in DAYS:
        producer = sfx.Producer(dag_id="named", run_id=f"r{day}", task_id="t", backfill_id="again")
        scheduled_warehouse.store_dataframe(frame, "named", "items", [day], producer=producer)
    (undone,) = scheduled_warehouse.rollback_backfill(dag_id="named", backfill_id="again")
    assert set(undone.rolled_back) == set(DAYS)
    with pytest.raises(sfx.BatchNotFound, match="the backfill never of named has changed nothing"):
        scheduled_warehouse.rollback_backfill(dag_id="named", backfill_id="never")


def test_where_airflow_s_database_is_not_the_history_knows_a_backfill_by_its_number(
    tmp_path,
) -> None:
    warehouse = sfx.connect(f"embedded://{tmp_path / 'w'}")
    for day in DAYS[:2]:
        producer = sfx.Producer(
            dag_id="nightly", run_id=f"r{day}", task_id="t", run_type="backfill", backfill_id="7"
        )
        warehouse.store_dataframe(
            pd.DataFrame({"n": [1]}), "told", "items", [day], producer=producer
        )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "airflow_sfx.cli",
            "rollback",
            "--backfill",
            "nightly",
            "7",
            "--yes",
        ],
        env=airflow_environment(tmp_path, tmp_path) | {"SFX_WAREHOUSE": warehouse.uri},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [entry.operation.value for entry in warehouse.history("told", "items")] == [
        "rollback"
    ] * 2 + ["publish"] * 2


def test_a_backfill_that_its_history_does_not_name_is_undone_by_its_number(airflow, tmp_path):
    """As with the setting ``backfill_conf`` off: only Airflow's database knows the runs."""
    warehouse = sfx.connect(f"embedded://{tmp_path / 'w'}")
    for day in DAYS[:3]:
        producer = sfx.Producer(
            dag_id="unnumbered", run_id=f"r{day}", task_id="t", run_type="backfill"
        )
        warehouse.store_dataframe(
            pd.DataFrame({"n": [1]}), "unnumbered", "items", [day], producer=producer
        )
    number = airflow.probe(
        "add_backfill", dag_id="unnumbered", run_ids=[f"r{day}" for day in DAYS[:2]]
    )
    command = ("rollback", "--backfill", "unnumbered", number, "--yes")
    done = subprocess.run(
        [sys.executable, "-m", "airflow_sfx.cli", *command],
        env=airflow.environment | {"SFX_WAREHOUSE": warehouse.uri},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(warehouse.pin("unnumbered", "items").batches) == [DAYS[2]]

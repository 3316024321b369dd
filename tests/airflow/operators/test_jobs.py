"""Jobs as tasks of a real scheduler, whose workers and triggerer die."""

from __future__ import annotations

from pathlib import Path

import pytest

import airflow_sfx as sfx
from dags_examples.local_airflow import LocalAirflow


def task_of(scheduler: LocalAirflow, dag_id: str, run_id: str, task_id: str) -> dict:
    return next(one for one in scheduler.tasks(dag_id, run_id) if one["task_id"] == task_id)


def test_a_function_runs_in_a_job_and_gives_a_batch(
    scheduler: LocalAirflow, scheduled_warehouse: sfx.Warehouse
) -> None:
    scheduler.ready("jobs_decorated")
    scheduler.succeed("jobs_decorated")
    pin = scheduled_warehouse.pin("jobs", "doubled", ["p"])
    frame = scheduled_warehouse.load_dataframe(pin)
    assert (frame["n"].tolist(), set(frame["day"])) == ([2, 4, 6], {"20130101"})
    (manifest,) = scheduled_warehouse.manifests(pin)
    assert manifest.inputs == (scheduled_warehouse.pin("jobs", "numbers", ["p"]),)
    (entry,) = scheduled_warehouse.history("jobs", "doubled", ["p"])
    assert (entry.reason, entry.producer.task_id) == ("twice", "doubled")
    events = scheduler.get("assets/events", source_dag_id="jobs_decorated")["asset_events"]
    assert "doubled" in {event["extra"]["sfx"]["pin"]["table"] for event in events}


def test_killed_workers_leave_one_batch_and_memory_grows_with_the_next_attempt(
    scheduler: LocalAirflow, scheduled_warehouse: sfx.Warehouse
) -> None:
    scheduler.ready("jobs_killed")
    run_id = scheduler.succeed("jobs_killed")
    tries = {one["task_id"]: one["try_number"] for one in scheduler.tasks("jobs_killed", run_id)}
    assert tries == {"reattached": 2, "found": 2, "grown": 2}
    for table, attempt in (("reattached", 1), ("found", 1), ("grown", 2)):
        (entry,) = scheduled_warehouse.history("jobs", table, ["p"])
        assert entry.producer.try_number == attempt, table
    log = scheduler.task_log("jobs_killed", run_id, "reattached", 2)
    assert "still runs: waiting for it" in log
    assert "An earlier attempt has given" in scheduler.task_log("jobs_killed", run_id, "found", 2)
    assert "was out of memory" in scheduler.task_log("jobs_killed", run_id, "grown", 1)
    scheduler.clear("jobs_killed", run_id, ["found"])  # it has succeeded: it runs again
    scheduler.succeeded("jobs_killed", run_id)
    again = task_of(scheduler, "jobs_killed", run_id, "found")
    assert (again["state"], again["try_number"]) == ("success", 3)
    # it gave the same rows from the same inputs: their batch counts, and nothing is written
    assert len(scheduled_warehouse.history("jobs", "found", ["p"])) == 1


def deferred(scheduler: LocalAirflow, place: Path) -> str:
    scheduler.ready("jobs_deferred")
    run_id = scheduler.trigger("jobs_deferred", conf={"place": str(place)})

    def waits() -> bool:
        waiting = task_of(scheduler, "jobs_deferred", run_id, "waiting")
        return waiting["state"] == "deferred" and waiting["triggerer_job"] is not None

    scheduler.until(waits, "the task waits in the triggerer", seconds=120)
    return run_id


def test_a_restarted_triggerer_waits_for_the_same_job(
    scheduler: LocalAirflow, scheduled_warehouse: sfx.Warehouse, tmp_path
) -> None:
    run_id = deferred(scheduler, tmp_path)
    scheduler.stop_part("triggerer", kill=True)
    scheduler.start_part("triggerer")
    (tmp_path / "go").touch()
    scheduler.succeeded("jobs_deferred", run_id)
    (entry,) = scheduled_warehouse.history("jobs", "waiting", ["p"])
    assert entry.producer.run_id == run_id


def test_the_job_of_a_task_that_a_person_fails_is_killed(scheduler: LocalAirflow, tmp_path) -> None:
    run_id = deferred(scheduler, tmp_path)
    process = Path("/proc") / (tmp_path / "pid").read_text()
    if not process.parent.is_dir():
        pytest.skip("there is no /proc")
    assert process.is_dir()
    path = f"dags/jobs_deferred/dagRuns/{run_id}/taskInstances/waiting"
    scheduler.send("PATCH", path, {"new_state": "failed"})
    scheduler.until(lambda: not process.is_dir(), "the process is gone", seconds=90)

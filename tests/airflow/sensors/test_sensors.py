"""The sensors on a real scheduler and a real triggerer."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from dags_examples.local_airflow import LocalAirflow


def store(warehouse, partition: str, table: str = "waiting"):
    return warehouse.store_dataframe(
        pd.DataFrame({"n": [1]}), table, "items", [partition], partition_keys=["day"]
    )


def state(scheduler: LocalAirflow, dag_id: str, run_id: str, task_id: str = "wait") -> str | None:
    return next(
        task["state"] for task in scheduler.tasks(dag_id, run_id) if task["task_id"] == task_id
    )


def deferred(scheduler: LocalAirflow, dag_id: str, run_id: str) -> None:
    def there() -> bool:
        found = state(scheduler, dag_id, run_id)
        assert found != "failed", scheduler.task_log(dag_id, run_id, "wait")[-3000:]
        return found == "deferred"

    scheduler.until(there, "the sensor waits in the triggerer")


def got(scheduler: LocalAirflow, dag_id: str, run_id: str) -> str:
    scheduler.succeeded(dag_id, run_id)
    return scheduler.task_log(dag_id, run_id, "seen")


def test_a_sensor_waits_in_the_triggerer_and_gives_the_pin_of_the_batch_that_came(
    scheduler, scheduled_warehouse
):
    scheduler.ready("waiting")
    run_id = scheduler.trigger("waiting", conf={"day": "20130101"})
    deferred(scheduler, "waiting", run_id)
    pin = store(scheduled_warehouse, "20130101")
    assert f"the task got {pin.batch_id}" in got(scheduler, "waiting", run_id)


def test_a_batch_that_is_there_is_taken_without_waiting(scheduler, scheduled_warehouse):
    scheduler.ready("waiting")
    pin = store(scheduled_warehouse, "20130102")
    run_id = scheduler.trigger("waiting", conf={"day": "20130102"})
    assert f"the task got {pin.batch_id}" in got(scheduler, "waiting", run_id)
    assert "Pausing task as DEFERRED" not in scheduler.task_log("waiting", run_id, "wait")


@pytest.mark.parametrize("kind", ["batch", "time"])
def test_a_batch_that_is_not_newer_is_not_taken(scheduler, scheduled_warehouse, kind: str):
    scheduler.ready("waiting")
    day = f"2013-{kind}"
    old = store(scheduled_warehouse, day)
    then = pd.Timestamp(old.batch_id, tz="UTC") + pd.Timedelta(seconds=2)
    newer_than = old.batch_id if kind == "batch" else then.isoformat()
    run_id = scheduler.trigger("waiting", conf={"day": day, "newer_than": newer_than})
    deferred(scheduler, "waiting", run_id)
    scheduler.until(lambda: pd.Timestamp.now("UTC") > then, "a batch stored now is newer")
    new = store(scheduled_warehouse, day)
    log = got(scheduler, "waiting", run_id)
    assert new.batch_id in log
    assert old.batch_id not in log


def test_a_sensor_that_begins_in_the_triggerer_awaits_its_run_s_partition(
    scheduler, scheduled_warehouse
):
    scheduler.ready("waiting_in_the_triggerer")
    run_id = scheduler.trigger("waiting_in_the_triggerer", "2013-03-01")
    deferred(scheduler, "waiting_in_the_triggerer", run_id)
    pin = store(scheduled_warehouse, "20130301")
    assert f"the task got {pin.batch_id}" in got(scheduler, "waiting_in_the_triggerer", run_id)


def test_a_sensor_that_waits_in_vain_times_out(scheduler, scheduled_warehouse):
    scheduler.ready("waiting_in_vain")
    run_id = scheduler.trigger("waiting_in_vain")
    assert scheduler.finish("waiting_in_vain", run_id) == "failed"
    awaited = (
        "the sensor wait timed out after 3 s: it waited for a batch newer than "
        "20130101000000 of waiting.items never"
    )
    assert awaited in scheduler.task_log("waiting_in_vain", run_id, "wait")
    assert state(scheduler, "waiting_in_vain", run_id, "skipped") == "skipped"
    refused = scheduler.task_log("waiting_in_vain", run_id, "refused")
    assert '"exc_type": "InvalidName"' in refused
    assert "'no database' does not name a table" in refused
    unset = scheduler.task_log("waiting_in_vain", run_id, "unset")
    assert "the task unset has partitions=['{{ params.day }}'], and a value in it is None" in unset


@pytest.mark.parametrize(
    ("field", "nested"), [("newer_than", False), ("partitions", False), ("partitions", True)]
)
def test_a_sensor_that_begins_in_the_triggerer_refuses_what_is_in_xcom(
    airflow, field: str, nested: bool
):
    kind, message = airflow.probe(
        "error_of_a_sensor_that_begins_in_the_triggerer", field=field, nested=nested
    )
    assert kind == "InvalidName"
    assert f"the task tried has {field}=" in message
    assert "pins" in message
    assert "leave start_from_trigger out" in message


def test_a_warehouse_that_cannot_be_reached_is_waited_for(scheduler, scheduled_warehouse):
    pin = store(scheduled_warehouse, "w")
    away, there = (
        "hive://127.0.0.1:1?location=file:///tmp/nothing",
        scheduler.environment["SFX_WAREHOUSE"],
    )
    body = {
        "connection_id": "sfx_late",
        "conn_type": "sfx",
        "extra": json.dumps({"warehouse": away}),
    }
    scheduler.send("POST", "connections", body)
    scheduler.ready("waiting_for_a_warehouse")
    run_id = scheduler.trigger("waiting_for_a_warehouse")
    deferred(scheduler, "waiting_for_a_warehouse", run_id)
    scheduler.send(
        "PATCH", "connections/sfx_late", {**body, "extra": json.dumps({"warehouse": there})}
    )
    assert f"the task got {pin.batch_id}" in got(scheduler, "waiting_for_a_warehouse", run_id)
    assert "The check failed and will be repeated" in scheduler.task_log(
        "waiting_for_a_warehouse", run_id, "wait"
    )


def test_a_missing_connection_is_named(scheduler):
    scheduler.ready("waiting_on_nothing")
    run_id = scheduler.trigger("waiting_on_nothing")
    assert scheduler.finish("waiting_on_nothing", run_id) == "failed"
    assert "there is no Airflow connection 'not_there'" in scheduler.task_log(
        "waiting_on_nothing", run_id, "wait"
    )


def test_consistency_is_awaited_until_every_object_is_seen(scheduler, scheduled_warehouse):
    scheduler.ready("consistent")
    pin = store(scheduled_warehouse, "x", "consistent")
    (location,) = scheduled_warehouse.locations(pin)
    (file,) = Path(location.removeprefix("file://")).glob("*.parquet")
    hidden = file.rename(file.with_suffix(".hidden"))
    run_id = scheduler.trigger("consistent")
    deferred(scheduler, "consistent", run_id)
    assert "is missing" in scheduler.task_log("consistent", run_id, "wait")
    hidden.rename(file)
    assert pin.batch_id in got(scheduler, "consistent", run_id)


def test_five_hundred_sensors_outlive_their_triggerer(scheduler, scheduled_warehouse):
    scheduler.ready("many_waiting")
    groups = range(50)
    for group in groups:
        scheduler.trigger("many_waiting", conf={"group": group})

    def count(what: str, state: str) -> int:
        return scheduler.get(f"dags/many_waiting/dagRuns{what}", limit=1, state=state)[
            "total_entries"
        ]

    scheduler.until(
        lambda: count("/~/taskInstances", "deferred") == 500,
        "all sensors wait in the triggerer",
        seconds=300,
    )
    scheduler.stop_part("triggerer", kill=True)
    frame = pd.DataFrame(
        {"part": [f"{group}-{number}" for group in groups for number in range(10)], "n": 1}
    )
    scheduled_warehouse.store_dataframe(frame, "many", "items", partition_by=["part"])
    scheduler.start_part("triggerer")
    scheduler.until(
        lambda: count("", "success") == len(groups),
        "all of them have seen their batch",
        seconds=300,
    )

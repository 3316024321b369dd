"""Holds in real DAG runs: what a run has pinned it pins again, whatever has happened since."""

from __future__ import annotations

import pandas as pd
import pytest

from airflow_sfx.core.pin import BatchPin
from dags_examples.local_airflow import LocalAirflow

DAY = "2013-01-01"


def store(
    warehouse, n: int, table: str = "numbers", database: str = "pinning", partition: str = "x"
) -> BatchPin:
    return warehouse.store_dataframe(pd.DataFrame({"n": [n]}), database, table, [partition])


def held(warehouse, run_id: str, task: str = "current") -> list[BatchPin]:
    """Return the pins of a run's task, oldest first."""
    wanted = f"pinning/{run_id}/{task}/-1"
    return [one.pin for one in warehouse.holds("pinning", "numbers") if one.name == wanted]


def current(warehouse) -> BatchPin:
    return warehouse.pin("pinning", "numbers", ["x"])


def run_again(scheduler: LocalAirflow, run_id: str, task: str = "seen") -> None:
    scheduler.clear("pinning", run_id, ["current", task])
    scheduler.finish("pinning", run_id)


def test_a_task_pins_what_is_current_or_was_when_its_run_began(scheduler, scheduled_warehouse):
    before = store(scheduled_warehouse, 1)
    scheduler.ready("pinning")
    run_id = scheduler.trigger("pinning", "2013-02-01")
    assert scheduler.finish("pinning", run_id) == "failed"
    states = {task["task_id"]: task["state"] for task in scheduler.tasks("pinning", run_id)}
    assert states == {
        "move_on": "success",
        "current": "success",
        "start": "success",
        "as_of_logical_date": "failed",
        "seen": "success",
    }
    assert held(scheduled_warehouse, run_id, "start") == [before]
    assert held(scheduled_warehouse, run_id) == [current(scheduled_warehouse)] != [before]
    assert "had no batch at 2013-02-01" in scheduler.task_log(
        "pinning", run_id, "as_of_logical_date"
    )


def test_a_cleared_task_reads_the_batches_of_the_first_time(scheduler, scheduled_warehouse):
    store(scheduled_warehouse, 1)
    scheduler.ready("pinning")
    run_id = scheduler.trigger("pinning", "2013-02-02")
    scheduler.finish("pinning", run_id)
    first = current(scheduled_warehouse)
    later = store(scheduled_warehouse, 4)
    run_again(scheduler, run_id)
    assert held(scheduled_warehouse, run_id) == [first]
    log = scheduler.task_log("pinning", run_id, "seen", 2)
    assert first.batch_id in log
    assert later.batch_id not in log


def test_a_task_that_is_asked_to_pins_anew(scheduler, scheduled_warehouse):
    store(scheduled_warehouse, 1)
    scheduler.ready("pinning")
    run_id = scheduler.trigger("pinning", "2013-02-03", conf={"repin": True})
    scheduler.finish("pinning", run_id)
    first = current(scheduled_warehouse)
    later = store(scheduled_warehouse, 4)
    run_again(scheduler, run_id)
    assert held(scheduled_warehouse, run_id) == [first, later]


def test_a_cleared_run_pins_anew_once_it_was_asked_to(scheduler, scheduled_warehouse):
    store(scheduled_warehouse, 1)
    scheduler.ready("pinning")
    run_id = scheduler.trigger("pinning", "2013-02-04")
    scheduler.finish("pinning", run_id)
    first = current(scheduled_warehouse)
    later = store(scheduled_warehouse, 4)
    scheduled_warehouse.repin(dag_id="pinning", run_id=run_id, reason="prices were undone")
    run_again(scheduler, run_id)
    assert held(scheduled_warehouse, run_id) == [first, later]
    assert later.batch_id in scheduler.task_log("pinning", run_id, "seen", 2)
    store(scheduled_warehouse, 5)
    run_again(scheduler, run_id)
    assert held(scheduled_warehouse, run_id) == [first, later]


def test_a_durable_pin_says_who_pinned_for_which_run_and_until_when(airflow, warehouse):
    store(warehouse, 1)
    run = airflow.run("pinning")
    pinned = next(
        one for one in warehouse.holds("pinning", "numbers") if one.producer.task_id == "current"
    )
    assert pinned.name == f"pinning/{run.run_id}/current/-1"
    assert (pinned.producer.dag_id, pinned.reason) == ("pinning", "for the tests")
    assert pinned.until is not None
    assert 89 <= (pinned.until - pinned.at).days <= 90
    assert "has no logical date" in run.log


def test_several_tables_are_pinned_by_one_task_and_used_by_name(airflow, warehouse):
    for table, n in (("a", 1), ("b", 10)):
        store(warehouse, n, table, "pin_set", "20130103")
    airflow.succeed("pin_set", "2013-01-03")
    assert warehouse.load_dataframe("pin_set", "sum", ["20130103"])["n"].tolist() == [11]
    (manifest,) = warehouse.manifests(warehouse.pin("pin_set", "sum", ["20130103"]))
    assert [pin.table for pin in manifest.inputs] == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, "must have table= or"),
        ({"table": "a.b", "tables": {"a": "a.b"}}, "but not both"),
        ({"table": "a.b", "at": "yesterday"}, "current, start or as_of_logical_date"),
    ],
)
def test_arguments_that_say_nothing_or_too_much_are_refused_when_the_dag_is_parsed(
    airflow, arguments, expected
):
    kind, message = airflow.probe(
        "operator_error", operator="PinBatchesOperator", arguments=arguments
    )
    assert kind == "InvalidName"
    assert expected in message

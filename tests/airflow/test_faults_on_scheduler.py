"""Faults while a real scheduler runs.

Workers and the scheduler die, XCom is edited, and connections are wrong.
"""

from __future__ import annotations

import json

import pandas as pd
import pytest
import sqlalchemy

import airflow_sfx as sfx
from dags_examples.local_airflow import LocalAirflow


def numbers(warehouse: sfx.Warehouse, table: str, day: str = "p") -> list[int]:
    return warehouse.load_dataframe(*table.split("."), [day])["n"].tolist()


def attempts(
    warehouse: sfx.Warehouse, table: str, day: str = "p", run_id: str | None = None
) -> list[int | None]:
    """The attempts of `run_id`, or of all runs; other tests share the warehouse."""
    return [
        entry.producer.try_number
        for entry in warehouse.history(*table.split("."), [day], limit=None)
        if run_id in (None, entry.producer.run_id)
    ]


def test_a_killed_task_is_tried_again_and_leaves_one_batch(
    scheduler: LocalAirflow, scheduled_warehouse
) -> None:
    scheduler.ready("killed")
    run_id = scheduler.succeed("killed")
    tries = {task["task_id"]: task["try_number"] for task in scheduler.tasks("killed", run_id)}
    assert tries == {"before": 2, "after": 2, "total": 1}
    assert numbers(scheduled_warehouse, "killed.sum") == [6]
    # Killed before its commit: only the second attempt is in the history. Killed after it: only the
    # first is.
    assert attempts(scheduled_warehouse, "killed.before", run_id=run_id) == [2]
    assert attempts(scheduled_warehouse, "killed.after", run_id=run_id) == [1]
    for table in ("before", "after"):
        assert scheduled_warehouse.verify(scheduled_warehouse.pin("killed", table)).rows
        assert scheduled_warehouse.show("killed", table).staged == ()


def test_a_killed_rollback_is_tried_again_and_goes_no_further_back(
    scheduler: LocalAirflow, scheduled_warehouse
) -> None:
    run = sfx.Producer(dag_id="bad", run_id="r1", task_id="load", try_number=1)
    pins = {}
    for day, producer in (("one", None), ("run", run)):
        pins[day] = [
            scheduled_warehouse.store_dataframe(
                pd.DataFrame({"n": [n]}),
                "killed",
                "undone",
                [day],
                producer=producer if n == 3 else None,
            )
            for n in (1, 2, 3)
        ]
    scheduler.ready("killed_undo")
    run_id = scheduler.succeed("killed_undo")
    assert {task["try_number"] for task in scheduler.tasks("killed_undo", run_id)} == {2}
    for day in ("one", "run"):
        assert scheduled_warehouse.pin("killed", "undone", [day]) == pins[day][1]
        assert attempts(scheduled_warehouse, "killed.undone", day)[0] == 1
        told = scheduler.get(
            f"dags/killed_undo/dagRuns/{run_id}/taskInstances/{day}/xcomEntries/return_value"
        )
        assert pins[day][1].batch_id in json.dumps(told["value"])
    sent = scheduler.get("assets/events", source_dag_id="killed_undo")["asset_events"]
    assert {event["source_task_id"] for event in sent} == {"one", "run"}


def test_a_backfill_survives_that_its_scheduler_is_killed(
    scheduler: LocalAirflow, scheduled_warehouse
) -> None:
    days = [f"201301{day:02d}" for day in range(1, 7)]
    scheduler.ready("slowly")
    scheduler.command(
        "backfill",
        "create",
        "--dag-id",
        "slowly",
        "--from-date",
        "2013-01-01",
        "--to-date",
        "2013-01-06",
    )

    def done() -> int:
        runs = scheduler.get("dags/slowly/dagRuns", limit=100)["dag_runs"]
        return sum(run["state"] == "success" for run in runs)

    scheduler.until(lambda: done() >= 1, "the first night is done", seconds=120)
    scheduler.stop_part("scheduler", kill=True)
    assert done() < len(days)
    scheduler.start_part("scheduler")
    scheduler.until(lambda: done() == len(days), "all nights are done", seconds=240)
    for day in days:
        assert numbers(scheduled_warehouse, "slowly.totals", day) == [int(day[-2:])]
        for table in ("slowly.items", "slowly.totals"):
            assert len(attempts(scheduled_warehouse, table, day)) == 1


def test_two_runs_of_one_partition_at_once_each_go_on_with_their_own_batch(
    scheduler, scheduled_warehouse
) -> None:
    scheduler.ready("twice")
    runs = [scheduler.trigger("twice", conf={"n": number}) for number in (1, 2)]
    for run_id in runs:
        scheduler.succeeded("twice", run_id)
    history = scheduled_warehouse.history("twice", "items", ["20130101"])
    assert sorted(entry.producer.run_id for entry in history) == sorted(runs)
    assert [numbers(scheduled_warehouse, "twice.copies", str(number)) for number in (1, 2)] == [
        [1],
        [2],
    ]


def edit_xcom(
    scheduler: LocalAirflow, dag_id: str, run_id: str, task_id: str, value: object
) -> None:
    """Write an XCom in the database, as Airflow's API rejects serialized values."""
    where = (
        "WHERE dag_id = :dag_id AND run_id = :run_id AND task_id = :task_id "
        "AND key = 'return_value'"
    )
    with sqlalchemy.create_engine(scheduler.database).begin() as database:
        statement = sqlalchemy.text(f"UPDATE xcom SET value = :value {where}")
        row = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id}
        assert database.execute(statement, {"value": json.dumps(value), **row}).rowcount == 1


@pytest.mark.parametrize("forgery", ["another table", "another place"])
def test_a_pin_that_was_edited_in_xcom_is_refused(
    scheduler, scheduled_warehouse, forgery: str
) -> None:
    scheduler.ready("swapped")
    run_id = scheduler.succeed("swapped")
    before = scheduled_warehouse.pin("swapped", "sum")
    path = f"dags/swapped/dagRuns/{run_id}/taskInstances/{{}}/xcomEntries/return_value"
    said = scheduler.get(path.format("first"), deserialize=False, stringify=False)["value"]
    if forgery == "another table":
        edited = json.loads(json.dumps(said).replace("first", "second"))
        edited["__data__"]["batches"] = dict(scheduled_warehouse.pin("swapped", "second").batches)
        expected = "holds a pin of swapped.second, and that task writes swapped.first"
    else:
        edited = json.loads(json.dumps(said).replace("swapped.db/first", "swapped.db/second"))
        expected = "swapped.db/second"
    assert edited != said
    edit_xcom(scheduler, "swapped", run_id, "first", edited)
    readers = ["total", "loaded"]
    scheduler.clear("swapped", run_id, readers)
    assert scheduler.finish("swapped", run_id) == "failed"
    for task_id in readers:
        log = scheduler.task_log("swapped", run_id, task_id, 2)
        assert "InvalidName" in log
        assert expected in log
    assert scheduled_warehouse.pin("swapped", "sum") == before


def test_a_pin_that_was_edited_in_xcom_is_refused_by_tasks_that_are_mapped_over_it(
    scheduler,
) -> None:
    readers = {
        "copied": 0,
        "verified": 0,
        "passed_on": 0,
        "listed": 1,
        "named": 1,
        "grouped.verify": 0,
        "plain": 0,
    }
    scheduler.ready("swapped_in_maps")
    run_id = scheduler.succeed("swapped_in_maps")
    path = f"dags/swapped_in_maps/dagRuns/{run_id}/taskInstances/other/xcomEntries/return_value"
    edited = scheduler.get(path, deserialize=False, stringify=False)["value"]
    for task_id in ("one", "each", "passed"):
        edit_xcom(scheduler, "swapped_in_maps", run_id, task_id, edited)
    scheduler.clear("swapped_in_maps", run_id, [*readers])
    assert scheduler.finish("swapped_in_maps", run_id) == "failed"
    tasks = scheduler.tasks("swapped_in_maps", run_id)
    failed = {(task["task_id"], task["map_index"]) for task in tasks if task["state"] == "failed"}
    assert failed == set(readers.items())
    for task_id, index in readers.items():
        log = scheduler.task_log("swapped_in_maps", run_id, task_id, 2, index)
        assert "holds a pin of swapped.other, and that task writes swapped.one" in log


@pytest.mark.parametrize(
    ("day", "told"),
    [
        ("", "which became"),
        ("../../etc", "which became"),
        ("a\nb", "which became"),
        (None, "and a value in it is None"),
    ],
)
def test_a_template_that_becomes_no_partition_value_is_refused(
    scheduler, scheduled_warehouse, day, told
) -> None:
    scheduler.ready("wrongly")
    run_id = scheduler.trigger("wrongly", conf={"day": day})
    assert scheduler.finish("wrongly", run_id) == "failed"
    log = scheduler.task_log("wrongly", run_id, "items")
    assert f"the task items has partitions=['{{{{ params.day }}}}'], {told}" in log
    with pytest.raises(sfx.TableNotFound):
        scheduled_warehouse.pin("wrongly", "items")


@pytest.mark.parametrize(
    ("connection", "uri", "remedy"),
    [
        ("missing", None, "set AIRFLOW_CONN_SFX_MISSING"),
        ("wrong", "ftp://somewhere", "embedded:///"),
        (
            "unreachable",
            "hive://127.0.0.1:1?location=file:///tmp/nothing",
            "the Hive Metastore at 127.0.0.1:1",
        ),
    ],
)
def test_the_message_names_the_connection_and_what_to_set(
    scheduler, connection: str, uri: str, remedy: str
) -> None:
    dag_id = f"connection_{connection}"
    if uri is not None:
        extra = json.dumps({"warehouse": uri})
        body = {"connection_id": f"sfx_{connection}", "conn_type": "sfx", "extra": extra}
        scheduler.send("POST", "connections", body)
    scheduler.ready(dag_id)
    run_id = scheduler.trigger(dag_id)
    assert scheduler.finish(dag_id, run_id) == "failed"
    log = scheduler.task_log(dag_id, run_id, "items")
    assert f"sfx_{connection}" in log
    assert remedy in log

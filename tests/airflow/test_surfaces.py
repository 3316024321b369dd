"""Every surface of the package records the same producer, on a real scheduler."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

import airflow_sfx as sfx
from dags_examples.local_airflow import LocalAirflow
from tests.airflow.test_backfills import backfill, undo

DAY = "20130101"
OF_ONE_TASK = ("calls", "named", "opened", "hooked")
OF_A_PROCESS = ("process_calls", "process_opened")


@pytest.fixture(scope="module")
def number(scheduler: LocalAirflow) -> str:
    """A backfill of one day, whose first attempt has failed after it had written."""
    return backfill(scheduler, "2013-01-01", "2013-01-01", dag_id="surfaces")


@pytest.fixture
def warehouse(scheduler: LocalAirflow) -> sfx.Warehouse:
    return sfx.connect(scheduler.environment["SFX_WAREHOUSE"])


def producers(warehouse: sfx.Warehouse, table: str) -> list[sfx.Producer]:
    return [entry.producer for entry in warehouse.history("surfaces", table, [DAY])]


def test_calls_opened_warehouses_and_the_hook_record_the_same(
    number: str, warehouse: sfx.Warehouse
) -> None:
    second, first = producers(warehouse, "calls")
    assert [producers(warehouse, table) for table in OF_ONE_TASK] == [[second, first]] * len(
        OF_ONE_TASK
    )
    assert (second.dag_id, second.task_id, second.run_type, second.backfill_id) == (
        "surfaces",
        "write",
        "backfill",
        number,
    )
    assert (first.try_number, second.try_number) == (1, 2)
    assert second.retries(first)
    assert second.user
    (operator,) = producers(warehouse, "operator")
    assert replace(operator, task_id="write", attempt_id=None, try_number=2) == replace(
        second, attempt_id=None
    )


def test_a_process_that_a_task_starts_records_the_task(
    number: str, warehouse: sfx.Warehouse
) -> None:
    (operator,) = producers(warehouse, "operator")
    for table in OF_A_PROCESS:
        (producer,) = producers(warehouse, table)
        told = (
            producer.dag_id,
            producer.run_id,
            producer.task_id,
            producer.try_number,
            producer.run_type,
        )
        assert told == ("surfaces", operator.run_id, "shell", 1, "backfill")


@pytest.mark.parametrize("newer", OF_ONE_TASK)
def test_a_stale_attempt_of_one_surface_is_refused_by_the_other(
    number: str, warehouse: sfx.Warehouse, newer: str
) -> None:
    frame = pd.DataFrame({"n": [0]})
    for older in OF_ONE_TASK:
        stale = producers(warehouse, older)[-1]
        with pytest.raises(sfx.StaleAttempt, match="a newer attempt"):
            warehouse.store_dataframe(frame, "surfaces", newer, [DAY], producer=stale)


def test_the_backfill_is_undone_by_all_surfaces(
    number: str, scheduler: LocalAirflow, warehouse: sfx.Warehouse
) -> None:
    undo(scheduler, "surfaces", number)
    for table in (*OF_ONE_TASK, *OF_A_PROCESS, "operator"):
        assert warehouse.history("surfaces", table, [DAY])[0].operation.value == "rollback", table

"""A writer killed at any call leaves each partition with its old or new batch.

Repair completes the change.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.warehouse.faults import KILLED, run_until_call

DAYS = ["20161031", "20161101", "20161102"]
OLD, NEW = 1, 2


def frame(version: int) -> pd.DataFrame:
    return pd.DataFrame({"version": [version] * 3, "day": DAYS})


def store_one(warehouse: Warehouse) -> None:
    warehouse.store_dataframe(frame(NEW).drop(columns="day"), "sales", "items", [DAYS[0]])


def store_many(warehouse: Warehouse) -> None:
    warehouse.store_dataframe(frame(NEW), "sales", "items", partition_by=["day"])


def publish_many(warehouse: Warehouse) -> None:
    warehouse.publish(warehouse.show("sales", "items").staged[-1])


def roll_back_many(warehouse: Warehouse) -> None:
    warehouse.rollback("sales", "items", DAYS)


def prepare(warehouse: Warehouse, action: Callable[[Warehouse], None]) -> None:
    """Bring every partition to the version OLD; the action would write NEW."""
    if action is roll_back_many:
        warehouse.store_dataframe(frame(NEW), "sales", "items", partition_by=["day"])
    warehouse.store_dataframe(frame(OLD), "sales", "items", partition_by=["day"])
    if action is publish_many:
        warehouse.store_dataframe(frame(NEW), "sales", "items", partition_by=["day"], publish=False)


def versions(warehouse: Warehouse) -> dict[str, int]:
    found = {}
    for day in DAYS:
        (version,) = set(warehouse.load_dataframe("sales", "items", [day])["version"])
        found[day] = int(version)
    return found


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("action", [store_one, store_many, publish_many, roll_back_many])
def test_a_process_killed_at_any_call_leaves_old_or_new_and_repair_finishes(
    new_embedded_uri, action, when
) -> None:
    kill_at_every_call(new_embedded_uri, action, when)


@pytest.mark.parametrize("action", [store_many, roll_back_many])
def test_a_process_killed_among_objects_that_are_written_together_leaves_old_or_new(
    new_embedded_uri, action
) -> None:
    kill_at_every_call(new_embedded_uri, action, "after", together=True)


@pytest.mark.parametrize("action", [store_one, store_many, roll_back_many])
def test_a_process_killed_at_any_call_to_s3_and_hive_leaves_old_or_new(
    new_stack_uri, action
) -> None:
    kill_at_every_call(new_stack_uri, action, "after")


def kill_at_every_call(
    new_uri: Callable[[], str], action: Callable[..., None], when: str, *, together: bool = False
) -> None:
    outcomes = set()
    for calls in range(1, 200):
        uri = new_uri()
        warehouse = connect(uri)
        prepare(warehouse, action)
        before = {day: warehouse.history("sales", "items", [day], limit=None) for day in DAYS}
        code = run_until_call(uri, action, calls, after=when == "after", together=together)
        outcome = check_after(warehouse, before, action)
        if code == 0:
            assert outcome == NEW
            break
        assert code == KILLED
        outcomes.add(outcome)
    else:
        pytest.fail("the action never ended")
    assert outcomes == {OLD, NEW}, "the kills did not reach both sides of the commit"


def check_after(
    warehouse: Warehouse, before: dict[str, list[sfx.LogEntry]], action: Callable[..., None]
) -> int:
    touched = DAYS[:1] if action is store_one else DAYS
    whole = version_of_all(warehouse, touched)
    seen = versions(warehouse)
    (outcome,) = {seen[day] for day in touched}
    assert outcome == whole == version_of_all(warehouse, touched)
    assert all(seen[day] == OLD for day in DAYS if day not in touched)
    for day in DAYS:
        entries = warehouse.history("sales", "items", [day], limit=None)
        assert entries[-len(before[day]) :] == before[day], "an entry was lost"
        assert len(entries) - len(before[day]) == (1 if seen[day] == NEW else 0)
        for entry in entries:
            batch = warehouse.load_dataframe("sales", "items", [day], batch_id=entry.batch_id)
            assert batch["version"].nunique() == 1
    warehouse.repair("sales", "items")
    again = warehouse.repair("sales", "items")
    assert [repair for repair in again if repair.done] == []
    assert versions(warehouse) == seen
    pin = warehouse.store_dataframe(frame(3), "sales", "items", partition_by=["day"])
    assert set(warehouse.load_dataframe(pin)["version"]) == {3}
    assert versions(warehouse) == dict.fromkeys(DAYS, 3)
    return outcome


def version_of_all(warehouse: Warehouse, touched: list[str]) -> int:
    """A read of the whole table sees the change of all partitions or of none."""
    whole = warehouse.load_dataframe("sales", "items")
    (version,) = set(whole[whole["day"].isin(touched)]["version"])
    return int(version)

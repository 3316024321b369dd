"""A run that ran twice under one run ID, a backfill and a commit are undone as one."""

from __future__ import annotations

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.log.partition_log import PartitionLog

RUN = {"dag_id": "nightly", "run_id": "r1"}


def task(name: str, number: int, **more: object) -> sfx.Producer:
    return sfx.Producer(**RUN, task_id=name, try_number=number, **more)


def put(
    warehouse: sfx.Warehouse, table: str, days: str, number: int, **more: object
) -> sfx.BatchPin:
    frame = pd.DataFrame({"n": number, "day": list(days)})
    return warehouse.store_dataframe(frame, "s", table, partition_by=["day"], **more)


def batches(warehouse: sfx.Warehouse, *tables: str) -> dict[str, dict[str, str]]:
    found = {}
    for table in tables:
        try:
            found[table] = dict(warehouse.pin("s", table).batches)
        except (sfx.PartitionNotFound, sfx.TableNotFound):
            found[table] = {}
    return found


@pytest.fixture
def twice(warehouse) -> list[dict[str, dict[str, str]]]:
    """A run that was cleared from its second task on; the current batches at each step."""
    seen = []
    put(warehouse, "orders", "ab", 0)
    seen.append(batches(warehouse, "orders", "sums", "late"))
    put(warehouse, "orders", "ab", 1, producer=task("load", 1))
    put(warehouse, "sums", "ab", 1, producer=task("sum", 1))
    seen.append(batches(warehouse, "orders", "sums", "late"))
    put(warehouse, "sums", "ab", 2, producer=task("sum", 2))
    put(warehouse, "late", "a", 2, producer=task("late", 1))
    seen.append(batches(warehouse, "orders", "sums", "late"))
    return seen


def test_the_plan_of_a_run_that_ran_twice_says_which_batch_each_partition_goes_to(
    warehouse, twice
) -> None:
    reports = {one.table: one for one in warehouse.rollback_run(**RUN, dry_run=True)}
    assert {one.attempts for one in reports.values()} == {2}
    (step, _) = reports["s.orders"].steps
    first = warehouse.history("s", "orders", ["a"])[-1]
    assert (step.partition, step.previous, step.batch_id) == (
        "a",
        twice[2]["orders"]["a"],
        twice[0]["orders"]["a"],
    )
    assert (step.at, step.producer, step.rows) == (first.at, first.producer, 1)
    assert [(one.batch_id, one.at, one.producer) for one in reports["s.sums"].steps] == [
        (None, None, None)
    ] * 2
    assert warehouse.rollback_run(**RUN) == list(reports.values())
    assert batches(warehouse, "orders", "sums", "late") == twice[0]


def test_the_last_attempt_alone_is_undone_and_leaves_what_it_did_not_change(
    warehouse, twice
) -> None:
    planned = warehouse.rollback_run(**RUN, attempt="last", dry_run=True)
    assert [one.table for one in planned] == ["s.late", "s.sums"]
    (to_first, _) = planned[1].steps
    assert to_first.batch_id == twice[1]["sums"]["a"]
    assert to_first.producer.try_number == 1
    done = warehouse.rollback_run(**RUN, attempt="last", expected=planned)
    assert done == planned
    assert batches(warehouse, "orders", "sums", "late") == twice[1]
    entry = warehouse.history("s", "sums", ["a"])[0]
    assert entry.reason == "undo of the last attempt of the run r1 of nightly"
    again = warehouse.rollback_run(**RUN, attempt="last")
    assert all(not one.rolled_back for one in again), "it is undone already"
    warehouse.rollback_run(**RUN)
    assert batches(warehouse, "orders", "sums", "late") == twice[0]


def test_the_last_attempt_of_a_run_that_ran_once_is_the_run(warehouse) -> None:
    put(warehouse, "orders", "a", 0)
    put(warehouse, "orders", "a", 1, producer=task("load", 3))
    (all_of_it,) = warehouse.rollback_run(**RUN, dry_run=True)
    assert all_of_it.attempts == 1
    assert warehouse.rollback_run(**RUN, attempt="last", dry_run=True) == [all_of_it]
    with pytest.raises(sfx.InvalidName, match="neither 'all' nor 'last'"):
        warehouse.rollback_run(**RUN, attempt="first")


def test_an_attempt_that_died_before_its_commit_took_effect_is_none(warehouse, monkeypatch) -> None:
    put(warehouse, "orders", "ab", 0)
    put(warehouse, "orders", "ab", 1, producer=task("load", 1))

    def die(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(PartitionLog, "create", die)
        with pytest.raises(KeyboardInterrupt):
            put(warehouse, "orders", "ab", 2, producer=task("load", 2))
    (report,) = warehouse.rollback_run(**RUN, attempt="last", dry_run=True)
    assert (report.attempts, list(report.rolled_back)) == (1, ["a", "b"])


def test_the_last_attempt_of_a_backfill_is_undone_alone(warehouse) -> None:
    for day in "ab":
        put(warehouse, "orders", day, 0)
    pins = []
    for number in (1, 2):
        for day in "ab":
            producer = sfx.Producer(
                dag_id="nightly",
                run_id=f"backfill__{day}",
                task_id="load",
                try_number=number,
                run_type="backfill",
                backfill_id="7",
            )
            put(warehouse, "orders", day, number, producer=producer)
        pins.append(warehouse.pin("s", "orders"))
    unit = {"dag_id": "nightly", "backfill_id": "7"}
    planned = warehouse.rollback_backfill(**unit, attempt="last", dry_run=True)
    assert planned[0].attempts == 2
    assert warehouse.rollback_backfill(**unit, attempt="last", expected=planned) == planned
    assert warehouse.pin("s", "orders") == pins[0]
    assert [len(one.entries) for one in warehouse.audit_backfill(**unit)] == [4]


def test_an_undo_is_undone_as_one_in_all_its_tables(warehouse, twice) -> None:
    undone = warehouse.rollback_run(**RUN)
    put(warehouse, "sums", "b", 9)
    undo = warehouse.history("s", "orders", ["a"])[0].commit
    assert [one.commit for one in undone if one.table == "s.orders"] == [undo]
    planned = warehouse.rollback_commit("s", "orders", undo, dry_run=True)
    assert {one.table: sorted(one.rolled_back) for one in planned} == {
        "s.late": ["a"],
        "s.orders": ["a", "b"],
        "s.sums": ["a"],
    }
    assert list(planned[2].kept) == ["b"], "it was changed after the undo"
    assert warehouse.rollback_commit("s", "orders", undo, expected=planned) == planned
    found = batches(warehouse, "orders", "sums", "late")
    del found["sums"]["b"]
    wanted = twice[2]
    del wanted["sums"]["b"]
    assert found == wanted
    redo = warehouse.history("s", "late", ["a"])[0]
    assert redo.reason.startswith("undo of the undo of 2")
    warehouse.rollback_commit("s", "late", redo.commit)
    assert batches(warehouse, "orders")["orders"] == twice[0]["orders"], "and so on"


def test_what_a_person_published_in_many_partitions_is_undone_as_one(warehouse) -> None:
    first = put(warehouse, "orders", "abc", 1)
    put(warehouse, "orders", "abcd", 2)
    bad = warehouse.history("s", "orders", ["a"])[0].commit
    put(warehouse, "orders", "c", 3)
    (done,) = warehouse.rollback_commit("s", "orders", bad, reason="zeros")
    assert done.rolled_back == {"a": first.batch_id, "b": first.batch_id, "d": None}
    assert list(done.kept) == ["c"]
    entries = [warehouse.history("s", "orders", [day])[0] for day in "abd"]
    assert len({one.commit for one in entries}) == 1
    assert {one.reason for one in entries} == {"zeros"}


def test_a_commit_that_cannot_be_undone_is_refused(warehouse) -> None:
    put(warehouse, "orders", "a", 1)
    put(warehouse, "orders", "a", 2)
    entry = warehouse.history("s", "orders", ["a"])[0]
    with pytest.raises(sfx.InvalidName, match="not the ID of a commit"):
        warehouse.rollback_commit("s", "orders", "../../secret")
    missing = "2016-11-02/234252.000005-9-9f3a01bc"
    with pytest.raises(sfx.BatchNotFound, match=f"has no commit {missing}"):
        warehouse.rollback_commit("s", "orders", missing)
    with pytest.raises(sfx.TableNotFound):
        warehouse.rollback_commit("s", "gone", entry.commit)
    from datetime import timedelta

    warehouse.retain("s", "orders", keep_last=1, older_than=timedelta(0), dry_run=False)
    expiry = warehouse.history("s", "orders", ["a"])[0]
    assert expiry.operation.value == "retire"
    with pytest.raises(sfx.InvalidName, match="'retire', which cannot be undone"):
        warehouse.rollback_commit("s", "orders", expiry.commit)
    with pytest.raises(sfx.BatchNotFound, match="was retired"):
        warehouse.rollback_commit("s", "orders", entry.commit)


def test_the_plan_of_a_rollback_says_where_each_partition_goes(warehouse) -> None:
    first = put(warehouse, "orders", "ab", 1, producer=task("load", 1))
    second = put(warehouse, "orders", "a", 2)
    before = warehouse.pin("s", "orders")
    (step,) = warehouse.plan_rollback("s", "orders", ["a"])
    assert (step.previous, step.batch_id) == (second.batch_id, first.batch_id)
    assert step.producer.run_id == "r1"
    (stays,) = warehouse.plan_rollback("s", "orders", ["b"], to=first.batch_id)
    assert stays.previous == stays.batch_id == first.batch_id
    with pytest.raises(sfx.BatchNotFound, match="nothing to roll back to"):
        warehouse.plan_rollback("s", "orders", ["b"])
    with pytest.raises(sfx.InvalidName, match="does not name a partition"):
        warehouse.plan_rollback("s", "orders")
    assert warehouse.pin("s", "orders") == before

"""Staging, publishing, rolling back: only pointers move, and everything is kept.

The first of two concurrent writers wins.
"""

from __future__ import annotations

import pandas as pd
import pytest

import airflow_sfx as sfx

DAY = "20161031"


def current(warehouse: sfx.Warehouse, day: str = DAY) -> list[int]:
    return warehouse.load_dataframe("sales", "items", [day])["n"].tolist()


def put(warehouse: sfx.Warehouse, value: int, day: str = DAY, **options: object) -> sfx.BatchPin:
    return warehouse.store_dataframe(
        pd.DataFrame({"n": [value]}), "sales", "items", [day], **options
    )


def task(run: str, attempt: int = 1, name: str = "load") -> sfx.Producer:
    return sfx.Producer(dag_id="nightly", run_id=run, task_id=name, try_number=attempt)


def test_a_staged_batch_is_readable_by_its_pin_and_current_once_published(warehouse) -> None:
    put(warehouse, 1)
    staged = put(warehouse, 2, publish=False)
    assert current(warehouse) == [1]
    assert warehouse.load_dataframe(staged)["n"].tolist() == [2]
    assert warehouse.show("sales", "items").staged == (staged,)
    assert warehouse.publish(staged, reason="looks right") == staged
    assert current(warehouse) == [2]
    assert warehouse.show("sales", "items").staged == ()
    assert warehouse.history("sales", "items", [DAY])[0].reason == "looks right"


def test_a_batch_published_and_replaced_waits_no_more_however_far_its_id_is_ahead_of_the_clock(
    warehouse,
) -> None:
    for value in range(6):  # in less than six seconds
        put(warehouse, value)
    published, waiting = put(warehouse, 6, publish=False), put(warehouse, 7, publish=False)
    warehouse.publish(published)
    assert warehouse.show("sales", "items").staged == (waiting,)
    for value in (8, 9):
        put(warehouse, value)
    state = warehouse.show("sales", "items")
    assert (state.staged, state.overtaken) == ((), (waiting,))


def test_publishing_twice_changes_nothing_the_second_time(warehouse) -> None:
    staged = put(warehouse, 1, publish=False)
    warehouse.publish(staged)
    warehouse.publish(staged)
    assert len(warehouse.history("sales", "items", [DAY])) == 1


def test_publishing_a_batch_that_is_older_than_the_current_one_needs_force(warehouse) -> None:
    staged = put(warehouse, 1, publish=False)
    newer = put(warehouse, 2)
    with pytest.raises(sfx.CommitConflict, match=newer.batch_id):
        warehouse.publish(staged)
    assert current(warehouse) == [2]
    warehouse.publish(staged, force=True)
    assert current(warehouse) == [1]


def test_a_failed_check_leaves_the_partition_as_it_was_and_the_batch_staged(warehouse) -> None:
    put(warehouse, 1)
    with pytest.raises(sfx.CheckFailed, match=r"rows_between\(5, 9\): 1 row, not") as caught:
        put(warehouse, 2, checks=[sfx.checks.not_null("n"), sfx.checks.rows_between(5, 9)])
    assert current(warehouse) == [1]
    (staged,) = warehouse.show("sales", "items").staged
    assert staged.batch_id == caught.value.batch_id
    (manifest,) = warehouse.manifests(staged)
    assert [check.passed for check in manifest.checks] == [True, False]
    put(warehouse, 3, checks=[lambda frame: len(frame) == 1, sfx.checks.unique("n")])
    assert current(warehouse) == [3]


def test_rollback_goes_one_batch_back_each_time_and_then_says_there_is_none(warehouse) -> None:
    for value in (1, 2, 3):
        put(warehouse, value)
    for value in (2, 1):
        warehouse.rollback("sales", "items", [DAY])
        assert current(warehouse) == [value]
    with pytest.raises(sfx.BatchNotFound, match="its first"):
        warehouse.rollback("sales", "items", [DAY])
    assert current(warehouse) == [1]


def test_a_new_batch_after_a_rollback_goes_back_to_what_was_current_then(warehouse) -> None:
    put(warehouse, 1)
    put(warehouse, 2)
    warehouse.rollback("sales", "items", [DAY])
    put(warehouse, 3)
    warehouse.rollback("sales", "items", [DAY])
    assert current(warehouse) == [1]


def test_rollback_to_a_batch_and_forward_again(warehouse) -> None:
    pins = [put(warehouse, value) for value in (1, 2, 3)]
    warehouse.rollback("sales", "items", [DAY], to=pins[0].batch_id)
    assert current(warehouse) == [1]
    warehouse.rollback("sales", "items", [DAY], to=pins[2].batch_id)
    assert current(warehouse) == [3]
    warehouse.rollback("sales", "items", [DAY])
    assert current(warehouse) == [2]


def test_rollback_to_a_batch_that_was_never_current_is_refused(warehouse) -> None:
    put(warehouse, 1)
    staged = put(warehouse, 2, publish=False)
    for batch_id in (staged.batch_id, "20010101000000"):
        with pytest.raises(sfx.BatchNotFound, match=batch_id):
            warehouse.rollback("sales", "items", [DAY], to=batch_id)
    with pytest.raises(sfx.InvalidName):
        warehouse.rollback("sales", "items", [DAY], to="../..")


def test_rollback_of_something_that_changed_meanwhile_is_refused(warehouse) -> None:
    put(warehouse, 1)
    seen = put(warehouse, 2)
    put(warehouse, 3)
    with pytest.raises(sfx.CommitConflict, match="another writer has changed it"):
        warehouse.rollback("sales", "items", [DAY], expected=seen)
    assert current(warehouse) == [3]


def test_rollback_of_several_partitions_is_one_change_and_leaves_the_others(warehouse) -> None:
    for value in (1, 2):
        for day in ("a", "b", "c"):
            put(warehouse, value, day)
    warehouse.rollback("sales", "items", ["a", "b"], reason="bad source")
    assert [current(warehouse, day) for day in "abc"] == [[1], [1], [2]]
    commits = {warehouse.history("sales", "items", [day])[0].commit for day in "ab"}
    assert len(commits) == 1


def test_if_one_of_several_partitions_cannot_be_rolled_back_none_is(warehouse) -> None:
    put(warehouse, 1, "a")
    put(warehouse, 2, "a")
    put(warehouse, 1, "b")
    with pytest.raises(sfx.BatchNotFound):
        warehouse.rollback("sales", "items", ["a", "b"])
    assert current(warehouse, "a") == [2]


def test_undoing_a_run_undoes_what_it_published_in_all_tables_and_nothing_newer(warehouse) -> None:
    frame = pd.DataFrame({"n": [1]})
    put(warehouse, 1, "a")
    put(warehouse, 1, "b")
    for value in (2, 3):
        put(warehouse, value, "a", producer=task("r2"))
    put(warehouse, 2, "b", producer=task("r2"))
    put(warehouse, 9, "b", producer=task("r3"))
    put(warehouse, 2, "new", producer=task("r2"))
    warehouse.store_dataframe(frame, "sales", "totals", [DAY], producer=task("r2"))

    told = warehouse.rollback_run(dag_id="nightly", run_id="r2", dry_run=True)
    assert current(warehouse, "a") == [3], "it was only told"
    done = warehouse.rollback_run(dag_id="nightly", run_id="r2")
    assert done == told
    undone = {report.table: report for report in done}

    assert current(warehouse, "a") == [1]
    assert current(warehouse, "b") == [9]
    assert list(undone["sales.items"].kept) == ["b"]
    assert undone["sales.items"].rolled_back["new"] is None
    for table, day in (("items", "new"), ("totals", DAY)):
        with pytest.raises(sfx.PartitionNotFound):
            warehouse.load_dataframe("sales", table, [day])
    assert sorted(warehouse.pin("sales", "items").batches) == ["a", "b"]
    emptied = warehouse.history("sales", "items", ["new"])[-1].batch_id
    assert warehouse.rollback("sales", "items", ["new"], to=emptied).batch_id == emptied, (
        "what was undone can come back"
    )
    assert put(warehouse, 5, "new")
    again = warehouse.rollback_run(dag_id="nightly", run_id="r2")
    assert all(not report.rolled_back for report in again)
    with pytest.raises(sfx.BatchNotFound, match="changed nothing"):
        warehouse.rollback_run(dag_id="nightly", run_id="r99")


def test_an_older_attempt_of_a_task_never_replaces_a_newer_one(warehouse) -> None:
    put(warehouse, 2, producer=task("r1", attempt=2))
    with pytest.raises(sfx.StaleAttempt, match="attempt 1 .* of nightly/r1/load"):
        put(warehouse, 1, producer=task("r1", attempt=1))
    put(warehouse, 3, producer=task("r2", attempt=1))
    with pytest.raises(sfx.StaleAttempt):
        put(warehouse, 1, producer=task("r1", attempt=1))
    assert current(warehouse) == [3]
    put(warehouse, 4, producer=task("r1", attempt=3))
    assert current(warehouse) == [4]


def test_the_history_of_a_table_is_that_of_all_its_partitions_by_time(warehouse) -> None:
    for value, day in enumerate(("a", "b", "a", "c")):
        put(warehouse, value, day)
    entries = warehouse.history("sales", "items")
    assert [entry.partition for entry in entries] == ["c", "a", "b", "a"]
    assert warehouse.history("sales", "items", limit=2) == entries[:2]
    assert len(warehouse.history("sales", "items", ["a"], limit=None)) == 2
    with pytest.raises(sfx.PartitionNotFound):
        warehouse.history("sales", "items", ["z"])


def test_a_pin_holds_while_the_partition_moves_on(warehouse) -> None:
    put(warehouse, 1)
    pin = warehouse.pin("sales", "items", [DAY])
    for value in range(2, 8):
        put(warehouse, value)
    warehouse.rollback("sales", "items", [DAY])
    assert warehouse.load_dataframe(pin)["n"].tolist() == [1]

"""A run is undone as one, or not at all; and what cannot be read of it hides nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.log import commit
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.undo.rollback_run import RunRollback

RUN = {"dag_id": "nightly", "run_id": "r1"}
TABLES = ("a", "b", "c")


@pytest.fixture
def uri(embedded_uri) -> str:
    """Only files can be damaged from here."""
    return embedded_uri


def put(
    warehouse: sfx.Warehouse, table: str, number: int, day: str = "d", **more: object
) -> sfx.BatchPin:
    return warehouse.store_dataframe(pd.DataFrame({"n": [number]}), "s", table, [day], **more)


@pytest.fixture
def before(warehouse) -> dict[str, sfx.BatchPin]:
    """The batches of three tables before a run changed them."""
    pins = {table: put(warehouse, table, 1) for table in TABLES}
    for table in TABLES:
        put(warehouse, table, 2, producer=sfx.Producer(**RUN, task_id="load"))
    return pins


def current(warehouse: sfx.Warehouse) -> dict[str, sfx.BatchPin]:
    return {ref.table: warehouse.pin(ref.database, ref.table, ["d"]) for ref in warehouse.tables()}


def retired(warehouse: sfx.Warehouse, table: str) -> None:
    warehouse.retain("s", table, keep_last=1, older_than=timedelta(0), dry_run=False)


def file_of(warehouse: sfx.Warehouse, path: str) -> Path:
    return Path(warehouse.store.local_path(path) or "")


def damaged(warehouse: sfx.Warehouse, table: str) -> None:
    file_of(warehouse, f"s.db/{table}/_sfx/log/00000000/0000000002.json").write_text("{")


def dropped(warehouse: sfx.Warehouse, table: str) -> None:
    with sqlite3.connect(warehouse.metastore._path) as metastore:
        ((table_id,),) = metastore.execute(
            "SELECT id FROM tables WHERE database = 's' AND name = ?", [table]
        )
        metastore.execute("DELETE FROM partitions WHERE table_id = ?", [table_id])
        metastore.execute("DELETE FROM tables WHERE id = ?", [table_id])


def test_a_run_of_which_one_table_cannot_go_back_is_left_whole(warehouse, before) -> None:
    retired(warehouse, "b")
    there = current(warehouse)
    with pytest.raises(
        sfx.BatchNotFound, match=r"nothing was changed: the batch .* of s.b partition d was retired"
    ) as no:
        warehouse.rollback_run(**RUN)
    assert (no.value.table, no.value.partition) == ("s.b", "d")
    assert current(warehouse) == there
    put(warehouse, "b", 3)
    done = warehouse.rollback_run(**RUN)
    assert [list(one.kept) for one in done] == [[], ["d"], []]
    assert current(warehouse) == {**before, "b": current(warehouse)["b"]}


def test_all_that_keeps_a_run_from_being_undone_is_named_at_once(warehouse, before) -> None:
    for day in ("e", "f"):
        put(warehouse, "a", 1, day)
        put(warehouse, "a", 2, day, producer=sfx.Producer(**RUN, task_id="load"))
    retired(warehouse, "a")
    damaged(warehouse, "b")
    there = warehouse.pin("s", "a"), warehouse.pin("s", "c")
    with pytest.raises(sfx.InconsistentBatch, match="nothing was changed") as no:
        warehouse.rollback_run(**RUN)
    assert len(no.value.problems) == 4
    for words in ("s.a partition d", "s.a partition e", "s.a partition f", "s.db/b/_sfx/log"):
        assert words in str(no.value)
    assert (warehouse.pin("s", "a"), warehouse.pin("s", "c")) == there


def test_a_dry_run_tells_what_goes_back_and_what_is_in_the_way(warehouse, before) -> None:
    retired(warehouse, "a")
    damaged(warehouse, "b")
    a, b, c = warehouse.rollback_run(**RUN, dry_run=True)
    assert "was retired" in a.blocked[0]
    assert "s.db/b/_sfx/log" in b.blocked[0]
    assert (c.rolled_back, c.blocked, c.gone) == (dict(before["c"].batches), (), "")


def test_a_table_that_was_dropped_is_told_and_the_rest_of_the_run_undone(warehouse, before) -> None:
    dropped(warehouse, "b")
    told = warehouse.rollback_run(**RUN, dry_run=True)
    done = warehouse.rollback_run(**RUN)
    assert done == told
    assert [one.table for one in done] == ["s.a", "s.b", "s.c"]
    assert done[1] == RunRollback("s.b", None, {}, {}, gone=done[1].gone)
    assert "lost the table s.b" in done[1].gone
    assert current(warehouse) == {"a": before["a"], "c": before["c"]}


@pytest.mark.parametrize(
    ("harm", "words"), [(dropped, "lost the table s.b"), (damaged, "s.db/b/_sfx/log")]
)
def test_what_a_run_changed_is_told_of_all_tables_that_can_be_read(
    warehouse, before, harm: Callable[[sfx.Warehouse, str], None], words: str
) -> None:
    harm(warehouse, "b")
    a, b, c = warehouse.audit_run(**RUN)
    assert [len(one.entries) for one in (a, b, c)] == [1, 0, 1]
    assert words in b.unreadable
    assert a.unreadable == c.unreadable == ""


def test_what_was_done_before_storage_failed_is_said(warehouse, before, monkeypatch) -> None:
    create = PartitionLog.create

    def full(log, header, entries):
        if log._table == "s.b":
            raise sfx.WarehouseUnavailable("the disk is full.")
        return create(log, header, entries)

    with monkeypatch.context() as failing:
        failing.setattr(PartitionLog, "create", full)
        with pytest.raises(
            sfx.WarehouseUnavailable,
            match=r"is full\. Already rolled back: s\.a \(1 partition\)\.",
        ):
            warehouse.rollback_run(**RUN)
    assert [list(one.rolled_back) for one in warehouse.rollback_run(**RUN)] == [[], ["d"], ["d"]]
    assert current(warehouse) == before


def test_a_run_is_undone_as_it_was_told_or_not_at_all(warehouse, before) -> None:
    told = warehouse.rollback_run(**RUN, dry_run=True)
    put(warehouse, "c", 3)
    there = current(warehouse)
    with pytest.raises(
        sfx.CommitConflict, match="partitions of s.c have changed since the plan was made"
    ):
        warehouse.rollback_run(**RUN, expected=told)
    assert current(warehouse) == there
    told = warehouse.rollback_run(**RUN, dry_run=True)
    assert warehouse.rollback_run(**RUN, expected=told) == told


@pytest.fixture
def meanwhile(monkeypatch) -> Callable[[Callable[[], object]], None]:
    """Let another writer in between the decision to change a partition and the change."""

    def arranged(change: Callable[[], object]) -> None:
        record, due = commit._record, [change]

        def recording(*noted) -> None:
            record(*noted)
            if due:
                due.pop()()

        monkeypatch.setattr(commit, "_record", recording)

    return arranged


def test_a_change_in_the_last_moment_keeps_a_run_as_it_is(warehouse, meanwhile) -> None:
    for number in (1, 2):
        put(
            warehouse,
            "a",
            number,
            producer=sfx.Producer(**RUN, task_id="load") if number == 2 else None,
        )
    told = warehouse.rollback_run(**RUN, dry_run=True)
    newer: list[sfx.BatchPin] = []
    meanwhile(lambda: newer.append(put(warehouse, "a", 3)))
    with pytest.raises(sfx.CommitConflict, match="have changed since the plan was made"):
        warehouse.rollback_run(**RUN, expected=told)
    assert [warehouse.pin("s", "a")] == newer


def test_a_change_in_the_last_moment_keeps_a_staged_batch_staged(warehouse, meanwhile) -> None:
    first, second = (put(warehouse, "a", number) for number in (1, 2))
    staged = put(warehouse, "a", 3, publish=False)
    meanwhile(lambda: warehouse.rollback("s", "a", ["d"]))
    with pytest.raises(
        sfx.CommitConflict,
        match=f"has the batch {first.batch_id} now, not the batch {second.batch_id}",
    ):
        warehouse.publish(staged, expected=second.batches)
    assert warehouse.pin("s", "a") == first
    assert warehouse.publish(staged, expected=first.batches) == staged


def test_no_batch_is_expected_as_well(warehouse, meanwhile) -> None:
    made = put(warehouse, "a", 1, producer=sfx.Producer(**RUN, task_id="load"))
    warehouse.rollback_run(**RUN)
    newer: list[sfx.BatchPin] = []
    meanwhile(lambda: newer.append(put(warehouse, "a", 2)))
    with pytest.raises(sfx.CommitConflict, match="now, not no batch"):
        warehouse.rollback("s", "a", ["d"], to=made.batch_id, expected={"d": None})
    assert [warehouse.pin("s", "a")] == newer
    with pytest.raises(sfx.InvalidName, match="not to be changed"):
        warehouse.rollback("s", "a", ["d"], to=made.batch_id, expected={"e": None})


def test_an_undo_tells_that_it_leaves_alone_what_another_engine_has_moved(
    warehouse, before
) -> None:
    with sqlite3.connect(warehouse.metastore._path) as metastore:
        metastore.execute(
            "UPDATE partitions SET location = 'file:///elsewhere', version = 0, batch_id = NULL "
            "WHERE table_id = "
            "(SELECT id FROM tables WHERE database = 's' AND name = 'b')"
        )
    told = warehouse.rollback_run(**RUN, dry_run=True)
    assert [list(one.rolled_back) for one in told] == [["d"], [], ["d"]]
    done = warehouse.rollback_run(**RUN, expected=told)
    assert [one.rolled_back for one in done] == [one.rolled_back for one in told]
    assert warehouse.history("s", "b", ["d"])[0].operation.value == "foreign_change"

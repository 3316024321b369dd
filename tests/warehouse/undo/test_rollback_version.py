"""Rolling partitions, and whole tables, back to a version: one entry undoes all that came since."""

from __future__ import annotations

import threading

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.table.table_log import TableLog


def store(warehouse, day: str, n: int, **options: object) -> sfx.BatchPin:
    return warehouse.store_dataframe(pd.DataFrame({"n": [n]}), "db", "t", [day], **options)


def last(warehouse) -> int:
    return warehouse.history("db", "t", limit=1)[0].version


def numbers(warehouse) -> dict[str, int]:
    frame = warehouse.load_dataframe("db", "t")
    return dict(zip(frame["partition"], frame["n"], strict=True))


def test_a_table_is_as_it_was_and_one_entry_undoes_it(warehouse) -> None:
    store(warehouse, "a", 1)
    store(warehouse, "gone", 1)
    pin = store(warehouse, "same", 1)
    wanted = warehouse.pin("db", "t")
    then = last(warehouse)
    for n in (2, 3):
        store(warehouse, "a", n)
    wider = pd.DataFrame({"partition": ["a", "new"], "n": 4, "more": "x"})
    warehouse.store_dataframe(wider, "db", "t", partition_by=["partition"])
    warehouse.drop("db", "t", ["gone"])
    now = warehouse.pin("db", "t")
    plan = warehouse.plan_rollback("db", "t", to_version=then)
    assert {step.partition: step.batch_id for step in plan} == {
        "a": wanted.batches["a"],
        "gone": wanted.batches["gone"],
        "new": None,
    }
    assert [step.rows for step in plan] == [1, 1, 0]
    assert warehouse.pin("db", "t") == now
    before = last(warehouse)
    done = warehouse.rollback("db", "t", to_version=then, reason="a bad day", expected=now)
    assert done == warehouse.pin("db", "t") == warehouse.pin("db", "t", version=then) == wanted
    assert numbers(warehouse) == {"a": 1, "gone": 1, "same": 1}
    assert [column.name for column in warehouse.show("db", "t").columns] == ["n"]
    (undo,) = warehouse.changes("db", "t", since=before)
    assert (undo.operation.value, undo.reason) == ("rollback", "a bad day")
    assert sorted(change.partition for change in undo.changes) == ["a", "gone", "new"]
    assert warehouse.inconsistencies(done) == []
    assert warehouse.repair("db", "t") == []
    assert warehouse.rollback("db", "t", to_version=then) == wanted  # nothing is left to do
    assert warehouse.rollback("db", "t", ["same"], to_version=then) == pin
    assert last(warehouse) == undo.version
    (again,) = warehouse.rollback_commit("db", "t", undo.commit)
    assert again.rolled_back["new"] == now.batches["new"]
    assert warehouse.pin("db", "t") == now


def test_named_partitions_alone_go_back(embedded_uri) -> None:
    warehouse = connect(embedded_uri)
    first = store(warehouse, "a", 1)
    for day in ("a", "b", "c"):
        store(warehouse, day, 2)
    (kept, emptied) = warehouse.plan_rollback("db", "t", ["a", "c"], to_version=1)
    assert (kept.batch_id, emptied.batch_id) == (first.batch_id, None)
    assert warehouse.rollback("db", "t", ["a", "c"], to_version=1) == first
    assert numbers(warehouse) == {"a": 1, "b": 2}
    assert warehouse.rollback("db", "t", ["c"], to_version=1).batches == {}
    with pytest.raises(sfx.PartitionNotFound, match="partition x has no history"):
        warehouse.rollback("db", "t", ["x"], to_version=1)
    with pytest.raises(sfx.BatchNotFound, match="has no version 99: its last one is 5"):
        warehouse.rollback("db", "t", to_version=99)
    with pytest.raises(sfx.InvalidName, match="to= and to_version= were both given"):
        warehouse.rollback("db", "t", ["a"], to=first.batch_id, to_version=1)
    with pytest.raises(sfx.InvalidName, match="^version 0: the first version of a table is 1"):
        warehouse.plan_rollback("db", "t", to_version=0)
    assert last(warehouse) == 5


def test_what_the_caller_has_not_seen_is_not_undone(embedded_uri) -> None:
    warehouse = connect(embedded_uri)
    store(warehouse, "a", 1)
    store(warehouse, "a", 2)
    seen = warehouse.pin("db", "t")
    store(warehouse, "new", 2)
    with pytest.raises(sfx.CommitConflict, match="partition new has the batch .* not no batch"):
        warehouse.rollback("db", "t", to_version=1, expected=seen)
    later = store(warehouse, "a", 3)
    with pytest.raises(sfx.CommitConflict, match="partition a has the batch"):
        warehouse.rollback("db", "t", ["a"], to_version=1, expected=seen)
    now = warehouse.pin("db", "t").batches
    with pytest.raises(sfx.InvalidName, match="leave it out"):
        warehouse.rollback("db", "t", to_version=1, expected={**now, "typo": later.batch_id})
    assert numbers(warehouse) == {"a": 3, "new": 2}


def test_a_partition_that_is_added_before_the_entry_is_undone_with_it(
    embedded_uri, monkeypatch
) -> None:
    warehouse, other = connect(embedded_uri), connect(embedded_uri)
    store(warehouse, "a", 1)
    store(warehouse, "a", 2)
    create, once = TableLog.create, threading.Lock()

    def late(self: TableLog, header, entries) -> bool:
        if once.acquire(blocking=False):
            store(other, "late", 9)
        return create(self, header, entries)

    monkeypatch.setattr(TableLog, "create", late)
    done = warehouse.rollback("db", "t", to_version=1)
    assert done == warehouse.pin("db", "t", version=1) == warehouse.pin("db", "t")
    assert sorted(one.partition for one in warehouse.changes("db", "t", since=3)[0].changes) == [
        "a",
        "late",
    ]


def test_erased_and_expired_batches(embedded_uri) -> None:
    warehouse = connect(embedded_uri)
    frame = pd.DataFrame({"n": [1, 2], "who": ["ada", "bob"]})
    warehouse.store_dataframe(frame, "db", "t", ["a"])
    warehouse.store_dataframe(frame.assign(n=3), "db", "t", ["a"])
    warehouse.erase("db", "t", where="who = 'bob'", dry_run=False)
    warehouse.rollback("db", "t", to_version=1)
    assert warehouse.load_dataframe("db", "t", ["a"])["who"].tolist() == ["ada"]
    assert warehouse.plan_rollback("db", "t", to_version=1) == []
    for n in (1, 2, 3):
        warehouse.store_dataframe(frame.assign(n=n), "db", "t", ["b"])
    old = last(warehouse) - 2
    now = pd.Timedelta(0).to_pytimedelta()
    warehouse.retain("db", "t", keep_last=1, older_than=now, dry_run=False)
    with pytest.raises(sfx.BatchNotFound, match="partition b"):
        warehouse.rollback("db", "t", to_version=old)
    assert warehouse.load_dataframe("db", "t", ["b"])["n"].tolist() == [3, 3]


def test_a_dropped_table_comes_back_as_it_was_at_a_version(warehouse) -> None:
    for day in ("a", "b"):
        store(warehouse, day, 1)
    then, wanted = last(warehouse), warehouse.pin("db", "t")
    store(warehouse, "a", 2)
    store(warehouse, "late", 2)
    warehouse.drop("db", "t")
    with pytest.raises(sfx.PartitionNotFound, match="no partition that had a batch at version 5"):
        warehouse.rollback("db", "t", to_version=last(warehouse))
    assert sfx.TableRef("db", "t") not in warehouse.tables()
    plan = warehouse.plan_rollback("db", "t", to_version=then)
    assert {step.partition: step.batch_id for step in plan} == wanted.batches
    assert warehouse.rollback("db", "t", to_version=then) == wanted == warehouse.pin("db", "t")
    assert numbers(warehouse) == {"a": 1, "b": 1}
    assert warehouse.repair("db", "t") == []

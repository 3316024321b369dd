"""Dropped partitions and tables are gone for readers, and nothing of them is lost."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.log_entry import Operation
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.ends import drop
from airflow_sfx.warehouse.pins.input_ends import Cause
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.builders import put

REF = TableRef("sales", "items")


def whole(warehouse: Warehouse, value: int, **more: object) -> sfx.BatchPin:
    return warehouse.store_dataframe(pd.DataFrame({"n": [value]}), "sales", "total", **more)


def numbers(warehouse: Warehouse) -> dict[str, int]:
    frame = warehouse.load_dataframe("sales", "items")
    return dict(zip(frame["partition"], frame["n"], strict=True))


def paths(warehouse: Warehouse) -> set[str]:
    return {info.path for info in warehouse.store.list("sales.db")}


def test_a_dropped_partition_is_gone_and_nothing_is_deleted(warehouse) -> None:
    first, other = put(warehouse, 1), put(warehouse, 2, "b")
    before = paths(warehouse)
    boss = sfx.Producer(user="boss")
    assert warehouse.drop("sales", "items", ["a"], reason="test data", producer=boss) == first
    assert warehouse.metastore.list_partitions(REF) == [Partition(("b",))]
    assert numbers(warehouse) == {"b": 2}
    assert [one.partition for one in warehouse.show("sales", "items").partitions] == ["b"]
    assert before <= paths(warehouse)
    entry = warehouse.history("sales", "items", ["a"])[0]
    assert (entry.operation, entry.batch_id, entry.previous) == (
        Operation.DROP,
        None,
        first.batch_id,
    )
    assert (entry.reason, entry.producer) == ("test data", boss)
    assert warehouse.load_dataframe(first)["n"].tolist() == [1]
    with pytest.raises(sfx.PartitionNotFound, match="has no current batch"):
        warehouse.load_dataframe("sales", "items", ["a"])
    with pytest.raises(sfx.PartitionNotFound, match="dropped already"):
        warehouse.drop("sales", "items", ["a"])
    with pytest.raises(sfx.PartitionNotFound):
        warehouse.drop("sales", "items", ["nowhere"])
    assert warehouse.repair("sales", "items") == []
    assert warehouse.metastore.list_partitions(REF) == [Partition(("b",))]
    assert warehouse.audit("sales", "items").foreign == ()
    assert warehouse.rollback("sales", "items", ["a"]) == first
    assert numbers(warehouse) == {"a": 1, "b": 2}
    assert warehouse.pin("sales", "items", ["b"]) == other


def test_a_store_into_a_dropped_partition_goes_on_with_its_history(warehouse) -> None:
    put(warehouse, 1)
    put(warehouse, 2, "b")
    warehouse.drop("sales", "items", ["a"])
    again = put(warehouse, 3)
    assert numbers(warehouse) == {"a": 3, "b": 2}
    operations = [one.operation.value for one in warehouse.history("sales", "items", ["a"])]
    assert operations == ["publish", "drop", "publish"]
    assert warehouse.pin("sales", "items", ["a"]) == again


def test_several_partitions_are_dropped_together(warehouse) -> None:
    pins = [put(warehouse, n, name) for n, name in enumerate("abc")]
    dropped = warehouse.drop("sales", "items", ["a", "c"])
    assert dropped.batches == {"a": pins[0].batch_id, "c": pins[2].batch_id}
    assert numbers(warehouse) == {"b": 1}
    assert warehouse.rollback("sales", "items", ["a", "c"]) == dropped


def test_a_dropped_table_is_gone_and_comes_back_as_it_was(warehouse) -> None:
    old = put(warehouse, 1)
    put(warehouse, 2)
    put(warehouse, 3, "b")
    put(warehouse, 4, "c")
    warehouse.drop("sales", "items", ["c"])
    held = warehouse.pin("sales", "items")
    before = paths(warehouse)
    assert warehouse.drop("sales", "items", reason="an experiment") == held
    assert warehouse.tables() == []
    assert warehouse.metastore.get_table(REF) is None
    assert before <= paths(warehouse)
    with pytest.raises(sfx.TableNotFound, match=r"was dropped on .* \(an experiment\): `sfx roll"):
        warehouse.load_dataframe("sales", "items")
    with pytest.raises(sfx.TableNotFound, match="was dropped"):
        warehouse.repair("sales", "items")
    assert sorted(warehouse.load_dataframe(held)["n"]) == [2, 3]
    assert warehouse.load_dataframe(old)["n"].tolist() == [1]
    assert warehouse.verify(held).rows == 2
    assert [one.operation for one in warehouse.history("sales", "items", ["b"])] == [
        Operation.DROP,
        Operation.PUBLISH,
    ]
    assert warehouse.audit("sales", "items").entries[0].operation is Operation.DROP
    plan = warehouse.plan_rollback("sales", "items")
    assert {one.partition: (one.previous, one.batch_id) for one in plan} == {
        name: (None, batch) for name, batch in held.entries
    }
    assert warehouse.tables() == []
    assert warehouse.rollback("sales", "items") == held
    assert numbers(warehouse) == {"a": 2, "b": 3}
    assert warehouse.rollback("sales", "items", ["a"]) == old
    assert warehouse.repair("sales", "items") == []


def test_a_table_without_keys_is_dropped_and_comes_back(warehouse) -> None:
    pin = whole(warehouse, 1)
    assert warehouse.drop("sales", "total") == pin
    assert warehouse.tables() == []
    assert warehouse.load_dataframe(pin)["n"].tolist() == [1]
    (step,) = warehouse.plan_rollback("sales", "total")
    assert (step.previous, step.batch_id) == (None, pin.batch_id)
    assert warehouse.rollback("sales", "total") == pin
    assert warehouse.load_dataframe("sales", "total")["n"].tolist() == [1]


def test_a_store_creates_a_dropped_table_again_without_its_partitions(warehouse) -> None:
    put(warehouse, 1)
    old = put(warehouse, 2, "b")
    warehouse.drop("sales", "items")
    frame = pd.DataFrame({"other": ["x"]})
    warehouse.store_dataframe(frame, "sales", "items", ["a"])
    assert [column.name for column in warehouse.show("sales", "items").columns] == ["other"]
    assert warehouse.load_dataframe("sales", "items")["other"].tolist() == ["x"]
    operations = [one.operation.value for one in warehouse.history("sales", "items", ["a"])]
    assert operations == ["publish", "drop", "publish"]
    with pytest.raises(sfx.InvalidName, match="does not name a partition"):
        warehouse.rollback("sales", "items")
    assert warehouse.load_dataframe(old)["n"].tolist() == [2]
    assert warehouse.repair("sales", "items") == []


def test_a_store_with_other_keys_into_a_dropped_table_is_refused(warehouse) -> None:
    put(warehouse, 1)
    warehouse.drop("sales", "items")
    frame = pd.DataFrame({"n": [1], "year": ["2016"], "area": ["x"]})
    with pytest.raises(sfx.InvalidName, match="was dropped and had the partition keys partition"):
        warehouse.store_dataframe(frame, "sales", "items", partition_by=["year", "area"])


def test_what_was_made_from_a_dropped_batch_is_stale(warehouse) -> None:
    pin = put(warehouse, 1)
    put(warehouse, 2, "b")
    whole(warehouse, 1, inputs=[pin])
    boss = sfx.Producer(user="boss")
    warehouse.drop("sales", "items", ["a"], producer=boss)
    (one,) = warehouse.stale()
    assert (one.table, one.cause, one.input, one.producer) == (
        "sales.total",
        Cause.DROPPED,
        pin,
        boss,
    )
    warehouse.rollback("sales", "items", ["a"])
    assert warehouse.stale() == []
    warehouse.drop("sales", "items", producer=boss)
    (one,) = warehouse.stale()
    assert (one.cause, one.input, one.producer) == (Cause.DROPPED, pin, boss)


def test_retention_expires_what_was_dropped(warehouse) -> None:
    pin = put(warehouse, 1)
    put(warehouse, 2, "b")
    warehouse.drop("sales", "items", ["a"])
    now = {"keep_last": 1, "older_than": timedelta(0), "grace": timedelta(0), "dry_run": False}
    report = warehouse.retain("sales", "items", **now)
    assert [(one.partition, one.batch_id) for one in report.retired] == [("a", pin.batch_id)]
    assert warehouse.metastore.list_partitions(REF) == [Partition(("b",))]
    with pytest.raises(sfx.BatchNotFound, match="was retired"):
        warehouse.rollback("sales", "items", ["a"])
    warehouse.retain("sales", "items", **now)
    assert not [path for path in paths(warehouse) if "part-" in path and "/a/" in path]
    warehouse.drop("sales", "items")
    report = warehouse.retain("sales", "items", **now)
    assert [one.partition for one in report.retired] == ["b"]
    assert warehouse.rollback("sales", "items").entries == ()


def test_a_table_comes_back_without_the_partitions_whose_files_are_deleted(warehouse) -> None:
    put(warehouse, 1)
    held = put(warehouse, 2, "b")
    warehouse.hold(held, "accounts")
    warehouse.drop("sales", "items")
    now = {"keep_last": 1, "older_than": timedelta(0), "grace": timedelta(0), "dry_run": False}
    for _ in range(2):  # the second call deletes the files
        warehouse.retain("sales", "items", **now)
    assert not [path for path in paths(warehouse) if "part-" in path and "/a/" in path]
    assert [one.partition for one in warehouse.plan_rollback("sales", "items")] == ["b"]
    assert warehouse.rollback("sales", "items") == held
    assert numbers(warehouse) == {"b": 2}


def test_a_restored_table_has_its_partitions_without_the_rows_erased_since(warehouse) -> None:
    old = warehouse.store_dataframe(pd.DataFrame({"n": [1, 2]}), "sales", "items", ["a"])
    put(warehouse, 3, "b")
    warehouse.drop("sales", "items")
    for number in (1, 9):  # the second one replaces nothing
        warehouse.erase("sales", "items", where=f"n = {number}", dry_run=False)
    warehouse.erase("sales", "items", where="n = 3", dry_run=False)
    back = warehouse.rollback("sales", "items")
    assert list(back.batches) == ["a", "b"]
    assert back.batches["a"] != old.batch_id
    assert warehouse.load_dataframe("sales", "items", ["a"])["n"].tolist() == [2]
    assert warehouse.load_dataframe("sales", "items", ["b"]).empty


def test_a_later_attempt_does_not_fail_for_what_an_earlier_one_dropped(embedded_uri) -> None:
    warehouse = sfx.connect(embedded_uri)
    pin = put(warehouse, 1)
    task = {"dag_id": "clean", "run_id": "r", "task_id": "drop"}
    for number in (1, 2):
        dropped = warehouse.drop(
            "sales", "items", ["a"], producer=sfx.Producer(**task, try_number=number)
        )
        assert dropped == pin
    assert len(warehouse.history("sales", "items", ["a"])) == 2


def test_what_was_staged_in_a_dropped_table_is_published_after_it_is_restored(embedded_uri) -> None:
    warehouse = sfx.connect(embedded_uri)
    put(warehouse, 1)
    staged = put(warehouse, 2, publish=False)
    warehouse.drop("sales", "items")
    with pytest.raises(sfx.TableNotFound, match="was dropped"):
        warehouse.publish(staged)
    assert warehouse.load_dataframe(staged)["n"].tolist() == [2]
    warehouse.rollback("sales", "items")
    warehouse.publish(staged)
    assert numbers(warehouse) == {"a": 2}


@pytest.mark.parametrize("step", ["begin", "commit", "repoint", "record", "drop"])
def test_a_drop_that_dies_is_completed_by_the_same_call(uri, step, monkeypatch) -> None:
    warehouse = sfx.connect(uri)
    put(warehouse, 1)
    put(warehouse, 2, "b")
    pin = warehouse.pin("sales", "items")

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    where = {
        "commit": "airflow_sfx.warehouse.log.partition_log.PartitionLog.create",
        "repoint": "airflow_sfx.warehouse.log.commit.move_pointers",
        "begin": "airflow_sfx.warehouse.ends.drop.record_name",
    }
    name = f"{type(warehouse.metastore).__module__}.{type(warehouse.metastore).__name__}.drop_table"
    with monkeypatch.context() as patch:
        if step == "record":  # the second of two
            record = drop.record_name
            calls = iter([record, dies])

            def write(*given: object) -> None:
                next(calls)(*given)

            patch.setattr(drop, "record_name", write)
        else:
            patch.setattr(where.get(step, name), dies)
        with pytest.raises(KeyboardInterrupt):
            warehouse.drop("sales", "items")
    if step in ("begin", "commit"):
        assert numbers(warehouse) == {"a": 1, "b": 2}
    else:
        with pytest.raises(sfx.PartitionNotFound):
            warehouse.load_dataframe("sales", "items")
    assert warehouse.drop("sales", "items") == pin
    assert warehouse.tables() == []
    assert warehouse.rollback("sales", "items") == pin
    assert numbers(warehouse) == {"a": 1, "b": 2}


def test_a_restore_that_dies_is_completed_by_the_same_call(uri, monkeypatch) -> None:
    warehouse = sfx.connect(uri)
    put(warehouse, 1)
    put(warehouse, 2, "b")
    pin = warehouse.drop("sales", "items")

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("airflow_sfx.warehouse.ends.drop.roll_back", dies)
        with pytest.raises(KeyboardInterrupt):
            warehouse.rollback("sales", "items")
    assert warehouse.rollback("sales", "items") == pin
    assert numbers(warehouse) == {"a": 1, "b": 2}


def test_a_late_writer_does_not_bring_back_a_dropped_partition(uri, monkeypatch) -> None:
    """It has committed before the drop, and updates the metastore after it."""
    warehouse = sfx.connect(uri)
    put(warehouse, 1)
    put(warehouse, 2, "b")
    late: list[object] = []
    with monkeypatch.context() as patch:
        patch.setattr(
            "airflow_sfx.warehouse.log.commit.move_pointers",
            lambda *arguments: late.append(arguments),
        )
        put(warehouse, 3)
    (arguments,) = late
    warehouse.drop("sales", "items", ["a"])
    from airflow_sfx.warehouse.log.commit import move_pointers

    table, log, entries, *_ = arguments  # type: ignore[misc]
    move_pointers(table, log, entries)
    assert warehouse.metastore.list_partitions(REF) == [Partition(("b",))]
    assert numbers(warehouse) == {"b": 2}

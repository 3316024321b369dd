"""A renamed table keeps its files, its history and the pins of its old name."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.table import names
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.builders import put

OLD, NEW = TableRef("sales", "items"), TableRef("archive", "old_items")


def rename(warehouse: Warehouse, **more: object) -> None:
    assert warehouse.rename("sales", "items", "archive", "old_items", **more) == NEW


def numbers(warehouse: Warehouse, ref: TableRef) -> list[int]:
    return sorted(warehouse.load_dataframe(ref.database, ref.table)["n"])


def test_a_renamed_table_keeps_everything(warehouse) -> None:
    first, _ = put(warehouse, 1), put(warehouse, 2)
    staged = put(warehouse, 9, "b", publish=False)
    warehouse.hold(first, "accounts")
    total = warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "sales", "total", inputs=[first])
    before = {info.path for info in warehouse.store.list("sales.db")}
    every = [info.path for info in warehouse.store.list("")]
    rename(warehouse, reason="archived", dry_run=True)
    assert [info.path for info in warehouse.store.list("")] == every
    assert warehouse.metastore.get_table(NEW) is None
    rename(warehouse, reason="archived")
    assert warehouse.tables() == [NEW, TableRef("sales", "total")]
    assert before == {info.path for info in warehouse.store.list("sales.db")}
    assert numbers(warehouse, NEW) == [2]
    assert warehouse.load_dataframe(first)["n"].tolist() == [1]
    assert warehouse.verify(first).rows == 1
    assert len(warehouse.history("archive", "old_items", ["a"])) == 2
    assert [one.name for one in warehouse.holding("archive", "old_items")] == ["accounts"]
    assert [one.pin for one in warehouse.readers(first)] == [total]
    with pytest.raises(sfx.TableNotFound, match=r"was renamed to archive.old_items .*archived"):
        warehouse.load_dataframe("sales", "items", ["a"])
    back = warehouse.rollback("archive", "old_items", ["a"])
    assert (back.ref, back.batches) == (NEW, first.batches)
    assert [one.pin for one in warehouse.readers(back)] == [total]
    assert warehouse.publish(staged) == staged
    assert numbers(warehouse, NEW) == [1, 9]
    assert warehouse.repair("archive", "old_items") == []


def test_the_old_name_is_free_for_a_new_table(warehouse) -> None:
    old = put(warehouse, 1)
    rename(warehouse)
    frame = pd.DataFrame({"other": ["x"], "area": ["y"], "year": ["2016"]})
    new = warehouse.store_dataframe(frame, "sales", "items", partition_by=["year", "area"])
    assert new.location != old.location
    assert warehouse.load_dataframe(new)["other"].tolist() == ["x"]
    assert warehouse.load_dataframe(old)["n"].tolist() == [1]
    assert len(warehouse.history("sales", "items")) == 1
    rename_again = ("sales", "items", "archive", "old_items")
    with pytest.raises(sfx.InvalidName, match="another table has that name"):
        warehouse.rename(*rename_again)
    warehouse.rename("sales", "items", "archive", "second")
    third = put(warehouse, 3)
    assert len({old.location, new.location, third.location}) == 3
    assert warehouse.load_dataframe(new)["other"].tolist() == ["x"]
    assert warehouse.load_dataframe(old)["n"].tolist() == [1]


def test_a_table_can_have_its_old_name_again(warehouse) -> None:
    pin = put(warehouse, 1)
    rename(warehouse)
    warehouse.rename("archive", "old_items", "sales", "items")
    assert warehouse.pin("sales", "items") == pin
    assert warehouse.load_dataframe(pin)["n"].tolist() == [1]
    put(warehouse, 2)
    assert numbers(warehouse, OLD) == [2]


def test_a_dropped_table_is_renamed_to_free_its_name(warehouse) -> None:
    old = put(warehouse, 1)
    warehouse.drop("sales", "items")
    rename(warehouse)
    frame = pd.DataFrame({"n": [5]})
    warehouse.store_dataframe(frame, "sales", "items", ["2016", "x"], partition_keys=["y", "a"])
    assert warehouse.load_dataframe(old)["n"].tolist() == [1]
    assert warehouse.rollback("archive", "old_items").batches == old.batches
    assert numbers(warehouse, NEW) == [1]
    assert numbers(warehouse, OLD) == [5]


def test_what_was_made_from_a_renamed_table_is_found_stale(warehouse) -> None:
    put(warehouse, 1)
    bad = put(warehouse, 2)
    warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "sales", "total", inputs=[bad])
    rename(warehouse)
    assert warehouse.stale() == []
    put(warehouse, 7)
    warehouse.rollback("archive", "old_items", ["a"])
    (one,) = warehouse.stale()
    assert (one.table, one.input.ref, one.input.batches) == ("sales.total", NEW, bad.batches)


def test_a_rename_that_dies_is_completed_by_the_same_call(uri, monkeypatch) -> None:
    warehouse = sfx.connect(uri)
    pin = put(warehouse, 1)
    kind = type(warehouse.metastore)

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(kind, "rename_table", dies)
        with pytest.raises(KeyboardInterrupt):
            rename(warehouse)
    assert numbers(warehouse, OLD) == [1]
    with monkeypatch.context() as patch:
        patch.setattr("airflow_sfx.warehouse.ends.rename._record_old", dies)
        with pytest.raises(KeyboardInterrupt):
            rename(warehouse)
    assert numbers(warehouse, NEW) == [1]
    rename(warehouse)
    assert warehouse.load_dataframe(pin)["n"].tolist() == [1]


@pytest.mark.parametrize("fault", [KeyboardInterrupt, sfx.WarehouseUnavailable])
def test_a_table_of_a_name_that_a_rename_did_not_give_has_its_own_place(
    uri, fault, monkeypatch
) -> None:
    warehouse = sfx.connect(uri)
    old = put(warehouse, 1)

    def fails(*_: object, **__: object) -> None:
        raise fault("the metastore is away")

    with monkeypatch.context() as patch:
        patch.setattr(type(warehouse.metastore), "rename_table", fails)
        with pytest.raises(fault):
            rename(warehouse)
    new = warehouse.store_dataframe(pd.DataFrame({"n": [99]}), "archive", "old_items", ["a"])
    assert new.location != old.location
    assert (numbers(warehouse, OLD), numbers(warehouse, NEW)) == ([1], [99])
    with pytest.raises(sfx.InvalidName, match="another table has that name"):
        rename(warehouse)
    warehouse.metastore.drop_table(OLD)
    with pytest.raises(sfx.TableNotFound, match="lost the table sales.items"):
        warehouse.load_dataframe("sales", "items")
    warehouse.repair("sales", "items")
    assert numbers(warehouse, OLD) == [1]


def test_a_run_is_undone_in_a_renamed_table_and_in_the_new_one_of_its_name(warehouse) -> None:
    run = {"dag_id": "nightly", "run_id": "bad"}
    bad = sfx.Producer(**run, task_id="load")
    first = put(warehouse, 1)
    put(warehouse, -1, producer=bad)
    rename(warehouse)
    frame = pd.DataFrame({"n": [-2]})
    warehouse.store_dataframe(frame, "archive", "old_items", ["b"], producer=bad)
    assert {one.table for one in warehouse.rollback_run(**run, dry_run=True)} == {str(NEW)}
    put(warehouse, 5)
    assert [one.table for one in warehouse.rollback_run(**run, dry_run=True)] == [str(NEW)]
    (audited,) = warehouse.audit_run(**run)
    assert (audited.table, len(audited.entries)) == (str(NEW), 2)
    put(warehouse, -5, producer=bad)
    done = {one.table: one for one in warehouse.rollback_run(**run)}
    assert {name: list(one.rolled_back) for name, one in done.items()} == {
        str(OLD): ["a"],
        str(NEW): ["a", "b"],
    }
    assert (numbers(warehouse, OLD), numbers(warehouse, NEW)) == ([5], [1])
    assert warehouse.pin("archive", "old_items", ["a"]).batches == first.batches
    warehouse.rename("sales", "items", "archive", "second")
    warehouse.rollback_commit("archive", "old_items", done[str(NEW)].commit)
    assert numbers(warehouse, NEW) == [-2, -1]
    assert numbers(warehouse, TableRef("archive", "second")) == [-5]


def test_an_undo_waits_for_no_record_that_is_in_the_other_table_of_its_name(
    embedded_uri, monkeypatch
) -> None:
    warehouse = sfx.connect(embedded_uri)
    run = {"dag_id": "nightly", "run_id": "bad"}
    for number in (1, 2):
        put(warehouse, number)
        put(warehouse, -number, producer=sfx.Producer(**run, task_id="load"))
        if number == 1:
            rename(warehouse)
    monkeypatch.setattr(type(warehouse.store), "visibility_seconds", 60.0)
    began = time.monotonic()
    assert {one.table for one in warehouse.rollback_run(**run)} == {str(OLD), str(NEW)}
    assert time.monotonic() - began < 30
    assert (numbers(warehouse, OLD), numbers(warehouse, NEW)) == ([2], [1])


def test_a_damaged_record_of_a_name_stops_an_undo_and_is_shown(embedded_uri) -> None:
    warehouse = sfx.connect(embedded_uri)
    run = {"dag_id": "nightly", "run_id": "bad"}
    put(warehouse, -1, producer=sfx.Producer(**run, task_id="load"))
    rename(warehouse)
    path = names._paths(warehouse.store, OLD)[-1]
    Path(warehouse.store.local_path(path) or "").write_text("{")
    (audited,) = warehouse.audit_run(**run)
    (told,) = warehouse.rollback_run(**run, dry_run=True)
    assert path in audited.unreadable
    assert path in told.blocked[0]
    with pytest.raises(sfx.InconsistentBatch, match="nothing was changed"):
        warehouse.rollback_run(**run)
    assert numbers(warehouse, NEW) == [-1]


def test_an_undo_leaves_a_renamed_table_alone_that_was_dropped(warehouse) -> None:
    run = {"dag_id": "nightly", "run_id": "bad"}
    put(warehouse, -1, producer=sfx.Producer(**run, task_id="load"))
    rename(warehouse)
    warehouse.drop("archive", "old_items")
    put(warehouse, 5)
    (told,) = warehouse.rollback_run(**run)
    assert (told.table, told.rolled_back) == (str(NEW), {})
    assert "archive.old_items was dropped" in told.gone
    assert numbers(warehouse, OLD) == [5]


def test_a_metastore_that_cannot_rename_refuses_before_anything_is_recorded(
    embedded_uri, monkeypatch
) -> None:
    warehouse = sfx.connect(embedded_uri)
    put(warehouse, 1)
    before = [info.path for info in warehouse.store.list("")]
    monkeypatch.setattr(type(warehouse.metastore), "can_rename", False)
    with pytest.raises(sfx.InvalidName, match="this metastore cannot rename tables"):
        rename(warehouse)
    assert [info.path for info in warehouse.store.list("")] == before
    warehouse.drop("sales", "items")
    rename(warehouse)
    warehouse.rollback("archive", "old_items")
    assert numbers(warehouse, NEW) == [1]


@pytest.mark.parametrize("step", ["_record_new", "_record_old"])
def test_the_old_name_is_free_when_a_rename_dies_after_it_took_place(
    uri, step, monkeypatch
) -> None:
    warehouse = sfx.connect(uri)
    old = put(warehouse, 1)

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"airflow_sfx.warehouse.ends.rename.{step}", dies)
        with pytest.raises(KeyboardInterrupt):
            rename(warehouse)
    with pytest.raises(sfx.TableNotFound, match="was renamed to archive.old_items"):
        warehouse.load_dataframe("sales", "items")
    with pytest.raises(sfx.TableNotFound, match="was renamed to archive.old_items"):
        warehouse.repair("sales", "items")
    assert warehouse.load_dataframe(old)["n"].tolist() == [1]
    assert put(warehouse, 2).location != old.location
    assert (numbers(warehouse, OLD), numbers(warehouse, NEW)) == ([2], [1])


@pytest.mark.parametrize("step", ["first", "new", "old"])
def test_a_rename_of_a_dropped_table_that_dies_is_completed_by_the_same_call(
    uri, step, monkeypatch
) -> None:
    warehouse = sfx.connect(uri)
    old = put(warehouse, 1)
    warehouse.drop("sales", "items")
    due = {"first": 0, "new": 1, "old": 2}[step]
    record, calls = names.record_name, iter(range(3))

    def write(*given: object) -> None:
        if next(calls) == due:
            raise KeyboardInterrupt
        record(*given)

    with monkeypatch.context() as patch:
        patch.setattr("airflow_sfx.warehouse.ends.rename.record_name", write)
        with pytest.raises(KeyboardInterrupt):
            rename(warehouse)
    if step == "old":
        with pytest.raises(sfx.TableNotFound, match="was renamed to archive.old_items"):
            warehouse.rollback("sales", "items")
    rename(warehouse)
    rename(warehouse)
    new = put(warehouse, 2)
    assert new.location != old.location
    assert warehouse.rollback("archive", "old_items").batches == old.batches
    assert (numbers(warehouse, OLD), numbers(warehouse, NEW)) == ([2], [1])


def test_the_name_of_a_dropped_table_is_free_after_its_rename_took_place(uri, monkeypatch) -> None:
    warehouse = sfx.connect(uri)
    old = put(warehouse, 1)
    warehouse.drop("sales", "items")

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("airflow_sfx.warehouse.ends.rename._record_old", dies)
        with pytest.raises(KeyboardInterrupt):
            rename(warehouse)
    assert put(warehouse, 2).location != old.location
    assert warehouse.rollback("archive", "old_items").batches == old.batches
    assert (numbers(warehouse, OLD), numbers(warehouse, NEW)) == ([2], [1])


def test_a_renamed_table_that_the_metastore_lost_is_restored(warehouse) -> None:
    put(warehouse, 1)
    rename(warehouse)
    put_again = pd.DataFrame({"n": [2]})
    warehouse.store_dataframe(put_again, "archive", "old_items", ["b"])
    warehouse.metastore.drop_table(NEW)
    with pytest.raises(sfx.TableNotFound, match="lost the table archive.old_items"):
        warehouse.load_dataframe("archive", "old_items")
    warehouse.repair("archive", "old_items")
    assert numbers(warehouse, NEW) == [1, 2]


def test_batches_of_a_renamed_table_expire(embedded_uri) -> None:
    warehouse = sfx.connect(embedded_uri)
    old = put(warehouse, 1)
    put(warehouse, 2)
    rename(warehouse)
    rule = {"keep_last": 1, "older_than": timedelta(0), "grace": timedelta(0), "dry_run": False}
    report = warehouse.retain("archive", "old_items", **rule)
    assert [one.batch_id for one in report.retired] == [old.batch_id]
    with pytest.raises(sfx.BatchNotFound, match="was retired"):
        warehouse.hold(old, "too late")


@pytest.mark.parametrize("to", [("sales", "items"), ("sales", "no-hyphen"), ("a b", "c")])
def test_a_wrong_new_name_is_refused(embedded_uri, to) -> None:
    warehouse = sfx.connect(embedded_uri)
    put(warehouse, 1)
    with pytest.raises(sfx.InvalidName):
        warehouse.rename("sales", "items", *to)
    with pytest.raises(sfx.TableNotFound):
        warehouse.rename("sales", "nothing", "sales", "other")

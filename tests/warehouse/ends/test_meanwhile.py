"""What others do to a table while a batch is written: undo, drop, rename it or its columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.log import commit, table_columns
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.builders import put

REF = TableRef("sales", "items")
Act = Callable[[], object]


def store(warehouse: Warehouse, part: str, **data: Any) -> sfx.BatchPin:
    frame = pd.DataFrame({name: [value] for name, value in data.items()})
    return warehouse.store_dataframe(frame, "sales", "items", [part])


def columns(warehouse: Warehouse) -> list[str]:
    return [one.name for one in warehouse.show("sales", "items").columns]


def meanwhile(monkeypatch: pytest.MonkeyPatch, step: str, act: Act, *, after: bool = False) -> None:
    """Let others act once before, or after, a step of the next commit."""
    owner: Any = PartitionLog if step == "create" else commit
    real, acted = getattr(owner, step), []

    def around(*given: Any) -> object:
        if acted:
            return real(*given)
        acted.append(True)
        if after:
            done = real(*given)
            act()
            return done
        act()
        return real(*given)

    monkeypatch.setattr(owner, step, around)


def test_a_store_keeps_its_columns_beside_an_undo_of_the_batch_that_brought_them(
    warehouse, monkeypatch
) -> None:
    store(warehouse, "a", n=1)
    store(warehouse, "b", n=1)
    store(warehouse, "b", n=1, note="x")
    with monkeypatch.context() as patch:
        meanwhile(patch, "create", lambda: warehouse.rollback("sales", "items", ["b"]))
        pin = store(warehouse, "a", n=2, note="y")
    assert columns(warehouse) == ["n", "note"]
    assert warehouse.verify(pin).rows == 1
    assert warehouse.repair("sales", "items") == []


def test_columns_that_a_dead_writer_left_behind_are_found_and_repaired(
    warehouse, monkeypatch
) -> None:
    store(warehouse, "a", n=1)
    store(warehouse, "b", n=1)
    store(warehouse, "b", n=1, note="x")
    with monkeypatch.context() as patch:
        patch.setattr(table_columns, "cover_again", lambda *_: None)
        meanwhile(patch, "create", lambda: warehouse.rollback("sales", "items", ["b"]))
        pin = store(warehouse, "a", n=2, note="y")
    assert columns(warehouse) == ["n"]
    with pytest.raises(sfx.InconsistentBatch, match=r"lacks columns .*note.*`sfx repair"):
        warehouse.verify(pin)
    (done,) = warehouse.repair("sales", "items")
    assert (done.found.endswith("note (string)"), done.done) == (
        True,
        "added them to the metastore",
    )
    assert columns(warehouse) == ["n", "note"]
    assert warehouse.verify(pin).rows == 1


def test_the_columns_of_a_dropped_partition_leave_the_table(warehouse) -> None:
    store(warehouse, "a", n=1)
    store(warehouse, "b", n=1, note="x")
    warehouse.drop("sales", "items", ["b"])
    assert columns(warehouse) == ["n"]
    warehouse.rollback("sales", "items", ["b"])
    assert columns(warehouse) == ["n", "note"]


def test_an_undo_reads_each_manifest_once(embedded_uri, monkeypatch) -> None:
    warehouse = sfx.connect(embedded_uri)
    store(warehouse, "a", n=1)
    store(warehouse, "a", n=1, note="x")
    read: list[str] = []
    view = type(warehouse.store).view_part
    monkeypatch.setattr(
        type(warehouse.store),
        "view_part",
        lambda self, path, *part: read.append(path) or view(self, path, *part),
    )
    warehouse.rollback("sales", "items", ["a"])
    manifests = [one for one in read if one.endswith("/manifest")]
    assert len(set(manifests)) == 2
    # The plan requires that of its target, and the last look reads that of the current batch, which
    # may have changed.
    assert len(manifests) <= 4


@pytest.mark.parametrize("act", ["drop", "rename"])
def test_a_change_of_a_column_that_lost_its_race_leaves_what_engines_can_read(
    warehouse, monkeypatch, act
) -> None:
    store(warehouse, "a", n=1, note="x")
    with monkeypatch.context() as patch:
        meanwhile(patch, "create", lambda: store(warehouse, "a", n=2, note="y"))
        with pytest.raises(sfx.CommitConflict):
            if act == "drop":
                warehouse.drop_column("sales", "items", "note")
            else:
                warehouse.rename_column("sales", "items", "note", "text")
    assert columns(warehouse) == ["n", "note"]
    assert warehouse.repair("sales", "items") == []


@pytest.mark.parametrize("step", ["create", "move_pointers"])
def test_a_store_into_a_table_that_is_dropped_meanwhile_says_what_became_of_it(
    warehouse, monkeypatch, step
) -> None:
    put(warehouse, 1)
    with monkeypatch.context() as patch:
        meanwhile(patch, step, lambda: warehouse.drop("sales", "items"))
        with pytest.raises(sfx.TableNotFound, match="was dropped") as error:
            put(warehouse, 2, "new")
    assert warehouse.tables() == []
    restored = warehouse.rollback("sales", "items")
    if step == "create":  # it came after the drop, and nothing was committed
        assert restored.batches.keys() == {"a"}
        assert warehouse.load_dataframe("sales", "items")["n"].tolist() == [1]
    else:  # it was dropped with the table, and is restored with it
        assert "was dropped while the batch" in str(error.value)
        assert restored.batches["new"] == error.value.batch_id
        assert sorted(warehouse.load_dataframe("sales", "items")["n"]) == [1, 2]
    assert warehouse.repair("sales", "items") == []


def test_a_store_does_not_build_on_the_drop_of_its_table(warehouse, monkeypatch) -> None:
    put(warehouse, 1)
    before = warehouse.pin("sales", "items")
    with monkeypatch.context() as patch:
        meanwhile(patch, "create", lambda: warehouse.drop("sales", "items"))
        with pytest.raises(sfx.TableNotFound, match="was dropped"):
            put(warehouse, 2)
    assert warehouse.rollback("sales", "items") == before
    assert len(warehouse.history("sales", "items", ["a"])) == 3


@pytest.mark.parametrize("again", [False, True], ids=["no new table", "a new table"])
@pytest.mark.parametrize("step", ["create", "move_pointers"])
def test_a_store_follows_its_table_to_a_new_name(warehouse, monkeypatch, step, again) -> None:
    put(warehouse, 1)

    def act() -> None:
        warehouse.rename("sales", "items", "sales", "moved")
        if again:
            store(warehouse, "a", other=9)

    with monkeypatch.context() as patch:
        meanwhile(patch, step, act)
        pin = put(warehouse, 2)
    assert warehouse.load_dataframe(pin)["n"].tolist() == [2]
    assert warehouse.load_dataframe("sales", "moved")["n"].tolist() == [2]
    assert warehouse.pin("sales", "moved").batches == pin.batches
    if again:
        assert warehouse.load_dataframe("sales", "items")["other"].tolist() == [9]
        assert columns(warehouse) == ["other"]
    for ref in warehouse.tables():
        assert warehouse.repair(ref.database, ref.table) == []


def test_a_store_of_new_columns_is_refused_by_another_table_of_its_name(
    warehouse, monkeypatch
) -> None:
    put(warehouse, 1)

    def act() -> None:
        warehouse.rename("sales", "items", "sales", "moved")
        store(warehouse, "a", other=9)

    with monkeypatch.context() as patch:
        meanwhile(patch, "_prepare", act)
        with pytest.raises(sfx.TableNotFound, match="is another table by now"):
            store(warehouse, "a", n=2, extra="x")
    assert columns(warehouse) == ["other"]
    assert len(warehouse.history("sales", "moved", ["a"])) == 1

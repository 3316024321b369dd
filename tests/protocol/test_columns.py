"""The columns of a table while batches become current and are undone, under every schedule."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from airflow_sfx.core.errors import (
    BatchNotFound,
    CommitConflict,
    PartitionNotFound,
    SchemaMismatch,
)
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.log import table_columns
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.protocol.explorer import Outcome
from tests.protocol.test_protocol import _adversary, outcomes, warehouse_of
from tests.protocol.world import LockingMetastore, TwoStepMetastore, World

__all__ = ["_adversary"]

REF = TableRef("model", "items")
WIDE = 2**40
"""A number that an integer of 32 bits does not hold."""
Act = Callable[[Warehouse], object]


def store(day: str, n: object = 1, *, note: str | None = None, **options: object) -> Act:
    data = {"n": [n]} | ({"note": [note]} if note else {})
    frame = pd.DataFrame(data) if n is WIDE else pd.DataFrame(data).astype({"n": "int32"})
    return lambda one: one.store_dataframe(frame, "model", "items", [day], **options)


def began() -> World:
    """Two partitions; only the newest batch of one has a note, and a wide number."""
    world = World(tables_step=True)
    warehouse = warehouse_of(world)
    for act in (store("p"), store("q"), store("q", WIDE, note="x")):
        act(warehouse)
    return world


def undo(warehouse: Warehouse) -> object:
    return warehouse.rollback("model", "items", ["q"])


def drop(warehouse: Warehouse) -> object:
    return warehouse.drop("model", "items", ["q"])


def columns(world: World) -> dict[str, str]:
    return {one.name: one.type for one in world.tables[REF][0].columns}


def check(world: World, outcome: Outcome) -> None:
    """Check that engines can read every column of every current batch, without a repair."""
    told = f"schedule: {' '.join(outcome.schedule)}"
    warehouse = warehouse_of(world)
    have = columns(world)
    for manifest in warehouse.manifests(warehouse.pin("model", "items")):
        for column in manifest.columns:
            assert column.name in have, f"{manifest.partition} has {column.name!r}; {told}"
            assert have[column.name] == "bigint" or column.type in ("int", "string"), told
    if not outcome.crashed:
        assert warehouse.repair("model", "items") == [], told


STORES = {
    "a store of the same column": store("p", note="y"),
    "a store of the same type": store("p", WIDE, evolve="any"),
    "a store of both in a new partition": store("r", WIDE, note="y"),
}


@pytest.mark.parametrize("kind", [TwoStepMetastore, LockingMetastore])
@pytest.mark.parametrize("end", [undo, drop])
@pytest.mark.parametrize("name", STORES)
def test_a_store_beside_an_undo_keeps_its_columns(monkeypatch, name, end, kind) -> None:
    seen, found = 0, set()
    actions = {"A": STORES[name], "B": end}
    for world, outcome in outcomes(began(), actions, monkeypatch, preemptions=1, kind=kind):
        assert not outcome.errors, outcome
        check(world, outcome)
        found |= {tuple(sorted(columns(world)))}
        seen += 1
    assert seen > 20


CHANGES: dict[str, Act] = {
    "undo": undo,
    "drop of a partition": drop,
    "drop of a column": lambda one: one.drop_column("model", "items", "note"),
    "new name of a column": lambda one: one.rename_column("model", "items", "note", "text"),
}
REFUSED = (BatchNotFound, CommitConflict, PartitionNotFound, SchemaMismatch)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("other", ["store", "publish", *CHANGES])
def test_changes_of_columns_beside_others_leave_all_batches_readable(
    monkeypatch, name, other
) -> None:
    world = began()
    staged = store("p", note="y", publish=False)(warehouse_of(world))
    others = {"store": store("p", note="y"), "publish": lambda one: one.publish(staged), **CHANGES}
    actions = {"A": others[other], "B": CHANGES[name]}
    for after, outcome in outcomes(world, actions, monkeypatch, preemptions=1):
        wrong = [one for one in outcome.errors.values() if not isinstance(one, REFUSED)]
        assert not wrong, outcome
        check(after, outcome)


@pytest.mark.parametrize("name", ["drop of a column", "new name of a column"])
def test_a_change_of_a_column_that_died_is_completed_by_the_same_call(monkeypatch, name) -> None:
    deaths = 0
    actions = {"A": CHANGES[name]}
    for after, outcome in outcomes(began(), actions, monkeypatch, preemptions=0, mortal=("A",)):
        check(after, outcome)
        deaths += bool(outcome.crashed)
        warehouse = warehouse_of(after)
        if "note" in columns(after):
            CHANGES[name](warehouse)
        assert sorted(columns(after)) == (["n"] if "drop" in name else ["n", "text"]), outcome
        check(after, outcome)
    assert deaths > 20


def test_the_explorer_finds_a_store_that_does_not_look_at_its_columns_again(monkeypatch) -> None:
    monkeypatch.setattr(table_columns, "cover_again", lambda *_: None)
    actions = {"A": STORES["a store of the same column"], "B": undo}
    with pytest.raises(AssertionError, match="has 'note'"):
        for world, outcome in outcomes(began(), actions, monkeypatch, preemptions=1):
            check(world, outcome)

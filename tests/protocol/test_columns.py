"""The columns of a table while batches become current and are undone, under every schedule."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from airflow_sfx.core.table import TableRef
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

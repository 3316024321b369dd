"""Ends and new names of tables while others write to them, under every schedule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pandas as pd
import pytest

from airflow_sfx.core.errors import (
    BatchNotFound,
    CommitConflict,
    InvalidName,
    PartitionNotFound,
    SchemaMismatch,
    TableNotFound,
)
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.table.names import NameEvent, records_of
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.protocol.explorer import Outcome
from tests.protocol.test_protocol import _adversary, outcomes, warehouse_of
from tests.protocol.world import World

__all__ = ["_adversary"]

OLD, NEW = TableRef("model", "items"), TableRef("model", "moved")
Act = Callable[[Warehouse], object]
REFUSED = (
    BatchNotFound,
    CommitConflict,
    InvalidName,
    PartitionNotFound,
    SchemaMismatch,
    TableNotFound,
)


def store(day: str, mark: int, **options: object) -> Act:
    frame = pd.DataFrame({"mark": [mark], "note": ["x"]})
    return lambda one: one.store_dataframe(frame, "model", "items", [day], **options)


@pytest.fixture(scope="module")
def began() -> tuple[World, BatchPin]:
    """Two partitions, one with two batches, and a staged batch of the other."""
    world = World(tables_step=True)
    warehouse = warehouse_of(world)
    for act in (store("p", 1), store("q", 1), store("q", 2)):
        act(warehouse)
    staged = store("p", 5, publish=False)(warehouse)
    assert isinstance(staged, BatchPin)
    return world, staged


def writers(staged: BatchPin) -> dict[str, Act]:
    more = pd.DataFrame({"mark": [3], "note": ["x"], "more": [1]})
    return {
        "store": store("p", 3),
        "store in a new partition": store("r", 3),
        "store of both": lambda one: one.store_dataframe(
            pd.DataFrame({"day": ["p", "r"], "mark": 3, "note": "x"}),
            "model",
            "items",
            partition_by=["day"],
            partition_keys=["partition"],
        ),
        "store of a new column": lambda one: one.store_dataframe(
            more, "model", "items", ["p"], evolve="any"
        ),
        "publish": lambda one: one.publish(staged),
        "discard": lambda one: one.discard(staged),
        "rollback": lambda one: one.rollback("model", "items", ["q"]),
        "drop of a partition": lambda one: one.drop("model", "items", ["q"]),
        "drop of a column": lambda one: one.drop_column("model", "items", "note"),
        "new name of a column": lambda one: one.rename_column("model", "items", "note", "text"),
        "erasure": lambda one: one.erase(
            "model", "items", where="mark = 1", grace=timedelta(0), dry_run=False
        ),
        "retention": lambda one: one.retain(
            "model", "items", keep_last=1, older_than=timedelta(0), dry_run=False
        ),
    }


SWEEPS = ("erasure", "retention")
NAMES = list(writers(BatchPin.of(OLD, "memory:///x", {"p": "20161101002256"})))


def drop(warehouse: Warehouse) -> object:
    return warehouse.drop("model", "items")


def rename(warehouse: Warehouse) -> object:
    return warehouse.rename("model", "items", "model", "moved")


def rename_and_store(warehouse: Warehouse) -> object:
    rename(warehouse)
    return store("p", 9)(warehouse)


def check(world: World, outcome: Outcome) -> Warehouse:
    """Check that each table has its own batches only, and that nothing is left to do."""
    told = f"schedule: {' '.join(outcome.schedule)}"
    wrong = [error for error in outcome.errors.values() if not isinstance(error, REFUSED)]
    wrong += [error for error in outcome.errors.values() if "there is no table" in str(error)]
    assert not wrong, f"{wrong!r} {told}"
    warehouse = warehouse_of(world)
    for ref, (info, pointers) in list(world.tables.items()):
        for pointer in pointers.values():
            assert pointer.location.startswith(f"{info.location}/"), f"{ref}: {pointer}; {told}"
        repaired = [one for one in warehouse.repair(ref.database, ref.table) if one.done]
        assert not repaired or outcome.crashed, f"{ref}: {repaired}; {told}"
        if any(pointer.batch_id for pointer in pointers.values()):
            warehouse.load_dataframe(ref.database, ref.table)
    return warehouse


@pytest.mark.parametrize("name", NAMES)
def test_of_a_change_and_a_drop_the_drop_counts(began, monkeypatch, name) -> None:
    world, staged = began
    actions = {"A": writers(staged)[name], "B": drop}
    for after, outcome in outcomes(world, actions, monkeypatch, preemptions=1):
        told = f"{outcome.errors} schedule: {' '.join(outcome.schedule)}"
        assert "B" not in outcome.errors, told
        warehouse = check(after, outcome)
        if OLD in after.tables:  # A began after the drop, and created the table again
            assert name.startswith(("store", "rollback")) and "A" in outcome.results, told
            continue
        ended = Table.find_ended(OLD, warehouse.store, warehouse.metastore)
        live = [one for one, head in PartitionLog(ended).all_heads().items() if head.batch_id]
        assert not live, f"{live} would become current once the table exists; {told}"
        before = dict(outcome.results["B"].entries)
        warehouse.rollback("model", "items")
        assert not any(one.done for one in warehouse.repair("model", "items")), told
        if name in SWEEPS:  # they may have expired what was dropped
            continue
        assert after.objects.keys() >= after.began.keys(), told
        now = dict(warehouse.pin("model", "items").entries)
        assert now.items() >= before.items(), f"{before} {now}; {told}"
        pin, error = outcome.results.get("A"), outcome.errors.get("A")
        if name.startswith(("store", "publish")) and pin is not None:
            assert now.items() >= dict(pin.entries).items(), (
                f"an acknowledged batch is lost; {told}"
            )
        elif "--to" in str(error):
            assert now.get(error.partition) != error.batch_id, told


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("end", [rename, rename_and_store])
def test_a_change_follows_the_table_to_its_new_name(began, monkeypatch, name, end) -> None:
    world, staged = began
    actions = {"A": writers(staged)[name], "B": end}
    for after, outcome in outcomes(world, actions, monkeypatch, preemptions=1):
        told = f"{outcome.errors} schedule: {' '.join(outcome.schedule)}"
        # B's frame lacks the column that A has just added. B's clock is years behind, so that its
        # batch may expire as one that a dead writer left.
        refused = SchemaMismatch if name == "store of a new column" else BatchNotFound
        assert isinstance(outcome.errors.get("B"), refused | None), told
        assert refused is SchemaMismatch or name in SWEEPS or "B" in outcome.results, told
        warehouse = check(after, outcome)
        pin = outcome.results.get("A")
        if name.startswith(("store", "publish")) and isinstance(pin, BatchPin):
            marks = set(warehouse.load_dataframe(pin)["mark"])
            assert marks == ({5} if name == "publish" else {3}), told
            (ref,) = [
                ref for ref, (info, _) in after.tables.items() if info.location == pin.location
            ]
            current = dict(warehouse.pin(ref.database, ref.table).entries)
            if end is rename or ref == NEW:
                assert current.items() >= dict(pin.entries).items(), told


@pytest.mark.parametrize("end", [drop, rename])
def test_a_drop_and_a_new_name_leave_one_table_or_none(began, monkeypatch, end) -> None:
    world, _ = began
    for after, outcome in outcomes(world, {"A": drop, "B": end}, monkeypatch, preemptions=1):
        told = f"{outcome.errors} schedule: {' '.join(outcome.schedule)}"
        warehouse = check(after, outcome)
        if "was renamed" in str(outcome.errors.get("A")):  # it has all that it had
            assert len(warehouse.load_dataframe("model", "moved")) == 2, told
            continue
        assert not after.tables, told
        ref = NEW if "B" in outcome.results and end is rename else OLD
        warehouse.rollback(ref.database, ref.table)
        assert sorted(warehouse.load_dataframe(ref.database, ref.table)["mark"]) == [1, 2], told


@pytest.mark.parametrize("name", ["store", "store in a new partition", "publish", "rollback"])
def test_a_writer_that_dies_beside_a_drop_leaves_what_the_history_says(
    began, monkeypatch, name
) -> None:
    world, staged = began
    actions = {"A": writers(staged)[name], "B": drop}
    deaths = 0
    for after, outcome in outcomes(world, actions, monkeypatch, preemptions=0, mortal=("A", "B")):
        check(after, outcome)
        told = f"schedule: {' '.join(outcome.schedule)}"
        deaths += bool(outcome.crashed)
        warehouse = warehouse_of(after)
        if OLD in after.tables:  # it may have been created again, without partitions
            drop(warehouse)
            continue
        warehouse.rollback("model", "items")
        assert not any(
            one.done for one in warehouse.repair("model", "items") if "columns" in one.found
        )
        assert warehouse.show("model", "items").partitions, told
    assert deaths > 20


def test_a_drop_that_is_refused_has_recorded_nothing(began) -> None:
    from airflow_sfx.core.errors import StaleAttempt
    from airflow_sfx.core.producer import Producer

    world = began[0].copy()
    warehouse = warehouse_of(world)
    newer, older = (
        Producer(dag_id="d", run_id="r", task_id="t", try_number=number) for number in (2, 1)
    )
    store("p", 4, producer=newer)(warehouse)
    with pytest.raises(StaleAttempt):
        warehouse.drop("model", "items", producer=older)
    assert not [one for one in records_of(warehouse.store, OLD) if one.event is NameEvent.DROPPING]

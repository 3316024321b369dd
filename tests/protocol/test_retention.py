"""Retention concurrent with pins, rollbacks and publishes, under every schedule.

The schedules have few preemptions, and a crash anywhere.

There is no time of grace here, and what is out of use for no time at all is retired: whatever was
granted must be readable because of the protocol alone.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import datetime, timedelta

import pandas as pd
import pytest

from airflow_sfx.core.errors import BatchNotFound, CommitConflict, SfxError, WarehouseUnavailable
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.storage.factory import open_place
from airflow_sfx.warehouse.pins import holds
from airflow_sfx.warehouse.retention import retire, vacuum
from airflow_sfx.warehouse.table import tombstones
from airflow_sfx.warehouse.undo import rollback
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.protocol.explorer import Outcome
from tests.protocol.test_protocol import DAYS, _adversary, beginning, frame, outcomes, warehouse_of
from tests.protocol.world import World

__all__ = ["_adversary", "beginning"]

NOW = timedelta(0)


def retain(warehouse: Warehouse) -> None:
    """Retire all that is not current, and delete it at once."""
    for _ in range(2):
        warehouse.retain("model", "items", keep_last=1, older_than=NOW, grace=NOW, dry_run=False)


def oldest(warehouse: Warehouse, *days: str) -> BatchPin:
    pins = [warehouse.history("model", "items", [day], limit=None)[-1] for day in days]
    return warehouse.overview("model", "items").table.pin(
        {one.partition: str(one.batch_id) for one in pins}
    )


def hold_oldest(*days: str) -> Callable[[Warehouse], object]:
    def act(warehouse: Warehouse) -> BatchPin:
        return warehouse.hold(oldest(warehouse, *days), name="report", until=None).pin

    return act


def roll_back(*days: str) -> Callable[[Warehouse], object]:
    return lambda warehouse: warehouse.rollback("model", "items", list(days))


def store(*days: str) -> Callable[[Warehouse], object]:
    return lambda warehouse: warehouse.store_dataframe(
        frame(3, days), "model", "items", partition_by=["day"]
    )


SCENARIOS = {
    "a hold of one": hold_oldest("p"),
    "a hold of both": hold_oldest(*DAYS),
    "a rollback of one": roll_back("p"),
    "a rollback of both": roll_back(*DAYS),
    "a store of both": store(*DAYS),
    "another retention": retain,
}


def publish_staged(world: World) -> tuple[World, Callable[[Warehouse], object]]:
    """Return a world with a staged batch of both partitions, and its publish."""
    world = world.copy()
    staged = warehouse_of(world).store_dataframe(
        frame(3, DAYS), "model", "items", partition_by=["day"], publish=False
    )
    return world, lambda warehouse: warehouse.publish(staged)


PUBLISH = "a publish of both"


def scenario(beginning: World, name: str) -> tuple[World, Callable[[Warehouse], object]]:
    """Return the world in which a scenario begins, and what is done beside the deletion."""
    return publish_staged(beginning) if name == PUBLISH else (beginning, SCENARIOS[name])


def refuse_unexpected(outcome: Outcome) -> None:
    """Check that only refusals, and requests without an answer, are errors."""
    expected = (CommitConflict, BatchNotFound, *[WarehouseUnavailable] * bool(outcome.unanswered))
    unexpected = [error for error in outcome.errors.values() if not isinstance(error, expected)]
    assert not unexpected, f"{unexpected} schedule: {' '.join(outcome.schedule)}"


def check(world: World, outcome: Outcome) -> None:
    """Check that current and held batches are readable."""
    warehouse = warehouse_of(world)
    told = f"schedule: {' '.join(outcome.schedule)}"
    refuse_unexpected(outcome)
    warehouse.repair("model", "items")
    current = warehouse.load_dataframe("model", "items", as_="arrow")
    assert sorted(current["day"].to_pylist()) == list(DAYS), f"what is current is gone; {told}"
    granted = outcome.results.get("B")
    if isinstance(granted, BatchPin) and granted != warehouse.pin(
        "model", "items", list(granted.batches)
    ):
        rows = warehouse.load_dataframe(granted, as_="arrow").num_rows
        assert rows == len(granted.batches), f"what was granted is gone; {told}"


@pytest.mark.parametrize("name", [*SCENARIOS, PUBLISH])
def test_what_was_granted_is_never_deleted_under_any_schedule(beginning, monkeypatch, name) -> None:
    seen = refused = 0
    preemptions = 1 if name == "another retention" else 2
    began, action = scenario(beginning, name)
    for world, outcome in outcomes(
        began, {"A": retain, "B": action}, monkeypatch, preemptions=preemptions
    ):
        check(world, outcome)
        seen += 1
        refused += isinstance(outcome.errors.get("B"), BatchNotFound)
    assert seen > 100
    if name.startswith(("a hold", "a rollback")):
        assert 0 < refused < seen, "somebody is refused, and somebody is not"


@pytest.mark.parametrize("name", ["a hold of both", "a rollback of both"])
def test_retention_that_died_anywhere_is_completed_by_the_next(
    beginning, monkeypatch, name
) -> None:
    deaths = 0
    actions = {"A": retain, "B": SCENARIOS[name]}
    for world, outcome in outcomes(beginning, actions, monkeypatch, preemptions=1, mortal=("A",)):
        check(world, outcome)
        deaths += bool(outcome.crashed)
        warehouse = warehouse_of(world)
        retain(warehouse)
        check(world, outcome)
        left = warehouse.retain("model", "items", keep_last=1, older_than=NOW, grace=NOW)
        assert left.retired == left.deleted == (), outcome
    assert deaths > 20


def erase(warehouse: Warehouse) -> None:
    """Erase all rows of the first store, and delete what held them at once."""
    warehouse.erase("model", "items", where="mark = 1", grace=NOW, dry_run=False)


BESIDE = ["a hold of both", "a rollback of one", "a rollback of both", "a store of both", PUBLISH]


@pytest.mark.parametrize("name", BESIDE)
def test_an_erasure_leaves_no_row_whatever_else_goes_on(beginning, monkeypatch, name) -> None:
    seen = 0
    began, action = scenario(beginning, name)
    for world, outcome in outcomes(began, {"A": erase, "B": action}, monkeypatch, preemptions=1):
        check_erased(world, outcome, name)
        seen += 1
    assert seen > 30


def check_erased(world: World, outcome: Outcome, name: str) -> None:
    """Check that a later erasure leaves no row, and that nothing else is lost."""
    told = f"schedule: {' '.join(outcome.schedule)}"
    refuse_unexpected(outcome)
    warehouse = warehouse_of(world)
    granted = outcome.results.get("B")
    if isinstance(granted, BatchPin) and name.startswith("a hold"):
        assert set(warehouse.load_dataframe(granted)["mark"]) == {1}, (
            f"what was granted is gone; {told}"
        )
    erase(warehouse)
    warehouse.repair("model", "items")
    left = warehouse.load_dataframe("model", "items")
    assert 1 not in set(left["mark"]), f"a row is left; {told}"
    assert set(left["mark"]) <= {2, 3}, told
    if not name.startswith("a rollback"):
        assert len(left) == len(DAYS), f"rows of others are gone; {told}"


@pytest.mark.parametrize("trouble", ["a death", "no answer"])
@pytest.mark.parametrize("name", BESIDE)
@pytest.mark.parametrize("deletion", [retain, erase])
def test_a_deletion_and_what_is_beside_it_may_break_off_anywhere(
    beginning, monkeypatch, deletion, name, trouble
) -> None:
    seen = 0
    began, action = scenario(beginning, name)
    actors = {"A": deletion, "B": action}
    for world, outcome in outcomes(
        began,
        actors,
        monkeypatch,
        preemptions=0,
        mortal=tuple(actors) if trouble == "a death" else (),
        unanswered=tuple(actors) if trouble == "no answer" else (),
    ):
        if deletion is erase:
            check_erased(world, outcome, name)
        else:
            check(world, outcome)
            retain(warehouse_of(world))
            check(world, outcome)
        seen += bool(outcome.crashed or outcome.errors)
    assert seen > 20


def test_an_erasure_beside_the_first_publish_of_a_staged_batch_leaves_no_row(
    beginning, monkeypatch
) -> None:
    """The partition has no log when both begin."""
    world = beginning.copy()
    staged = warehouse_of(world).store_dataframe(
        frame(1, ("r",)), "model", "items", partition_by=["day"], publish=False
    )
    came_first = set()
    actions = {"A": erase, "B": lambda warehouse: warehouse.publish(staged)}
    for after, outcome in outcomes(world, actions, monkeypatch, preemptions=1):
        told = f"schedule: {' '.join(outcome.schedule)}"
        assert [type(error) for error in outcome.errors.values()] in ([], [BatchNotFound]), (
            f"{outcome.errors} {told}"
        )
        warehouse = warehouse_of(after)
        rows = warehouse.load_dataframe("model", "items")
        assert list(rows["mark"]) == [2, 2], f"a row is left, or what is current is gone; {told}"
        assert not any(repair.done for repair in warehouse.repair("model", "items")), told
        came_first.add("B" if "B" in outcome.results else "A")
        if "B" in outcome.errors:
            (pin,) = warehouse.show("model", "items").staged
            assert warehouse.load_dataframe(warehouse.publish(pin)).empty, told
    assert came_first == {"A", "B"}


def erase_client(client: str, grace: timedelta) -> Callable[[Warehouse], object]:
    return lambda warehouse: warehouse.erase(
        "model", "items", where=f"client = '{client}'", grace=grace, dry_run=False
    )


def store_clients(world: World, clients: str, **options: object) -> None:
    rows = pd.DataFrame({"day": "p", "client": list(clients)})
    warehouse_of(world).store_dataframe(rows, "model", "items", partition_by=["day"], **options)


@pytest.fixture
def clients() -> World:
    """One partition: an earlier batch of three clients, and a current one of one."""
    world = World()
    for stored in ("xyz", "z"):
        store_clients(world, stored)
    return world


def waiting(warehouse: Warehouse) -> list[BatchPin]:
    """Return the staged batches, also those that a later batch has overtaken."""
    state = warehouse.show("model", "items")
    return [*state.staged, *state.overtaken]


def clients_in(world: World) -> list[str]:
    """Return all readable clients: staged, current, and of rollback targets."""
    warehouse = warehouse_of(world)
    pins = [warehouse.pin("model", "items"), warehouse.rollback("model", "items", ["p"])]
    pins += waiting(warehouse)
    return ["".join(warehouse.load_dataframe(pin)["client"]) for pin in pins]


def test_two_erasures_at_once_leave_the_rows_of_neither(clients, monkeypatch) -> None:
    # The other's files are years old by the model's clock, and must not expire.
    grace = timedelta(days=50 * 365)
    store_clients(clients, "xyz", publish=False)
    actions = {"A": erase_client("x", grace), "B": erase_client("y", grace)}
    seen = 0
    for world, outcome in outcomes(clients, actions, monkeypatch, preemptions=1):
        assert not outcome.errors, outcome
        assert clients_in(world) == ["z", "z", "z"], outcome
        for client in "xy":
            assert erase_client(client, grace)(warehouse_of(world)).erased == 0, outcome
        seen += 1
    assert seen > 100


def test_an_erasure_that_died_anywhere_beside_another_is_completed(clients, monkeypatch) -> None:
    deaths = 0
    actions = {"A": erase_client("x", NOW), "B": erase_client("y", NOW)}
    for world, outcome in outcomes(clients, actions, monkeypatch, preemptions=0, mortal=("A",)):
        assert all(isinstance(error, SfxError) for error in outcome.errors.values()), outcome
        erase_client("nobody", NOW)(warehouse_of(world))
        if "B" in outcome.results:
            assert not any("y" in found for found in clients_in(world.copy())), outcome
        for client in "xy":
            erase_client(client, NOW)(warehouse_of(world))
        assert clients_in(world) == ["z", "z"], outcome
        deaths += bool(outcome.crashed)
    assert deaths > 20


def job_of_days(*, publish: bool) -> Callable[[Warehouse], object]:
    """Another program's job for a partition that gets a new batch meanwhile."""

    def act(warehouse: Warehouse) -> BatchPin:
        batch = warehouse.open_batch("model", "items", ["p"])
        store_, directory = open_place(batch.location, warehouse.store)
        for number in range(2):
            sink = io.BytesIO()
            pd.DataFrame({"mark": [number]}).to_parquet(sink, index=False)
            store_.put(f"{directory}/part-{number}.parquet", sink.getvalue())
            if number == 0:
                store("p")(warehouse)
        return batch.close(publish=publish)

    return act


@pytest.mark.parametrize("publish", [True, False])
def test_a_batch_that_took_days_is_whole_or_refused_beside_an_erasure(monkeypatch, publish) -> None:
    """The writers' clock stands still while years pass."""
    monkeypatch.setattr(tombstones, "datetime", datetime)
    began = World()
    warehouse_of(began).store_dataframe(frame(2, ("p",)), "model", "items", partition_by=["day"])
    came = set()
    actions = {
        "A": lambda warehouse: warehouse.erase(
            "model", "items", where="mark = 9", grace=NOW, dry_run=False
        ),
        "B": job_of_days(publish=publish),
    }
    for world, outcome in outcomes(began, actions, monkeypatch, preemptions=1 if publish else 2):
        told = f"schedule: {' '.join(outcome.schedule)}"
        assert "A" not in outcome.errors, f"{outcome.errors} {told}"
        warehouse = warehouse_of(world)
        actions["A"](warehouse)
        pin = outcome.results.get("B")
        if isinstance(pin, BatchPin):
            assert list(warehouse.load_dataframe(pin)["mark"]) == [0, 1], f"a part is lost; {told}"
            assert publish or waiting(warehouse) == [pin], told
        else:
            assert isinstance(outcome.errors["B"], SfxError), f"{outcome.errors} {told}"
            assert warehouse.load_dataframe("model", "items", ["p"])["mark"].item() in (2, 3), told
            assert not waiting(warehouse), told
        came.add(type(outcome.errors.get("B")))
    assert {type(None), BatchNotFound} <= came


@pytest.mark.parametrize(
    "broken",
    [
        "a pin that looks before it is written",
        "a deletion that does not look",
        "a rollback that does not",
    ],
)
def test_the_explorer_finds_a_broken_retention(beginning, monkeypatch, broken) -> None:
    action = SCENARIOS["a hold of one"]
    if broken.startswith("a pin"):
        monkeypatch.setattr(holds, "refuse_retired", lambda *_: None)
    elif broken.startswith("a deletion"):
        for module in (vacuum, retire):
            monkeypatch.setattr(module, "held", lambda *_: set())
    else:
        monkeypatch.setattr(rollback, "refuse_retired", lambda *_: None)
        action = SCENARIOS["a rollback of one"]
    with pytest.raises((AssertionError, BatchNotFound)):
        for world, outcome in outcomes(
            beginning, {"A": retain, "B": action}, monkeypatch, preemptions=2
        ):
            check(world, outcome)

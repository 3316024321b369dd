"""A discard concurrent with a publish, a store and a retention, under every schedule."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_sfx.core.errors import BatchNotFound, CommitConflict
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.protocol.test_protocol import DAYS, _adversary, beginning, frame, outcomes, warehouse_of
from tests.protocol.world import World

__all__ = ["_adversary", "beginning"]

NOW = timedelta(0)
NEW = ("r",)


def staged(world: World, *days: str) -> tuple[World, BatchPin]:
    world = world.copy()
    return world, warehouse_of(world).store_dataframe(
        frame(3, days), "model", "items", partition_by=["day"], publish=False
    )


def ended(warehouse: Warehouse, pin: BatchPin) -> tuple[bool, bool]:
    """Whether a staged batch was published, and whether it was discarded, in all partitions."""
    now = {one.partition: one.batch_id for one in warehouse.show("model", "items").partitions}
    published = {now.get(name) == batch_id for name, batch_id in pin.entries}
    states = {one.state.value for one in warehouse.staged("model", "items")}
    assert len(published) == 1
    assert len(states) <= 1
    return published.pop(), states == {"discarded"}


@pytest.mark.parametrize("days", [DAYS, DAYS[:1], NEW], ids=["two", "one", "a new one"])
def test_of_a_discard_and_a_publish_exactly_one_wins(beginning, monkeypatch, days) -> None:
    world, pin = staged(beginning, *days)
    actions = {"A": lambda one: one.discard(pin), "B": lambda one: one.publish(pin)}
    winners = set()
    for after, outcome in outcomes(world, actions, monkeypatch, preemptions=2):
        told = f"schedule: {' '.join(outcome.schedule)}"
        assert [type(error) for error in outcome.errors.values()] == [CommitConflict], told
        warehouse = warehouse_of(after)
        published, discarded = ended(warehouse, pin)
        assert published == ("B" in outcome.results), told
        assert discarded == ("A" in outcome.results), told
        assert not any(repair.done for repair in warehouse.repair("model", "items")), told
        winners |= set(outcome.results)
    assert winners == {"A", "B"}


@pytest.mark.parametrize("days", [DAYS, NEW], ids=["two", "a new one"])
def test_a_discard_that_died_anywhere_is_whole_or_did_not_happen(
    beginning, monkeypatch, days
) -> None:
    world, pin = staged(beginning, *days)
    actions = {"A": lambda one: one.discard(pin), "B": lambda one: one.publish(pin)}
    deaths = 0
    for after, outcome in outcomes(world, actions, monkeypatch, preemptions=1, mortal=("A",)):
        told = f"schedule: {' '.join(outcome.schedule)}"
        deaths += bool(outcome.crashed)
        warehouse = warehouse_of(after)
        warehouse.repair("model", "items")
        published, discarded = ended(warehouse, pin)
        assert published != discarded or (outcome.crashed and not discarded), told
        assert published == ("B" in outcome.results), told
    assert deaths > 10


def test_a_retention_of_staged_batches_beside_a_publish_leaves_one_of_two_ends(
    beginning, monkeypatch
) -> None:
    world, pin = staged(beginning, *DAYS)

    def retain(warehouse: Warehouse) -> None:
        for _ in range(2):
            warehouse.retain(
                "model",
                "items",
                keep_last=5,
                older_than=timedelta(days=9999),
                staged_older_than=NOW,
                grace=NOW,
                dry_run=False,
            )

    actions = {"A": retain, "B": lambda one: one.publish(pin)}
    ends = set()
    for after, outcome in outcomes(world, actions, monkeypatch, preemptions=1):
        told = f"schedule: {' '.join(outcome.schedule)}"
        assert all(
            isinstance(error, (CommitConflict, BatchNotFound)) for error in outcome.errors.values()
        ), f"{outcome.errors} {told}"
        warehouse = warehouse_of(after)
        published, _ = ended(warehouse, pin)
        assert published == ("B" in outcome.results), told
        rows = warehouse.load_dataframe("model", "items")
        assert set(rows["mark"]) == ({3} if published else {2}), told
        ends.add(published)
    assert ends == {True, False}

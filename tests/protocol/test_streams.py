"""Two consumers of a stream at once: each record is in the table once, under every schedule.

Consumers die at any step, commit overlapping records, and do not get the answers of the storage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.errors import CommitConflict, PositionConflict, WarehouseUnavailable
from airflow_sfx.core.producer import Producer
from airflow_sfx.warehouse.connection import Connection
from airflow_sfx.warehouse.log import commit as commit_module
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.protocol.explorer import Outcome
from tests.protocol.test_protocol import _adversary, outcomes, warehouse_of
from tests.protocol.world import DictStore, TwoStepMetastore, World

__all__ = ["_adversary"]

STREAM = "kinesis:clicks"
TABLE = ("model", "clicks")
FIRST = {"0": 1, "1": 1}
"""The last record of each shard that the table has before."""
TRIES = 3


def add(warehouse: Warehouse, ranges: Mapping[str, tuple[int, int]]) -> None:
    """Store the records of some ranges; a record's number is unique in its shard."""
    rows = [
        f"{shard}-{number}"
        for shard, (after, to) in ranges.items()
        for number in range(after + 1, to + 1)
    ]
    shards = {shard: (str(after or ""), str(to)) for shard, (after, to) in ranges.items()}
    consumed = sfx.Consumed(STREAM, shards)
    warehouse.store_window(pd.DataFrame({"record": rows}), *TABLE, consumed=consumed)


def consume(**upto: int) -> Callable[[Warehouse], object]:
    """Return a consumer that reads positions, stores what follows, and repeats what failed."""
    wanted = {shard.removeprefix("s"): to for shard, to in upto.items()}

    def act(warehouse: Warehouse) -> None:
        for _ in range(TRIES):
            have = warehouse.stream_positions(*TABLE)[STREAM]
            left = {
                shard: (int(have[shard]), to)
                for shard, to in wanted.items()
                if int(have[shard]) < to
            }
            if not left:
                return
            try:
                add(warehouse, left)
            except (PositionConflict, WarehouseUnavailable):
                continue
        raise AssertionError("other consumers were first each time")

    return act


SCENARIOS = {
    "the same records": (consume(s0=2), consume(s0=2)),
    "overlapping records": (consume(s0=2, s1=2), consume(s0=3)),
    "different shards": (consume(s0=2), consume(s1=3)),
}


@pytest.fixture(scope="module")
def beginning() -> World:
    world = World()
    add(warehouse_of(world), {shard: (0, to) for shard, to in FIRST.items()})
    return world


def check(world: World, outcome: Outcome) -> Counter[str]:
    """Check that the table has exactly the records up to its positions, each once."""
    told = f"schedule: {' '.join(outcome.schedule)}"
    assert not outcome.errors, f"{outcome.errors} {told}"
    warehouse = warehouse_of(world)
    positions = warehouse.stream_positions(*TABLE)[STREAM]
    found = Counter(warehouse.load_dataframe(*TABLE)["record"])
    wanted = {
        f"{shard}-{number}" for shard, to in positions.items() for number in range(1, int(to) + 1)
    }
    assert found == dict.fromkeys(wanted, 1), f"{found} at {positions}; {told}"
    return found


@pytest.mark.parametrize("name", SCENARIOS)
def test_two_consumers_add_each_record_once(beginning, monkeypatch, name) -> None:
    first, second = SCENARIOS[name]
    seen = 0
    actions = {"A": first, "B": second}
    for world, outcome in outcomes(beginning, actions, monkeypatch, preemptions=2):
        assert (
            len(check(world, outcome))
            == len(FIRST)
            + {
                "the same records": 1,
                "overlapping records": 3,
                "different shards": 3,
            }[name]
        )
        seen += 1
    assert seen > 50


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_consumer_that_dies_at_any_step_leaves_nothing_double(
    beginning, monkeypatch, name
) -> None:
    first, second = SCENARIOS[name]
    deaths = 0
    actions = {"A": first, "B": second}
    for world, outcome in outcomes(beginning, actions, monkeypatch, preemptions=1, mortal=("A",)):
        check(world, outcome)
        assert "B" in outcome.results, f"a dead consumer stopped another: {outcome}"
        first(warehouse_of(world))  # it is started again
        check(world, outcome)
        deaths += bool(outcome.crashed)
    assert deaths > 10


def compact(warehouse: Warehouse) -> None:
    warehouse.compact(*TABLE)


@pytest.mark.parametrize(
    ("first", "second"),
    [(compact, consume(s0=2)), (compact, compact)],
    ids=["a consumer", "another one"],
)
@pytest.mark.parametrize(("preemptions", "mortal"), [(1, ()), (0, ("A",))])
def test_a_compaction_loses_no_record_and_doubles_none(
    beginning, monkeypatch, first, second, preemptions, mortal
) -> None:
    actions = {"A": first, "B": second}
    seen = 0
    for world, outcome in outcomes(
        beginning, actions, monkeypatch, preemptions=preemptions, mortal=mortal
    ):
        lost = [type(outcome.errors.pop(name)) for name in [*outcome.errors]]
        assert lost in ([], [CommitConflict]), f"{lost} {outcome}"
        assert not (lost and second is not compact), "a consumer stopped a compaction"
        check(world, outcome)
        compact(warehouse_of(world))
        found = check(world, outcome)
        assert len(warehouse_of(world).show(*TABLE).partitions) == 1
        assert len(found) == len(FIRST) + (second is not compact)
        seen += 1
    assert seen > 5


class Unanswered(DictStore):
    """A storage that does not answer some creations of log entries.

    Args:
        world: The world.
        arrives: Whether the entry is created all the same.
        readable: Whether the entry can be read back at once.
    """

    def __init__(self, world: World, *, arrives: bool, readable: bool) -> None:
        super().__init__(world)
        self._arrives, self._readable = arrives, readable
        self._lost = ""

    def put_if_absent(self, path: str, data: bytes) -> bool:
        if "/log/" not in path or self._lost:
            return super().put_if_absent(path, data)
        self._lost = path
        if self._arrives:
            super().put_if_absent(path, data)
        raise WarehouseUnavailable("no answer")

    def get(self, path: str) -> bytes | None:
        if path == self._lost and not self._readable:
            self._readable = True
            raise WarehouseUnavailable("no answer")
        return super().get(path)


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("readable", [True, False])
@pytest.mark.parametrize("other_first", [True, False])
def test_an_answer_that_is_lost_loses_no_record_and_doubles_none(
    beginning, arrives, readable, other_first
) -> None:
    world = beginning.copy()
    store = Unanswered(world, arrives=arrives, readable=readable)
    warehouse = Warehouse(Connection("memory://", store, TwoStepMetastore(world), Producer))
    if other_first:  # the first entry of this consumer is then lost in a race as well
        consume(s1=2)(warehouse_of(world))
    consume(s0=3)(warehouse)
    assert len(check(world, Outcome())) == len(FIRST) + 2 + other_first


def test_the_explorer_finds_commits_that_demand_no_position(beginning, monkeypatch) -> None:
    """A broken protocol is found: the checks can fail."""
    monkeypatch.setattr(commit_module, "position_conflict", lambda *_: None)
    first, second = SCENARIOS["the same records"]
    actions = {"A": first, "B": second}
    with pytest.raises(AssertionError, match="schedule"):
        for world, outcome in outcomes(beginning, actions, monkeypatch, preemptions=1):
            check(world, outcome)

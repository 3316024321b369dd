"""The guarantees of a commit, under every schedule of two writers.

The schedules have few preemptions, and a crash anywhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd
import pytest

from airflow_sfx.core.errors import BatchNotFound, CommitConflict, WarehouseUnavailable
from airflow_sfx.core.log_entry import LogEntry, Operation
from airflow_sfx.core.producer import Producer
from airflow_sfx.storage import concurrency
from airflow_sfx.warehouse.batch import batch_writer
from airflow_sfx.warehouse.connection import Connection
from airflow_sfx.warehouse.table import tombstones
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.protocol.explorer import Actor, Outcome, Run, explore
from tests.protocol.world import DictStore, LockingMetastore, TwoStepMetastore, World

DAYS = ("p", "q")
BEFORE = (1, 2)
"""The marks of the batches that both partitions have before anybody acts."""
Histories = Mapping[str, Sequence[LogEntry]]


class _Clock:
    """Always the same second: every batch ID is contested."""

    @staticmethod
    def now(zone: object) -> datetime:
        return datetime(2016, 11, 1, 0, 22, 56, tzinfo=UTC)


class _OneByOne(ThreadPoolExecutor):
    """Run each call at once in the caller's thread, so that requests are steps."""

    def submit(self, action, /, *args, **options):
        done: Future[object] = Future()
        try:
            done.set_result(action(*args, **options))
        except Exception as error:
            done.set_exception(error)
        return done


@pytest.fixture(autouse=True)
def _adversary(monkeypatch) -> Iterator[None]:
    """Locks are over as soon as they begin, and the clock stands still."""
    for module in (concurrency, batch_writer):
        monkeypatch.setattr(module, "ThreadPoolExecutor", _OneByOne)
    for module in (batch_writer, tombstones):
        monkeypatch.setattr(module, "datetime", _Clock)
    yield


def frame(mark: int, days: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame({"day": list(days), "mark": mark})


def warehouse_of(world: World, kind: type[TwoStepMetastore] = TwoStepMetastore) -> Warehouse:
    return Warehouse(Connection("memory://", DictStore(world), kind(world), Producer))


@pytest.fixture(scope="module")
def beginning() -> World:
    """Both partitions have two batches."""
    world = World()
    for mark in BEFORE:
        warehouse_of(world).store_dataframe(
            frame(mark, DAYS), "model", "items", partition_by=["day"]
        )
    return world


Actions = Mapping[str, Callable[[Warehouse], object]]


def outcomes(
    beginning: World,
    actions: Actions,
    monkeypatch,
    *,
    preemptions: int,
    mortal: tuple[str, ...] = (),
    unanswered: tuple[str, ...] = (),
    kind: type[TwoStepMetastore] = TwoStepMetastore,
) -> Iterator[tuple[World, Outcome]]:
    worlds: list[World] = []

    def scenario() -> tuple[Mapping[str, Actor], Callable[[Run], None]]:
        world = beginning.copy()
        worlds.append(world)

        def attach(run: Run) -> None:
            world.step, world.delay = run.step, run.delay
            monkeypatch.setattr(time, "sleep", run.sleep)

        return {
            name: (lambda act=act: act(warehouse_of(world, kind))) for name, act in actions.items()
        }, attach

    for outcome in explore(scenario, preemptions=preemptions, mortal=mortal, unanswered=unanswered):
        world = worlds.pop()
        world.step = lambda **_: ""
        yield world, outcome


@dataclass(frozen=True)
class Store:
    """A store of rows with a mark in partitions; returns the pin and the mark."""

    mark: int
    days: tuple[str, ...]

    def __call__(self, warehouse: Warehouse) -> object:
        rows = frame(self.mark, self.days)
        return warehouse.store_dataframe(rows, "model", "items", partition_by=["day"]), self.mark


@dataclass(frozen=True)
class RollBack:
    """A rollback of partitions to the batch before."""

    days: tuple[str, ...]

    def __call__(self, warehouse: Warehouse) -> None:
        warehouse.rollback("model", "items", list(self.days))


def store(mark: int, *days: str) -> Store:
    return Store(mark, days)


def roll_back(*days: str) -> RollBack:
    return RollBack(days)


def check(world: World, outcome: Outcome, actions: Actions, *, locks: bool = False) -> None:
    """Check the invariants, after one more operation has completed what was left.

    Args:
        world: The world after the schedule.
        outcome: What became of the actors.
        actions: What they did.
        locks: Whether the metastore had locks. Without them, a slow writer may overwrite a later
            pointer, and dies or fails before it corrects that.
    """
    warehouse = warehouse_of(world)
    told = f"schedule: {' '.join(outcome.schedule)}"
    expected = (CommitConflict, BatchNotFound, *[WarehouseUnavailable] * bool(outcome.unanswered))
    unexpected = [error for error in outcome.errors.values() if not isinstance(error, expected)]
    assert not unexpected, f"{unexpected} {told}"
    assert world.objects.items() >= world.began.items(), (
        f"what was there before was changed or deleted; {told}"
    )
    shown = {one.values[0]: info.version for one, info in world.pointers.items()}
    repaired = any(repair.done for repair in warehouse.repair("model", "items"))
    assert not repaired or outcome.crashed or outcome.errors, f"a pointer is behind; {told}"
    histories = {
        one.values[0]: warehouse.history("model", "items", [one.values[0]], limit=None)[::-1]
        for one in world.pointers
    }
    check_order(world, histories, told)
    check_commits(warehouse, histories, actions, told)
    overwrites = not locks and bool(outcome.crashed or outcome.errors)
    check_shown(histories, shown, told, overwrites=overwrites)
    for name, result in outcome.results.items():
        if isinstance(actions[name], Store):
            pin, mark = result
            known = {(day, one.batch_id) for day, entries in histories.items() for one in entries}
            assert set(pin.entries) <= known, f"an acknowledged commit is lost; {told}"
            marks = warehouse.load_dataframe(pin, as_="arrow")["mark"].to_pylist()
            assert marks == [mark] * len(pin.entries), f"a batch holds another's rows; {told}"
    for name, error in outcome.errors.items():
        check_message(str(error), actions[name], warehouse, histories, told)


def check_order(world: World, histories: Histories, told: str) -> None:
    """Check that each history is a chain, and that the metastore shows its end."""
    for day, entries in histories.items():
        before = None
        for entry in entries:
            assert entry.previous == before, f"the order of {day} is broken; {told}"
            before = entry.batch_id
        (pointer,) = [info for one, info in world.pointers.items() if one.values == (day,)]
        assert (pointer.batch_id, pointer.version) == (
            entries[-1].batch_id,
            entries[-1].version,
        ), told
        published = [entry.batch_id for entry in entries if entry.operation is Operation.PUBLISH]
        assert published == sorted(set(published)), f"batch IDs of {day} do not grow; {told}"


def check_commits(warehouse: Warehouse, histories: Histories, actions: Actions, told: str) -> None:
    """Check that each change has all partitions of its call, and its call's rows."""
    groups = by_version(histories)
    assert sorted(groups) == list(range(1, len(groups) + 1)), f"a version has no change; {told}"
    stores = {one.mark: one.days for one in actions.values() if isinstance(one, Store)}
    rollbacks = [one.days for one in actions.values() if isinstance(one, RollBack)]
    for version in range(len(BEFORE) + 1, len(groups) + 1):
        changes = groups[version]
        if changes[min(changes)].operation is Operation.ROLLBACK:
            assert tuple(sorted(changes)) in rollbacks, f"half of a change took effect; {told}"
        else:
            (mark,) = {mark_of(warehouse, entry) for entry in changes.values()}
            assert tuple(sorted(changes)) == stores[mark], f"half of a change took effect; {told}"


def check_shown(
    histories: Histories, shown: Mapping[str, int], told: str, *, overwrites: bool
) -> None:
    """Check that engines saw all partitions of a change, or none, before another operation."""
    for version, changes in by_version(histories).items():
        behind = [shown.get(day, 0) for day in changes if shown.get(day, 0) < version]
        if overwrites and all(one > len(BEFORE) for one in behind):
            continue
        assert len(behind) in (0, len(changes)), (
            f"engines saw half of a change until somebody came by; {told}"
        )


def by_version(histories: Histories) -> dict[int, dict[str, LogEntry]]:
    """Return the changes of each version of the table, by partition."""
    groups: dict[int, dict[str, LogEntry]] = {}
    for day, entries in histories.items():
        for entry in entries:
            groups.setdefault(entry.version, {})[day] = entry
    return groups


def check_message(
    message: str, action: object, warehouse: Warehouse, histories: Histories, told: str
) -> None:
    """Check that the error of a store says the truth about the log."""
    if not isinstance(action, Store):
        return
    entries = [one for day in action.days for one in histories.get(day, ())]
    marks = {mark_of(warehouse, one) for one in entries if one.operation is Operation.PUBLISH}
    if "is in the log" in message:
        assert action.mark in marks, f"{message!r}, but it is not; {told}"
    elif "may still" not in message and "If the request" not in message:
        assert action.mark not in marks, f"{message!r}, but the log has it; {told}"


def mark_of(warehouse: Warehouse, entry: LogEntry) -> int:
    """Return the mark of the rows of an entry's batch."""
    rows = warehouse.load_dataframe(
        "model", "items", [entry.partition], batch_id=entry.batch_id, as_="arrow"
    )
    (mark,) = rows["mark"].to_pylist()
    return int(mark)


SCENARIOS: dict[str, Actions] = {
    "two stores of one partition": {"A": store(3, "p"), "B": store(4, "p")},
    "two stores of both partitions": {"A": store(3, *DAYS), "B": store(4, *DAYS)},
    "a store of both and a store of one": {"A": store(3, *DAYS), "B": store(4, "q")},
    "two stores of overlapping partitions": {"A": store(3, *DAYS), "B": store(4, "q", "r")},
    "two stores of different partitions": {"A": store(3, "p"), "B": store(4, "q")},
    "two stores of a new partition": {"A": store(3, "r"), "B": store(4, "q", "r")},
    "a store of both and a rollback of both": {"A": store(3, *DAYS), "B": roll_back(*DAYS)},
    "a store and a rollback of one": {"A": store(3, "p"), "B": roll_back("p")},
    "a store and a rollback of different ones": {"A": store(3, "p"), "B": roll_back("q")},
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_promises_hold_under_every_schedule(beginning, monkeypatch, name: str) -> None:
    seen = 0
    actions = SCENARIOS[name]
    for world, outcome in outcomes(beginning, actions, monkeypatch, preemptions=2):
        check(world, outcome, actions)
        assert not outcome.errors, outcome
        seen += 1
    assert seen > 100


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_promises_hold_when_a_writer_dies_at_any_step(
    beginning, monkeypatch, name: str
) -> None:
    deaths = 0
    actions = SCENARIOS[name]
    for world, outcome in outcomes(
        beginning, actions, monkeypatch, preemptions=1, mortal=tuple(actions)
    ):
        check(world, outcome, actions)
        assert outcome.results.keys() | outcome.crashed == actions.keys(), (
            f"a dead writer stopped another: {outcome}"
        )
        deaths += bool(outcome.crashed)
    assert deaths > 20


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_promises_hold_when_a_request_of_a_writer_gets_no_answer(
    beginning, monkeypatch, name: str
) -> None:
    """It failed, or it took effect, at once or later."""
    failures = 0
    actions = SCENARIOS[name]
    interrupted = name == "two stores of overlapping partitions"
    for world, outcome in outcomes(
        beginning, actions, monkeypatch, preemptions=interrupted, unanswered=tuple(actions)
    ):
        check(world, outcome, actions)
        assert outcome.errors.keys() <= outcome.unanswered, f"another one failed, too: {outcome}"
        failures += bool(outcome.errors)
    assert failures > 20


def time_passes(warehouse: Warehouse) -> None:
    """The metastore's lock expires at any point of its holder's work."""
    assert isinstance(warehouse.metastore, LockingMetastore)
    warehouse.metastore.expire()


LOCKED = (
    "two stores of one partition",
    "a store and a rollback of one",
    "two stores of overlapping partitions",
)


@pytest.mark.parametrize("name", LOCKED)
def test_a_lock_that_expires_at_any_step_leaves_no_pointer_behind(
    beginning, monkeypatch, name: str
) -> None:
    seen = 0
    actions = {**SCENARIOS[name], "time": time_passes}
    for world, outcome in outcomes(
        beginning, actions, monkeypatch, preemptions=1, kind=LockingMetastore
    ):
        check(world, outcome, actions, locks=True)
        assert not outcome.errors, outcome
        assert world.lock is None, "a lock is stranded"
        seen += 1
    assert seen > 100


@pytest.mark.parametrize("name", LOCKED)
def test_a_writer_that_dies_with_the_lock_stops_nobody(beginning, monkeypatch, name: str) -> None:
    deaths = 0
    actions = SCENARIOS[name]
    for world, outcome in outcomes(
        beginning, actions, monkeypatch, preemptions=1, mortal=("A",), kind=LockingMetastore
    ):
        check(world, outcome, actions, locks=True)
        assert "B" in outcome.results, f"a dead writer stopped another: {outcome}"
        deaths += world.lock is not None
    assert deaths > 0, "nobody died with the lock"


@dataclass(frozen=True)
class Read:
    """Two reads of partitions by one call each; returns the marks by partition."""

    days: tuple[str, ...] | None = None

    def __call__(self, warehouse: Warehouse) -> list[dict[str, int]]:
        days = None if self.days is None else list(self.days)
        found = (warehouse.load_dataframe("model", "items", days, as_="arrow") for _ in range(2))
        return [
            dict(zip(*(one[name].to_pylist() for name in ("day", "mark")), strict=True))
            for one in found
        ]


READ: dict[str, Actions] = {
    "a store of both": {"A": store(3, *DAYS), "reader": Read(DAYS)},
    "a rollback of both": {"A": roll_back(*DAYS), "reader": Read()},
    "stores of different partitions": {
        "A": store(3, "p"),
        "B": store(4, "q"),
        "reader": Read(DAYS),
    },
    "stores of overlapping partitions": {
        "A": store(3, *DAYS),
        "B": store(4, "q", "r"),
        "reader": Read(),
    },
}


@pytest.mark.parametrize("trouble", ["no trouble", "a death", "no answer"])
@pytest.mark.parametrize("name", READ)
def test_a_reader_of_several_partitions_sees_one_version_of_the_table(
    beginning, monkeypatch, name, trouble
) -> None:
    actions = READ[name]
    writers = tuple(actions.keys() - {"reader"})
    seen: set[int] = set()
    for world, outcome in outcomes(
        beginning,
        actions,
        monkeypatch,
        preemptions=(trouble == "no trouble") + (len(writers) == 1),
        mortal=writers if trouble == "a death" else (),
        unanswered=writers if trouble == "no answer" else (),
    ):
        check(world, outcome, actions)
        seen.update(versions_seen(world, outcome, actions))
    assert seen == set(range(len(writers) + 1))


def test_a_reader_beside_a_lock_that_expires_sees_one_version(beginning, monkeypatch) -> None:
    actions = {**READ["a store of both"], "time": time_passes}
    seen: set[int] = set()
    for world, outcome in outcomes(
        beginning, actions, monkeypatch, preemptions=1, kind=LockingMetastore
    ):
        check(world, outcome, actions, locks=True)
        seen.update(versions_seen(world, outcome, actions))
    assert seen == {0, 1}


def versions_seen(world: World, outcome: Outcome, actions: Actions) -> list[int]:
    """Return which versions of the table the reader saw, in the order of its reads."""
    states = states_of(warehouse_of(world), actions["reader"].days)
    assert all(one in states for one in outcome.results["reader"]), f"a mixture: {outcome}"
    versions = [states.index(one) for one in outcome.results["reader"]]
    assert versions == sorted(versions), f"a later read saw an earlier version: {outcome}"
    return versions


def states_of(warehouse: Warehouse, days: tuple[str, ...] | None) -> list[dict[str, int]]:
    """Return the marks of partitions by day, at each version of the table that a read may see."""
    changes: dict[int, dict[str, int]] = {}
    for one in warehouse.show("model", "items").partitions:
        for entry in warehouse.history("model", "items", [one.partition], limit=None):
            if days is None or entry.partition in days:
                changes.setdefault(entry.version, {})[entry.partition] = mark_of(warehouse, entry)
    states: list[dict[str, int]] = [{}]
    for version in sorted(changes):
        states.append({**states[-1], **changes[version]})
    return states[len(BEFORE) :]


def test_the_explorer_finds_what_a_log_that_overwrites_would_lose(beginning, monkeypatch) -> None:
    """A broken protocol is found: the checks can fail."""

    def overwrite(self: DictStore, path: str, data: bytes) -> bool:
        self._world.step()
        self._world.objects[path] = data
        return True

    monkeypatch.setattr(DictStore, "put_if_absent", overwrite)
    actions = SCENARIOS["two stores of one partition"]
    with pytest.raises(Exception) as found:
        for world, outcome in outcomes(beginning, actions, monkeypatch, preemptions=2):
            check(world, outcome, actions)
    assert "schedule" in str(found.value) or "Inconsistent" in type(found.value).__name__


def test_the_explorer_finds_a_writer_that_trusts_a_lock_it_had(beginning, monkeypatch) -> None:
    monkeypatch.setattr(LockingMetastore, "sure", staticmethod(lambda *, held, lasted: held))
    actions = {**SCENARIOS["two stores of one partition"], "time": time_passes}
    with pytest.raises(AssertionError, match="a pointer is behind"):
        for world, outcome in outcomes(
            beginning, actions, monkeypatch, preemptions=2, kind=LockingMetastore
        ):
            check(world, outcome, actions, locks=True)

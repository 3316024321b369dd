"""The guarantees of a commit, under every schedule of two writers.

The schedules have few preemptions, and a crash anywhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import pandas as pd
import pytest

from airflow_sfx.core.errors import BatchNotFound, CommitConflict
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.storage import concurrency
from airflow_sfx.warehouse.batch import batch_writer
from airflow_sfx.warehouse.connection import Connection
from airflow_sfx.warehouse.table import tombstones
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.protocol.explorer import Actor, Outcome, Run, explore
from tests.protocol.world import DictStore, LockingMetastore, TwoStepMetastore, World

DAYS = ("p", "q")


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
    for mark in (1, 2):
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
    kind: type[TwoStepMetastore] = TwoStepMetastore,
) -> Iterator[tuple[World, Outcome]]:
    worlds: list[World] = []

    def scenario() -> tuple[Mapping[str, Actor], Callable[[Run], None]]:
        world = beginning.copy()
        worlds.append(world)

        def attach(run: Run) -> None:
            world.step = run.step
            monkeypatch.setattr(time, "sleep", run.sleep)

        return {
            name: (lambda act=act: act(warehouse_of(world, kind))) for name, act in actions.items()
        }, attach

    for outcome in explore(scenario, preemptions=preemptions, mortal=mortal):
        world = worlds.pop()
        world.step = lambda **_: None
        yield world, outcome


def check(world: World, outcome: Outcome) -> None:
    """Check the invariants, after one more operation has completed what was left."""
    warehouse = warehouse_of(world)
    told = f"schedule: {' '.join(outcome.schedule)}"
    unexpected = [
        e for e in outcome.errors.values() if not isinstance(e, (CommitConflict, BatchNotFound))
    ]
    assert not unexpected, f"{unexpected} {told}"
    assert world.objects.items() >= world.began.items(), (
        f"what was there before was changed or deleted; {told}"
    )
    shown = {one.values[0]: info.version for one, info in world.pointers.items()}
    repaired = any(repair.done for repair in warehouse.repair("model", "items"))
    assert not repaired or outcome.crashed or outcome.errors, f"a pointer is behind; {told}"
    histories = {day: warehouse.history("model", "items", [day], limit=None)[::-1] for day in DAYS}
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
        published = [entry.batch_id for entry in entries if entry.operation.value == "publish"]
        assert published == sorted(set(published)), f"batch IDs of {day} do not grow; {told}"
    known = {tuple(path.split("/")[-3:-1]) for path in world.began if path.endswith(".parquet")}
    for pin, mark in filter(None, outcome.results.values()):
        if isinstance(pin, BatchPin):
            for day, batch in pin.entries:
                assert batch in [entry.batch_id for entry in histories[day]], (
                    f"an acknowledged commit is lost; {told}"
                )
            marks = warehouse.load_dataframe(pin, as_="arrow")["mark"].to_pylist()
            assert marks == [mark] * len(pin.entries), f"a batch holds another's rows; {told}"
            known |= set(pin.entries)
    for day, batch in {
        (day, str(entry.batch_id)) for day, entries in histories.items() for entry in entries
    } - known:
        assert (
            len(warehouse.load_dataframe("model", "items", [day], batch_id=batch, as_="arrow")) == 1
        ), told
    groups: dict[str, set[str]] = {}
    for day, entries in histories.items():
        for entry in entries:
            groups.setdefault(entry.commit, set()).add(day)
    whole = {one: entries for one, entries in groups.items() if len(entries) > 1}
    assert all(len(days) in (1, len(DAYS)) for days in groups.values()), (
        f"half of a change took effect; {told}"
    )
    for one in whole:
        told_of = [
            shown[day] >= e.version
            for day, entries in histories.items()
            for e in entries
            if e.commit == one
        ]
        assert len(set(told_of)) == 1, (
            f"engines saw half of a change until somebody came by; {told}"
        )


def store(mark: int, *days: str) -> Callable[[Warehouse], object]:
    """Return a store that returns the pin and the mark."""
    return lambda warehouse: (
        warehouse.store_dataframe(frame(mark, days), "model", "items", partition_by=["day"]),
        mark,
    )


def roll_back(*days: str) -> Callable[[Warehouse], object]:
    def act(warehouse: Warehouse) -> None:
        warehouse.rollback("model", "items", list(days))

    return act


def read(warehouse: Warehouse) -> object:
    """Return what one call that names both partitions sees."""
    return tuple(warehouse.load_dataframe("model", "items", list(DAYS))["mark"]), None


SCENARIOS: dict[str, Actions] = {
    "two stores of one partition": {"A": store(3, "p"), "B": store(4, "p")},
    "two stores of both partitions": {"A": store(3, *DAYS), "B": store(4, *DAYS)},
    "a store of both and a store of one": {"A": store(3, *DAYS), "B": store(4, "q")},
    "a store of both and a rollback of both": {"A": store(3, *DAYS), "B": roll_back(*DAYS)},
    "a store and a rollback of one": {"A": store(3, "p"), "B": roll_back("p")},
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_promises_hold_under_every_schedule(beginning, monkeypatch, name: str) -> None:
    seen = 0
    for world, outcome in outcomes(beginning, SCENARIOS[name], monkeypatch, preemptions=2):
        check(world, outcome)
        assert not outcome.errors, outcome
        seen += 1
    assert seen > 100


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_promises_hold_when_a_writer_dies_at_any_step(
    beginning, monkeypatch, name: str
) -> None:
    deaths = 0
    for world, outcome in outcomes(
        beginning, SCENARIOS[name], monkeypatch, preemptions=1, mortal=("A",)
    ):
        check(world, outcome)
        assert "B" in outcome.results, f"a dead writer stopped another: {outcome}"
        deaths += bool(outcome.crashed)
    assert deaths > 20


def time_passes(warehouse: Warehouse) -> None:
    """The metastore's lock expires at any point of its holder's work."""
    assert isinstance(warehouse.metastore, LockingMetastore)
    warehouse.metastore.expire()


LOCKED = ("two stores of one partition", "a store and a rollback of one")


@pytest.mark.parametrize("name", LOCKED)
def test_a_lock_that_expires_at_any_step_leaves_no_pointer_behind(
    beginning, monkeypatch, name: str
) -> None:
    seen = 0
    actions = {**SCENARIOS[name], "time": time_passes}
    for world, outcome in outcomes(
        beginning, actions, monkeypatch, preemptions=1, kind=LockingMetastore
    ):
        check(world, outcome)
        assert not outcome.errors, outcome
        assert world.lock is None, "a lock is stranded"
        seen += 1
    assert seen > 100


@pytest.mark.parametrize("name", LOCKED)
def test_a_writer_that_dies_with_the_lock_stops_nobody(beginning, monkeypatch, name: str) -> None:
    deaths = 0
    for world, outcome in outcomes(
        beginning, SCENARIOS[name], monkeypatch, preemptions=1, mortal=("A",), kind=LockingMetastore
    ):
        check(world, outcome)
        assert "B" in outcome.results, f"a dead writer stopped another: {outcome}"
        deaths += world.lock is not None
    assert deaths > 0, "nobody died with the lock"


@pytest.mark.parametrize(("preemptions", "mortal"), [(2, ()), (1, ("A",))])
def test_a_reader_of_both_partitions_sees_one_change_or_the_other(
    beginning, monkeypatch, preemptions, mortal
) -> None:
    actions = {"A": store(3, *DAYS), "reader": read}
    seen = set()
    for world, outcome in outcomes(
        beginning, actions, monkeypatch, preemptions=preemptions, mortal=mortal
    ):
        check(world, outcome)
        marks, _ = outcome.results["reader"]
        assert marks in {(2, 2), (3, 3)}, outcome
        seen.add(marks)
    assert seen == {(2, 2), (3, 3)}


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
            check(world, outcome)
    assert "schedule" in str(found.value) or "Inconsistent" in type(found.value).__name__


def test_the_explorer_finds_a_writer_that_trusts_a_lock_it_had(beginning, monkeypatch) -> None:
    monkeypatch.setattr(LockingMetastore, "sure", staticmethod(lambda *, held, lasted: held))
    actions = {**SCENARIOS["two stores of one partition"], "time": time_passes}
    with pytest.raises(AssertionError, match="a pointer is behind"):
        for world, outcome in outcomes(
            beginning, actions, monkeypatch, preemptions=2, kind=LockingMetastore
        ):
            check(world, outcome)

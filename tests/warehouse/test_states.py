"""All operations in any order, compared with a model that is a list of batches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect

DAYS = st.sampled_from(["d1", "d2", "d3"])


class Model:
    """The model of a partition: batches with content and predecessor, and history.

    Args:
        table: The partitions and batches that each version of the table has, oldest first.
    """

    def __init__(self, table: list[dict[str, str]]) -> None:
        self.table = table
        self.content: dict[str, int] = {}
        self.before: dict[str, str | None] = {}
        self.history: list[str | None] = []
        self.versions: list[int] = []
        self.times: list[datetime] = []

    @property
    def current(self) -> str | None:
        return self.history[-1] if self.history else None

    def publish(self, batch: str) -> None:
        self.before[batch] = self.current
        self.move(batch)

    def move(self, batch: str | None) -> None:
        """Change the current batch, in the version that follows."""
        self.history.append(batch)
        self.versions.append(len(self.table) + 1)
        self.times.append(datetime.now(UTC))


class WarehouseMachine(RuleBasedStateMachine):
    new_uri: Callable[[], str]

    @initialize()
    def begin(self) -> None:
        self.warehouse = connect(self.new_uri())
        self.table: list[dict[str, str]] = []
        self.model = {day: Model(self.table) for day in ("d1", "d2", "d3")}
        self.staged: list[sfx.BatchPin] = []
        self.value = 0

    def _committed(self) -> None:
        """Note what the table has in the version that was just made."""
        now = {day: model.current for day, model in self.model.items()}
        self.table.append({day: batch for day, batch in now.items() if batch})

    def _frame(self) -> pd.DataFrame:
        self.value += 1
        return pd.DataFrame({"value": [self.value] * 2})

    @rule(day=DAYS)
    def store(self, day: str) -> None:
        pin = self.warehouse.store_dataframe(
            self._frame(), "db", "t", [day], partition_keys=["day"]
        )
        self._wrote(pin)
        self.model[day].publish(pin.batch_id)
        self._committed()

    @rule(days=st.sets(DAYS, min_size=2))
    def store_many(self, days: set[str]) -> None:
        self.value += 1
        frame = pd.DataFrame({"day": sorted(days), "value": self.value})
        frame = pd.concat([frame, frame], ignore_index=True)
        pin = self.warehouse.store_dataframe(frame, "db", "t", partition_by=["day"])
        self._wrote(pin)
        for day in days:
            self.model[day].publish(pin.batch_id)
        self._committed()

    @rule(day=DAYS)
    def stage(self, day: str) -> None:
        pin = self.warehouse.store_dataframe(
            self._frame(), "db", "t", [day], partition_keys=["day"], publish=False
        )
        self._wrote(pin)
        self.staged.append(pin)

    @precondition(lambda self: self.staged)
    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        pin = self.staged.pop(data.draw(st.integers(0, len(self.staged) - 1)))
        ((day, batch),) = pin.entries
        current = self.model[day].current
        if current is not None and current > batch:
            with pytest.raises(sfx.CommitConflict):
                self.warehouse.publish(pin)
            return
        self.warehouse.publish(pin)
        self.model[day].publish(batch)
        self._committed()

    @rule(day=DAYS)
    def roll_back(self, day: str) -> None:
        model = self.model[day]
        target = model.before.get(model.current) if model.current else None
        if target is None:
            with pytest.raises((sfx.BatchNotFound, sfx.PartitionNotFound, sfx.TableNotFound)):
                self.warehouse.rollback("db", "t", [day])
            return
        assert self.warehouse.rollback("db", "t", [day]).batch_id == target
        model.move(target)
        self._committed()

    @rule(day=DAYS, data=st.data())
    def roll_back_to(self, day: str, data: st.DataObject) -> None:
        model = self.model[day]
        if not model.history:
            return
        target = data.draw(st.sampled_from(sorted({batch for batch in model.history if batch})))
        self.warehouse.rollback("db", "t", [day], to=target)
        if target != model.current:
            model.move(target)
            self._committed()

    @precondition(lambda self: self.table)
    @rule(data=st.data(), days=st.none() | st.sets(DAYS, min_size=1))
    def roll_back_to_version(self, data: st.DataObject, days: set[str] | None) -> None:
        version = data.draw(st.integers(1, len(self.table)))
        known = {day for day, model in self.model.items() if model.history}
        scope = known if days is None else days
        named = None if days is None else sorted(days)
        if not scope <= known:
            with pytest.raises(sfx.PartitionNotFound):
                self.warehouse.rollback("db", "t", named, to_version=version)
            return
        then = self.table[version - 1]
        plan = self.warehouse.plan_rollback("db", "t", named, to_version=version)
        pin = self.warehouse.rollback("db", "t", named, to_version=version)
        assert pin.batches == {day: batch for day, batch in then.items() if day in scope}
        moved = {day for day in scope if self.model[day].current != then.get(day)}
        assert {step.partition for step in plan if step.previous != step.batch_id} == moved
        for day in moved:
            self.model[day].move(then.get(day))
        if moved:
            self._committed()

    @rule()
    def repair_finds_nothing(self) -> None:
        if any(model.history or model.content for model in self.model.values()):
            assert self.warehouse.repair("db", "t") == []

    @invariant()
    def reads_are_as_the_model_says(self) -> None:
        for day, model in getattr(self, "model", {}).items():
            if model.current is None:
                continue
            frame = self.warehouse.load_dataframe("db", "t", [day])
            assert frame["value"].tolist() == [model.content[model.current]] * 2
            assert self.warehouse.pin("db", "t", [day]).batch_id == model.current

    @invariant()
    def history_is_as_the_model_says(self) -> None:
        for day, model in getattr(self, "model", {}).items():
            if not model.history:
                continue
            entries = self.warehouse.history("db", "t", [day], limit=None)
            assert [entry.batch_id for entry in reversed(entries)] == model.history
            assert [entry.version for entry in reversed(entries)] == model.versions
            middle = len(model.history) // 2
            if (then := model.history[middle]) is not None:
                at = model.times[middle]
                frame = self.warehouse.load_dataframe("db", "t", [day], as_of=at)
                assert frame["value"].tolist() == [model.content[then]] * 2

    @invariant()
    def versions_are_as_the_model_says(self) -> None:
        table = getattr(self, "table", [])
        for version in {len(table), (len(table) + 1) // 2}:
            wanted = table[version - 1] if version else {}
            if not wanted:
                continue
            assert self.warehouse.pin("db", "t", version=version).batches == wanted
            day, batch = next(iter(wanted.items()))
            frame = self.warehouse.load_dataframe("db", "t", [day], version=version)
            assert frame["value"].tolist() == [self.model[day].content[batch]] * 2
            feed = self.warehouse.changes("db", "t", since=version - 1)
            assert [one.version for one in feed] == list(range(version, len(table) + 1))

    @invariant()
    def every_batch_ever_written_is_still_there(self) -> None:
        for day, model in getattr(self, "model", {}).items():
            for batch, value in model.content.items():
                frame = self.warehouse.load_dataframe("db", "t", [day], batch_id=batch)
                assert frame["value"].tolist() == [value] * 2

    def _wrote(self, pin: sfx.BatchPin) -> None:
        for day, batch in pin.entries:
            assert batch > max(self.model[day].content, default="")
            self.model[day].content[batch] = self.value


@pytest.mark.parametrize(("kind", "examples", "steps"), [("embedded", 25, 20), ("stack", 4, 12)])
def test_operations_in_any_order_do_what_the_model_says(
    request, kind: str, examples: int, steps: int
) -> None:
    machine = type(
        "Machine",
        (WarehouseMachine,),
        {"new_uri": staticmethod(request.getfixturevalue(f"new_{kind}_uri"))},
    )
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )

"""Store, drop, restore and rename in random order, beside a model."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field

import pandas as pd
import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import airflow_sfx as sfx
from airflow_sfx.core.table import TableRef

NAMES, PARTS = st.sampled_from(["x", "y", "z"]), st.sampled_from(["a", "b", "c"])


@dataclass
class Model:
    """A table: its current values, those of dropped partitions, and those dropped with it."""

    current: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    gone: dict[str, int] | None = None


class Ends(RuleBasedStateMachine):
    """All operations that end partitions, tables and names."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.warehouse = sfx.connect(f"embedded://{self.folder.name}/w")
        self.tables: dict[str, Model] = {}
        self.pins: list[tuple[sfx.BatchPin, int]] = []
        self.number = 0

    def teardown(self) -> None:
        """Remove the warehouse."""
        self.folder.cleanup()

    def names(self, *, gone: bool) -> list[str]:
        """The tables that are dropped, or that are not."""
        return [name for name, one in self.tables.items() if (one.gone is not None) is gone]

    @rule(name=NAMES, part=PARTS)
    def store(self, name: str, part: str) -> None:
        self.number += 1
        frame = pd.DataFrame({"n": [self.number]})
        pin = self.warehouse.store_dataframe(frame, "s", name, [part])
        self.pins.append((pin, self.number))
        model = self.tables.setdefault(name, Model())
        model.gone = None
        model.current[part] = self.number
        model.ended.pop(part, None)

    @precondition(lambda self: self.names(gone=False))
    @rule(data=st.data())
    def drop_partition(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.names(gone=False)))
        model, part = self.tables[name], data.draw(PARTS)
        if part not in model.current:
            with pytest.raises(sfx.PartitionNotFound):
                self.warehouse.drop("s", name, [part])
            return
        self.warehouse.drop("s", name, [part])
        model.ended[part] = model.current.pop(part)

    @precondition(lambda self: any(one.ended for one in self.tables.values()))
    @rule(data=st.data())
    def undo_partition(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from([n for n, one in self.tables.items() if one.ended]))
        model = self.tables[name]
        part = data.draw(st.sampled_from(sorted(model.ended)))
        self.warehouse.rollback("s", name, [part])
        model.current[part], model.gone = model.ended.pop(part), None

    @precondition(lambda self: self.names(gone=False))
    @rule(data=st.data())
    def drop_table(self, data: st.DataObject) -> None:
        model = self.tables[name := data.draw(st.sampled_from(self.names(gone=False)))]
        self.warehouse.drop("s", name)
        model.gone, model.current = model.current, {}
        model.ended |= model.gone

    @precondition(lambda self: self.names(gone=True))
    @rule(data=st.data())
    def restore_table(self, data: st.DataObject) -> None:
        model = self.tables[name := data.draw(st.sampled_from(self.names(gone=True)))]
        self.warehouse.rollback("s", name)
        model.current, model.gone = model.gone or {}, None
        for part in model.current:
            del model.ended[part]

    @precondition(lambda self: self.tables)
    @rule(data=st.data(), to=NAMES)
    def rename(self, data: st.DataObject, to: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.tables)))
        if to in self.tables:
            with pytest.raises(sfx.InvalidName):
                self.warehouse.rename("s", name, "s", to)
            return
        self.warehouse.rename("s", name, "s", to)
        self.tables[to] = self.tables.pop(name)

    @invariant()
    def readers_see_what_is_current(self) -> None:
        assert {ref.table for ref in self.warehouse.tables()} == set(self.names(gone=False))
        for name, model in self.tables.items():
            if model.gone is not None:
                with pytest.raises(sfx.TableNotFound, match="was dropped"):
                    self.warehouse.load_dataframe("s", name)
                continue
            there = self.warehouse.metastore.list_partitions(TableRef("s", name))
            assert {one.values[0] for one in there} == set(model.current)
            if model.current:
                frame = self.warehouse.load_dataframe("s", name)
                assert dict(zip(frame["partition"], frame["n"], strict=True)) == model.current

    @invariant()
    def every_pin_loads(self) -> None:
        for pin, number in self.pins:
            assert self.warehouse.load_dataframe(pin)["n"].tolist() == [number]

    @invariant()
    def nothing_needs_a_repair(self) -> None:
        for name in self.names(gone=False):
            assert self.warehouse.repair("s", name) == []


Ends.TestCase.settings = settings(max_examples=25, stateful_step_count=14, deadline=None)
TestEnds = Ends.TestCase

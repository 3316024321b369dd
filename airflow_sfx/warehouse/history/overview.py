"""A table at a glance: one look at the metastore, and for the partitions that somebody looks at, what state they are in."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from airflow_sfx.core.ledger import Operation
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.warehouse.batch.staging import noted_pins, staged_pins
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.metastore_sync import foreign_changes, hints
from airflow_sfx.warehouse.table.table import Table


class State(StrEnum):
    """What a person should know of a partition first; of several, the one further down."""

    CURRENT = "current"
    ROLLED_BACK = "rolled back"
    STAGED = "staged"
    FAILED_CHECK = "failed check"
    FOREIGN_CHANGE = "foreign change"


@dataclass(frozen=True, slots=True)
class PartitionOverview:
    """A partition as it is now, and its state.

    Args:
        partition: Its name.
        state: What to know first.
        batch_id: Its current batch; None where it has none.
        rows: Rows of the current batch; None where nobody counted.
        bytes: Bytes of the current batch; None where nobody counted.
        at: When it became current, in UTC; None where nobody said.
        staged: The newest batch that waits to be published; None for none.
    """

    partition: str
    state: State
    batch_id: str | None
    rows: int | None
    bytes: int | None
    at: datetime | None
    staged: str | None


def partition_names(table: Table) -> list[str]:
    """The names of a table's partitions, as `TableOverview.names` of the whole table, and far faster where there are many.

    Of those that only have a batch that was staged once, some may have none any more.

    Args:
        table: The table.

    Returns:
        The names in their order.
    """
    staged = {name for pin in noted_pins(table) for name in pin.batches}
    return sorted({*table.names(), *staged})


@dataclass(frozen=True, slots=True)
class TableOverview:
    """Partitions of a table as they were at one moment.

    Args:
        table: The table.
        pointers: The metastore's pointers by partition name.
        staged: The newest batch that waits to be published, by partition name.
    """

    table: Table
    pointers: Mapping[str, PartitionInfo]
    staged: Mapping[str, str]

    @classmethod
    def of(cls, table: Table, wanted: Sequence[Partition] | None = None) -> TableOverview:
        """Look at a table: one call to the metastore, and the notes of what is staged.

        Args:
            table: The table.
            wanted: Which partitions; None for all.

        Returns:
            What is there.
        """
        pointers = table.pointers(wanted)
        names = None if wanted is None else {table.layout.name(partition) for partition in wanted}
        waiting: dict[str, str] = {}
        for pin in staged_pins(table, Ledger(table), pointers, names):
            waiting |= pin.batches
        return cls(table, pointers, waiting)

    @property
    def names(self) -> list[str]:
        """The partitions that the metastore has, and those with a staged batch alone, in the order of their names."""
        return sorted(self.pointers.keys() | self.staged.keys())

    @property
    def rows(self) -> int:
        """Rows of all current batches that were counted."""
        return sum(info.rows or 0 for info in self.pointers.values())

    @property
    def bytes(self) -> int:
        """Bytes of all current batches that were counted."""
        return sum(info.bytes or 0 for info in self.pointers.values())

    @property
    def usual_rows(self) -> float | None:
        """How many rows a partition usually has: the median; None where nobody counted any."""
        counted = [
            info.rows for info in self.pointers.values() if info.batch_id and info.rows is not None
        ]
        return statistics.median(counted) if counted else None

    @property
    def newest(self) -> datetime | None:
        """When a partition became what it is last, in UTC; None where nobody said."""
        return max(
            (datetime.fromisoformat(info.at) for info in self.pointers.values() if info.at),
            default=None,
        )

    def partitions(self, names: Sequence[str]) -> list[PartitionOverview]:
        """What state some partitions are in; reads the head of each one's ledger.

        Args:
            names: Their names.

        Returns:
            One for each name, in this order.
        """
        ledger = Ledger(self.table)
        there = {name: self.pointers[name] for name in names if name in self.pointers}
        heads = ledger.likely_heads(hints(there, there))
        foreign = foreign_changes(self.table, there, heads)
        failed = self._failed([name for name in names if name in self.staged])
        found = []
        for name in names:
            entry = heads[name].entry if name in heads else None
            state = State.CURRENT
            if entry is not None and entry.operation is Operation.ROLLBACK:
                state = State.ROLLED_BACK
            if name in self.staged:
                state = State.FAILED_CHECK if name in failed else State.STAGED
            if name in foreign:
                state = State.FOREIGN_CHANGE
            info = there.get(name)
            at = datetime.fromisoformat(info.at) if info and info.at else None
            current = (info.batch_id, info.rows, info.bytes) if info else (None, None, None)
            found.append(PartitionOverview(name, state, *current, at, self.staged.get(name)))
        return found

    def pin(self, name: str) -> BatchPin | None:
        """The pin of a partition's current batch; None where it has none."""
        batch = self.pointers[name].batch_id if name in self.pointers else None
        return self.table.pin({name: batch}) if batch else None

    def _failed(self, names: Sequence[str]) -> set[str]:
        manifests = self.table.manifests({name: self.staged[name] for name in names})
        return {one.partition for one in manifests if any(not check.passed for check in one.checks)}

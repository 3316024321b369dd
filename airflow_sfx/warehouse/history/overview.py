"""An overview of a table: one call to the metastore, and states on request."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from airflow_sfx.core.log_entry import Operation
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.warehouse.batch.staging import recorded_pins, staged_batches
from airflow_sfx.warehouse.log.metastore_sync import foreign_changes
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.table.table import Table


class State(StrEnum):
    """The most important state of a partition; of several, the last one counts."""

    CURRENT = "current"
    ROLLED_BACK = "rolled back"
    STAGED = "staged"
    FAILED_CHECK = "failed check"
    FOREIGN_CHANGE = "foreign change"


@dataclass(frozen=True, slots=True)
class PartitionOverview:
    """The current state of a partition.

    Args:
        partition: The partition's name.
        state: The most important state.
        batch_id: The current batch, or None.
        rows: The rows of the current batch, or None if unknown.
        bytes: The bytes of the current batch, or None if unknown.
        at: When it became current, in UTC, or None if unknown.
        staged: The newest staged batch that waits to be published, or None.
    """

    partition: str
    state: State
    batch_id: str | None
    rows: int | None
    bytes: int | None
    at: datetime | None
    staged: str | None


def partition_names(table: Table) -> list[str]:
    """Return the names of a table's partitions, without reading their states.

    This is faster than `TableOverview.names` for many partitions. Of partitions that the metastore
    does not have, those with a staged batch that was not discarded are included.

    Args:
        table: The table.

    Returns:
        The names, sorted.
    """
    there = set(table.names())
    pins = recorded_pins(table)
    others = {name for pin in pins for name in pin.batches} - there
    if not others:
        return sorted(there)
    found = staged_batches(table, PartitionLog(table), others, pins=pins)
    return sorted(there.union(*(pin.batches for pin in (*found.waiting, *found.overtaken))))


@dataclass(frozen=True, slots=True)
class TableOverview:
    """The partitions of a table at one moment.

    Args:
        table: The table.
        pointers: The metastore's pointers, by partition name.
        staged: The newest staged batch that waits to be published, by partition name.
    """

    table: Table
    pointers: Mapping[str, PartitionInfo]
    staged: Mapping[str, str]

    @classmethod
    def of(cls, table: Table, wanted: Sequence[Partition] | None = None) -> TableOverview:
        """Read a table with one call to the metastore, and its staged batches.

        Args:
            table: The table.
            wanted: The partitions, or None for all.

        Returns:
            The overview.
        """
        pointers = table.pointers(wanted)
        names = None if wanted is None else {table.layout.name(partition) for partition in wanted}
        found = staged_batches(table, PartitionLog(table), names)
        waiting: dict[str, str] = {}
        for pin in found.waiting:
            waiting |= pin.batches
        return cls(table, pointers, waiting)

    @property
    def names(self) -> list[str]:
        """The names of all partitions in the metastore or with a staged batch, sorted."""
        return sorted(self.pointers.keys() | self.staged.keys())

    @property
    def rows(self) -> int:
        """The total rows of current batches, as far as they are known."""
        return sum(info.rows or 0 for info in self.pointers.values())

    @property
    def bytes(self) -> int:
        """The total bytes of current batches, as far as they are known."""
        return sum(info.bytes or 0 for info in self.pointers.values())

    @property
    def usual_rows(self) -> float | None:
        """The median of the partitions' rows, or None if unknown."""
        counted = [
            info.rows for info in self.pointers.values() if info.batch_id and info.rows is not None
        ]
        return statistics.median(counted) if counted else None

    @property
    def newest(self) -> datetime | None:
        """The time of the last change of any partition, in UTC, or None if unknown."""
        return max(
            (datetime.fromisoformat(info.at) for info in self.pointers.values() if info.at),
            default=None,
        )

    def partitions(self, names: Sequence[str]) -> list[PartitionOverview]:
        """Return the states of some partitions, from their heads.

        Args:
            names: The partitions' names.

        Returns:
            One state for each name, in this order.
        """
        log = PartitionLog(self.table)
        there = {name: self.pointers[name] for name in names if name in self.pointers}
        heads = log.heads(there)
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
        """Return the pin of a partition's current batch, or None if it has none."""
        batch = self.pointers[name].batch_id if name in self.pointers else None
        return self.table.pin({name: batch}) if batch else None

    def _failed(self, names: Sequence[str]) -> set[str]:
        manifests = self.table.manifests({name: self.staged[name] for name in names})
        return {one.partition for one in manifests if any(check.blocks for check in one.checks)}

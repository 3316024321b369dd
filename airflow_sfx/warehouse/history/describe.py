"""The current state of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.schema import Column, ColumnKind
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.warehouse.batch.staging import staged_batches
from airflow_sfx.warehouse.history.last_change import last_change
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.log.resolve import pointers_now
from airflow_sfx.warehouse.results import Tabular
from airflow_sfx.warehouse.table.table import Table, key_kinds_in


def table_state(table: Table, log: PartitionLog) -> TableState:
    """Describe a table from one read of the metastore and the staged batches.

    Args:
        table: The table.
        log: The table's log.

    Returns:
        The current state.
    """
    pointers = pointers_now(table, log)
    staged = staged_batches(table, log)
    kinds = key_kinds_in(table.info.parameters)
    times = (datetime.fromisoformat(one.at) for one in pointers.values() if one.at)
    return TableState(
        table.ref.database,
        table.ref.table,
        table.location,
        table.info.columns,
        tuple(Column(key.name, key.type, _kind(kinds.get(key.name))) for key in table.info.keys),
        tuple(_state(name, info) for name, info in pointers.items() if info.batch_id),
        tuple(staged.waiting),
        tuple(staged.overtaken),
        last_change(log, max(times, default=None)),
    )


def _kind(key: str | None) -> ColumnKind:
    return ColumnKind() if key is None else ColumnKind((("", key),))


def _state(name: str, info: PartitionInfo) -> PartitionState:
    at = datetime.fromisoformat(info.at) if info.at else None
    return PartitionState(
        name, info.batch_id, info.version, info.rows, info.bytes, at, info.location
    )


@dataclass(frozen=True, slots=True)
class PartitionState:
    """The current state of a partition.

    Args:
        partition: The partition's name.
        batch_id: The current batch, or None.
        version: The number of the log entry that made it current.
        rows: The rows of the current batch, or None if unknown.
        bytes: The bytes of the current batch, or None if unknown.
        at: When it became current, in UTC, or None if unknown.
        location: The URI of the directory that readers read.
    """

    partition: str
    batch_id: str | None
    version: int
    rows: int | None
    bytes: int | None
    at: datetime | None
    location: str


@dataclass(frozen=True, slots=True)
class TableState(Tabular):
    """The current state of a table.

    Args:
        database: The database.
        table: The name of the table.
        location: The URI of its directory.
        columns: Its columns, without the partition keys.
        keys: Its partition keys, as columns.
        partitions: Its partitions with a current batch, sorted by name.
        staged: Its staged batches that wait to be published.
        overtaken: Its staged batches that were written before the batch that is current now.
        changed_at: When other batches became current last, or none did, in UTC; or None.
    """

    database: str
    table: str
    location: str
    columns: tuple[Column, ...]
    keys: tuple[Column, ...]
    partitions: tuple[PartitionState, ...]
    staged: tuple[BatchPin, ...]
    overtaken: tuple[BatchPin, ...] = ()
    changed_at: datetime | None = None

    def table_rows(self) -> Sequence[object]:
        """Return the partitions."""
        return self.partitions

    @property
    def rows(self) -> int:
        """The total rows of current batches, as far as they are known."""
        return sum(state.rows or 0 for state in self.partitions)

    @property
    def bytes(self) -> int:
        """The total bytes of current batches, as far as they are known."""
        return sum(state.bytes or 0 for state in self.partitions)

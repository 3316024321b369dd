"""A table as it is now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.schema import Column, ColumnKind
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.warehouse.batch.staging import staged_pins
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.resolve import pointers_now
from airflow_sfx.warehouse.table.table import Table, key_kinds_in


def table_state(table: Table, ledger: Ledger) -> TableState:
    """Describe a table from what the metastore has at one moment and the notes of what is staged.

    Args:
        table: The table.
        ledger: Its ledgers.

    Returns:
        Its state.
    """
    pointers, _ = pointers_now(table, ledger)
    kinds = key_kinds_in(table.info.parameters)
    return TableState(
        table.ref.database,
        table.ref.table,
        table.location,
        table.info.columns,
        tuple(Column(key.name, key.type, _kind(kinds.get(key.name))) for key in table.info.keys),
        tuple(_state(name, info) for name, info in pointers.items() if info.batch_id),
        tuple(staged_pins(table, ledger, pointers)),
    )


def _kind(key: str | None) -> ColumnKind:
    return ColumnKind() if key is None else ColumnKind((("", key),))


def _state(name: str, info: PartitionInfo) -> PartitionState:
    at = datetime.fromisoformat(info.at) if info.at else None
    return PartitionState(
        name, info.batch_id, info.sequence, info.rows, info.bytes, at, info.location
    )


@dataclass(frozen=True, slots=True)
class PartitionState:
    """A partition as it is now.

    Args:
        partition: Its name.
        batch_id: Its current batch; None where it has none.
        sequence: The number of the ledger entry that made it current.
        rows: Rows of the current batch; None where nobody counted.
        bytes: Bytes of the current batch; None where nobody counted.
        at: When it became current, in UTC; None where nobody said.
        location: The directory that readers read, as a URI.
    """

    partition: str
    batch_id: str | None
    sequence: int
    rows: int | None
    bytes: int | None
    at: datetime | None
    location: str


@dataclass(frozen=True, slots=True)
class TableState:
    """A table as it is now.

    Args:
        database: Its database.
        table: Its name.
        location: Its directory as a URI.
        columns: Its columns, without the partition keys.
        keys: Its partition keys, as columns.
        partitions: Its partitions with a current batch, by name.
        staged: Complete batches that wait to be published.
    """

    database: str
    table: str
    location: str
    columns: tuple[Column, ...]
    keys: tuple[Column, ...]
    partitions: tuple[PartitionState, ...]
    staged: tuple[BatchPin, ...]

    @property
    def rows(self) -> int:
        """Rows of all current batches that were counted."""
        return sum(state.rows or 0 for state in self.partitions)

    @property
    def bytes(self) -> int:
        """Bytes of all current batches that were counted."""
        return sum(state.bytes or 0 for state in self.partitions)

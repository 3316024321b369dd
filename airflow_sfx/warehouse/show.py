"""A table as it is now."""

from __future__ import annotations

from datetime import datetime

from airflow_sfx.core.schema import Column, ColumnKind
from airflow_sfx.metastore.metastore import PartitionInfo
from airflow_sfx.warehouse.current import pointers_now
from airflow_sfx.warehouse.ledger import Ledger
from airflow_sfx.warehouse.opened import OpenTable, key_kinds_in
from airflow_sfx.warehouse.reports import PartitionState, TableState
from airflow_sfx.warehouse.staged import staged_pins


def table_state(table: OpenTable, ledger: Ledger) -> TableState:
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
    return PartitionState(name, info.batch_id, info.sequence, info.rows, info.bytes, at, info.location)

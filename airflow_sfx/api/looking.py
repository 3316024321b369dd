"""Tables, histories and audits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_sfx.api.connecting import warehouse_of
from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from airflow_sfx.warehouse.history.audit import AuditReport
    from airflow_sfx.warehouse.history.describe import TableState


def tables(
    *,
    warehouse: Warehouse | str | None = None,
) -> list[TableRef]:
    """All tables, sorted. Those that a catalog calls by a name that no call takes are left out, with a warning.

    Args:
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The tables, those that something else made among them.

    Example:
        >>> [str(table) for table in sfx.tables()]
        ['sales.sold_items']
    """
    return warehouse_of(warehouse).tables()


def show(
    db: str,
    table: str,
    *,
    warehouse: Warehouse | str | None = None,
) -> TableState:
    """A table as it is now: columns, partitions, and what is staged.

    Args:
        db: The database.
        table: The table.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        Its state.

    Raises:
        TableNotFound: There is no such table.

    Example:
        >>> [one.batch_id == oops.batch_id for one in sfx.show("sales", "sold_items").partitions]
        [True]
    """
    return warehouse_of(warehouse).show(db, table)


def history(
    db: str,
    table: str,
    partition: Sequence[object] | None = None,
    *,
    limit: int | None = 100,
    warehouse: Warehouse | str | None = None,
) -> list[LedgerEntry]:
    """The changes of one partition, newest first; or, with no partition named, of the whole table.

    Args:
        db: The database.
        table: The table.
        partition: The partition's values; None for all partitions, by time.
        limit: How many entries at the most; None for all.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The entries.

    Raises:
        TableNotFound: There is no such table.
        PartitionNotFound: There never was such a partition.
        InvalidName: The limit is no whole number, or below zero.

    Example:
        >>> [(entry.sequence, entry.operation.value) for entry in sfx.history("sales", "sold_items", ["20161031"])]
        [(2, 'publish'), (1, 'publish')]
    """
    return warehouse_of(warehouse).history(db, table, partition, limit=limit)


def audit(
    db: str,
    table: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    actor: str | None = None,
    dag_id: str | None = None,
    run_id: str | None = None,
    limit: int | None = None,
    foreign: bool = True,
    files: bool | None = None,
    warehouse: Warehouse | str | None = None,
) -> AuditReport:
    """What changed in a table during a time, by whom; and what something else did to it.

    Args:
        db: The database.
        table: The table.
        since: From this time on, with a time zone; None for the beginning.
        until: Before this time, with a time zone; None for now.
        actor: Changes of this user only.
        dag_id: Changes of this DAG only.
        run_id: Changes of this DAG run only.
        limit: How many changes, the newest; None for all.
        foreign: Whether to look for what something else did, too: that takes a look at all
            partitions.
        files: Whether to compare the files of the current batches with what was written, too; None
            for tables of up to 1,000 partitions.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The changes, newest first, and the partitions that something else has moved or written.

    Raises:
        TableNotFound: There is no such table.
        InvalidName: A time has no time zone.

    Example:
        >>> [entry.batch_id for entry in sfx.audit("sales", "sold_items").entries] == [oops.batch_id, good.batch_id]
        True
    """
    return warehouse_of(warehouse).audit(
        db,
        table,
        since=since,
        until=until,
        actor=actor,
        dag_id=dag_id,
        run_id=run_id,
        limit=limit,
        foreign=foreign,
        files=files,
    )

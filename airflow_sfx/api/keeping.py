"""Gives batches up: retention and erasure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_sfx.core.producer import Producer
from airflow_sfx.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from airflow_sfx.warehouse.retention.erasure import ErasureReport
    from airflow_sfx.warehouse.retention.expire import RetentionReport
from airflow_sfx.api.connecting import warehouse_of


def retain(
    db: str,
    table: str,
    *,
    keep_last: int,
    older_than: timedelta,
    grace: timedelta = timedelta(days=1),
    dry_run: bool = True,
    reason: str = "",
    producer: Producer | None = None,
    warehouse: Warehouse | str | None = None,
) -> RetentionReport:
    """Retire batches that nobody needs any more, and delete the files of those that were retired long enough ago.

    What is current, staged, adopted, or held by a durable pin stays. A retired batch cannot be
    pinned durably, published or rolled back to. Its files are deleted by a call after its time of
    grace.

    Args:
        db: The database.
        table: The table.
        keep_last: How many batches of each partition stay, the current one among them.
        older_than: For how long a batch must have been out of use.
        grace: For how long the files of a retired batch stay: longer than any task may go on
            reading a pin that it does not hold durably.
        dry_run: Only tell what would be done.
        reason: Why, for the history.
        producer: Who; the process's own identity when absent.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        What would be done, or was.

    Raises:
        TableNotFound: There is no such table.
        InvalidName: ``keep_last`` or a time is too small, or ``dry_run`` is no bool.

    Example:
        >>> from datetime import timedelta
        >>> plan = sfx.retain("sales", "sold_items", keep_last=1, older_than=timedelta(0))
        >>> [one.batch_id == good.batch_id for one in plan.retired], plan.dry_run
        ([True], True)
    """
    return warehouse_of(warehouse).retain(
        db,
        table,
        keep_last=keep_last,
        older_than=older_than,
        grace=grace,
        dry_run=dry_run,
        reason=reason,
        producer=producer,
    )


def erase(
    db: str,
    table: str,
    *,
    where: str,
    grace: timedelta = timedelta(days=1),
    despite_pins: bool = False,
    dry_run: bool = True,
    reason: str = "",
    producer: Producer | None = None,
    warehouse: Warehouse | str | None = None,
) -> ErasureReport:
    """Erase a person's rows from every batch that the table retains: current, earlier and staged.

    Args:
        db: The database.
        table: The table.
        where: Which rows, as a condition of SQL: comparisons, IN, BETWEEN and IS NULL of columns
            and literals, with AND, OR and NOT.
        grace: For how long the files that hold the rows stay, for tasks that are reading them.
        despite_pins: Delete also what durable pins hold.
        dry_run: Only tell what would be done.
        reason: Why, for the history: the number of a request, and no name.
        producer: Who; the process's own identity when absent.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        What would be done, or was.

    Raises:
        TableNotFound: There is no such table.
        SchemaMismatch: The condition is not understood, or names a column that no batch has.
        InvalidName: The time of grace is below zero, or an argument is of another kind.

    Example:
        >>> report = sfx.erase("sales", "sold_items", where="n = -9", dry_run=False, reason="request 17")
        >>> report.erased, sfx.load_dataframe("sales", "sold_items")["n"].tolist()
        (1, [2])
    """
    return warehouse_of(warehouse).erase(
        db,
        table,
        where=where,
        grace=grace,
        despite_pins=despite_pins,
        dry_run=dry_run,
        reason=reason,
        producer=producer,
    )

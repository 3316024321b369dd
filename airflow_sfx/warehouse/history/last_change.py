"""When a table last changed, also by an undo to no batch and by a drop."""

from __future__ import annotations

from datetime import datetime

from airflow_sfx.warehouse.log.ledger import Ledger


def last_change(ledger: Ledger, known: datetime | None) -> datetime | None:
    """Return when other batches of a table became current last, or none did.

    Args:
        ledger: The table's log.
        known: The last change of its present partitions, in UTC, or None.

    Returns:
        The time in UTC, or None for a table that never changed.

    Raises:
        InconsistentBatch: A log entry is damaged.
    """
    for version in range(ledger.look().version, 0, -1):
        at = ledger.header(version).at
        if known is not None and at <= known:
            return known
        if any(change.moved for change in ledger.changes(version)):
            return at
    return known

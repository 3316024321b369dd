"""When a table last changed, also by an undo to no batch and by a drop."""

from __future__ import annotations

from datetime import datetime

from airflow_sfx.warehouse.log.partition_log import PartitionLog


def last_change(log: PartitionLog, known: datetime | None) -> datetime | None:
    """Return when other batches of a table became current last, or none did.

    Args:
        log: The table's log.
        known: The last change of its present partitions, in UTC, or None.

    Returns:
        The time in UTC, or None for a table that never changed.

    Raises:
        InconsistentBatch: A log entry is damaged.
    """
    for version in range(log.look().version, 0, -1):
        at = log.header(version).at
        if known is not None and at <= known:
            return known
        if any(change.moved for change in log.changes(version)):
            return at
    return known

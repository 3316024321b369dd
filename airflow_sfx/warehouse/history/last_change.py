"""When a table last changed, also by an undo to no batch and by a drop."""

from __future__ import annotations

from datetime import datetime

from airflow_sfx.core.paths import commit_time
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.records import CommitRecord, read_commit
from airflow_sfx.warehouse.table.table import Table


def last_change(table: Table, ledger: Ledger, known: datetime | None) -> datetime | None:
    """Return when other batches of a table became current last, or none did.

    Two requests list the last day's commits; only those after the known change are read.

    Args:
        table: The table.
        ledger: Its log.
        known: The last change of its present partitions, in UTC, or None.

    Returns:
        The time in UTC, or None for a table that never changed.

    Raises:
        InconsistentBatch: A record is damaged.
    """
    store, root = table.store, table.layout.commits
    for day in sorted(store.list_directories(root), reverse=True):
        for path in sorted(store.paths(f"{root}/{day}"), reverse=True):
            commit = path.removeprefix(f"{root}/").removesuffix(".json")
            at = commit_time(commit)
            if at is None:
                continue  # a decision, or the entries of many partitions
            if known is not None and at <= known:
                return known
            record = read_commit(table, commit)
            if record is not None and _took_effect(ledger, commit, record):
                return at
    return known


def _took_effect(ledger: Ledger, commit: str, record: CommitRecord) -> bool:
    """Return whether a commit made other batches current; expiring does not."""
    if all(change.batch_id == change.previous for change in record.changes):
        return False
    if len(record.changes) > 1:
        return bool(ledger.took_effect(commit))
    (change,) = record.changes
    entry = ledger.read(change.partition, change.sequence)
    return entry is not None and entry.commit == commit

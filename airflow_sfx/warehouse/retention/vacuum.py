"""Deletion of the files of expired batches, once the grace period is over.

Only what the log has expired is deleted: a tombstone is an object that anyone with write access to
the table's objects can forge.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from airflow_sfx.warehouse.log.metastore_sync import pointed_at
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.pins.holds import holding
from airflow_sfx.warehouse.retention.deletion import delete_batches
from airflow_sfx.warehouse.table import tombstones
from airflow_sfx.warehouse.table.manifests import Item
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import Tombstone

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VacuumReport:
    """What a vacuum did.

    Args:
        deleted: The batches whose files are deleted, as partition name and batch ID.
        waiting: The number of batches that stay for now.
        ignored: Batches of tombstones that name no commit, as partition name and batch ID.
    """

    deleted: tuple[Item, ...] = ()
    waiting: int = 0
    ignored: tuple[Item, ...] = ()


def held(table: Table, now: datetime) -> set[tuple[str, str]]:
    """Return the held batches, as partition name and batch ID."""
    return {item for one in holding(table, now) for item in one.pin.batches.items()}


def vacuum(
    table: Table, log: PartitionLog, records: Sequence[Tombstone], now: datetime, *, dry_run: bool
) -> VacuumReport:
    """Delete expired batches that are due, neither held nor current nor in the metastore.

    Args:
        table: The table.
        log: The table's log.
        records: The tombstones.
        now: The time, in UTC.
        dry_run: Whether to only report what would be done.

    Returns:
        What was deleted, or would be.
    """
    due = [one for one in records if not one.done and one.delete_after <= now]
    items = [item for one in due for item in one.items]
    used = pointed_at(table, items)
    if due:  # another engine may have put the metastore back to an expired batch
        marks = log.marks({name for name, _ in items})
        used |= {(name, mark.batch_id) for name, mark in marks.items() if mark.batch_id}
    kept = held(table, now) if due else set()
    deleted: list[Item] = []
    for tombstone in due:
        stays = used if tombstone.despite_pins else used | kept
        gone = [item for item in tombstone.items if item not in stays]
        deleted += gone
        if dry_run:
            continue
        delete_batches(table, gone, now)
        if len(gone) == len(tombstone.items):
            tombstones.finish(table, tombstone)
    named = sum(len(one.items) for one in records if not one.done)
    return VacuumReport(tuple(deleted), named - len(deleted), _ignored(table))


def _ignored(table: Table) -> tuple[Item, ...]:
    ignored = tuple(tombstones.forged_items(table))
    if ignored:
        _log.warning(
            "%s: tombstones name %d batches that have not expired in the history, such as %s of"
            " %s: they are kept; check who wrote %s",
            table.ref,
            len(ignored),
            ignored[0][1],
            table.describe(ignored[0][0]),
            table.layout.retired,
        )
    return ignored

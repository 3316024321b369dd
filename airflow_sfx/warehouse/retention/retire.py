"""Expire batches by one log entry, which a tombstone names right before it.

If a process dies before the entry, nothing has expired. What became of the batches since they were
chosen is seen in the log when the entry is planned.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from airflow_sfx.core.log_entry import Change, LogEntry, Operation
from airflow_sfx.metastore.base import TableInfo
from airflow_sfx.warehouse.batch.staging import waiting
from airflow_sfx.warehouse.external.reconcile import heads_to_change
from airflow_sfx.warehouse.log.commit import Author, commit
from airflow_sfx.warehouse.log.metastore_sync import known_names
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.retention.vacuum import held
from airflow_sfx.warehouse.table import tombstones
from airflow_sfx.warehouse.table.manifests import Item
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import Batches, Tombstone


def reconcile_all(table: Table, log: PartitionLog, author: Author) -> None:
    """Reconcile the changes of other engines before batches are selected."""
    heads_to_change(table, log, known_names(log, table.pointers(None)), author)


def retire(table: Table, log: PartitionLog, tombstone: Tombstone, *, since: int) -> Batches:
    """Expire batches in the log, all of them by one commit.

    Left out are batches that have expired, were published, held or became current since they were
    chosen; an erasure leaves out only those that have expired.

    Args:
        table: The table.
        log: The table's log.
        tombstone: What expires, why, and what replaces it.
        since: The version of the table at which the batches were chosen.

    Returns:
        The expired batches by partition name.
    """
    left: dict[Item, Operation] = {}
    while True:
        try:
            entries = _commit(table, log, tombstone, left, since)
        except _Meanwhile as found:
            left |= found.items
        else:
            return {entry.partition: entry.retired for entry in entries}


class _Meanwhile(Exception):
    """Batches that are not to expire any more.

    Args:
        items: By what kind of change, by partition name and batch ID.
    """

    def __init__(self, items: Mapping[Item, Operation]) -> None:
        super().__init__(items)
        self.items = items


def _commit(
    table: Table,
    log: PartitionLog,
    tombstone: Tombstone,
    left: Mapping[Item, Operation],
    since: int,
) -> list[LogEntry]:
    """Commit the expiry of batches, except some.

    Raises:
        _Meanwhile: More must be left out.
    """

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        changed = {
            item: by
            for name, ids in tombstone.batches.items()
            for item, by in _changed(log, name, heads[name], ids, tombstone, since).items()
        }
        if not changed.keys() <= left.keys():
            raise _Meanwhile(changed)
        found = (_change(tombstone, name, heads[name], left) for name in tombstone.batches)
        return [change for change in found if change]

    reason = tombstone.reason
    if late := list(left.values()).count(Operation.ERASE):
        reason += f" ({late} of them were replaced by another erasure first, and searched again)"
    author = Author(tombstone.producer, reason)
    heads = heads_to_change(table, log, tombstone.batches, author)
    beside = _WithTombstone(table, log, tombstone)
    return commit(table, log, heads, plan, author, beside=beside)


def _changed(
    log: PartitionLog,
    name: str,
    head: Head,
    ids: Collection[str],
    tombstone: Tombstone,
    since: int,
) -> dict[Item, Operation]:
    """Return which batches of a partition have expired or become current, and by what."""
    found: dict[Item, Operation] = {}
    for entry in log.newest_first(name, head):
        if entry.version <= since:
            break
        made = () if tombstone.replaced else (entry.batch_id,)
        found |= {(name, one): entry.operation for one in (*entry.retired, *made) if one in ids}
    return found


def _change(tombstone: Tombstone, name: str, head: Head, left: Collection[Item]) -> Change | None:
    """Return the change that expires a partition's batches.

    The current batch stays, or its replacement becomes current. If a partition has never changed,
    the entry has no batch, so that a publish that has not seen the tombstone is planned again.
    """
    now, news = head.entry, tombstone.replaced.get(name, {})
    due = [one for one in tombstone.batches[name] if (name, one) not in left]
    new = news.get(head.batch_id or "") if head.batch_id in due else None
    gone = tuple(one for one in due if news or one != head.batch_id)
    if not gone:
        return None
    change = Change(name, Operation.ERASE if news else Operation.RETIRE, None)
    if new is not None and now is not None:
        change = replace(
            change, batch_id=new.batch_id, origin=now.origin, rows=new.rows, bytes=new.bytes
        )
    elif now is not None:
        change = replace(
            change,
            batch_id=now.batch_id,
            origin=now.origin,
            rows=now.rows,
            bytes=now.bytes,
            location=now.location,
        )
    return replace(change, retired=gone, despite_pins=tombstone.despite_pins)


@dataclass(slots=True)
class _WithTombstone:
    """Writes the tombstone of a commit before its entry.

    Args:
        table: The table.
        log: The table's log.
        tombstone: What expires, without the commit.
        tried: The tombstone of the commit that was tried last.
    """

    table: Table
    log: PartitionLog
    tombstone: Tombstone
    tried: Tombstone | None = None

    def before(self, entries: Sequence[LogEntry]) -> None:
        """Write the tombstone of the entries.

        A writer that took days notes its staged batch and then looks for tombstones, so that one of
        the two sees the other; and so does who holds a batch, whose hold could not be renewed.
        """
        if self.tried is not None:  # another writer has created the entry of its number
            tombstones.finish(self.table, self.tried)
        batches = {entry.partition: entry.retired for entry in entries}
        self.tried = replace(self.tombstone, batches=batches, commit=entries[0].commit)
        tombstones.write(self.table, self.tried)
        if self.tombstone.replaced:
            return
        items = {*self.tried.items}
        if kept := waiting(self.table, self.log, items) | items & held(self.table, self.tried.at):
            tombstones.finish(self.table, self.tried)
            raise _Meanwhile(dict.fromkeys(kept, Operation.RETIRE))

    def after(self, entries: Sequence[LogEntry], table: Table, seen: TableInfo | None) -> None:
        """Leave the table's columns as they are."""

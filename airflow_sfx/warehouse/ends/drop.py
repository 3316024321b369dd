"""Drop partitions and tables without deleting anything, and restore tables.

A drop is a commit like every other: its entries end the partitions' batches. Moving the metastore's
pointers then removes the partitions, as a pointer of a dropped partition is one that is gone. If a
process dies in between, the next operation on a partition, or a repair, removes it.

A table is dropped by a record of its name that this begins, a commit that drops its partitions,
another record, and its removal from the metastore, in this order. If a process dies in between, the
table is whole or exists without partitions, and the same call drops it. A drop that is refused has
recorded nothing.

Other writers may commit at any time. After the table is gone from the metastore, the drop looks at
the log once more and ends what came meanwhile; a writer that commits later does not find the table,
and ends its own batches. If the table was renamed meanwhile, it is dropped under its new name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from airflow_sfx.core.errors import BatchNotFound
from airflow_sfx.core.log_entry import Change, LogEntry, Operation
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import Metastore, TableInfo
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.batch.new_table import end_late_batches
from airflow_sfx.warehouse.external.reconcile import heads_to_change
from airflow_sfx.warehouse.log.commit import Author, Expected, commit
from airflow_sfx.warehouse.log.metastore_sync import known_names
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.log.resolve import batches_at
from airflow_sfx.warehouse.table.names import (
    NameEvent,
    NameRecord,
    dropped_record,
    new_record,
    record_name,
    records_of,
    renamed_to,
)
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import (
    read_tombstones,
    refuse_retired,
    versions,
)
from airflow_sfx.warehouse.undo.rollback import plan_rollback, roll_back
from airflow_sfx.warehouse.undo.rollback_report import RollbackStep
from airflow_sfx.warehouse.undo.rollback_version import (
    plan_rollback_to_version,
    roll_back_to_version,
)


def drop_partitions(
    table: Table, log: PartitionLog, partitions: Sequence[Partition], author: Author
) -> BatchPin:
    """Drop partitions, all in one commit.

    A later attempt of a task does not fail for what an earlier attempt has dropped.

    Args:
        table: The table.
        log: The table's log.
        partitions: The partitions.
        author: Who drops them, and why.

    Returns:
        The pin of the batches that were current.

    Raises:
        PartitionNotFound: A partition does not exist, or is dropped already.
    """
    names = [table.layout.name(partition) for partition in partitions]
    ended: dict[str, str | None] = {}

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        changes = []
        for name in names:
            entry = heads[name].entry
            if entry is not None and not entry.dropped:
                changes.append(Change(name, Operation.DROP, None))
                continue
            done = log.last_move(name, heads[name])
            if done is None or not author.producer.retries(done.producer):
                raise table.missing(name, "does not exist, or was dropped already")
            ended[name] = done.previous
        return changes

    entries = commit(table, log, heads_to_change(table, log, names, author), plan, author)
    ended |= {entry.partition: entry.previous for entry in entries}
    return _pin(table, ended)


def drop_table(table: Table, log: PartitionLog, author: Author) -> BatchPin:
    """Drop a table with all of its partitions.

    Args:
        table: The table.
        log: The table's log.
        author: Who drops it, and why.

    Returns:
        The pin of the batches that were current; without batches if there were none.
    """
    begun = _records_of_drop(table)
    dropped: list[LogEntry] = []
    heads = _heads_to_drop(table, log, author)
    while entries := _drop_all(table, log, heads, author):  # other writers may add partitions
        dropped += entries
        heads = _heads_to_drop(table, log, author)
    if begun or not dropped:  # by a call that died, or by one at the same moment
        dropped = _dropped_so_far(table, log, _records_of_drop(table))
    _end_name(table, author, dropped[0].commit if dropped else "")
    ended = [*dropped, *end_late_batches(table, author)]
    return _pin(table, {entry.partition: entry.previous for entry in ended})


class _Dropping:
    """The record that a table is being dropped, written `Beside` the commit that drops it."""

    def __init__(self, table: Table, author: Author) -> None:
        self._table, self._author = table, author

    def before(self, entries: Sequence[LogEntry]) -> None:
        """Record which commit drops the table."""
        _record(NameEvent.DROPPING, self._table, self._author, entries[0].commit)

    def after(self, entries: Sequence[LogEntry], table: Table, seen: TableInfo | None) -> None:
        """Leave the columns as they are: they are restored with the table."""


def _record(event: NameEvent, table: Table, author: Author, commit: str) -> None:
    made = new_record(event, table.info, author.producer, author.reason, commit=commit)
    record_name(table.store, made)


def _end_name(table: Table, author: Author, commit: str) -> None:
    """Remove a table without partitions from the metastore, whatever it is called by now.

    The record is written before, and again if another call has recorded the name since.
    """
    _record(NameEvent.DROPPED, table, author, commit)
    if table.metastore.drop_table(table.ref, at=table.info.location):
        if dropped_record(table.store, table.metastore, table.ref) is None:
            _record(NameEvent.DROPPED, table, author, commit)
        return
    to = renamed_to(table.store, table.metastore, table.info)
    there = table.metastore.get_table(to) if to is not None else None
    if to is not None and there is not None:  # meanwhile
        _record_renamed(table, to, author)
        _end_name(Table.of(there, table.store, table.metastore), author, commit)


def _record_renamed(table: Table, to: TableRef, author: Author) -> None:
    made = new_record(NameEvent.RENAMED, table.info, author.producer, author.reason, to=to)
    record_name(table.store, made)


def _heads_to_drop(table: Table, log: PartitionLog, author: Author) -> Mapping[str, Head]:
    names = known_names(log, table.pointers(None))
    return heads_to_change(table, log, names, author)


def _drop_all(
    table: Table, log: PartitionLog, heads: Mapping[str, Head], author: Author
) -> list[LogEntry]:
    def plan(heads: Mapping[str, Head]) -> list[Change]:
        return [
            Change(name, Operation.DROP, None)
            for name, head in heads.items()
            if head.entry and not head.entry.dropped
        ]

    return commit(table, log, heads, plan, author, beside=_Dropping(table, author))


def _records_of_drop(table: Table) -> list[NameRecord]:
    """Return the records of the drop of a table, newest first; several calls may have begun it."""
    found: list[NameRecord] = []
    for record in records_of(table.store, table.ref):
        if record.event in (NameEvent.DROPPING, NameEvent.DROPPED):
            found.append(record)
        elif record.event is not NameEvent.RENAMING:  # which may have come to nothing
            break
    return found


def _dropped_so_far(
    table: Table, log: PartitionLog, records: Sequence[NameRecord]
) -> list[LogEntry]:
    """Return the entries that dropped partitions with their table, of all calls."""
    if not records:
        return []
    moves = log.last_moves(log.all_heads())
    drops = [one for one in moves if one.operation is Operation.DROP]
    if any(record.commit for record in records):
        return [one for one in drops if any(_is_part_of(one, record) for record in records)]
    # An earlier version did not record the commit at first.
    begun = records[0].at
    newest = max((one.commit for one in drops if one.at >= begun), default="")
    return [one for one in drops if one.commit == newest]


def _is_part_of(entry: LogEntry, record: NameRecord) -> bool:
    """Return whether an entry dropped its partition with the table.

    Batches of other writers that came meanwhile are dropped by later commits of the same call.
    """
    if not record.commit:
        return False
    same = (entry.producer, entry.reason) == (record.producer, record.reason)
    return entry.commit == record.commit or (same and entry.commit > record.commit)


def _pin(table: Table, batches: Mapping[str, str | None]) -> BatchPin:
    return table.pin({name: batch_id for name, batch_id in batches.items() if batch_id})


def restore_table(
    record: NameRecord,
    store: ObjectStore,
    metastore: Metastore,
    partitions: Sequence[Partition] | None,
    author: Author,
    *,
    to: str | None = None,
    to_version: int | None = None,
    expected: Expected | None = None,
) -> BatchPin:
    """Bring a dropped table back, with the partitions that were dropped with it.

    If a process dies in between, the table exists without partitions, and the same call restores
    them: the last step records that the table is back.

    Args:
        record: How it was dropped.
        store: The warehouse's object store.
        metastore: The warehouse's metastore.
        partitions: The partitions to bring back, or None for those that were dropped with it and
            have not expired since.
        author: Who restores it, and why.
        to: The batch to roll back to, or None for those that were dropped.
        to_version: The version of the table to roll back to, or None.
        expected: The batches that must be current, or None for no condition.

    Returns:
        The pin of the batches that are current now.

    Raises:
        PartitionNotFound: A named partition never had a batch, or had none at the version.
        BatchNotFound: The batch of a named partition has expired.
    """
    dropped = Table.of(record.info, store, metastore)
    if to_version is not None:  # which may be one at which it was dropped
        batches_at(dropped, PartitionLog(dropped), partitions, to_version)
    late = Author(record.producer, record.reason)  # who dropped the table, and died
    end_late_batches(dropped, late)
    table = Table.of(metastore.create_table(record.info), store, metastore)
    log = PartitionLog(table)
    if to_version is not None:
        pin = roll_back_to_version(table, log, partitions, author, to_version, expected=expected)
    else:
        partitions = _to_restore(table, log, record, partitions, to)
        pin = table.pin({})
        if partitions:
            pin = roll_back(table, log, partitions, author, to=to, expected=expected)
    made = new_record(NameEvent.CREATED, table.info, author.producer, author.reason)
    record_name(store, made)
    return pin


def plan_restore(
    table: Table,
    record: NameRecord,
    partitions: Sequence[Partition] | None,
    *,
    to: str | None = None,
    to_version: int | None = None,
) -> list[RollbackStep]:
    """Return what `restore_table` would do to each partition, without changing anything.

    Args:
        table: The table, opened as a dropped one.
        record: How it was dropped.
        partitions: As for `restore_table`.
        to: As for `restore_table`.
        to_version: As for `restore_table`.

    Raises:
        PartitionNotFound: A named partition never had a batch, or had none at the version.
        BatchNotFound: The batch of a named partition has expired.
    """
    log = PartitionLog(table)
    if to_version is not None:
        batches_at(table, log, partitions, to_version)
        return plan_rollback_to_version(table, log, partitions, to_version)
    due = _to_restore(table, log, record, partitions, to)
    return plan_rollback(table, log, due, to=to) if due else []


def _to_restore(
    table: Table,
    log: PartitionLog,
    record: NameRecord,
    partitions: Sequence[Partition] | None,
    to: str | None,
) -> Sequence[Partition]:
    """Return the partitions to restore: those named, or dropped with the table."""
    if partitions is not None:
        return partitions
    if to is not None and not table.info.keys:
        return [Partition()]
    names = _dropped_with(table, log, record)
    return [table.layout.partition(name) for name in names]


def _dropped_with(table: Table, log: PartitionLog, record: NameRecord) -> Collection[str]:
    seen = read_tombstones(table)
    instead = versions(seen.active)  # erasures have replaced batches since

    def is_there(entry: LogEntry) -> bool:
        name, batch_id = entry.partition, entry.previous or ""
        new = instead.get((name, batch_id))
        try:
            refuse_retired(table, [(name, new.batch_id if new else batch_id)], seen)
        except BatchNotFound:
            return False
        return True

    records = [record, *_records_of_drop(table)]
    dropped = [one for one in _dropped_so_far(table, log, records) if one.previous]
    there = map_concurrently(is_there, dropped, table.store.concurrency)
    return [entry.partition for entry, kept in zip(dropped, there, strict=True) if kept]

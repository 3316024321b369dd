"""Drop partitions and tables without deleting anything, and restore tables.

A drop is a commit like every other: its entries end the partitions' batches. Moving the metastore's
pointers then removes the partitions, as a pointer of a dropped partition is one that is gone. If a
process dies in between, the next operation on a partition, or a repair, removes it.

A table is dropped by a record of its name that this begins, a commit that drops its partitions,
another record, and its removal from the metastore, in this order. If a process dies in between, the
table is whole or exists without partitions, and the same call drops it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from airflow_sfx.core.errors import BatchNotFound
from airflow_sfx.core.ledger import Change, LedgerEntry, Operation
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.metastore.base import Metastore
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.external.reconcile import heads_to_change
from airflow_sfx.warehouse.log.commit import Author, Expected, commit
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.metastore_sync import all_heads, known_names
from airflow_sfx.warehouse.log.records import Head
from airflow_sfx.warehouse.table.names import (
    NameEvent,
    NameRecord,
    new_record,
    newest_record,
    record_name,
)
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import refuse_retired, versions
from airflow_sfx.warehouse.undo.rollback import completed_tombstones, roll_back


def drop_partitions(
    table: Table, ledger: Ledger, partitions: Sequence[Partition], author: Author
) -> BatchPin:
    """Drop partitions, all in one commit.

    A later attempt of a task does not fail for what an earlier attempt has dropped.

    Args:
        table: The table.
        ledger: The table's log.
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
            done = ledger.last_move(name, heads[name])
            if done is None or not author.producer.retries(done.producer):
                raise table.missing(name, "does not exist, or was dropped already")
            ended[name] = done.previous
        return changes

    entries = commit(table, ledger, heads_to_change(table, ledger, names, author), plan, author)
    ended |= {entry.partition: entry.previous for entry in entries}
    return _pin(table, ended)


def drop_table(table: Table, ledger: Ledger, author: Author) -> BatchPin:
    """Drop a table with all of its partitions.

    Args:
        table: The table.
        ledger: The table's log.
        author: Who drops it, and why.

    Returns:
        The pin of the batches that were current; without batches if there were none.
    """
    died = newest_record(table.store, table.metastore, table.ref)
    record_name(
        table.store, new_record(NameEvent.DROPPING, table.info, author.producer, author.reason)
    )
    dropped: list[LedgerEntry] = []
    while entries := _drop_all(table, ledger, author):  # other writers may add partitions
        dropped += entries
    last = dropped or _dropped_before(table, ledger, died)
    record_name(
        table.store,
        new_record(
            NameEvent.DROPPED,
            table.info,
            author.producer,
            author.reason,
            commit=last[0].commit if last else "",
        ),
    )
    table.metastore.drop_table(table.ref)
    return _pin(table, {entry.partition: entry.previous for entry in last})


def _drop_all(table: Table, ledger: Ledger, author: Author) -> list[LedgerEntry]:
    def plan(heads: Mapping[str, Head]) -> list[Change]:
        return [
            Change(name, Operation.DROP, None)
            for name, head in heads.items()
            if head.entry and not head.entry.dropped
        ]

    names = known_names(table, ledger, table.pointers(None))
    return commit(table, ledger, heads_to_change(table, ledger, names, author), plan, author)


def _dropped_before(table: Table, ledger: Ledger, died: NameRecord | None) -> list[LedgerEntry]:
    """Return what a call dropped that died before the table was removed; else nothing."""
    if died is None or died.event not in (NameEvent.DROPPING, NameEvent.DROPPED):
        return []
    moves = ledger.last_moves(all_heads(table, ledger))
    drops = [one for one in moves if one.operation is Operation.DROP]
    if died.event is NameEvent.DROPPED:
        return [one for one in drops if one.commit == died.commit]
    newest = max((one.commit for one in drops if one.at >= died.at), default="")
    return [one for one in drops if one.commit == newest]


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
        expected: The batches that must be current, or None for no condition.

    Returns:
        The pin of the batches that are current now.

    Raises:
        PartitionNotFound: A named partition never had a batch.
        BatchNotFound: The batch of a named partition has expired.
    """
    table = Table.of(metastore.create_table(record.info), store, metastore)
    ledger = Ledger(table)
    if partitions is None:
        names = _dropped_with(table, ledger, record)
        partitions = [table.layout.partition(name) for name in names]
    pin = table.pin({})
    if partitions:
        pin = roll_back(table, ledger, partitions, author, to=to, expected=expected)
    made = new_record(NameEvent.CREATED, table.info, author.producer, author.reason)
    record_name(store, made)
    return pin


def _dropped_with(table: Table, ledger: Ledger, record: NameRecord) -> Collection[str]:
    seen = completed_tombstones(table, ledger)
    instead = versions(seen.active)  # erasures have replaced batches since

    def is_there(entry: LedgerEntry) -> bool:
        name, batch_id = entry.partition, entry.previous or ""
        new = instead.get((name, batch_id))
        try:
            refuse_retired(table, [(name, new.batch_id if new else batch_id)], seen)
        except BatchNotFound:
            return False
        return True

    dropped = [
        entry
        for entry in ledger.last_moves(all_heads(table, ledger))
        if entry.commit == record.commit and entry.operation is Operation.DROP and entry.previous
    ]
    there = map_concurrently(is_there, dropped, table.store.concurrency)
    return [entry.partition for entry, kept in zip(dropped, there, strict=True) if kept]

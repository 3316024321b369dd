"""Undo: a change of the metastore's pointer and an entry in the ledger; no data are read or written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.errors import BatchNotFound
from airflow_sfx.core.ledger import Change, LedgerEntry, Operation
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.external.reconcile import heads_to_change
from airflow_sfx.warehouse.log.commit import Author, Expected, commit, refuse_unexpected
from airflow_sfx.warehouse.log.ledger import Head, Ledger
from airflow_sfx.warehouse.retention.vacuum import complete
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import (
    Replacement,
    Tombstones,
    Versions,
    read_tombstones,
    refuse_retired,
    versions,
)


def roll_back(
    table: Table,
    ledger: Ledger,
    partitions: Sequence[Partition],
    author: Author,
    *,
    to: str | None = None,
    expected: Expected | None = None,
) -> BatchPin:
    """Make an earlier batch of each partition current again, all of them at one moment.

    Without ``to``, each goes to the batch that was current before its present batch was first
    published; a second call goes one further back. Not so in the next attempt of a task, which does
    not know whether the one before came so far: what that one has rolled back, and nobody has
    changed since, is done.

    Args:
        table: The table.
        ledger: Its ledgers.
        partitions: Which.
        author: Who and why.
        to: A batch ID that each of the partitions had.
        expected: What must be current for the rollback to be right.

    Returns:
        The pin of what is current now.

    Raises:
        PartitionNotFound: A partition has no batch.
        BatchNotFound: There is no batch before, or the partition never had ``to``.
        InvalidName: ``to`` is no batch ID.
        InconsistentBatch: The batch's manifest was removed, so that nobody could read it; or an
            entry of the history was.
        CommitConflict: Another batch than the expected one is current.
    """
    if to is not None:
        check_batch_id(to)
    names = [table.layout.name(partition) for partition in partitions]
    current: dict[str, str | None] = {}

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        due = [name for name in names if not _done_before(ledger, name, heads[name], author, to)]
        still = {
            name: batch_id
            for name, batch_id in (expected or {}).items()
            if name in due or name not in heads
        }
        refuse_unexpected(table, heads, still)
        current.update({name: head.batch_id for name, head in heads.items()})
        seen = _look(table, ledger)
        instead = versions(seen.notes)
        wanted = map_concurrently(
            lambda name: _change(table, ledger, name, heads[name], to, instead),
            due,
            table.store.concurrency,
        )
        return granted(table, [change for change in wanted if change], seen)

    heads = heads_to_change(table, ledger, names, author)
    current |= {
        entry.partition: entry.batch_id for entry in commit(table, ledger, heads, plan, author)
    }
    return table.pin({name: current[name] or "" for name in names})


def _look(table: Table, ledger: Ledger) -> Tombstones:
    """What the notes say, once what erasures have noted is in the ledgers: before, nobody knows what stands for their batches."""
    seen = read_tombstones(table)
    if all(note.retired is not None for note in seen.notes if note.replaced):
        return seen
    complete(
        table, ledger
    )  # where that changes a partition, its entry's number is taken, and this is called again
    return read_tombstones(table)


def rolled_back_before(ledger: Ledger, name: str, head: Head, author: Author) -> LedgerEntry | None:
    """The rollback by an earlier attempt of the author's task instance, if what is current is so since then."""
    entry = ledger.last_move(name, head)
    if (
        entry is None
        or entry.operation is not Operation.ROLLBACK
        or not author.producer.retries(entry.producer)
    ):
        return None
    return entry


def granted(table: Table, changes: list[Change], seen: Tombstones) -> list[Change]:
    """The changes, to what stands for batches of which rows were erased, and to none that is retired or was removed.

    Args:
        table: The table.
        changes: The changes.
        seen: What the table's notes say. One that is retired after this look is in an entry that
            comes first.

    Raises:
        BatchNotFound: A batch is retired.
        InconsistentBatch: A batch's manifest was removed.
    """
    instead = versions(seen.notes)
    there = [
        _instead(change, instead.get((change.partition, change.batch_id or "")))
        for change in changes
    ]
    targets = [(change.partition, change.batch_id) for change in there if change.batch_id]
    refuse_retired(table, targets, seen)
    table.require(targets)
    return there


def _done_before(ledger: Ledger, name: str, head: Head, author: Author, to: str | None) -> bool:
    if head.batch_id is None or to not in (None, head.batch_id):
        return False
    return rolled_back_before(ledger, name, head, author) is not None


def _instead(change: Change, new: Replacement | None) -> Change:
    if new is None:
        return change
    return replace(change, batch_id=new.batch_id, rows=new.rows, bytes=new.bytes, location="")


def _change(
    table: Table, ledger: Ledger, name: str, head: Head, to: str | None, instead: Versions
) -> Change | None:
    if head.entry is None or (head.batch_id is None and to is None):
        raise table.missing(name)
    if to is not None:
        same = {
            to,
            *(old for (place, old), new in instead.items() if place == name and new.batch_id == to),
        }
        return (
            None
            if head.batch_id in same
            else back_to(name, _find(table, ledger, name, head, to, same))
        )
    source = origin_of(ledger, name, head.entry)
    if source is None or not source.previous_origin:
        raise BatchNotFound(
            f"{table.describe(name)} has no batch before {head.batch_id}, its first: there is"
            " nothing to go back to",
            table=str(table.ref),
            partition=name,
            batch_id=head.batch_id,
        )
    return back_to(name, ledger.named(name, source.previous_origin))


def _find(
    table: Table, ledger: Ledger, name: str, head: Head, batch_id: str, same: set[str]
) -> LedgerEntry:
    for entry in ledger.newest_first(name, head):
        if entry.batch_id in same and entry.origin == entry.sequence:
            return entry
    raise BatchNotFound(
        f"{table.describe(name)} never had the batch {batch_id}: `sfx history {table.ref} {name}`"
        " lists those that it had; a staged batch is published, not rolled back to",
        table=str(table.ref),
        partition=name,
        batch_id=batch_id,
    )


def origin_of(ledger: Ledger, name: str, entry: LedgerEntry) -> LedgerEntry | None:
    """The entry that first made an entry's batch current; None where the partition has no batch since."""
    if not entry.origin:
        return None
    return entry if entry.origin == entry.sequence else ledger.named(name, entry.origin)


def back_to(name: str, source: LedgerEntry) -> Change:
    """The rollback to the batch that an entry first made current."""
    return Change(
        name,
        Operation.ROLLBACK,
        source.batch_id,
        source.sequence,
        source.rows,
        source.bytes,
        source.location,
    )

"""Undo: a change of the metastore's pointer and an entry in the ledger; no data are read or written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.errors import BatchNotFound, CommitConflict
from airflow_sfx.core.ledger import Change, LedgerEntry, Operation
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.metastore.metastore import Metastore
from airflow_sfx.storage.parallel import each
from airflow_sfx.storage.store import Store
from airflow_sfx.warehouse.commit import Author, commit
from airflow_sfx.warehouse.current import heads_to_read
from airflow_sfx.warehouse.foreign import heads_to_change
from airflow_sfx.warehouse.ledger import Head, Ledger
from airflow_sfx.warehouse.opened import OpenTable
from airflow_sfx.warehouse.reports import RunRollback
from airflow_sfx.warehouse.retired import Look, Replacement, Versions, look, refuse_retired, versions
from airflow_sfx.warehouse.runs import Unit, commits_of


def roll_back(
    table: OpenTable,
    ledger: Ledger,
    partitions: Sequence[Partition],
    author: Author,
    *,
    to: str | None = None,
    expected: Mapping[str, str] | None = None,
) -> BatchPin:
    """Make an earlier batch of each partition current again, all of them at one moment.

    Without ``to``, each goes to the batch that was current before its present batch was first published; a second
    call goes one further back.

    Args:
        table: The table.
        ledger: Its ledgers.
        partitions: Which.
        author: Who and why.
        to: A batch ID that each of the partitions had.
        expected: The batches, by partition name, that must be current for the rollback to be right.

    Returns:
        The pin of what is current now.

    Raises:
        PartitionNotFound: A partition has no batch.
        BatchNotFound: There is no batch before, or the partition never had ``to``.
        InconsistentBatch: The batch's manifest was removed: nobody could read it.
        CommitConflict: Another batch than the expected one is current.
    """
    names = [table.layout.name(partition) for partition in partitions]
    heads = heads_to_change(table, ledger, names, author)

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        _expect(table, heads, expected)
        seen = look(table)
        instead = versions(seen.notes)
        wanted = each(lambda name: _change(table, ledger, name, heads[name], to, instead), names, table.store.readers)
        return _granted(table, [change for change in wanted if change], seen)

    done = {entry.partition: entry.batch_id for entry in commit(table, ledger, heads, plan, author)}
    return table.pin({name: done.get(name) or heads[name].batch_id or "" for name in names})


def roll_back_unit(
    store: Store, metastore: Metastore, unit: Unit, author: Author, *, dry_run: bool = False
) -> list[RunRollback]:
    """Undo everything that one DAG run, or one backfill, published; what somebody else published since stays.

    Args:
        store: The warehouse's storage.
        metastore: Its metastore.
        unit: The run or the backfill.
        author: Who and why.
        dry_run: Only tell.

    Returns:
        What was done to each table that it changed, or would be.

    Raises:
        BatchNotFound: It changed nothing in this warehouse.
    """
    commits = commits_of(store, unit)
    if not commits:
        raise BatchNotFound(
            f"{unit} has changed nothing in {store.uri}: check both names; `sfx history` shows which run made a batch"
        )
    tables = [(OpenTable.find(ref, store, metastore), ids) for ref, ids in commits.items()]
    return [_undo_unit(table, ids, unit, author, dry_run=dry_run) for table, ids in tables]


def _undo_unit(table: OpenTable, commits: Sequence[str], unit: Unit, author: Author, *, dry_run: bool) -> RunRollback:
    ledger = Ledger(table)
    names = sorted({name for found in each(ledger.members, commits) for name in found})
    if dry_run:
        pointers = table.pointers([table.layout.partition(name) for name in names])
        heads = heads_to_read(table, ledger, names, pointers)
    else:
        heads = heads_to_change(table, ledger, names, author)

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        wanted = each(lambda name: _before_unit(ledger, name, heads[name], unit), names, table.store.readers)
        return _granted(table, [change for change in wanted if change], look(table))

    changes = plan(heads) if dry_run else commit(table, ledger, heads, plan, author)
    done = {change.partition: change.batch_id for change in changes}
    left = {name: head.batch_id for name, head in heads.items() if name not in done and head.entry}
    there = {name: batch_id for name, batch_id in done.items() if batch_id}
    return RunRollback(str(table.ref), table.pin(there) if there else None, done, left)


def _granted(table: OpenTable, changes: list[Change], seen: Look) -> list[Change]:
    """The changes, to what stands for batches of which rows were erased, and to none that is retired or was removed.

    One that is retired after this look is in an entry that comes first.
    """
    instead = versions(seen.notes)
    there = [_instead(change, instead.get((change.partition, change.batch_id or ""))) for change in changes]
    targets = [(change.partition, change.batch_id) for change in there if change.batch_id]
    refuse_retired(table, targets, seen)
    table.require(targets)
    return there


def _instead(change: Change, new: Replacement | None) -> Change:
    if new is None:
        return change
    return replace(change, batch_id=new.batch_id, rows=new.rows, bytes=new.bytes, location="")


def _before_unit(ledger: Ledger, name: str, head: Head, unit: Unit) -> Change | None:
    """To what was current before the unit's first change, where a batch of it is current."""
    if head.entry is None:
        return None
    source = _origin(ledger, name, head.entry)
    if source is None or not unit.made(source.producer):
        return None
    while unit.made(source.producer):
        if not source.previous_origin:
            return Change(name, Operation.ROLLBACK, None)
        earlier = ledger.read(name, source.previous_origin)
        if earlier is None:
            raise BatchNotFound(
                f"the ledger of {name} has no entry {source.previous_origin}: restore it", partition=name
            )
        source = earlier
    return _to(name, source)


def _change(
    table: OpenTable, ledger: Ledger, name: str, head: Head, to: str | None, instead: Versions
) -> Change | None:
    if head.entry is None or (head.batch_id is None and to is None):
        raise table.missing(name)
    if to is not None:
        wanted = check_batch_id(to)
        same = {wanted, *(old for (place, old), new in instead.items() if place == name and new.batch_id == wanted)}
        return None if head.batch_id in same else _to(name, _find(table, ledger, name, head, wanted, same))
    source = _origin(ledger, name, head.entry)
    earlier = ledger.read(name, source.previous_origin) if source and source.previous_origin else None
    if earlier is None:
        raise BatchNotFound(
            f"{table.describe(name)} has no batch before {head.batch_id}, its first: there is nothing to go back to",
            table=str(table.ref),
            partition=name,
            batch_id=head.batch_id,
        )
    return _to(name, earlier)


def _find(table: OpenTable, ledger: Ledger, name: str, head: Head, batch_id: str, same: set[str]) -> LedgerEntry:
    for entry in ledger.newest_first(name, head):
        if entry.batch_id in same and entry.origin == entry.sequence:
            return entry
    raise BatchNotFound(
        f"{table.describe(name)} never had the batch {batch_id}: `sfx history {table.ref} {name}` lists those that it had; "
        "a staged batch is published, not rolled back to",
        table=str(table.ref),
        partition=name,
        batch_id=batch_id,
    )


def _origin(ledger: Ledger, name: str, entry: LedgerEntry) -> LedgerEntry | None:
    """The entry that first made the current batch current."""
    return entry if entry.origin == entry.sequence else ledger.read(name, entry.origin)


def _to(name: str, source: LedgerEntry) -> Change:
    return Change(
        name, Operation.ROLLBACK, source.batch_id, source.sequence, source.rows, source.bytes, source.location
    )


def _expect(table: OpenTable, heads: Mapping[str, Head], expected: Mapping[str, str] | None) -> None:
    for name, batch_id in (expected or {}).items():
        if heads[name].batch_id != batch_id:
            raise CommitConflict(
                f"{table.describe(name)} has the batch {heads[name].batch_id} now, not {batch_id}: somebody changed it "
                "meanwhile; look at its history and decide again",
                table=str(table.ref),
                partition=name,
                batch_id=batch_id,
            )

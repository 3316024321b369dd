"""Rolling partitions back to earlier batches, without reading or writing data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.errors import BatchNotFound
from airflow_sfx.core.log_entry import Change, LogEntry, Operation
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.external.reconcile import heads_to_change
from airflow_sfx.warehouse.log.commit import Author, Expected, commit, refuse_unexpected
from airflow_sfx.warehouse.log.compactions import refuse_half_compactions, ways_to_undo
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.log.resolve import heads_to_read
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import (
    Replacement,
    Tombstones,
    Versions,
    read_tombstones,
    refuse_retired,
    versions,
)
from airflow_sfx.warehouse.undo.rollback_report import RollbackStep


def roll_back(
    table: Table,
    log: PartitionLog,
    partitions: Sequence[Partition],
    author: Author,
    *,
    to: str | None = None,
    expected: Expected | None = None,
) -> BatchPin:
    """Make an earlier batch of each partition current again, all in one commit.

    Without ``to``, each partition returns to the batch that was current before its present batch
    was first published; repeated calls go further back. A later attempt of a task is an exception,
    as it cannot know how far the earlier attempt came: what that attempt rolled back, and has not
    changed since, is not rolled back again.

    Args:
        table: The table.
        log: The table's log.
        partitions: The partitions.
        author: Who rolls back, and why.
        to: The batch ID to roll back to, which each partition must have had, or None.
        expected: The batches that must be current, or None for no condition.

    Returns:
        The pin of the batches that are current now.

    Raises:
        PartitionNotFound: A partition has no batch.
        BatchNotFound: There is no earlier batch, or the partition never had ``to``.
        InvalidName: ``to`` is not a batch ID.
        InconsistentBatch: The target batch's manifest or a log entry is missing.
        CommitConflict: The current batch is not the expected one.
    """
    if to is not None:
        check_batch_id(to)
    names = [table.layout.name(partition) for partition in partitions]
    current: dict[str, str | None] = {}

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        due = [name for name in names if not _done_before(log, name, heads[name], author, to)]
        still = {
            name: batch_id
            for name, batch_id in (expected or {}).items()
            if name in due or name not in heads
        }
        refuse_unexpected(table, heads, still)
        current.update({name: head.batch_id for name, head in heads.items()})
        seen = read_tombstones(table)
        instead = versions(seen.active)
        targets = _targets(table, log, due, heads, to, instead)
        changes = [back_to(name, made) for name, made in targets.items()]
        return granted(table, changes, seen)

    heads = heads_to_change(table, log, names, author)
    current |= {
        entry.partition: entry.batch_id for entry in commit(table, log, heads, plan, author)
    }
    return table.pin({name: current[name] or "" for name in names})


def plan_rollback(
    table: Table, log: PartitionLog, partitions: Sequence[Partition], *, to: str | None = None
) -> list[RollbackStep]:
    """Return what `roll_back` would do, without changing anything.

    Args:
        table: The table.
        log: The table's log.
        partitions: The partitions.
        to: The batch ID to roll back to, or None for the batch before.

    Returns:
        One step for each partition, in their order. In a partition whose current batch is ``to``
        already, ``batch_id`` is ``previous``.

    Raises:
        PartitionNotFound: A partition has no batch.
        BatchNotFound: There is no earlier batch, or the partition never had ``to``.
        InvalidName: ``to`` is not a batch ID.
        InconsistentBatch: The target batch's manifest or a log entry is missing.
        CommitConflict: A compaction would be undone in part.
    """
    if to is not None:
        check_batch_id(to)
    names = [table.layout.name(partition) for partition in partitions]
    heads = heads_to_read(table, log, names)
    seen = read_tombstones(table)
    targets = _targets(table, log, names, heads, to, versions(seen.active))
    changes = granted(table, [back_to(name, made) for name, made in targets.items()], seen)
    refuse_half_compactions(table, log, log.state, heads, changes)
    batches = {change.partition: change.batch_id for change in changes}
    return [
        RollbackStep.of(
            name,
            heads[name].batch_id,
            batches.get(name, heads[name].batch_id),
            targets.get(name) or current_origin(log, name, heads[name]),
        )
        for name in names
    ]


def _targets(
    table: Table,
    log: PartitionLog,
    names: Sequence[str],
    heads: Mapping[str, Head],
    to: str | None,
    instead: Versions,
) -> dict[str, LogEntry]:
    """Return the entries to return to, without partitions that are there already."""
    found = map_concurrently(
        lambda name: _target(table, log, name, heads[name], to, instead),
        names,
        table.store.concurrency,
    )
    return {name: made for name, made in zip(names, found, strict=True) if made is not None}


def rolled_back_before(log: PartitionLog, name: str, head: Head, author: Author) -> LogEntry | None:
    """Return an earlier attempt's rollback if the partition has not changed since."""
    entry = log.last_move(name, head)
    if (
        entry is None
        or entry.operation is not Operation.ROLLBACK
        or not author.producer.retries(entry.producer)
    ):
        return None
    return entry


def granted(table: Table, changes: list[Change], seen: Tombstones) -> list[Change]:
    """Point rollbacks at the replacements of erased batches; reject expired ones.

    Args:
        table: The table.
        changes: The rollbacks.
        seen: The tombstones. A batch that expires later has a log entry that conflicts with the
            commit.

    Raises:
        BatchNotFound: A batch has expired.
        InconsistentBatch: A batch's manifest is missing.
    """
    instead = versions(seen.active)
    there = [
        _instead(change, instead.get((change.partition, change.batch_id or "")))
        for change in changes
    ]
    targets = [(change.partition, change.batch_id) for change in there if change.batch_id]
    refuse_retired(table, targets, seen)
    table.require(targets)
    return there


def _done_before(log: PartitionLog, name: str, head: Head, author: Author, to: str | None) -> bool:
    if head.batch_id is None or to not in (None, head.batch_id):
        return False
    return rolled_back_before(log, name, head, author) is not None


def _instead(change: Change, new: Replacement | None) -> Change:
    if new is None:
        return change
    return replace(change, batch_id=new.batch_id, rows=new.rows, bytes=new.bytes, location="")


def _target(
    table: Table, log: PartitionLog, name: str, head: Head, to: str | None, instead: Versions
) -> LogEntry | None:
    if head.entry is None or (head.batch_id is None and to is None and not head.entry.dropped):
        raise table.missing(name)
    if to is not None:
        same = {
            to,
            *(old for (place, old), new in instead.items() if place == name and new.batch_id == to),
        }
        return None if head.batch_id in same else _find(table, log, name, head, to, same)
    before = _dropped(log, name, head) or origin_of(log, name, head.entry)
    if before is None or not before.previous_origin:
        remedy, cli_remedy = "there is nothing to roll back to", ""
        if before is not None and before.operation is Operation.COMPACT:
            call, command = ways_to_undo(table, before)
            remedy = f"roll back its compaction, by {call}"
            cli_remedy = f"roll back its compaction: {command}"
        raise BatchNotFound(
            f"{table.describe(name)} has no batch before {head.batch_id}, its first",
            remedy=remedy,
            cli_remedy=cli_remedy,
            table=str(table.ref),
            partition=name,
            batch_id=head.batch_id,
        )
    return log.named(name, before.previous_origin)


def _dropped(log: PartitionLog, name: str, head: Head) -> LogEntry | None:
    """Return the entry that dropped a partition, or None if it is not dropped."""
    if head.entry is None or not head.entry.dropped:
        return None
    return log.last_move(name, head)


def _find(
    table: Table, log: PartitionLog, name: str, head: Head, batch_id: str, same: set[str]
) -> LogEntry:
    for entry in log.newest_first(name, head):
        if entry.batch_id in same and entry.origin == entry.version:
            return entry
    raise BatchNotFound(
        f"{table.describe(name)} never had the batch {batch_id}: choose one from `sfx history"
        f" {table.ref} {name}`; a staged batch can be published, but not rolled back to",
        table=str(table.ref),
        partition=name,
        batch_id=batch_id,
    )


def current_origin(log: PartitionLog, name: str, head: Head) -> LogEntry | None:
    """Return the entry that first published the current batch, or None."""
    return origin_of(log, name, head.entry) if head.entry is not None else None


def origin_of(log: PartitionLog, name: str, entry: LogEntry) -> LogEntry | None:
    """Return the entry that first published an entry's batch, or None."""
    if not entry.origin:
        return None
    return entry if entry.origin == entry.version else log.named(name, entry.origin)


def back_to(name: str, source: LogEntry) -> Change:
    """Return the rollback to the batch that an entry first made current."""
    return Change(
        name,
        Operation.ROLLBACK,
        source.batch_id,
        source.version,
        source.rows,
        source.bytes,
        source.location,
    )

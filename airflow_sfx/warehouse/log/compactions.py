"""A compaction stays whole: never a batch made of windows beside one of them.

A commit that would bring back some of the windows of a compacted batch beside it would double
their rows, and one that would take the batch back alone would lose them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airflow_sfx.core.errors import CommitConflict, counted
from airflow_sfx.core.log_entry import Change, LogEntry, Operation
from airflow_sfx.core.partition import Partition
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.table_log import LogState

WINDOW = "window"
"""The last partition key of a table of windows."""
COMPACTED = "compacted"
"""The window of the rows of several windows."""
_CHECKED = (Operation.ROLLBACK, Operation.PUBLISH)


def is_of_windows(table: Table) -> bool:
    """Return whether the last partition key of a table is that of windows."""
    return [key.name for key in table.info.keys][-1:] == [WINDOW]


def compacted_name(table: Table, name: str) -> str:
    """Return the partition that has the rows of a window after its compaction."""
    *values, _ = table.layout.partition(name).values
    return table.layout.name(Partition((*values, COMPACTED)))


def ways_to_undo(table: Table, compaction: LogEntry) -> tuple[str, str]:
    """Return how a compaction is undone, for errors: the call, and the command."""
    commit = compaction.commit
    return f"rollback_commit(…, {commit!r})", f"`sfx rollback --commit {table.ref} {commit}`"


def refuse_half_compactions(
    table: Table,
    log: PartitionLog,
    state: LogState,
    heads: Mapping[str, Head],
    changes: Sequence[Change],
) -> None:
    """Refuse changes that would double or lose the rows of windows that were compacted.

    Args:
        table: The table.
        log: Its log.
        state: The state that the changes follow.
        heads: The heads of the partitions that the changes are decided for.
        changes: The changes.

    Raises:
        CommitConflict: A compaction would be undone in part.
    """
    if not is_of_windows(table):
        return
    checked = [one for one in changes if one.operation in _CHECKED]
    groups = {
        merged
        for one in checked
        if (merged := compacted_name(table, one.partition)) == one.partition
        or (heads[one.partition].entry and not heads[one.partition].batch_id and one.batch_id)
    }
    for name, head in log.heads_at(state, sorted(groups)).items():
        _refuse_half(table, log, state, heads, changes, name, head)


def _refuse_half(
    table: Table,
    log: PartitionLog,
    state: LogState,
    heads: Mapping[str, Head],
    changes: Sequence[Change],
    name: str,
    head: Head,
) -> None:
    """Check the changes around one compacted batch.

    A window that is among the heads and has no batch afterwards is to have none, as in a rollback
    of the table to a version before it.
    """
    changed = {one.partition: one for one in changes}
    change = changed.get(name)
    before = _chain(log, name, head.entry.origin if head.entry and head.batch_id else 0)
    after = before
    if change is not None and change.batch_id != head.batch_id:
        stays = change.batch_id and not change.origin  # a new batch replaces all of its rows
        after = before if stays else _chain(log, name, change.origin if change.batch_id else 0)
    had, has = _windows(table, log, name, before), _windows(table, log, name, after)
    marks = state.marks(had | has)
    there = {
        one: bool(changed[one].batch_id if one in changed else marks[one].batch_id)
        for one in had | has
    }
    double = [one for one in has if there[one] and (one in changed or one not in had)]
    lost = [one for one in had - has if not there[one] and one not in heads]
    if double or lost:
        raise _half(table, name, [*before, *after], double=sorted(double), lost=sorted(lost))


def _chain(log: PartitionLog, name: str, origin: int) -> list[LogEntry]:
    """Return the changes that made a batch and those that it replaced, newest first."""
    found = []
    while origin:
        entry = log.named(name, origin)
        found.append(entry)
        origin = entry.previous_origin
    return found


def _windows(
    table: Table, log: PartitionLog, name: str, chain: Sequence[LogEntry]
) -> frozenset[str]:
    """Return the windows whose rows are in a compacted batch."""
    return frozenset(
        one.partition
        for entry in chain
        if entry.operation is Operation.COMPACT
        for one in log.changes(entry.version)
        if not one.batch_id and compacted_name(table, one.partition) == name
    )


def _half(
    table: Table, name: str, chain: Sequence[LogEntry], *, double: list[str], lost: list[str]
) -> CommitConflict:
    some = double or lost
    more = f" and of {counted(len(some) - 1, 'other window')}" if len(some) > 1 else ""
    call, command = ways_to_undo(
        table, next(one for one in chain if one.operation is Operation.COMPACT)
    )
    return CommitConflict(
        f"{table.describe(name)} has the rows of {some[0]}{more} since they were compacted, and"
        f" {'both' if double else 'neither'} would be current, so that nothing was changed",
        remedy=f"roll back the last compaction first, by {call}",
        cli_remedy=f"roll back the last compaction first, by {command}",
        table=str(table.ref),
        partition=name,
    )

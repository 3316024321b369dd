"""Comparison of the metastore's pointers with the log, and moves of pointers.

A table may be dropped or renamed while a batch for it is written, even between the batch's log
entry and the move of its pointer. Its name may be another table's by then. So a move names the
directory of its table, and the metastore rejects it if the name has another one.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from airflow_sfx.core.errors import (
    CommitConflict,
    ForeignChange,
    TableNotFound,
    WarehouseUnavailable,
    sentence,
)
from airflow_sfx.core.io.locations import normalized
from airflow_sfx.core.log_entry import Change, LogEntry
from airflow_sfx.core.stored.log_entry import EntryHeader, Mark
from airflow_sfx.metastore.base import Move, PartitionInfo, TableInfo, is_at
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.table.renamed import table_at
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.table_log import LogState

_MOST_FOR_OTHERS = 500
"""The most partitions of a commit that others move at once, whose writer may be moving them."""
_SURELY_MOVED = timedelta(minutes=10)
"""For how long they leave a larger commit to its writer."""


def expected_location(table: Table, entry: LogEntry) -> str:
    """Return the location of a partition after an entry."""
    return entry.location or table.batch_location(entry.partition, entry.batch_id)


def is_out_of_sync(entry: LogEntry, pointer: PartitionInfo | None) -> bool:
    """Return whether the metastore is behind the entry in effect."""
    if entry.dropped and pointer is None:
        return False
    if not needs_pointer(entry) and (pointer is None or pointer.batch_id is None):
        return False
    return (pointer.version if pointer else 0) < entry.version


def needs_pointer(entry: LogEntry) -> bool:
    """Return whether the metastore is to show an entry.

    An entry about staged batches alone does not add its partition to the metastore.
    """
    return entry.moved or entry.batch_id is not None or bool(entry.location)


def known_names(log: PartitionLog, pointers: Mapping[str, PartitionInfo]) -> list[str]:
    """Return the sorted names of all partitions that the metastore or the log has."""
    return sorted({*log.names(), *pointers})


def foreign_changes(
    table: Table, pointers: Mapping[str, PartitionInfo], heads: Mapping[str, Head]
) -> dict[str, PartitionInfo]:
    """Return the pointers that other engines have moved.

    Args:
        table: The table.
        pointers: The metastore's pointers by partition name.
        heads: The heads of these partitions.

    Returns:
        Those pointers, by partition name.
    """
    return {
        name: info
        for name, info in pointers.items()
        if _moved(table, info, _put_by(table, info, heads[name]))
    }


def beside_our_batches(table: Table, name: str, info: PartitionInfo) -> bool:
    """Return whether a pointer is beside the batches of its partition.

    Args:
        table: The table.
        name: The partition's name.
        info: The pointer.
    """
    if not info.batch_id:
        return False
    ours = normalized(table.batch_location(name, info.batch_id))
    return normalized(info.location).rpartition("/")[0] == ours.rpartition("/")[0]


def pointed_at(table: Table, batches: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those batches whose directories the metastore points at or into."""
    if not batches:
        return set()
    used: set[str] = set()
    locations = [info.location for info in table.pointers(None).values()]
    locations += [refused.location for refused in table.metastore.unsupported_partitions(table.ref)]
    for location in locations:
        place = normalized(location)
        while place and place not in used:  # the directory, and all above it
            used.add(place)
            place = place.rpartition("/")[0]
    return {item for item in batches if normalized(table.batch_location(*item)) in used}


def suspects(table: Table, pointers: Mapping[str, PartitionInfo]) -> dict[str, PartitionInfo]:
    """Return pointers away from their batch: candidates for external changes.

    The log entries of all others, which may be ten thousand, need not be read.
    """
    return {
        name: info
        for name, info in pointers.items()
        if not info.version
        or normalized(info.location) != normalized(table.batch_location(name, info.batch_id))
    }


def _put_by(table: Table, info: PartitionInfo, head: Head) -> LogEntry | None:
    """Return the entry that a pointer names, or the entry in effect."""
    entry = head.entry
    if entry is None or info.version == 0 or info.version >= entry.version:
        return entry
    # The metastore is behind the last entries.
    return PartitionLog(table).read(entry.partition, info.version) or entry


def _moved(table: Table, info: PartitionInfo, entry: LogEntry | None) -> bool:
    if entry is not None and info.location == expected_location(table, entry):
        return False  # the usual case, without comparing spellings
    place = normalized(info.location)
    if place == normalized(table.batch_location("", None)):
        return False  # just added, and about to move
    if info.version == 0:  # added, or dropped and added again, by another engine
        return entry is None or place != normalized(expected_location(table, entry))
    if entry is None or info.version != entry.version:
        return False
    return place != normalized(expected_location(table, entry))


def behind(
    table: Table,
    log: PartitionLog,
    pointers: Mapping[str, PartitionInfo],
    marks: Mapping[str, Mark],
) -> list[LogEntry]:
    """Return the changes that the metastore lacks, except where other engines moved pointers.

    Args:
        table: The table.
        log: Its log.
        pointers: The metastore's pointers by partition name.
        marks: The marks of partitions, by name.
    """
    log.require(pointers.values())
    late = _late(log, pointers, marks)
    if not late:
        return []
    there = {name: pointers[name] for name in late if name in pointers}
    heads = {name: Head(entry) for name, entry in late.items()}
    foreign = foreign_changes(table, there, heads)
    return [entry for name, entry in late.items() if name not in foreign]


def _late(
    log: PartitionLog, pointers: Mapping[str, PartitionInfo], marks: Mapping[str, Mark]
) -> dict[str, LogEntry]:
    """Return the changes that the metastore does not have yet, by partition."""
    suspected = [
        mark
        for name, mark in marks.items()
        if name not in pointers or pointers[name].version < mark.version
    ]
    entries = log.entries(suspected)
    return {
        name: entry for name, entry in entries.items() if is_out_of_sync(entry, pointers.get(name))
    }


def lagging(
    table: Table, log: PartitionLog, state: LogState, versions: Collection[int]
) -> list[LogEntry]:
    """Return the changes by some entries that the metastore lacks.

    Args:
        table: The table.
        log: Its log.
        state: The state of the table.
        versions: The entries. Their changes move together, as engines must not see half of a
            commit. Partitions that later entries changed are left out, and large commits whose
            writers may still move them.
    """
    versions = {one for one in versions if _is_for_others(log.header(one))}
    if not versions:
        return []
    since = state.since(min(versions) - 1)
    marks = {name: mark for name, mark in since.items() if mark.version in versions}
    return behind(table, log, _pointers(table, marks), marks)


def _is_for_others(header: EntryHeader) -> bool:
    """Return whether others move the pointers of a commit, though its writer may be at it.

    Ten thousand of them take long, and two writers that move them at once take twice as long. What
    is current is read from the log meanwhile.
    """
    if header.partitions <= _MOST_FOR_OTHERS:
        return True
    return datetime.now(UTC) - header.at > _SURELY_MOVED


def unapplied(table: Table, log: PartitionLog, state: LogState) -> tuple[int, list[LogEntry]]:
    """Return up to which version the metastore has all changes, and those that it lacks.

    Only entries are looked at that no later one has found to be applied: mostly the last one.

    Args:
        table: The table.
        log: Its log.
        state: The state of the table.
    """
    if not table.metastore.has_pointers:
        return state.version, []
    if table.metastore.moves_together:
        samples = state.samples(state.applied)
        marks = {name: it for name, it in samples.items() if it.version not in log.applied}
    else:
        marks = state.since(state.applied)
    if not marks:
        return state.version, []
    late = _late(log, _pointers(table, marks), marks)
    versions = _versions(late.values())
    left = lagging(table, log, state, versions)
    by_writers = {one for one in versions if not _is_for_others(log.header(one))}
    first = min(_versions(left) | by_writers, default=state.version + 1)
    return first - 1, left


def _pointers(table: Table, names: Collection[str]) -> dict[str, PartitionInfo]:
    return table.pointers([table.layout.partition(name) for name in names])


def catch_up(
    table: Table, log: PartitionLog, state: LogState, late: Sequence[LogEntry] = ()
) -> None:
    """Complete in the metastore what writers that died have left undone.

    Args:
        table: The table.
        log: Its log.
        state: The state of the table.
        late: Changes that the metastore is known to lack.

    Raises:
        TableNotFound: The table was dropped or renamed meanwhile.
        WarehouseUnavailable: The metastore could not be updated.
    """
    _, left = unapplied(table, log, state)
    left += lagging(table, log, state, _versions(late) - _versions(left))
    if left:
        move_pointers(table, log, left)


def crossed(
    mine: Sequence[LogEntry], others: Sequence[LogEntry]
) -> tuple[list[LogEntry], list[LogEntry]]:
    """Return which changes that the metastore lacks must move with new ones, and the rest.

    Those of commits that changed one of the same partitions must, as engines would otherwise see
    the new change and half of such a commit. The rest would make the new ones wait for their
    writers, with the lock of the whole table.

    Args:
        mine: The new changes.
        others: The changes that the metastore lacked before.
    """
    names = {entry.partition for entry in mine}
    versions = _versions([entry for entry in others if entry.partition in names])
    left = [entry for entry in others if entry.partition not in names]
    return (
        [entry for entry in left if entry.version in versions],
        [entry for entry in left if entry.version not in versions],
    )


def complete(table: Table, log: PartitionLog, others: Sequence[LogEntry]) -> None:
    """Move the pointers of changes unless their writers have moved them meanwhile.

    Args:
        table: The table.
        log: Its log.
        others: The changes.
    """
    left = lagging(table, log, log.state, _versions(others))
    if left:
        move_pointers(table, log, left)


def _versions(entries: Collection[LogEntry]) -> set[int]:
    return {entry.version for entry in entries}


def move_pointers(
    table: Table, log: PartitionLog, entries: Sequence[LogEntry], move: Move | None = None
) -> TableInfo | None:
    """Point the metastore at the batches that entries made current, atomically.

    If the metastore cannot order writers, a slow one may overwrite a later writer's pointer.
    Therefore the log is read again until it has no later change of the partitions.

    Args:
        table: The table.
        log: Its log.
        entries: Changes of different partitions.
        move: A prepared move for the first try, or None.

    Returns:
        The table as it was when the pointers moved, or None if only another look can show it.

    Raises:
        TableNotFound: The table was dropped or renamed meanwhile.
        WarehouseUnavailable: The metastore failed; the log has the change, and the next operation
            completes it.
    """
    seen: TableInfo | None = None
    try:
        repoint = partial(table.metastore.repoint, table.ref, at=table.info.location)
        move = move or repoint
        while entries and not (seen := move([_pointer(table, entry) for entry in entries])):
            move = repoint
            moved = {entry.partition: entry.version for entry in entries}
            state = log.look()
            newer = {
                mark.version
                for name, mark in state.marks(moved).items()
                if mark.version > moved[name]
            }
            entries = lagging(table, log, state, newer)
    except WarehouseUnavailable as error:
        names = ", ".join(entry.partition for entry in entries[:3])
        raise WarehouseUnavailable(
            f"the change of {table.ref} {names} is in the log, but the metastore could not be"
            f" updated: {sentence(error)} The next operation on the partition completes it, or `sfx"
            f" repair {table.ref}`",
            table=str(table.ref),
        ) from error
    return seen


def _pointer(table: Table, entry: LogEntry) -> PartitionInfo:
    if not table.may_read(entry.location):  # other engines must not read there, either
        raise table.outside(entry.partition, entry.batch_id, entry.location)
    return PartitionInfo(
        partition=table.layout.partition(entry.partition),
        location=expected_location(table, entry),
        version=entry.version,
        batch_id=entry.batch_id,
        rows=entry.rows,
        bytes=entry.bytes,
        at=entry.at.isoformat(),
        gone=entry.dropped,
        first=not entry.parent,
    )


def table_since(table: Table) -> Table:
    """Open a table that lost its name, as it is now: renamed or dropped.

    Raises:
        TableNotFound: The metastore has lost it; the warehouse has its history.
    """
    try:
        there = table_at(table.ref, table.location, table.store, table.metastore)
    except (TableNotFound, ForeignChange) as error:
        raise _lost(table) from error
    if not there.is_at(table.location):
        raise _lost(table)
    return there


def is_gone(table: Table) -> bool:
    """Return whether a table was dropped, under its name or a later one."""
    now = table.metastore.get_table(table.ref)
    if now is not None and is_at(now, table.info.location):
        return False
    try:
        return table_since(table).is_dropped
    except TableNotFound:  # by another engine
        return True


def refuse_created(table: Table) -> CommitConflict | None:
    """Return an error if a table that was dropped was created again, or None."""
    now = table.metastore.get_table(table.ref)
    if now is None or not is_at(now, table.info.location):
        return None
    return CommitConflict(
        f"{table.ref} was dropped, and created again at the same moment: nothing was changed; see"
        f" `sfx history {table.ref}`",
        table=str(table.ref),
    )


def _lost(table: Table) -> TableNotFound:
    return TableNotFound(
        f"the metastore lost the table {table.ref} while it was changed: its history in"
        f" {table.location} has the change; `sfx repair {table.ref}` restores the table with it",
        table=str(table.ref),
    )


def ended_error(table: Table, ended: Mapping[str, str], *, with_table: bool) -> TableNotFound:
    """Return the error for batches of a table that was dropped while they became current.

    Args:
        table: The dropped table.
        ended: The batches by partition name.
        with_table: Whether restoring the table brings them back.
    """
    name, batch_id = next(iter(ended.items()))
    more = f" and {len(ended) - 1} more" if len(ended) > 1 else ""
    undo = f"sfx rollback {table.ref}"
    if not with_table:
        undo = " ".join(filter(None, (undo, name and shlex.quote(name), f"--to {batch_id}")))
    return TableNotFound(
        f"{table.ref} was dropped while the batch {batch_id} of {table.describe(name)}{more}"
        f" was published: it is in the history, but not current. `{undo}` restores it",
        table=str(table.ref),
        partition=name,
        batch_id=batch_id,
    )


def refuse_dropped(table: Table, changes: Sequence[Change], heads: Mapping[str, Head]) -> None:
    """Raise an error if a change makes a batch of a dropped table current."""
    if table.is_dropped and any(
        one.batch_id not in (None, heads[one.partition].batch_id) for one in changes
    ):
        raise table.name_error()

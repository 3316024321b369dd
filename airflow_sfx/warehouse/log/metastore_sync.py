"""Comparison of the metastore's pointers with the ledgers, and moves of pointers.

A table may be dropped or renamed while a batch for it is written, even between the batch's log
entry and the move of its pointer. Its name may be another table's by then. So a move names the
directory of its table, and the metastore rejects it if the name has another one.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial

from airflow_sfx.core.errors import (
    CommitConflict,
    ForeignChange,
    SfxError,
    TableNotFound,
    WarehouseUnavailable,
    sentence,
)
from airflow_sfx.core.io.locations import normalized
from airflow_sfx.core.ledger import Change, LedgerEntry
from airflow_sfx.metastore.base import Move, PartitionInfo, TableInfo, is_at
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.records import Head
from airflow_sfx.warehouse.table.renamed import table_at
from airflow_sfx.warehouse.table.table import Table

MOST_COMPARED = 64
"""The most partitions whose ledgers a read compares with the metastore, on any store."""


def expected_location(table: Table, entry: LedgerEntry) -> str:
    """Return the location of a partition after an entry."""
    return entry.location or table.batch_location(entry.partition, entry.batch_id)


def is_out_of_sync(entry: LedgerEntry, pointer: PartitionInfo | None) -> bool:
    """Return whether the metastore is behind the entry in effect."""
    if entry.dropped and pointer is None:
        return False
    if not needs_pointer(entry) and (pointer is None or pointer.batch_id is None):
        return False
    return (pointer.sequence if pointer else 0) < entry.sequence


def needs_pointer(entry: LedgerEntry) -> bool:
    """Return whether the metastore is to show an entry.

    An entry about staged batches alone does not add its partition to the metastore.
    """
    return entry.moved or entry.batch_id is not None or bool(entry.location)


def hints(names: Iterable[str], pointers: Mapping[str, PartitionInfo]) -> dict[str, int]:
    """Return the entry number of each pointer, or 0 without a pointer.

    Args:
        names: The partitions' names.
        pointers: The metastore's pointers by partition name.
    """
    return {name: pointers[name].sequence if name in pointers else 0 for name in names}


def can_compare(table: Table, names: Collection[str]) -> bool:
    """Return whether a read may compare each partition's ledger with the metastore.

    Each costs a system call in a directory, and a request at an object store.
    """
    return table.store.concurrency == 1 or len(names) <= MOST_COMPARED


def known_names(table: Table, ledger: Ledger, pointers: Mapping[str, PartitionInfo]) -> list[str]:
    """Return the sorted names of all partitions that the metastore or a ledger has."""
    return sorted({*ledger.names(), *pointers})


def all_heads(table: Table, ledger: Ledger) -> dict[str, Head]:
    """Return the heads of all partitions that the metastore or a ledger has, by name."""
    pointers = table.pointers(None)
    return ledger.heads(hints(known_names(table, ledger, pointers), pointers))


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

    The ledgers of all others, which may be ten thousand, need not be read.
    """
    return {
        name: info
        for name, info in pointers.items()
        if not info.sequence
        or normalized(info.location) != normalized(table.batch_location(name, info.batch_id))
    }


def _put_by(table: Table, info: PartitionInfo, head: Head) -> LedgerEntry | None:
    """Return the entry that a pointer names, or the entry in effect."""
    entry = head.entry
    if entry is None or info.sequence == 0 or info.sequence >= entry.sequence:
        return entry
    # The metastore is behind the last entries.
    return Ledger(table).read(entry.partition, info.sequence) or entry


def _moved(table: Table, info: PartitionInfo, entry: LedgerEntry | None) -> bool:
    if entry is not None and info.location == expected_location(table, entry):
        return False  # the usual case, without comparing spellings
    place = normalized(info.location)
    if place == normalized(table.batch_location("", None)):
        return False  # just added, and about to move
    if info.sequence == 0:  # added, or dropped and added again, by another engine
        return entry is None or place != normalized(expected_location(table, entry))
    if entry is None or info.sequence != entry.sequence:
        return False
    return place != normalized(expected_location(table, entry))


_READERS = 16


def heads_and_behind(
    table: Table, ledger: Ledger, names: Collection[str], pointers: Mapping[str, PartitionInfo]
) -> tuple[dict[str, Head], list[LedgerEntry]]:
    """Return heads, and the entries in effect that the metastore is behind.

    Args:
        table: The table.
        ledger: Its ledgers.
        names: The partitions' names.
        pointers: The metastore's pointers by partition name.

    Returns:
        Heads by partition name, and the entries of those that are behind, except for pointers that
        other engines have moved.
    """
    heads = ledger.heads(hints(names, pointers))
    behind = [
        head.entry
        for name, head in heads.items()
        if head.entry and is_out_of_sync(head.entry, pointers.get(name))
    ]
    if behind:
        foreign = foreign_changes(
            table, {name: pointers[name] for name in names if name in pointers}, heads
        )
        behind = [entry for entry in behind if entry.partition not in foreign]
    return heads, behind


def with_co_committed(
    table: Table, ledger: Ledger, behind: Sequence[LedgerEntry], known: Mapping[str, int]
) -> list[LedgerEntry]:
    """Return entries, and the other entries of the same commits that are behind.

    Keeps commits of several partitions atomic for readers: all of their pointers move together.

    Args:
        table: The table.
        ledger: Its ledgers.
        behind: Entries in effect that the metastore is behind.
        known: By partition name, the number of the entry that the metastore has. Commits since
            then are followed, even if a later one changed the partition again.

    Returns:
        The entries, and those of co-committed partitions.
    """
    passed = map_concurrently(
        lambda entry: ledger.passed(entry, known.get(entry.partition, 0)), behind, _READERS
    )
    commits = sorted({entry.commit for entries in passed for entry in entries if entry.group})
    members = {
        name for changed in map_concurrently(ledger.members, commits, _READERS) for name in changed
    }
    co_committed = sorted(members - {entry.partition for entry in behind})
    if not co_committed:
        return list(behind)
    pointers = table.pointers([table.layout.partition(name) for name in co_committed])
    _, late = heads_and_behind(table, ledger, co_committed, pointers)
    return [*behind, *late]


Veto = Callable[[], SfxError | None]
"""Returns why entries that exist must not take effect, or None."""


def move_pointers(
    table: Table, ledger: Ledger, entries: Sequence[LedgerEntry], move: Move | None = None
) -> TableInfo | None:
    """Point the metastore at the batches that entries made current, atomically.

    If the metastore cannot order writers, a slow one may overwrite a later writer's pointer.
    Therefore the ledgers are read again until they have no later entry.

    Args:
        table: The table.
        ledger: Its ledgers.
        entries: Entries in effect, of different partitions.
        move: A prepared move for the first try, or None.

    Returns:
        The table as it was when the pointers moved, or None if only another look can show it.

    Raises:
        TableNotFound: The table was dropped or renamed meanwhile.
        WarehouseUnavailable: The metastore failed; the ledger has the change, and the next
            operation completes it.
    """
    seen: TableInfo | None = None
    try:
        repoint = partial(table.metastore.repoint, table.ref, at=table.info.location)
        move = move or repoint
        while entries and not (seen := move([_pointer(table, entry) for entry in entries])):
            move = repoint
            moved = {entry.partition: entry.sequence for entry in entries}
            later = [head.entry for head in ledger.heads(moved).values()]
            newer = [entry for entry in later if entry and entry.sequence > moved[entry.partition]]
            entries = with_co_committed(table, ledger, newer, moved)
    except WarehouseUnavailable as error:
        names = ", ".join(entry.partition for entry in entries[:3])
        raise WarehouseUnavailable(
            f"the change of {table.ref} {names} is in the ledger, but the metastore could not be"
            f" updated: {sentence(error)} The next operation on the partition completes it, or `sfx"
            f" repair {table.ref}`",
            table=str(table.ref),
        ) from error
    return seen


def _pointer(table: Table, entry: LedgerEntry) -> PartitionInfo:
    if not table.may_read(entry.location):  # other engines must not read there, either
        raise table.outside(entry.partition, entry.batch_id, entry.location)
    return PartitionInfo(
        partition=table.layout.partition(entry.partition),
        location=expected_location(table, entry),
        sequence=entry.sequence,
        batch_id=entry.batch_id,
        rows=entry.rows,
        bytes=entry.bytes,
        at=entry.at.isoformat(),
        gone=entry.dropped,
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


def veto_of(table: Table, changes: Sequence[Change], heads: Mapping[str, Head]) -> Veto | None:
    """Return what keeps batches from partitions that had none, if the table was dropped."""
    entries = [heads[one.partition].entry for one in changes if one.batch_id]
    if any(entry is not None and entry.batch_id is None for entry in entries):
        return lambda: table.name_error() if is_gone(table) else None
    return None

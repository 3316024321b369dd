"""Comparison of the metastore's pointers with the ledgers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from airflow_sfx.core.io.locations import normalized
from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.records import Head
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

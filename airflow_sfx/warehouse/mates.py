"""What belongs to one change is seen as one: when one partition's pointer moves, those of the same commits move with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.metastore.metastore import PartitionInfo
from airflow_sfx.storage.parallel import each
from airflow_sfx.warehouse.ledger import Head, Ledger
from airflow_sfx.warehouse.opened import OpenTable
from airflow_sfx.warehouse.pointers import hints, lags, moved_by_others

_READERS = 16


def heads_and_behind(
    table: OpenTable, ledger: Ledger, names: Collection[str], pointers: Mapping[str, PartitionInfo]
) -> tuple[dict[str, Head], list[LedgerEntry]]:
    """Heads, and the entries in effect that the metastore has not been told of.

    Args:
        table: The table.
        ledger: Its ledgers.
        names: The partitions' names.
        pointers: The metastore's pointers by partition name.

    Returns:
        Heads by partition name; and the entries of those that are behind, but for what something else has moved.
    """
    heads = ledger.heads(hints(names, pointers))
    behind = [head.entry for name, head in heads.items() if head.entry and lags(head.entry, pointers.get(name))]
    if behind:
        foreign = moved_by_others(table, {name: pointers[name] for name in names if name in pointers}, heads)
        behind = [entry for entry in behind if entry.partition not in foreign]
    return heads, behind


def with_mates(
    table: OpenTable, ledger: Ledger, behind: Sequence[LedgerEntry], known: Mapping[str, int]
) -> list[LedgerEntry]:
    """Entries, and those of the same commits that are behind as well.

    Args:
        table: The table.
        ledger: Its ledgers.
        behind: Entries in effect that the metastore has not been told of.
        known: By partition name, the number of the entry that it was told of last: commits of several partitions since then
            count, too, though another one of the partition came after them.

    Returns:
        The entries, and their mates.
    """
    passed = each(lambda entry: ledger.passed(entry, known.get(entry.partition, 0)), behind, _READERS)
    commits = sorted({entry.commit for entries in passed for entry in entries if entry.group})
    members = {name for changed in each(ledger.members, commits, _READERS) for name in changed}
    mates = sorted(members - {entry.partition for entry in behind})
    if not mates:
        return list(behind)
    pointers = table.pointers([table.layout.partition(name) for name in mates])
    _, late = heads_and_behind(table, ledger, mates, pointers)
    return [*behind, *late]

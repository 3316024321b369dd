"""History: what changed, when, by whom and why."""

from __future__ import annotations

import heapq
from itertools import islice

from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.warehouse.current import heads_to_read
from airflow_sfx.warehouse.ledger import Ledger
from airflow_sfx.warehouse.opened import OpenTable


def partition_history(table: OpenTable, ledger: Ledger, name: str, limit: int | None) -> list[LedgerEntry]:
    """The changes of a partition, newest first.

    Args:
        table: The table.
        ledger: Its ledgers.
        name: The partition's name.
        limit: How many at the most; None for all.

    Returns:
        The entries in effect.

    Raises:
        PartitionNotFound: There never was such a partition.
    """
    pointers = table.pointers([table.layout.partition(name)])
    head = heads_to_read(table, ledger, [name], pointers)[name]
    if head.entry is None:
        raise table.missing(name, "has no history: it never had a batch")
    return list(islice(ledger.newest_first(name, head), limit))


def table_history(table: OpenTable, ledger: Ledger, limit: int | None) -> list[LedgerEntry]:
    """The changes of all partitions of a table, newest first.

    Args:
        table: The table.
        ledger: Its ledgers.
        limit: How many at the most; None for all.

    Returns:
        The entries in effect, merged by time.
    """
    pointers = table.pointers(None)
    heads = ledger.heads({name: info.sequence for name, info in pointers.items()})
    streams = [ledger.newest_first(name, head) for name, head in heads.items()]
    return list(islice(heapq.merge(*streams, key=lambda entry: entry.at, reverse=True), limit))

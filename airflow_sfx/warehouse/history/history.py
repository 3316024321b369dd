"""The history of a partition or a table: what changed, when, by whom and why."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.log.resolve import heads_to_read
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import list_tombstones, versions

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some of a partition's changes, and the present state of their batches.

    Args:
        entries: The changes, newest first.
        more: Whether there are older ones.
        current: The current batch, or None.
        retired: The batches of these changes that have expired.
        replaced: The replacements of batches from which rows were erased, by batch ID.
    """

    entries: tuple[LogEntry, ...]
    more: bool
    current: str | None
    retired: frozenset[str]
    replaced: Mapping[str, str]


def partition_history(
    table: Table, log: PartitionLog, name: str, limit: int | None
) -> list[LogEntry]:
    """List the changes of a partition, newest first.

    Args:
        table: The table.
        log: The table's log.
        name: The partition's name.
        limit: The maximum number of entries, or None for all.

    Returns:
        The entries in effect.

    Raises:
        PartitionNotFound: The partition has never existed.
    """
    return first(log.newest_first(name, _head(table, log, name)), limit)


def history_page(
    table: Table, log: PartitionLog, name: str, limit: int, before: int | None
) -> HistoryPage:
    """Return one page of a partition's changes.

    Args:
        table: The table.
        log: The table's log.
        name: The partition's name.
        limit: The maximum number of entries.
        before: Return only changes with a lower number, or None for the newest.

    Returns:
        The entries in effect, and the present state of their batches.

    Raises:
        PartitionNotFound: The partition has never existed.
    """
    head = _head(table, log, name)
    retired: set[str] = set()
    found: list[LogEntry] = []
    for entry in log.newest_first(name, head):
        retired.update(entry.retired)  # batches of older entries, which follow
        if before is None or entry.version < before:
            found.append(entry)
        if len(found) > limit:
            break
    instead = versions(list_tombstones(table))
    ids = {one for entry in found for one in (entry.batch_id, entry.previous) if one}
    replaced = {one: new.batch_id for one in ids if (new := instead.get((name, one)))}
    return HistoryPage(
        tuple(found[:limit]),
        len(found) > limit,
        head.batch_id,
        frozenset((ids & retired) | replaced.keys()),
        replaced,
    )


def _head(table: Table, log: PartitionLog, name: str) -> Head:
    head = heads_to_read(table, log, [name])[name]
    if head.entry is None:
        raise table.missing(name, "has no history: it never had a batch")
    return head


def table_history(table: Table, log: PartitionLog, limit: int | None) -> list[LogEntry]:
    """List the changes of all partitions of a table, newest first.

    Args:
        table: The table.
        log: The table's log.
        limit: The maximum number of entries, or None for all.

    Returns:
        The entries, by the order of their commits.
    """
    return first(log.all_newest_first(), limit)


def first(entries: Iterable[T], limit: int | None) -> list[T]:
    """Return the first values, or all without a limit."""
    return list(islice(entries, None if limit is None else min(limit, sys.maxsize)))

"""Repair: complete what failed writers left unfinished, and report the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from airflow_sfx.core.batch_id import is_batch_id
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.storage.concurrency import Progress, map_concurrently, with_progress
from airflow_sfx.warehouse.integrity.columns import complete_columns
from airflow_sfx.warehouse.integrity.remedies import DROP_OR_RENAME, of_moved
from airflow_sfx.warehouse.log.metastore_sync import (
    expected_location,
    foreign_changes,
    is_out_of_sync,
    known_names,
    move_pointers,
)
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.table.manifests import Item, find_manifests
from airflow_sfx.warehouse.table.table import Table


def repair_table(table: Table, log: PartitionLog, progress: Progress | None = None) -> list[Repair]:
    """Bring the metastore in sync with the log, and complete unfinished changes.

    Nothing is deleted.

    Args:
        table: The table.
        log: The table's log.
        progress: Called with the number of partitions checked so far and in total, or None.

    Returns:
        The problems found, by partition; empty if there are none.
    """
    found = _columns(table)
    pointers = table.pointers(None)
    names = known_names(log, pointers)
    heads = log.heads(names)
    behind = [
        head.entry
        for name, head in heads.items()
        if head.entry and is_out_of_sync(head.entry, pointers.get(name))
    ]
    foreign = foreign_changes(table, pointers, heads)
    behind = [
        entry
        for entry in behind
        if entry.partition not in foreign and table.may_read(entry.location)
    ]
    if behind:
        move_pointers(table, log, behind)
    found += [
        Repair(e.partition, f"the metastore was behind entry {e.version}", "moved it on")
        for e in behind
    ]
    found += [
        Repair("", lacking, "added them to the metastore")
        for lacking in complete_columns(table, heads)
    ]
    found += [_foreign(table, name, info, heads[name]) for name, info in foreign.items()]
    found += _outside(table, heads.values())
    found += _refused(table)
    batches_of = with_progress(partial(_directories, table), len(names), progress)
    found += _unfinished(
        table, [item for some in map_concurrently(batches_of, names) for item in some]
    )
    return sorted(found, key=lambda repair: repair.partition)


def _columns(table: Table) -> list[Repair]:
    """Complete a change of columns that a writer left unfinished.

    Until then, engines saw only some of the columns.
    """
    if not table.metastore.complete_columns(table.ref):
        return []
    return [
        Repair(
            "", "a change of its columns was unfinished", "waited for its writer, or completed it"
        )
    ]


def _foreign(table: Table, name: str, info: PartitionInfo, head: Head) -> Repair:
    remedy = of_moved(table.ref, name)
    if head.entry is None:
        return Repair(name, f"another engine made the partition, at {info.location}; {remedy}", "")
    expected = expected_location(table, head.entry)
    return Repair(
        name, f"another engine moved the metastore from {expected} to {info.location}; {remedy}", ""
    )


def _outside(table: Table, heads: Iterable[Head]) -> list[Repair]:
    """Report batches outside of all directories that the metastore lists as adopted.

    The metastore's table was recreated, or the history is forged.
    """
    current = [head.entry for head in heads if head.entry and head.entry.batch_id]
    return [
        Repair(one.partition, str(table.outside(one.partition, one.batch_id, one.location)), "")
        for one in current
        if not table.may_read(one.location)
    ]


def _refused(table: Table) -> list[Repair]:
    return [
        Repair(
            one.name,
            f"another engine made the partition, at {one.location}: {one.rule}; {DROP_OR_RENAME}",
            "",
        )
        for one in table.metastore.unsupported_partitions(table.ref)
    ]


def _directories(table: Table, name: str) -> list[Item]:
    """Return the batches of a partition that have a directory."""
    there = table.store.list_directories(table.layout.partition_dir(name))
    return [(name, one) for one in there if is_batch_id(one)]


def _unfinished(table: Table, items: Sequence[Item]) -> list[Repair]:
    """Report batches with files and without a manifest."""
    sealed = find_manifests(table, items)
    return [
        Repair(
            name,
            f"the batch {batch} has no manifest: its writer failed or is still running",
            "",
        )
        for name, batch in items
        if (name, batch) not in sealed and has_files(table, table.layout.batch_dir(name, batch))
    ]


def has_files(table: Table, directory: str) -> bool:
    """Return whether a directory of the table has objects, finished or not."""
    return any(True for _ in table.store.list(directory, unfinished=True))


@dataclass(frozen=True, slots=True)
class Repair:
    """A problem that `repair` found, and what it did about it.

    Args:
        partition: The partition's name.
        found: What was wrong.
        done: What was done about it, or empty if only a person can decide.
    """

    partition: str
    found: str
    done: str

"""Repair: complete what a writer that died left half done, and tell what only a person can mend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from airflow_sfx.core.batch_id import is_batch_id
from airflow_sfx.core.paths import CLAIM, MANIFEST
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.storage.concurrency import Progress, map_concurrently, with_progress
from airflow_sfx.warehouse.log.commit import move_pointers
from airflow_sfx.warehouse.log.ledger import Head, Ledger
from airflow_sfx.warehouse.log.metastore_sync import (
    expected_location,
    foreign_changes,
    hints,
    is_out_of_sync,
)
from airflow_sfx.warehouse.table.table import Table


def repair_table(table: Table, ledger: Ledger, progress: Progress | None = None) -> list[Repair]:
    """Bring the metastore to where the ledgers are, and decide the commits of writers that died.

    Args:
        table: The table.
        ledger: Its ledgers.
        progress: Is told how many partitions have been looked at.

    Returns:
        What was found, by partition; nothing where all is well. Nothing is ever deleted.
    """
    found = _columns(table)
    pointers = table.pointers(None)
    names = sorted({*ledger.names(), *pointers})
    heads = ledger.heads(hints(names, pointers))
    found += [
        Repair(
            name,
            f"entry {head.last} was not decided",
            "waited for its writer, or decided against it",
        )
        for name, head in heads.items()
        if head.undecided
    ]
    settled = ledger.settled(heads, again=False)
    behind = [
        head.entry
        for name, head in settled.items()
        if head.entry and is_out_of_sync(head.entry, pointers.get(name))
    ]
    foreign = foreign_changes(table, pointers, settled)
    behind = [
        entry
        for entry in behind
        if entry.partition not in foreign and table.may_read(entry.location)
    ]
    if behind:
        move_pointers(table, ledger, behind)
    found += [
        Repair(e.partition, f"the metastore was behind entry {e.sequence}", "moved it on")
        for e in behind
    ]
    found += [_foreign(table, name, info, settled[name]) for name, info in foreign.items()]
    found += _outside(table, settled.values())
    found += _refused(table)
    look = with_progress(partial(_unfinished, table), len(names), progress)
    found += [unfinished for batch in map_concurrently(look, names) for unfinished in batch]
    return sorted(found, key=lambda repair: repair.partition)


def _columns(table: Table) -> list[Repair]:
    """Whether engines saw only some of its columns, since a writer was changing them or had died while it did."""
    if not table.metastore.complete_columns(table.ref):
        return []
    return [
        Repair(
            "", "a change of its columns was half done", "waited for its writer, or completed it"
        )
    ]


def _foreign(table: Table, name: str, info: PartitionInfo, head: Head) -> Repair:
    partition = f" {name}" if name else ""
    remedy = (
        f"`sfx adopt {table.ref}{partition and ' --partition'}{partition}` takes it into the"
        " history"
    )
    if head.entry is None:
        return Repair(name, f"something else made the partition, at {info.location}; {remedy}", "")
    expected = expected_location(table, head.entry)
    return Repair(
        name, f"something else moved the metastore from {expected} to {info.location}; {remedy}", ""
    )


def _outside(table: Table, heads: Iterable[Head]) -> list[Repair]:
    """What lies where nothing was adopted from, as far as the metastore knows: it was made anew, or the history is forged."""
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
            f"something else made the partition, at {one.location}: {one.rule}; {DROP_OR_RENAME}",
            "",
        )
        for one in table.metastore.unsupported_partitions(table.ref)
    ]


def _unfinished(table: Table, name: str) -> list[Repair]:
    """Batches with files and no manifest. A directory that was only claimed holds nothing, and is not worth a word."""
    directories = table.store.list_directories(table.layout.partition_dir(name))
    batches = [batch for batch in directories if is_batch_id(batch)]
    found = map_concurrently(
        lambda batch: _is_unfinished(table, table.layout.batch_dir(name, batch)),
        batches,
        table.store.concurrency,
    )
    return [
        Repair(
            name,
            f"the batch {batch} has no manifest: it was never finished, or is being written",
            "",
        )
        for batch, unfinished in zip(batches, found, strict=True)
        if unfinished
    ]


def _is_unfinished(table: Table, directory: str) -> bool:
    if table.store.head(f"{directory}/{MANIFEST}") is not None:
        return False
    return has_files(table, directory)


def has_files(table: Table, directory: str) -> bool:
    """Whether a batch's directory holds more than its claim, under whatever name."""
    return any(
        info.path.rpartition("/")[2] != CLAIM
        for info in table.store.list(directory, unfinished=True)
    )


DROP_OR_RENAME = "loads leave it out; drop or rename the partition in the engine that made it"
"""What to do about a partition with a value that no batch can have."""


@dataclass(frozen=True, slots=True)
class Repair:
    """One thing that `repair` found, and what it did.

    Args:
        partition: The partition's name.
        found: What was wrong, in words.
        done: What was done about it; empty where nothing may be done without a person.
    """

    partition: str
    found: str
    done: str

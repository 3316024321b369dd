"""Directories with files that no history names: what writers left that died, or were overtaken, or are writing now."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from airflow_sfx.core.batch_id import is_batch_id, moment_of
from airflow_sfx.storage.parallel import each
from airflow_sfx.warehouse import retired
from airflow_sfx.warehouse.commit import Author
from airflow_sfx.warehouse.ledger import Ledger
from airflow_sfx.warehouse.opened import OpenTable
from airflow_sfx.warehouse.repair import has_files
from airflow_sfx.warehouse.retired import UNFINISHED_FOR, Note
from airflow_sfx.warehouse.retiring import confirmed

Item = tuple[str, str]
"""A partition's name and a batch ID."""


def find_strays(table: OpenTable, mentioned: Collection[Item]) -> tuple[Item, ...]:
    """Directories of batches with files that nothing names.

    Args:
        table: The table.
        mentioned: All batches that the history, or a note, names.

    Returns:
        Their partitions and batch IDs.
    """
    layout, store = table.layout, table.store

    def of_partition(name: str) -> list[Item]:
        there = [one for one in store.list_directories(layout.partition_dir(name)) if is_batch_id(one)]
        unknown = [one for one in there if (name, one) not in mentioned]
        return [(name, one) for one in unknown if has_files(table, layout.batch_dir(name, one))]

    names = sorted({name for name, _ in mentioned})
    return tuple(item for found in each(of_partition, names, store.readers) for item in found)


def retire_old(
    table: OpenTable,
    ledger: Ledger,
    strays: Sequence[Item],
    newest: Mapping[str, str],
    author: Author,
    *,
    now: datetime,
    grace: timedelta,
) -> tuple[Item, ...]:
    """Retire the strays that nobody can finish.

    Batch IDs grow along a ledger: whoever would still make one of these current has to give it a greater ID first, and so to link
    or copy its files, which fails where they are gone. Whoever finds out only then what its files are, or stages it, looks at the
    notes (`refuse_given_up`).

    Args:
        table: The table.
        ledger: Its ledgers.
        strays: What `find_strays` found.
        newest: The greatest batch ID in the history of each partition, by partition name.
        author: Who.
        now: The time, in UTC.
        grace: For how long their files stay.

    Returns:
        Those that are left: as young as a writer may be, or not overtaken.
    """
    until = now - max(UNFINISHED_FOR, grace)
    old = [(name, one) for name, one in strays if one < newest.get(name, "") and moment_of(one) < until]
    if old:
        batches: dict[str, tuple[str, ...]] = {}
        for name, one in old:
            batches[name] = (*batches.get(name, ()), one)
        reason = f"{len(old)} unfinished batches given up"
        note = Note(retired.name_at(now), batches, now, now + grace, author.producer, reason)
        confirmed(table, ledger, retired.write(table, note))
    return tuple(item for item in strays if item not in old)

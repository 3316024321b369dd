"""Partitions that are the same day in two spellings.

Such are ``20161031`` and ``2016-10-31``. A new one beside the other is rejected, as a reader of the
day would get half of its rows. Partitions that exist already are written and read as ever.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.partition import Partition, as_day, other_spellings
from airflow_sfx.warehouse.table.table import Table

_MOST_SPELT = 16
"""The most partitions whose other spellings are looked up together with them."""


def spellings(table: Table, partitions: Sequence[Partition]) -> list[Partition]:
    """Return other spellings of a few partitions, to be looked up together with them.

    Args:
        table: The table, of whose keys only text has several spellings of a day.
        partitions: The partitions to write.
    """
    if len(partitions) > _MOST_SPELT or not _has_text(table):
        return []
    return [other for partition in partitions for other in other_spellings(partition)]


def refuse_same_days(table: Table, new: Sequence[Partition], found: Container[str]) -> None:
    """Reject new partitions that exist in another spelling.

    Args:
        table: The table.
        new: The partitions that do not exist yet.
        found: The names of partitions that exist, of those that were looked up.

    Raises:
        InvalidName: A partition exists in another spelling, or two of the new ones are one.
    """
    if not new or not _has_text(table):
        return
    days: dict[tuple[str, ...], Partition] = {}
    for partition in new:
        first = days.setdefault(tuple(map(as_day, partition.values)), partition)
        if first is not partition:
            raise _same_day(table, partition, first)
    if len(new) > _MOST_SPELT:
        _refuse_known(table, days)
        return
    for partition in new:
        for other in other_spellings(partition):
            if table.layout.name(other) in found:
                raise _same_day(table, partition, other)


def _refuse_known(table: Table, days: dict[tuple[str, ...], Partition]) -> None:
    for known in table.metastore.list_partitions(table.ref):
        partition = days.get(tuple(map(as_day, known.values)))
        if partition is not None and partition != known:
            raise _same_day(table, partition, known)


def _has_text(table: Table) -> bool:
    return any(key.type == "string" for key in table.info.keys)


def _same_day(table: Table, partition: Partition, known: Partition) -> InvalidName:
    return InvalidName(
        f"{table.ref} has the partition {known}, which is the same day as the new partition"
        f" {partition}",
        remedy=f"pass {known}, as a table has one spelling of a day",
        table=str(table.ref),
        partition=table.layout.name(partition),
    )

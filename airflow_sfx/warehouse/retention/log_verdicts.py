"""What the log says about batches that a tombstone names.

A tombstone alone, which may be forged, deletes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from airflow_sfx.core.batch_id import moment_of
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import UNFINISHED_FOR

Item = tuple[str, str]
"""A partition's name and a batch ID."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the log says about some batches of a partition.

    Args:
        named: The batches that were current or discarded and have not expired since.
        retired: The expired batches, and whether to delete their files even if a hold keeps them.
    """

    named: Collection[str]
    retired: Mapping[str, bool]

    def knows(self, batch_id: str) -> bool:
        """Return whether a log entry names a batch."""
        return batch_id in self.named or batch_id in self.retired

    def is_orphan(self, batch_id: str, now: datetime) -> bool:
        """Return whether a batch is in no log entry and too old for a running writer."""
        return not self.knows(batch_id) and moment_of(batch_id) < now - UNFINISHED_FOR


def verdicts(table: Table, log: PartitionLog, items: Collection[Item]) -> dict[str, Verdict]:
    """Return what the log says about batches, by partition name.

    The history of each partition is read back to the entries that expired its batches.

    Args:
        table: The table.
        log: The table's log.
        items: The batches.
    """
    names = sorted({name for name, _ in items})
    if not names:
        return {}
    heads = log.heads(names)

    def of_partition(name: str) -> Verdict:
        return _verdict(log, name, heads[name], {one for place, one in items if place == name})

    return dict(
        zip(names, map_concurrently(of_partition, names, table.store.concurrency), strict=True)
    )


def _verdict(log: PartitionLog, name: str, head: Head, wanted: set[str]) -> Verdict:
    named: set[str] = set()
    retired: dict[str, bool] = {}
    for entry in log.newest_first(name, head):
        named |= {one for one in (entry.batch_id, *entry.discarded) if one in wanted} - set(retired)
        for one in entry.retired:
            if one in wanted and one not in named:
                retired.setdefault(one, entry.despite_pins)
        if len(named) + len(retired) == len(wanted):
            break
    return Verdict(named, retired)

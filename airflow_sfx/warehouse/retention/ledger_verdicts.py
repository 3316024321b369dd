"""What the ledgers say of batches that a note wants deleted: a note alone, which anybody may have written, deletes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from airflow_sfx.core.batch_id import moment_of
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.log.ledger import Head, Ledger
from airflow_sfx.warehouse.log.metastore_sync import hints
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import UNFINISHED_FOR

Item = tuple[str, str]
"""A partition's name and a batch ID."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What a partition's ledger says of some batches.

    Args:
        named: Those that were current, and were not retired after that.
        retired: Those that were retired, and whether their files are deleted even where a durable
            pin holds them.
    """

    named: Collection[str]
    retired: Mapping[str, bool]

    def knows(self, batch_id: str) -> bool:
        """Whether an entry names a batch."""
        return batch_id in self.named or batch_id in self.retired

    def is_stray(self, batch_id: str, now: datetime) -> bool:
        """Whether a batch is of a writer that died: no entry names it, and it is as old as no living writer's."""
        return not self.knows(batch_id) and moment_of(batch_id) < now - UNFINISHED_FOR


def fates(table: Table, ledger: Ledger, items: Collection[Item]) -> dict[str, Fate]:
    """What the ledgers say of batches, by partition name. Each is read back to where its batches were retired.

    Args:
        table: The table.
        ledger: Its ledgers.
        items: The batches.
    """
    names = sorted({name for name, _ in items})
    if not names:
        return {}
    heads = ledger.heads(
        hints(names, table.pointers([table.layout.partition(name) for name in names]))
    )

    def of_partition(name: str) -> Fate:
        return _fate(ledger, name, heads[name], {one for place, one in items if place == name})

    return dict(
        zip(names, map_concurrently(of_partition, names, table.store.concurrency), strict=True)
    )


def _fate(ledger: Ledger, name: str, head: Head, wanted: set[str]) -> Fate:
    named: set[str] = set()
    retired: dict[str, bool] = {}
    for entry in ledger.newest_first(name, head):
        if entry.batch_id in wanted and entry.batch_id not in retired:
            named.add(entry.batch_id)
        for one in entry.retired:
            if one in wanted and one not in named:
                retired.setdefault(one, entry.despite_pins)
        if len(named) + len(retired) == len(wanted):
            break
    return Fate(named, retired)

"""Changes by other engines while new batches are written: they are recorded first.

The metastore is looked at when the partitions are claimed, and once more before they change, where
that took a while.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.metastore_sync import foreign_changes, hints
from airflow_sfx.warehouse.log.records import Head
from airflow_sfx.warehouse.table.table import Table

LOOK_AGAIN_SECONDS = 2.0
"""The age up to which a read of the pointers is good enough for a commit.

A small store is faster, and costs no further request.
"""

Reconcile = Callable[[Mapping[str, PartitionInfo], Mapping[str, Head]], None]
"""Given pointers that something else has moved, and the partitions' heads."""


class DriftWatch:
    """What the metastore was seen to have of partitions that are to be changed.

    Args:
        table: The table.
        ledger: Its ledgers.
        reconcile: Takes what something else did to partitions into the history; None where nobody
            looks for it.
    """

    def __init__(self, table: Table, ledger: Ledger, reconcile: Reconcile | None) -> None:
        self._table = table
        self._ledger = ledger
        self._reconcile = reconcile
        self._seen: dict[str, PartitionInfo] = {}
        self._heads: dict[str, Head] = {}
        self._looked = math.inf

    def begin(self, names: Sequence[str]) -> dict[str, Head]:
        """The heads of further partitions, once what something else did is in the history.

        Args:
            names: The partitions' names.
        """
        self._looked = min(self._looked, time.monotonic())
        pointers, heads = self._look(names, sure=self._reconcile is None)
        if self._reconcile and foreign_changes(self._table, pointers, heads):
            pointers, heads = self._look(names, sure=True)
            self._reconcile(foreign_changes(self._table, pointers, heads), heads)
            pointers, heads = self._look(names, sure=True)
        self._seen |= pointers
        self._heads |= heads
        return heads

    def expire(self) -> None:
        """Have `again` look, however little time has passed: code of others has run."""
        self._looked = -math.inf

    def again(self, heads: Mapping[str, Head]) -> bool:
        """Take into the history what something else did since the last look.

        Args:
            heads: The heads of all of the partitions, as they are now.

        Returns:
            Whether there was anything: the heads are out of date then.
        """
        if self._reconcile is None or not self._is_due(heads):
            return False
        self._looked = time.monotonic()
        self._seen = self._table.pointers([self._table.layout.partition(name) for name in heads])
        self._heads = dict(heads)
        foreign = foreign_changes(self._table, self._seen, heads)
        if foreign:
            self._reconcile(foreign, heads)
        return bool(foreign)

    def _is_due(self, heads: Mapping[str, Head]) -> bool:
        """Return whether the last read is too old, or shows changes with unknown entries."""
        if time.monotonic() - self._looked > LOOK_AGAIN_SECONDS:
            return True
        return self._heads != heads and bool(foreign_changes(self._table, self._seen, heads))

    def _look(
        self, names: Sequence[str], *, sure: bool
    ) -> tuple[dict[str, PartitionInfo], dict[str, Head]]:
        """Return pointers and heads; without ``sure``, the heads that the pointers name.

        A change that misses later entries is rejected anyway.
        """
        pointers = self._table.pointers([self._table.layout.partition(name) for name in names])
        look = self._ledger.heads if sure else self._ledger.likely_heads
        return pointers, look(hints(names, pointers))

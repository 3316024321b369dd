"""Detection of changes by other engines while new batches are written.

The metastore is read when partitions are claimed, and again before they change if that took a
while. Changes by other engines are recorded in the history first.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.warehouse.log.metastore_sync import foreign_changes
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.table.same_days import refuse_same_days, spellings
from airflow_sfx.warehouse.table.table import Table

RECHECK_SECONDS = 2.0
"""The greatest age of a check at commit time; small stores finish earlier, without requests."""

Reconcile = Callable[[Mapping[str, PartitionInfo], Mapping[str, Head]], None]
"""Records pointers that other engines have moved, given the partitions' heads."""


class DriftWatch:
    """Detects changes by other engines in partitions that are about to change.

    Args:
        table: The table.
        log: Its log.
        reconcile: Records changes by other engines in the history, or None to ignore them.
    """

    def __init__(self, table: Table, log: PartitionLog, reconcile: Reconcile | None) -> None:
        self._table = table
        self._log = log
        self._reconcile = reconcile
        self._seen: dict[str, PartitionInfo] = {}
        self._heads: dict[str, Head] = {}
        self._checked_at = math.inf

    def begin(self, names: Sequence[str]) -> dict[str, Head]:
        """Return the heads of further partitions, after recording external changes.

        Args:
            names: The partitions' names.
        """
        self._checked_at = min(self._checked_at, time.monotonic())
        pointers, heads = self._read(names, check=self._reconcile is not None)
        if self._reconcile and (foreign := foreign_changes(self._table, pointers, heads)):
            self._reconcile(foreign, heads)
            pointers, heads = self._read(names)
        self._seen |= pointers
        self._heads |= heads
        return heads

    def expire(self) -> None:
        """Make `again` check in any case, because code of others has run."""
        self._checked_at = -math.inf

    def again(self, heads: Mapping[str, Head]) -> bool:
        """Record changes by other engines since the last check.

        Args:
            heads: The current heads of all partitions.

        Returns:
            Whether there were any, so that the heads are out of date.
        """
        if self._reconcile is None or not self._is_due(heads):
            return False
        self._checked_at = time.monotonic()
        self._seen = self._table.pointers([self._table.layout.partition(name) for name in heads])
        self._heads = dict(heads)
        foreign = foreign_changes(self._table, self._seen, heads)
        if foreign:
            self._reconcile(foreign, heads)
        return bool(foreign)

    def _is_due(self, heads: Mapping[str, Head]) -> bool:
        """Return whether the last check is too old, or the heads have changed since."""
        if time.monotonic() - self._checked_at > RECHECK_SECONDS:
            return True
        return self._heads != heads and bool(foreign_changes(self._table, self._seen, heads))

    def _read(
        self, names: Sequence[str], *, check: bool = False
    ) -> tuple[dict[str, PartitionInfo], dict[str, Head]]:
        """Return pointers and heads.

        With ``check``, new partitions are rejected that are days of others in another spelling.
        """
        partitions = [self._table.layout.partition(name) for name in names]
        others = spellings(self._table, partitions) if check else []
        found = self._table.pointers([*partitions, *others])
        pointers = {name: found[name] for name in names if name in found}
        heads = self._log.heads_at(self._log.look_beside(pointers.values()), names)
        if check:
            new = [
                partition
                for name, partition in zip(names, partitions, strict=True)
                if name not in pointers and heads[name].entry is None
            ]
            refuse_same_days(self._table, new, {*found, *self._heads})
        return pointers, heads

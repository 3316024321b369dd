"""The lock under which a commit moves pointers, held over all of its attempts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack

from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.core.partition import Partition
from airflow_sfx.metastore.base import Move
from airflow_sfx.warehouse.table.table import Table


class Moving(ExitStack):
    """The preparation of a commit's moves, which its attempts have in common.

    A writer that loses races to writers of other partitions asks the metastore for its lock once.

    Args:
        table: The table.
    """

    def __init__(self, table: Table) -> None:
        super().__init__()
        self._table = table
        self._begun: tuple[list[Partition], Move | None] | None = None

    def begin(self, entries: Sequence[LogEntry]) -> Move | None:
        """Prepare to move the pointers of entries; return how, or None if there are none."""
        partitions = [self._table.layout.partition(entry.partition) for entry in entries]
        if self._begun is None or self._begun[0] != partitions:
            self.end()
            move = self.enter_context(self._prepared(partitions)) if partitions else None
            self._begun = partitions, move
        return self._begun[1]

    def _prepared(self, partitions: Sequence[Partition]) -> AbstractContextManager[Move]:
        table = self._table
        return table.metastore.moving(table.ref, partitions, at=table.info.location)

    def end(self) -> None:
        """Let other writers move these pointers."""
        self._begun = None
        self.close()

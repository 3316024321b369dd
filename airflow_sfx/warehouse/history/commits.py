"""The commits of a table, one line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from airflow_sfx.core.log_entry import LogEntry, Operation
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.stored.log_entry import EntryHeader


@dataclass(frozen=True, slots=True)
class TableCommit:
    """A commit of a table: what changed in its partitions together.

    Args:
        table: The table as ``database.table``.
        commit: The commit's ID; `Warehouse.rollback_commit` undoes it.
        operation: The kind of change.
        at: The time of the change in UTC.
        producer: Who made it.
        reason: Why, in the words of its author.
        partitions: The number of partitions that it changed.
        partition: The only partition that it changed, or None if there are more.
        batch_id: The current batch of all these partitions since then, or None for no batch, or
            for different ones.
        batches: The number of different batches, without those that are None.
        previous: The batch that was current in all these partitions before, or None likewise.
        rows: The rows of these batches, or None if unknown.
        retired: The batches that it expired, if it changed one partition only.
        discarded: The staged batches that it discarded.
    """

    table: str
    commit: str
    operation: Operation
    at: datetime
    producer: Producer
    reason: str
    partitions: int
    partition: str | None
    batch_id: str | None
    batches: int
    previous: str | None
    rows: int | None
    retired: tuple[str, ...] = ()
    discarded: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, table: str, at: datetime, header: EntryHeader, changes: Sequence[LogEntry]
    ) -> TableCommit:
        """Return the commit of an entry of a log.

        Args:
            table: The table as ``database.table``.
            at: When it was made, in UTC.
            header: What its changes have in common.
            changes: Its changes, at least one.
        """
        after = {change.batch_id for change in changes}
        only = changes[0] if len(changes) == 1 else None
        return cls(
            table,
            header.commit,
            header.operation,
            at,
            header.producer,
            header.reason,
            len(changes),
            only.partition if only else None,
            _only(after),
            len(after - {None}),
            _only({change.previous for change in changes}),
            sum(change.rows for change in changes),
            only.retired if only else (),
            tuple(sorted({batch for change in changes for batch in change.discarded})),
        )


def _only(values: set[str | None]) -> str | None:
    return next(iter(values)) if len(values) == 1 else None

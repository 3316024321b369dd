"""The commits of a table, one line each, from their records.

A commit of 10,000 partitions costs two requests, not 10,000: its entries are read on demand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from airflow_sfx.core.ledger import LedgerEntry, Operation
from airflow_sfx.core.producer import Producer
from airflow_sfx.warehouse.log.records import CommitRecord


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
    def of(cls, table: str, commit: str, at: datetime, record: CommitRecord) -> TableCommit:
        """Return the commit that a record describes."""
        changes = record.changes
        after = {change.batch_id for change in changes}
        before = {change.previous for change in changes}
        rows = [change.rows for change in changes if change.rows is not None]
        return cls(
            table,
            commit,
            Operation(record.operation),
            at,
            record.producer,
            record.reason,
            len(changes),
            changes[0].partition if len(changes) == 1 else None,
            _only(after),
            len(after - {None}),
            _only(before),
            sum(rows) if len(rows) == len(changes) else None,
        )

    def with_entries(self, entries: Sequence[LedgerEntry]) -> TableCommit:
        """Return the commit with what its entries have besides, if they were read."""
        if not entries:
            return self
        discarded = tuple(sorted({batch for one in entries for batch in one.discarded}))
        if len(entries) > 1:
            return replace(self, discarded=discarded)
        (only,) = entries
        return replace(self, rows=only.rows, retired=only.retired, discarded=discarded)


def chunks(
    commits: Iterable[PlannedCommit], first: int, most: int
) -> Iterable[list[PlannedCommit]]:
    """Divide commits into chunks, which are read at once: few at first, then more."""
    source, size = iter(commits), first
    while some := list(islice(source, size)):
        yield some
        size = min(4 * size, most)


@dataclass(frozen=True, slots=True)
class PlannedCommit:
    """A commit that a writer began, which may not have taken effect.

    Args:
        commit: The commit's ID.
        at: Its time in UTC.
        record: Its record.
        changes: Its changes: partition name, entry number and commit ID.
    """

    commit: str
    at: datetime
    record: CommitRecord
    changes: Sequence[tuple[str, int, str]]


def _only(values: set[str | None]) -> str | None:
    return next(iter(values)) if len(values) == 1 else None

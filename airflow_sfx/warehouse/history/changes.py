"""The versions of a table after one of them: a feed for consumers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from airflow_sfx.core.log_entry import LogEntry, Operation
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.stored.log_entry import EntryHeader
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.log.resolve import state_at
from airflow_sfx.warehouse.table.table import Table


@dataclass(frozen=True, slots=True)
class TableVersion:
    """One version of a table: the commit that made it, with all that it changed.

    Args:
        version: The version, from 1. Consumers keep it, and ask for those after it.
        operation: The kind of change, of most of its partitions.
        at: The time of the commit in UTC; later than that of the version before.
        producer: Who made it.
        reason: Why, in the words of its author.
        commit: The commit's ID; `Warehouse.rollback_commit` undoes it.
        changes: What changed in each partition, by the names of the partitions.
    """

    version: int
    operation: Operation
    at: datetime
    producer: Producer
    reason: str
    commit: str
    changes: tuple[LogEntry, ...]

    @classmethod
    def of(cls, header: EntryHeader, changes: Sequence[LogEntry]) -> TableVersion:
        """Return the version of an entry of a log.

        Args:
            header: What its changes have in common.
            changes: Its changes.
        """
        return cls(
            header.version,
            header.operation,
            header.at,
            header.producer,
            header.reason,
            header.commit,
            tuple(changes),
        )


def versions_after(
    table: Table, log: PartitionLog, since: int, limit: int | None
) -> list[TableVersion]:
    """List the versions of a table after one of them, oldest first.

    Only their own entries are read, so that the cost is that of what is new.

    Args:
        table: The table.
        log: The table's log.
        since: The version after which to begin, or 0 for the first.
        limit: The maximum number of versions, or None for all.

    Returns:
        The versions; none if nothing has changed since.

    Raises:
        BatchNotFound: The table has not reached the version ``since``.
        InconsistentBatch: An entry is damaged, or was removed.
    """
    state_at(table, log, since)
    last = log.look(since).version
    if limit is not None:
        last = min(last, since + limit)
    return map_concurrently(
        lambda version: TableVersion.of(log.header(version), log.changes(version)),
        range(since + 1, last + 1),
        table.store.concurrency,
    )

"""How and when batches stopped being current, from the log."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from airflow_sfx.core.log_entry import LogEntry, Operation
from airflow_sfx.core.producer import Producer
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.table.table import Table


class Cause(StrEnum):
    """Why a batch is no longer current; of several inputs, the first one here counts."""

    ROLLED_BACK = "rolled back"
    DROPPED = "dropped"
    ERASED = "erased"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class InputEnd:
    """How a batch stopped being current.

    Args:
        cause: Why it is no longer current.
        at: Since when, in UTC, or None if another engine dropped its table.
        producer: Who changed that.
        reason: Why, in the words of the author.
        refreshed: Whether another run of the DAG that made it replaced it.
    """

    cause: Cause
    at: datetime | None = None
    producer: Producer = field(default_factory=Producer)
    reason: str = ""
    refreshed: bool = False


_CAUSES = {
    Operation.ROLLBACK: Cause.ROLLED_BACK,
    Operation.DROP: Cause.DROPPED,
    Operation.ERASE: Cause.ERASED,
}


def ends_of(
    table: Table, pointers: Mapping[str, PartitionInfo], batches: Collection[tuple[str, str]]
) -> dict[tuple[str, str], InputEnd]:
    """Return how batches of a table stopped being current.

    Args:
        table: The table.
        pointers: The metastore's pointers by partition name.
        batches: Partition names and batch IDs, none of which is current.

    Returns:
        The last end of each; none of a batch that never was current.
    """
    by_name: dict[str, set[str]] = {}
    for name, batch_id in batches:
        by_name.setdefault(name, set()).add(batch_id)
    log = PartitionLog(table)
    heads = log.heads(by_name)

    def of_partition(name: str) -> dict[tuple[str, str], InputEnd]:
        wanted, found = set(by_name[name]), {}
        for entry in log.newest_first(name, heads[name]):
            if not wanted:
                break
            if entry.moved and entry.previous in wanted:
                wanted.remove(entry.previous)
                found[name, entry.previous] = _end(log, entry)
        return found

    ends = map_concurrently(of_partition, by_name, table.store.concurrency)
    return {item: end for found in ends for item, end in found.items()}


def _end(log: PartitionLog, entry: LogEntry) -> InputEnd:
    cause = _CAUSES.get(entry.operation, Cause.REPLACED)
    return InputEnd(
        cause, entry.at, entry.producer, entry.reason, refreshed=_is_refresh(log, entry)
    )


def _is_refresh(log: PartitionLog, entry: LogEntry) -> bool:
    """Return whether another run of a DAG replaced what the DAG had written, as every night."""
    by = entry.producer
    if entry.operation is not Operation.PUBLISH or by.dag_id is None or not entry.previous_origin:
        return False
    before = log.named(entry.partition, entry.previous_origin).producer
    return before.dag_id == by.dag_id and before.run_id != by.run_id

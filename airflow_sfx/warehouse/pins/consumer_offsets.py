"""Consumer offsets: which run of a consumer has claimed which change.

A change is what a log entry changes in one partition. A run claims it with a conditional create, so
that each change is claimed once. The same run may claim it again, so that its retries and cleared
tasks read the same data.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from airflow_sfx.core.errors import BatchNotFound
from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.core.paths import path_step
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.serde import Record, decode, encode
from airflow_sfx.core.validation import named, zoned
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.storage.consistency import wait_until_visible
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.table.table import Table


def take(
    table: Table, consumer: str, run: str, pin: BatchPin, *, newest: bool = False
) -> dict[str, str]:
    """Claim the changes that made a pin's batches current.

    Args:
        table: The pin's table.
        consumer: The name of the consumer, the same in all its runs.
        run: The run.
        pin: The batches.
        newest: Whether to claim the newest change of each batch, not the oldest unclaimed one.

    Returns:
        The runs that claimed changes earlier, by partition name, without this run.

    Raises:
        BatchNotFound: A batch was never current.
        InvalidName: The consumer or the run has no name.
    """
    named(consumer, "consumer")
    named(run, "run")
    log = PartitionLog(table)
    heads = log.heads(pin.batches)

    def one(item: tuple[str, str]) -> str:
        name, batch_id = item
        changes = _changes(table, log, name, batch_id, heads[name])
        return _claim_one(table, consumer, run, changes[-1:] if newest else changes)

    runs = map_concurrently(one, pin.batches.items(), table.store.concurrency)
    return {name: other for name, other in zip(pin.batches, runs, strict=True) if other != run}


def missed(table: Table, consumer: str, since: datetime | None) -> BatchPin | None:
    """Pin the current batches that no run of a consumer has claimed.

    Args:
        table: The table.
        consumer: The name of the consumer.
        since: Changes from this time on, or None for all.

    Returns:
        The pin of these batches, or None if there are none.

    Raises:
        InvalidName: The consumer has no name, or the time has no time zone.
    """
    named(consumer, "consumer")
    since = None if since is None else zoned(since, "since")
    taken = {info.path for info in table.store.list(_directory(table, consumer))}
    log = PartitionLog(table)
    heads = log.all_heads()
    batches = {
        move.partition: move.batch_id
        for move in log.last_moves(heads)
        if move.batch_id
        and (since is None or move.at >= since)
        and _path(table, consumer, move) not in taken
    }
    return table.pin(batches) if batches else None


def _changes(
    table: Table, log: PartitionLog, name: str, batch_id: str, head: Head
) -> list[LogEntry]:
    """Return the changes that made a batch current, oldest first.

    A batch that was rolled back to has several.
    """
    found: list[LogEntry] = []
    for entry in log.newest_first(name, head):
        if entry.batch_id == batch_id:
            if entry.moved:
                found.insert(0, entry)
            if entry.origin == entry.version:
                break
    if found:
        return found
    raise BatchNotFound(
        f"{table.describe(name)} never had the batch {batch_id}: its event was not sent by a writer"
        " of this warehouse",
        table=str(table.ref),
        partition=name,
        batch_id=batch_id,
    )


def _claim_one(table: Table, consumer: str, run: str, changes: list[LogEntry]) -> str:
    """Return the run that claims one of several changes of a batch.

    It is this run if it claimed one before, or can claim the oldest unclaimed one. An asset event
    names the batch that became current, not the change: a late consumer receives the publish,
    another batch, and the rollback to the first, and claims their changes in this order.
    """
    runs = (
        map_concurrently(partial(_claimed_by, table, consumer), changes, table.store.concurrency)
        if len(changes) > 1
        else [None]
    )
    if run in runs:
        return run
    for entry, other in zip(changes, runs, strict=True):
        found = other or _claim(table, consumer, run, entry)
        if found == run:
            break
    return found


def _claimed_by(table: Table, consumer: str, entry: LogEntry) -> str | None:
    """Return the run that has claimed a change, or None."""
    path = _path(table, consumer, entry)
    data = table.store.get(path)
    return None if data is None else decode(data, _Offset, path).run


def _claim(table: Table, consumer: str, run: str, entry: LogEntry) -> str:
    """Claim a change, and return the run that has claimed it: this or an earlier one."""
    path = _path(table, consumer, entry)
    claim = {
        "consumer": consumer,
        "run": run,
        "batch_id": entry.batch_id,
        "at": datetime.now(UTC).isoformat(),
    }
    if table.store.put_if_absent(path, encode(claim).encode()):
        return run
    data = wait_until_visible(table.store, lambda: table.store.get(path))
    return decode(data, _Offset, path).run


class _Offset(Record):
    run: str


def _path(table: Table, consumer: str, entry: LogEntry) -> str:
    partition = path_step(entry.partition or "_table")
    return f"{_directory(table, consumer)}/{partition}/{entry.version:012d}.json"


def _directory(table: Table, consumer: str) -> str:
    return f"{table.layout.consumed}/{path_step(consumer)}"

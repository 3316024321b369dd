"""The result of a job, read from the history: which batch did its attempts give."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta

from airflow_sfx.core.errors import BatchNotFound, PartitionNotFound, TableNotFound
from airflow_sfx.core.log_entry import LogEntry, Operation
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.jobs.contract import Job, Output, result_path
from airflow_sfx.warehouse.warehouse import Warehouse

_PAGES = (8, 200, None)
"""How many entries are read to find a job's batch: nearly always it is one of the newest."""
_BY_TIME = 7
"""The version of UUIDs that begin with a time."""
_SKEW = timedelta(hours=1)
"""How far the clocks of two machines may differ."""


def batch_of(warehouse: Warehouse, output: Output, attempts: Collection[str]) -> BatchPin | None:
    """Return the batch that some attempts of a job gave, or None.

    A batch that was rolled back or dropped afterwards does not count: the job is to run again.

    Args:
        warehouse: The warehouse.
        output: The job's output.
        attempts: The IDs of the attempts.

    Returns:
        The pin of the newest one.
    """
    if not attempts:
        return None
    db, table = output.ref.database, output.ref.table
    try:
        if not output.publish and (staged := _staged(warehouse, output, attempts)):
            return staged
        for limit in _PAGES:
            entries = warehouse.history(db, table, output.values, limit=limit)
            if found := _published(entries, attempts):
                return _pin(warehouse, output, found.partition, found.batch_id)
            if limit is None or len(entries) < limit or entries[-1].at < _earliest(attempts):
                break
    except (TableNotFound, PartitionNotFound):
        return None
    return _reused(warehouse, attempts)


def record_reused(warehouse: Warehouse, job: Job, pin: BatchPin) -> None:
    """Record the pin that a job's store returned, if an earlier attempt wrote its batch.

    A store of the same rows from the same inputs writes nothing, so the history does not have this
    attempt. If the process dies before this record, the next attempt finds the same batch.

    Args:
        warehouse: The warehouse.
        job: The job.
        pin: What its store returned.
    """
    if all(_is_by(one.producer, (job.id,)) for one in warehouse.manifests(pin)):
        return
    warehouse.store.put_if_absent(result_path(job.id), pin.to_json().encode())


def _reused(warehouse: Warehouse, attempts: Collection[str]) -> BatchPin | None:
    """Return the pin that the store of one of the attempts found."""
    for attempt in sorted(attempts, reverse=True):
        data = warehouse.store.get(result_path(attempt))
        if data is not None:
            return BatchPin.from_json(data.decode())
    return None


def other_tables(warehouse: Warehouse, job: Job) -> list[str]:
    """Return the tables beside its output that a job's attempt changed.

    Only the changes of a DAG run are indexed: for other jobs there are none.
    """
    producer = job.producer
    if producer.dag_id is None or producer.run_id is None:
        return []
    reports = warehouse.audit_run(dag_id=producer.dag_id, run_id=producer.run_id)
    return sorted(
        report.table
        for report in reports
        if report.table != job.output.table
        and any(entry.producer.attempt_id == job.id for entry in report.entries)
    )


def _earliest(attempts: Collection[str]) -> datetime:
    """Return a time before which the attempts changed nothing: their IDs are UUIDs of a time."""
    return min(map(began, attempts)) - _SKEW


def began(attempt: str) -> datetime:
    """Return when an attempt's ID was made, or the least time if the ID does not say.

    Example:
        >>> began("01932c07-209c-7cf4-bb9e-b83cd3d1d0a8").year, began("one").year
        (2024, 1970)
    """
    try:
        found = uuid.UUID(attempt)
    except ValueError:
        return datetime.fromtimestamp(_SKEW.total_seconds(), UTC)
    milliseconds = found.int >> 80 if found.version == _BY_TIME else _SKEW.total_seconds() * 1000
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _published(entries: Iterable[LogEntry], attempts: Collection[str]) -> LogEntry | None:
    """Return the newest change by the attempts that was not undone; entries are newest first."""
    undone: set[str | None] = set()
    for entry in entries:
        if entry.operation in (Operation.ROLLBACK, Operation.DROP):
            undone.add(entry.previous)
        mine = entry.operation is Operation.PUBLISH and _is_by(entry.producer, attempts)
        if mine and entry.batch_id is not None and entry.batch_id not in undone:
            return entry
    return None


def _staged(warehouse: Warehouse, output: Output, attempts: Collection[str]) -> BatchPin | None:
    ref = output.ref
    wanted = None if output.values is None else [output.values]
    for one in warehouse.staged(ref.database, ref.table, wanted):
        if _is_by(one.producer, attempts) and one.state.value == "waiting":
            return _pin(warehouse, output, one.partition, one.batch_id)
    return None


def _pin(
    warehouse: Warehouse, output: Output, partition: str, batch_id: str | None
) -> BatchPin | None:
    from airflow_sfx.warehouse.table.table import Table

    table = Table.find(output.ref, warehouse.store, warehouse.metastore)
    pin = None if batch_id is None else table.pin({partition: batch_id})
    try:
        return None if pin is None or not warehouse.manifests(pin) else pin
    except BatchNotFound:  # it has expired
        return None


def _is_by(producer: Producer, attempts: Collection[str]) -> bool:
    return producer.attempt_id is not None and producer.attempt_id in attempts

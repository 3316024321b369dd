"""The audit trail as a table of its own, one partition a day, for queries in SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.history.audit import AuditReport
from airflow_sfx.warehouse.history.audit_filter import AuditFilter

if TYPE_CHECKING:
    from airflow_sfx.core.pin import BatchPin

DAY = "day"
_WHO = (
    "user",
    "host",
    "dag_id",
    "run_id",
    "task_id",
    "map_index",
    "try_number",
    "run_type",
    "logical_date",
    "partition_key",
    "backfill_id",
    "reprocess",
)
_WHAT = ("partition", "version", "batch_id", "previous", "at", "reason", "rows", "bytes", "commit")
_NUMBERS = ("map_index", "try_number")
_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("table_name", pa.string()),
    ("partition_name", pa.string()),
    ("operation", pa.string()),
    ("version", pa.int64()),
    ("batch_id", pa.string()),
    ("previous", pa.string()),
    ("at", pa.timestamp("us", tz="UTC")),
    ("reason", pa.string()),
    ("rows", pa.int64()),
    ("bytes", pa.int64()),
    ("commit_id", pa.string()),
    *((name, pa.int32() if name in _NUMBERS else pa.string()) for name in _WHO),
    (DAY, pa.string()),
]
_SCHEMA = pa.schema(_COLUMNS)
_RENAMED = {"partition": "partition_name", "commit": "commit_id"}


def whole_days(wanted: AuditFilter) -> AuditFilter:
    """Extend a selection to whole days in UTC."""
    until = wanted.until
    if until is not None:
        midnight = datetime.combine(until.date(), time(), UTC)
        last = until.date() == date.max  # no day follows that
        until = until if midnight == until or last else midnight + timedelta(days=1)
    since = wanted.since and datetime.combine(wanted.since.date(), time(), UTC)
    return replace(wanted, since=since, until=until)


def export_changes(
    store: Callable[..., BatchPin], reports: Iterable[AuditReport], target: TableRef, reason: str
) -> BatchPin | None:
    """Store the changes of whole days as new batches of a table, one partition a day.

    Args:
        store: Stores a frame, as `Warehouse.store_dataframe` does.
        reports: The changes of these days, of all tables.
        target: The table to store them in; its own changes are left out.
        reason: The reason, recorded in the history.

    Returns:
        The pin of the stored days, or None if there were no changes.
    """
    rows = [
        _row(report.table, entry)
        for report in reports
        if report.table != str(target)
        for entry in report.entries
    ]
    if not rows:
        return None
    table = pa.Table.from_pylist(
        sorted(rows, key=lambda row: (row["at"], row["table_name"])), schema=_SCHEMA
    )
    return store(table, target.database, target.table, partition_by=[DAY], reason=reason)


def _row(table: str, entry: LogEntry) -> dict[str, Any]:
    what = {_RENAMED.get(name, name): getattr(entry, name) for name in _WHAT}
    who = {name: getattr(entry.producer, name) for name in _WHO}
    day = entry.at.astimezone(UTC).strftime("%Y%m%d")
    return {**what, **who, "table_name": table, "operation": entry.operation.value, DAY: day}

"""Routes that read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, cast

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from airflow_sfx.core.batch_id import BATCH_ID_PATTERN
from airflow_sfx.core.errors import (
    ForeignChange,
    InconsistentBatch,
    InvalidName,
    PartitionNotFound,
    TableNotFound,
)
from airflow_sfx.core.ledger import LedgerEntry, Operation
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.core.validation import zoned
from airflow_sfx.frames.pandas.metadata import unnamed_index_columns
from airflow_sfx.plugin.web.batch_schemas import BatchDocument, RowsDocument
from airflow_sfx.plugin.web.cache import TableCache
from airflow_sfx.plugin.web.comparison_queue import MEMORY, ComparisonQueue
from airflow_sfx.plugin.web.history_schemas import CommitsDocument
from airflow_sfx.plugin.web.schemas import (
    MAX_NAME,
    DiffDocument,
    HistoryDocument,
    PartitionDocument,
    PartitionPage,
    Problem,
    TableDocument,
    TableNames,
)
from airflow_sfx.plugin.web.security import READ_ACCESS, cancel_on_disconnect, in_page_threads
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.diff.diff import diff_batches
from airflow_sfx.warehouse.diff.rows import row_of
from airflow_sfx.warehouse.history.audit import AuditReport
from airflow_sfx.warehouse.history.commits import TableCommit
from airflow_sfx.warehouse.history.overview import PartitionOverview, TableOverview
from airflow_sfx.warehouse.json_values import plain
from airflow_sfx.warehouse.table.table import Table

MAX_LIMIT = 1000
"""Greatest size of a page."""

MAX_ROWS = 100
"""Greatest number of rows of a batch."""

MAX_CELL = 1000
"""Greatest number of characters of a value."""

MAX_NAMES_OFFSET = 10_000_000
"""Greatest offset of tables and partitions: more than there are."""

MAX_CHANGES_OFFSET = 10_000
"""Greatest offset of changes, as all changes before a page are read, too."""

FIRST_SPAN = timedelta(hours=1)
"""Span searched first for changes; longer ones follow until a page is full."""

TOO_MANY_COMPARISONS: dict[int | str, dict[str, Any]] = {
    429: {"model": Problem, "description": "Another comparison of the same user is running"}
}

snapshots = TableCache()
comparisons = ComparisonQueue()
router = APIRouter(dependencies=[*READ_ACCESS, Depends(cancel_on_disconnect)], tags=["read"])

Partition = Annotated[
    str,
    Query(
        max_length=MAX_NAME,
        description="Partition, as named in pins; empty for a table without keys.",
    ),
]
Batch = Annotated[str, Query(pattern=f"^{BATCH_ID_PATTERN}$", description="Batch ID.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Offset = Annotated[int, Query(ge=0, le=MAX_NAMES_OFFSET)]
ChangesOffset = Annotated[
    int,
    Query(ge=0, le=MAX_CHANGES_OFFSET, description="For older changes, set an earlier `until`."),
]
Name = Annotated[str, Query(min_length=1, max_length=250)]
Search = Annotated[str, Query(max_length=MAX_NAME, description="Part of the name.")]


@router.get("/tables", response_model=TableNames)
@in_page_threads
def tables(search: Search = "", limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """List the tables of the warehouse by name."""
    found = [str(ref) for ref in snapshots.warehouse().tables() if search.lower() in str(ref)]
    return {"total": len(found), "tables": found[offset : offset + limit]}


@router.get("/tables/{db}/{table}", response_model=TableDocument)
@in_page_threads
def table(db: str, table: str) -> dict[str, Any]:
    """Get a table and its totals."""
    found = snapshots.table(db, table)
    info = found.table.info
    return {
        "table": str(info.ref),
        "location": found.table.location,
        "columns": plain(info.columns),
        "keys": [{"name": one.name, "type": one.type} for one in info.keys],
        "partitions": len(found.names),
        "rows": found.rows,
        "bytes": found.bytes,
        "usual_rows": found.usual_rows,
        "newest": found.newest,
        "staged": len(found.staged),
    }


@router.get("/tables/{db}/{table}/partitions", response_model=PartitionPage)
@in_page_threads
def partitions(
    db: str,
    table: str,
    search: Search = "",
    newest_first: bool = True,
    usual: Annotated[
        bool, Query(description="Compute `usual_rows` and `ratio`, which reads all partitions.")
    ] = True,
    limit: Limit = 366,
    offset: Offset = 0,
) -> dict[str, Any]:
    """List the partitions of a table and their states."""
    whole = snapshots.table(db, table) if usual else None
    opened, all_names = (whole.table, whole.names) if whole else snapshots.names(db, table)
    names = [name for name in all_names if search.lower() in name.lower()]
    shown = sorted(names, reverse=newest_first)[offset : offset + limit]
    found = whole or TableOverview.of(opened, [opened.layout.partition(name) for name in shown])
    usual_rows = whole.usual_rows if whole else None
    return {
        "total": len(names),
        "usual_rows": usual_rows,
        "partitions": [_partition(one, usual_rows) for one in found.partitions(shown)],
    }


@router.get("/tables/{db}/{table}/partition", response_model=PartitionDocument)
@in_page_threads
def partition(db: str, table: str, partition: Partition = "") -> dict[str, Any]:
    """Get a partition and its state, uncached."""
    found = snapshots.partition(db, table, partition)
    if partition not in found.pointers and partition not in found.staged:
        raise found.table.missing(partition)
    (one,) = found.partitions([partition])
    return _partition(one, None)


@router.get("/tables/{db}/{table}/history", response_model=HistoryDocument)
@in_page_threads
def history(
    db: str,
    table: str,
    partition: Partition = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
    before: Annotated[
        int | None, Query(ge=1, description="Only changes with a lower sequence.")
    ] = None,
) -> dict[str, Any]:
    """List the changes of a partition, newest first."""
    opened = snapshots.open(db, table)
    found = snapshots.warehouse().history_page(
        db, table, partition_values(opened, partition), limit=limit, before=before
    )
    return {
        "table": str(opened.ref),
        "partition": partition,
        "current": found.current,
        "changes": plain(found.entries),
        "more": found.more,
        "retired": sorted(found.retired),
        "replaced": dict(found.replaced),
    }


@router.get("/tables/{db}/{table}/batch", response_model=BatchDocument)
@in_page_threads
def batch(db: str, table: str, batch_id: Batch, partition: Partition = "") -> dict[str, Any]:
    """Get a batch: schema, statistics, files, checks, lineage and holds."""
    found = snapshots.partition(db, table, partition)
    pin = pinned(found.table, partition, batch_id)
    (manifest,) = snapshots.warehouse().manifests(pin)
    held = snapshots.warehouse().holding(db, table)
    waiting = snapshots.warehouse().staged(db, table, partition_values(found.table, partition))
    staged = next((one for one in waiting if one.batch_id == batch_id), None)
    return {
        "table": str(found.table.ref),
        "partition": partition,
        "batch_id": batch_id,
        "current": found.pin(partition) == pin,
        "staged": staged is not None,
        "staged_as": plain(staged),
        "replaced": manifest.replaced,
        "created_at": manifest.created_at,
        "rows": manifest.rows,
        "bytes": manifest.bytes,
        "columns": plain(manifest.columns),
        "statistics": plain(manifest.statistics),
        "files": plain(manifest.files),
        "checks": plain(manifest.checks),
        "inputs": [
            {"table": str(one.ref), "batches": dict(one.batches)} for one in manifest.inputs
        ],
        "producer": plain(manifest.producer),
        "read_by": [
            {
                "table": str(one.pin.ref),
                "batches": dict(one.pin.batches),
                "at": one.at,
                "producer": plain(one.producer),
            }
            for one in snapshots.warehouse().readers(pin)
        ],
        "held_by": [plain(one) for one in held if one.pin.batches.get(partition) == batch_id],
    }


@router.get("/tables/{db}/{table}/rows", response_model=RowsDocument)
@in_page_threads
def rows(
    db: str,
    table: str,
    batch_id: Batch,
    partition: Partition = "",
    limit: Annotated[int, Query(ge=1, le=MAX_ROWS)] = 20,
) -> dict[str, Any]:
    """Get the first rows of a batch, with long values cut off."""
    pin = pinned(snapshots.open(db, table), partition, batch_id)
    (manifest,) = snapshots.warehouse().manifests(pin)
    found = next(snapshots.warehouse().load_dataframe(pin, as_="arrow", batches=True))
    types = {column.name.lower(): column.type for column in manifest.columns}
    hidden = unnamed_index_columns(found.schema)
    found = found.select([name for name in found.column_names if name not in hidden])
    shown = [
        [_cell(value) for _, value in row_of(found, number)]
        for number in range(min(limit, len(found)))
    ]
    return {
        "columns": found.column_names,
        "types": [types.get(name.lower(), "") for name in found.column_names],
        "rows": shown,
        "more": manifest.rows > len(shown),
    }


def _cell(value: object) -> str | None:
    """Return a value as text, or None for a null."""
    if value is None:
        return None
    simple = str(value) if isinstance(value, float) else plain(value)
    text = simple if isinstance(simple, str) else json.dumps(simple, ensure_ascii=False)
    return text if len(text) <= MAX_CELL else f"{text[:MAX_CELL]}…"


@router.get(
    "/tables/{db}/{table}/diff", response_model=DiffDocument, responses=TOO_MANY_COMPARISONS
)
async def diff(
    db: str,
    table: str,
    before: Batch,
    after: Batch,
    user: GetUserDep,
    partition: Partition = "",
    key: Annotated[Sequence[str], Query(description="Columns that identify a row.")] = (),
) -> Any:
    """Compare two batches of a partition; one comparison per user at a time."""
    async with comparisons.of(user.get_id()):
        return await compare(db, table, partition, before, after, key)


@in_page_threads
def compare(
    db: str, table: str, partition: str, before: str, after: str, keys: Sequence[str]
) -> dict[str, Any]:
    """Compare two batches of a partition within the memory limit."""
    opened = snapshots.open(db, table)
    pins = [pinned(opened, partition, batch_id) for batch_id in (before, after)]
    found = diff_batches(opened, pins[0], opened, pins[1], keys=keys, memory=MEMORY)
    fields = plain(found)
    assert isinstance(fields, dict)
    return {**fields, "before": before, "after": after, "identical": found.identical}


@router.get("/changes", response_model=CommitsDocument)
@in_page_threads
def changes(
    since: Annotated[AwareDatetime, Query(description="Start time.")],
    until: Annotated[AwareDatetime | None, Query(description="End time, exclusive.")] = None,
    table: Annotated[
        str,
        Query(max_length=MAX_NAME, description="Only changes of this table, as `database.table`."),
    ] = "",
    actor: Annotated[
        str | None, Query(max_length=MAX_NAME, description="Only changes by this user.")
    ] = None,
    dag_id: Name | None = None,
    run_id: Name | None = None,
    operation: Operation | None = None,
    limit: Limit = 50,
    offset: ChangesOffset = 0,
) -> dict[str, Any]:
    """List the commits of a span of time, across tables."""
    warehouse = snapshots.warehouse()
    tables = [TableRef.parse(table)] if table else warehouse.tables()

    enough, since = offset + limit + 1, zoned(since, "since")

    def of_table(ref: TableRef, begin: datetime, end: datetime) -> AuditReport:
        names = (ref.database, ref.table)
        try:
            return warehouse.audit(
                *names,
                since=begin,
                until=end,
                actor=actor,
                dag_id=dag_id,
                run_id=run_id,
                operation=operation,
                limit=enough,
                foreign=False,
                by_commit=True,
            )
        except (ForeignChange, TableNotFound):  # of another engine, or dropped since
            if table:
                raise
        except InconsistentBatch as error:
            if table:
                raise
            return AuditReport(str(ref), (), (), untold=str(error))
        return AuditReport(str(ref), (), ())

    reports: list[AuditReport] = []
    found: list[TableCommit] = []
    end, span = zoned(until, "until") if until else datetime.now(UTC), FIRST_SPAN
    # a month may have a million changes, and a page shows fifty
    while end > since and len(found) < enough:
        # a subtraction could overflow before the year 1
        begin = since if end - since <= span else end - span
        of_span = map_concurrently(partial(of_table, begin=begin, end=end), tables)
        reports += of_span
        of_span_commits = [one for report in of_span for one in report.commits]
        found += sorted(of_span_commits, key=lambda one: (one.commit, one.table), reverse=True)
        end, span = begin, 4 * span
    return {
        "more": len(found) > offset + limit,
        "changes": plain(found[offset : offset + limit]),
        "untold": unreadable(reports),
    }


def partition_values(table: Table, name: str) -> list[tuple[str, ...]] | None:
    """Return a partition's values as a list, or None for a table without keys.

    Raises:
        InvalidName: The name is not one of a partition of this table.
        PartitionNotFound: The name is empty, and the table is partitioned.
    """
    if table.info.keys and not name:
        raise PartitionNotFound(
            f"{table.ref} is partitioned: name a partition with partition=", table=str(table.ref)
        )
    if not table.info.keys and name:
        raise InvalidName(f"{table.ref} has no partition keys: omit partition={name!r}")
    return [table.layout.partition(name).values] if name else None


def pinned(table: Table, name: str, batch_id: str) -> BatchPin:
    """Return the pin of one batch of a partition.

    Raises:
        InvalidName: The name is not one of a partition of this table.
    """
    partition_values(table, name)
    return table.pin({name: batch_id})


def _partition(one: PartitionOverview, usual: float | None) -> dict[str, Any]:
    fields = plain(one)
    assert isinstance(fields, dict)
    return {**fields, "ratio": one.rows / usual if usual and one.rows is not None else None}


def newest_first(reports: Sequence[AuditReport]) -> list[tuple[str, LedgerEntry]]:
    """Return the entries of all tables, each with its table, newest first."""
    found = [(report.table, entry) for report in reports for entry in report.entries]
    return sorted(found, key=lambda one: (one[1].commit, one[0], one[1].partition), reverse=True)


def unreadable(reports: Sequence[AuditReport]) -> list[dict[str, str]]:
    """Return the tables whose history cannot be read, with their messages."""
    why = {report.table: report.untold for report in reports if report.untold}
    return [{"table": name, "message": message} for name, message in sorted(why.items())]


def page_of(found: Sequence[tuple[str, LedgerEntry]], limit: int, offset: int) -> dict[str, Any]:
    """Return a page of changes."""
    page = [(table, plain(entry)) for table, entry in found[offset : offset + limit]]
    return {
        "more": len(found) > offset + limit,
        "changes": [{"table": table, **cast("dict[str, Any]", one)} for table, one in page],
    }

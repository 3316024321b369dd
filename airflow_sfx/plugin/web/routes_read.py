"""The routes that look; they change nothing."""

from __future__ import annotations

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
from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.core.validation import zoned
from airflow_sfx.plugin.web.cache import TableCache
from airflow_sfx.plugin.web.comparison_queue import MEMORY, ComparisonQueue
from airflow_sfx.plugin.web.schemas import (
    NAME,
    BatchDocument,
    ChangesDocument,
    DiffDocument,
    HistoryDocument,
    PartitionDocument,
    PartitionPage,
    Problem,
    TableDocument,
    TableNames,
    UndoDocument,
)
from airflow_sfx.plugin.web.security import READING, awaited, seated
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.diff.diff import diff_batches
from airflow_sfx.warehouse.history.audit import AuditReport
from airflow_sfx.warehouse.history.overview import PartitionOverview, TableOverview
from airflow_sfx.warehouse.json_values import plain
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.undo.rollback_run import RunRollback

MOST_CELLS, MOST_CHANGES = 1000, 1000
FIRST_SPAN = timedelta(hours=1)
"""Of which time changes are looked for first; longer ones follow until a page is full."""

MOST_NAMES = 10_000_000
"""How many tables or partitions can be turned over: more than there are."""

MOST_TURNED = 10_000
"""How many changes can be turned over: all of them are read for each page."""

TOO_MANY: dict[int | str, dict[str, Any]] = {
    429: {"model": Problem, "description": "Another comparison of the same user is under way"}
}

snapshots = TableCache()
turns = ComparisonQueue()
router = APIRouter(dependencies=[*READING, Depends(awaited)], tags=["look"])

Partition = Annotated[
    str,
    Query(
        max_length=NAME, description="The partition's name as in a pin; empty for a table without."
    ),
]
Batch = Annotated[str, Query(pattern=f"^{BATCH_ID_PATTERN}$", description="A batch ID.")]
Limit = Annotated[int, Query(ge=1, le=MOST_CELLS)]
Offset = Annotated[int, Query(ge=0, le=MOST_NAMES)]
Turned = Annotated[
    int, Query(ge=0, le=MOST_TURNED, description="Older ones than that: with an earlier `until`.")
]
Name = Annotated[str, Query(min_length=1, max_length=250)]
Search = Annotated[str, Query(max_length=NAME, description="Part of the name.")]


@router.get("/tables", response_model=TableNames)
@seated
def tables(search: Search = "", limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """The tables of the warehouse, by name."""
    found = [str(ref) for ref in snapshots.warehouse().tables() if search.lower() in str(ref)]
    return {"total": len(found), "tables": found[offset : offset + limit]}


@router.get("/tables/{db}/{table}", response_model=TableDocument)
@seated
def table(db: str, table: str) -> dict[str, Any]:
    """A table in figures."""
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
@seated
def partitions(
    db: str,
    table: str,
    search: Search = "",
    newest_first: bool = True,
    usual: Annotated[
        bool, Query(description="Tell the rows against the usual: that takes a look at all.")
    ] = True,
    limit: Limit = 366,
    offset: Offset = 0,
) -> dict[str, Any]:
    """A table's partitions with their states, by name."""
    whole = snapshots.table(db, table) if usual else None
    opened, all_names = (whole.table, whole.names) if whole else snapshots.names(db, table)
    names = [name for name in all_names if search.lower() in name.lower()]
    shown = sorted(names, reverse=newest_first)[offset : offset + limit]
    found = whole or TableOverview.of(opened, [opened.layout.partition(name) for name in shown])
    usual_rows = whole.usual_rows if whole else None
    return {
        "total": len(names),
        "usual_rows": usual_rows,
        "partitions": [_cell(one, usual_rows) for one in found.partitions(shown)],
    }


@router.get("/tables/{db}/{table}/partition", response_model=PartitionDocument)
@seated
def partition(db: str, table: str, partition: Partition = "") -> dict[str, Any]:
    """A partition with its state, as it is this moment."""
    found = snapshots.partition(db, table, partition)
    if partition not in found.pointers and partition not in found.staged:
        raise found.table.missing(partition)
    (one,) = found.partitions([partition])
    return _cell(one, None)


@router.get("/tables/{db}/{table}/history", response_model=HistoryDocument)
@seated
def history(
    db: str,
    table: str,
    partition: Partition = "",
    limit: Annotated[int, Query(ge=1, le=MOST_CHANGES)] = 50,
    before: Annotated[
        int | None, Query(ge=1, description="Changes with a lower sequence only.")
    ] = None,
) -> dict[str, Any]:
    """A partition's changes, newest first."""
    opened = snapshots.open(db, table)
    found = snapshots.warehouse().history_page(
        db, table, values(opened, partition), limit=limit, before=before
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
@seated
def batch(db: str, table: str, batch_id: Batch, partition: Partition = "") -> dict[str, Any]:
    """A batch: schema, statistics, files, checks, where it comes from and who holds it."""
    found = snapshots.partition(db, table, partition)
    pin = pinned(found.table, partition, batch_id)
    (manifest,) = snapshots.warehouse().manifests(pin)
    held = snapshots.warehouse().holding(db, table)
    return {
        "table": str(found.table.ref),
        "partition": partition,
        "batch_id": batch_id,
        "current": found.pin(partition) == pin,
        "staged": found.staged.get(partition) == batch_id,
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


@router.get("/tables/{db}/{table}/diff", response_model=DiffDocument, responses=TOO_MANY)
async def diff(
    db: str,
    table: str,
    before: Batch,
    after: Batch,
    user: GetUserDep,
    partition: Partition = "",
    key: Annotated[Sequence[str], Query(description="Columns that tell rows apart.")] = (),
) -> Any:
    """Two batches of a partition side by side; one comparison at a time for each user."""
    async with turns.of(user.get_id()):
        return await compared(db, table, partition, before, after, key)


@seated
def compared(
    db: str, table: str, partition: str, before: str, after: str, keys: Sequence[str]
) -> dict[str, Any]:
    """Compare two batches of a partition, in no more memory than the API server has for it."""
    opened = snapshots.open(db, table)
    pins = [pinned(opened, partition, batch_id) for batch_id in (before, after)]
    found = diff_batches(opened, pins[0], opened, pins[1], keys=keys, memory=MEMORY)
    fields = plain(found)
    assert isinstance(fields, dict)
    return {**fields, "before": before, "after": after, "identical": found.identical}


@router.get("/changes", response_model=ChangesDocument)
@seated
def changes(
    since: Annotated[AwareDatetime, Query(description="From this time on.")],
    until: Annotated[AwareDatetime | None, Query(description="Before this time.")] = None,
    table: Annotated[
        str, Query(max_length=NAME, description="Of this table only, as `database.table`.")
    ] = "",
    actor: Annotated[str | None, Query(max_length=NAME, description="Of this user.")] = None,
    dag_id: Name | None = None,
    run_id: Name | None = None,
    limit: Limit = 50,
    offset: Turned = 0,
) -> dict[str, Any]:
    """What changed during a time, across tables."""
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
                limit=enough,
                foreign=False,
            )
        except (ForeignChange, TableNotFound):  # not ours, or gone since it was listed
            if table:
                raise
        except InconsistentBatch as error:
            if table:
                raise
            return AuditReport(str(ref), (), (), untold=str(error))
        return AuditReport(str(ref), (), ())

    reports: list[AuditReport] = []
    found: list[tuple[str, LedgerEntry]] = []
    end, span = zoned(until, "until") if until else datetime.now(UTC), FIRST_SPAN
    while (
        end > since and len(found) < enough
    ):  # a month may have a million changes, and a page shows fifty
        begin = (
            since if end - since <= span else end - span
        )  # a time before the year 1 cannot be told
        of_span = map_concurrently(partial(of_table, begin=begin, end=end), tables)
        reports += of_span
        found += _newest_first(of_span)
        end, span = begin, 4 * span
    return {"total": None, **_page(found, limit, offset), "untold": _untold(reports)}


@router.get("/runs", response_model=ChangesDocument)
@seated
def run(
    dag_id: Name,
    run_id: Name,
    task_id: Annotated[str | None, Query(max_length=250, description="Of this task only.")] = None,
    limit: Limit = 50,
    offset: Turned = 0,
) -> dict[str, Any]:
    """What a DAG run changed, across tables."""
    reports = snapshots.warehouse().audit_run(dag_id=dag_id, run_id=run_id)
    shown = [
        one
        for one in _newest_first(reports)
        if task_id is None or one[1].producer.task_id == task_id
    ]
    return {"total": len(shown), **_page(shown, limit, offset), "untold": _untold(reports)}


@router.get("/runs/undo", response_model=list[UndoDocument], response_model_exclude_defaults=True)
@seated
def undo(dag_id: Name, run_id: Name) -> list[UndoDocument]:
    """What undoing a DAG run would do, a table at a time; nothing is done."""
    return undone(snapshots.warehouse().rollback_run(dag_id=dag_id, run_id=run_id, dry_run=True))


def undone(reports: Sequence[RunRollback]) -> list[UndoDocument]:
    """What undoing a DAG run does, as the API tells it."""
    return [
        UndoDocument(
            table=one.table,
            rolled_back=one.rolled_back,
            kept=one.kept,
            gone=one.gone,
            blocked=list(one.blocked),
        )
        for one in reports
    ]


def values(table: Table, name: str) -> list[tuple[str, ...]] | None:
    """A partition as the warehouse's calls take it; None for a table without keys.

    Raises:
        InvalidName: The name is none of a partition of this table.
        PartitionNotFound: It names no partition, and the table has some.
    """
    if table.info.keys and not name:
        raise PartitionNotFound(f"{table.ref} is partitioned: say partition=", table=str(table.ref))
    if not table.info.keys and name:
        raise InvalidName(f"{table.ref} has no partition keys: leave partition={name!r} out")
    return [table.layout.partition(name).values] if name else None


def pinned(table: Table, name: str, batch_id: str) -> BatchPin:
    """The pin of one batch of a partition.

    Raises:
        InvalidName: The name is none of a partition of this table.
    """
    values(table, name)
    return table.pin({name: batch_id})


def _cell(one: PartitionOverview, usual: float | None) -> dict[str, Any]:
    fields = plain(one)
    assert isinstance(fields, dict)
    return {**fields, "ratio": one.rows / usual if usual and one.rows is not None else None}


def _newest_first(reports: Sequence[AuditReport]) -> list[tuple[str, LedgerEntry]]:
    found = [(report.table, entry) for report in reports for entry in report.entries]
    return sorted(found, key=lambda one: (one[1].commit, one[0], one[1].partition), reverse=True)


def _untold(reports: Sequence[AuditReport]) -> list[dict[str, str]]:
    """The tables that cannot be told of, and why, by name; of several reports of one, what the last says."""
    why = {report.table: report.untold for report in reports if report.untold}
    return [{"table": name, "message": message} for name, message in sorted(why.items())]


def _page(found: Sequence[tuple[str, LedgerEntry]], limit: int, offset: int) -> dict[str, Any]:
    """A page of changes of tables."""
    page = [(table, plain(entry)) for table, entry in found[offset : offset + limit]]
    return {
        "more": len(found) > offset + limit,
        "changes": [{"table": table, **cast("dict[str, Any]", one)} for table, one in page],
    }

"""Routes of tables and their partitions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from airflow_sfx.plugin.web.cache import snapshots
from airflow_sfx.plugin.web.documents.tables import (
    HistoryDocument,
    PartitionDocument,
    PartitionPage,
    TableDocument,
    TableNames,
)
from airflow_sfx.plugin.web.routes.parameters import (
    MAX_LIMIT,
    Limit,
    Offset,
    Partition,
    Search,
    partition_values,
)
from airflow_sfx.plugin.web.security import READ_ACCESS, cancel_on_disconnect, in_page_threads
from airflow_sfx.warehouse.history.overview import PartitionOverview, TableOverview
from airflow_sfx.warehouse.json_values import plain

router = APIRouter(dependencies=[*READ_ACCESS, Depends(cancel_on_disconnect)], tags=["read"])


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
        int | None, Query(ge=1, description="Only changes with a lower version.")
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


def _partition(one: PartitionOverview, usual: float | None) -> dict[str, Any]:
    fields = plain(one)
    assert isinstance(fields, dict)
    return {**fields, "ratio": one.rows / usual if usual and one.rows is not None else None}

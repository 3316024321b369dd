"""The routes that look; they change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query

from airflow_sfx.core.errors import InvalidName, PartitionNotFound
from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.plugin.web.access import READING
from airflow_sfx.plugin.web.documents import (
    NAME,
    BatchDocument,
    DiffDocument,
    HistoryDocument,
    PartitionPage,
    RunDocument,
    TableDocument,
    TableNames,
)
from airflow_sfx.plugin.web.snapshots import Snapshots
from airflow_sfx.warehouse.document import plain
from airflow_sfx.warehouse.overview import PartitionOverview, TableOverview

MOST_CELLS, MOST_CHANGES = 1000, 1000
DIFF_BYTES = 256 << 20
"""Rows of two batches are compared in the API server's memory: larger ones are for ``sfx diff``."""

snapshots = Snapshots()
router = APIRouter(dependencies=READING, tags=["look"])

Partition = Annotated[
    str, Query(max_length=NAME, description="The partition's name as in a pin; empty for a table without.")
]
Batch = Annotated[str, Query(pattern=r"^\d{14}$", description="A batch ID.")]
Limit = Annotated[int, Query(ge=1, le=MOST_CELLS)]
Offset = Annotated[int, Query(ge=0)]
Search = Annotated[str, Query(max_length=NAME, description="Part of the name.")]


@router.get("/tables", response_model=TableNames)
def tables(search: Search = "", limit: Limit = 50, offset: Offset = 0) -> dict[str, Any]:
    """The tables of the warehouse, by name."""
    found = [str(ref) for ref in snapshots.warehouse().tables() if search.lower() in str(ref)]
    return {"total": len(found), "tables": found[offset : offset + limit]}


@router.get("/tables/{db}/{table}", response_model=TableDocument)
def table(db: str, table: str) -> dict[str, Any]:
    """A table in figures."""
    found = snapshots.table(db, table)
    info = found.table.info
    return {
        "table": str(info.ref),
        "location": found.table.location,
        "columns": [{"name": one.name, "type": one.type} for one in info.columns],
        "keys": [{"name": one.name, "type": one.type} for one in info.keys],
        "partitions": len(found.names),
        "rows": found.rows,
        "bytes": found.bytes,
        "usual_rows": found.usual_rows,
        "newest": found.newest,
        "staged": len(found.staged),
    }


@router.get("/tables/{db}/{table}/partitions", response_model=PartitionPage)
def partitions(
    db: str, table: str, search: Search = "", newest_first: bool = True, limit: Limit = 366, offset: Offset = 0
) -> dict[str, Any]:
    """A table's partitions with their states, by name."""
    found = snapshots.table(db, table)
    names = [name for name in found.names if search.lower() in name.lower()]
    shown = sorted(names, reverse=newest_first)[offset : offset + limit]
    usual = found.usual_rows
    return {
        "total": len(names),
        "usual_rows": usual,
        "partitions": [_cell(one, usual) for one in found.partitions(shown)],
    }


@router.get("/tables/{db}/{table}/history", response_model=HistoryDocument)
def history(
    db: str, table: str, partition: Partition = "", limit: Annotated[int, Query(ge=1, le=MOST_CHANGES)] = 50
) -> dict[str, Any]:
    """A partition's changes, newest first."""
    found = snapshots.table(db, table)
    entries = snapshots.warehouse().history(db, table, values(found, partition), limit=limit + 1)
    return {
        "table": str(found.table.ref),
        "partition": partition,
        "changes": _changes(entries[:limit]),
        "more": len(entries) > limit,
    }


@router.get("/tables/{db}/{table}/batch", response_model=BatchDocument)
def batch(db: str, table: str, batch_id: Batch, partition: Partition = "") -> dict[str, Any]:
    """A batch: schema, statistics, files, checks, where it comes from and who holds it."""
    found = snapshots.table(db, table)
    pin = pinned(found, partition, batch_id)
    (manifest,) = snapshots.warehouse().manifests(pin)
    held = snapshots.warehouse().durable_pins(db, table)
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
        "inputs": [{"table": str(one.ref), "batches": dict(one.batches)} for one in manifest.inputs],
        "producer": plain(manifest.producer),
        "read_by": [
            {"table": str(one.pin.ref), "batches": dict(one.pin.batches), "at": one.at, "producer": plain(one.producer)}
            for one in snapshots.warehouse().readers(pin)
        ],
        "held_by": [plain(one) for one in held if one.pin.batches.get(partition) == batch_id],
    }


@router.get("/tables/{db}/{table}/diff", response_model=DiffDocument)
def diff(
    db: str,
    table: str,
    before: Batch,
    after: Batch,
    partition: Partition = "",
    key: Annotated[Sequence[str], Query(description="Columns that tell rows apart.")] = (),
) -> dict[str, Any]:
    """Two batches of a partition side by side."""
    found = snapshots.table(db, table)
    pins = pinned(found, partition, before), pinned(found, partition, after)
    size = sum(manifest.bytes for pin in pins for manifest in snapshots.warehouse().manifests(pin))
    if size > DIFF_BYTES:
        raise InvalidName(
            f"the two batches have {size} bytes, and the page compares up to {DIFF_BYTES}: run `sfx diff "
            f"{found.table.ref} {partition} {before} {after}` where there is memory for them"
        )
    compared = snapshots.warehouse().diff(*pins, keys=list(key))
    fields = plain(compared)
    assert isinstance(fields, dict)
    return {**fields, "before": before, "after": after, "identical": compared.identical}


@router.get("/runs", response_model=list[RunDocument])
def run(
    dag_id: Annotated[str, Query(max_length=250)], run_id: Annotated[str, Query(max_length=250)]
) -> list[dict[str, Any]]:
    """What a DAG run changed, a table at a time."""
    reports = snapshots.warehouse().audit_run(dag_id=dag_id, run_id=run_id)
    return [{"table": report.table, "changes": _changes(report.entries)} for report in reports]


def values(found: TableOverview, name: str) -> list[tuple[str, ...]] | None:
    """A partition as the warehouse's calls take it; None for a table without keys.

    Raises:
        InvalidName: The name is none of a partition of this table.
        PartitionNotFound: It names no partition, and the table has some.
    """
    if found.table.info.keys and not name:
        raise PartitionNotFound(f"{found.table.ref} is partitioned: say partition=", table=str(found.table.ref))
    if not found.table.info.keys and name:
        raise InvalidName(f"{found.table.ref} has no partition keys: leave partition={name!r} out")
    return [found.table.layout.partition(name).values] if name else None


def pinned(found: TableOverview, name: str, batch_id: str) -> BatchPin:
    """The pin of one batch of a partition.

    Raises:
        InvalidName: The name is none of a partition of this table.
    """
    values(found, name)
    return found.table.pin({name: batch_id})


def _cell(one: PartitionOverview, usual: float | None) -> dict[str, Any]:
    fields = plain(one)
    assert isinstance(fields, dict)
    return {**fields, "ratio": one.rows / usual if usual and one.rows is not None else None}


def _changes(entries: Sequence[LedgerEntry]) -> list[object]:
    return [plain(entry) for entry in entries]

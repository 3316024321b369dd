"""Routes of one batch, and of two compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Depends, Query

from airflow_sfx.frames.pandas.metadata import unnamed_index_columns
from airflow_sfx.plugin.web.cache import snapshots
from airflow_sfx.plugin.web.comparison_queue import MEMORY, comparisons
from airflow_sfx.plugin.web.documents.batches import BatchDocument, RowsDocument
from airflow_sfx.plugin.web.documents.tables import TOO_MANY_COMPARISONS, DiffDocument
from airflow_sfx.plugin.web.routes.parameters import Batch, Partition, partition_values, pinned
from airflow_sfx.plugin.web.security import READ_ACCESS, cancel_on_disconnect, in_page_threads
from airflow_sfx.warehouse.diff.diff import diff_batches
from airflow_sfx.warehouse.diff.rows import row_of
from airflow_sfx.warehouse.json_values import plain

MAX_ROWS = 100
"""Greatest number of rows of a batch."""

MAX_CELL = 1000
"""Greatest number of characters of a value."""

router = APIRouter(dependencies=[*READ_ACCESS, Depends(cancel_on_disconnect)], tags=["read"])


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

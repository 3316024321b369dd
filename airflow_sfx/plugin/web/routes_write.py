"""The routes that change: rollback and publish. Each says what its asker saw; where that is no longer so, nothing happens."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.table import TableRef
from airflow_sfx.plugin.web.routes_read import pinned, snapshots, undone, values
from airflow_sfx.plugin.web.schemas import Done, Publish, Rollback, UndoDocument, UndoRun
from airflow_sfx.plugin.web.security import ASKED, EDITING, READING, author, seated
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.undo.rollback_run import RunRollback

router = APIRouter(dependencies=[*READING, *EDITING], tags=["change"])

Author = Annotated[Producer, Depends(author)]


@router.post("/tables/{db}/{table}/rollback", response_model=Done, openapi_extra=ASKED)
@seated
def rollback(db: str, table: str, asked: Rollback, producer: Author) -> dict[str, Any]:
    """Make an earlier batch of a partition current again; no data are read or written, and nothing is lost."""
    opened = snapshots.open(db, table)
    try:
        done = snapshots.warehouse().rollback(
            db,
            table,
            values(opened, asked.partition),
            to=asked.to,
            reason=asked.reason,
            expected={asked.partition: asked.expected},
            producer=producer,
        )
    finally:
        snapshots.forget(opened.ref)
    return _done(opened, asked.partition, done)


@router.post("/tables/{db}/{table}/publish", response_model=Done, openapi_extra=ASKED)
@seated
def publish(db: str, table: str, asked: Publish, producer: Author) -> dict[str, Any]:
    """Make a staged batch of a partition current."""
    opened = snapshots.open(db, table)
    pin = pinned(opened, asked.partition, asked.batch_id)
    expected = {asked.partition: asked.expected}
    try:
        done = snapshots.warehouse().publish(
            pin, reason=asked.reason, expected=expected, producer=producer
        )
    finally:
        snapshots.forget(opened.ref)
    return _done(opened, asked.partition, done)


@router.post(
    "/runs/rollback",
    response_model=list[UndoDocument],
    response_model_exclude_defaults=True,
    openapi_extra=ASKED,
)
@seated
def rollback_run(asked: UndoRun, producer: Author) -> list[UndoDocument]:
    """Undo everything that a DAG run published; partitions that somebody has changed since stay as they are."""
    refs = [TableRef.parse(one.table) for one in asked.expected]
    expected = [RunRollback(one.table, None, one.rolled_back, one.kept) for one in asked.expected]
    try:
        done = snapshots.warehouse().rollback_run(
            dag_id=asked.dag_id,
            run_id=asked.run_id,
            reason=asked.reason,
            expected=expected,
            producer=producer,
        )
    finally:
        for ref in refs:
            snapshots.forget(ref)
    return undone(done)


def _done(table: Table, partition: str, pin: BatchPin) -> dict[str, Any]:
    return {"table": str(table.ref), "partition": partition, "batch_id": pin.batches[partition]}

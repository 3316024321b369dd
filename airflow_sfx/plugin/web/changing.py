"""The routes that change: rollback and publish. Each says what its asker saw; where that is no longer so, nothing happens."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from airflow_sfx.core.errors import CommitConflict, PartitionNotFound
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.table import TableRef
from airflow_sfx.plugin.web.access import ASKED, EDITING, READING, author, seated
from airflow_sfx.plugin.web.documents import Done, Publish, Rollback, UndoDocument, UndoRun
from airflow_sfx.plugin.web.looking import pinned, snapshots, undone, values
from airflow_sfx.warehouse.opened import OpenTable

router = APIRouter(dependencies=[*READING, *EDITING], tags=["change"])

Author = Annotated[Producer, Depends(author)]


@router.post("/tables/{db}/{table}/rollback", response_model=Done, openapi_extra=ASKED)
@seated
def rollback(db: str, table: str, asked: Rollback, producer: Author) -> dict[str, Any]:
    """Make an earlier batch of a partition current again; no data are read or written, and nothing is lost."""
    opened = _as_seen(db, table, asked.partition, asked.expected)
    expected = pinned(opened, asked.partition, asked.expected) if asked.expected else None
    try:
        done = snapshots.warehouse().rollback(
            db,
            table,
            values(opened, asked.partition),
            to=asked.to,
            reason=asked.reason,
            expected=expected,
            producer=producer,
        )
    finally:
        snapshots.forget(opened.ref)
    return _done(opened, asked.partition, done)


@router.post("/tables/{db}/{table}/publish", response_model=Done, openapi_extra=ASKED)
@seated
def publish(db: str, table: str, asked: Publish, producer: Author) -> dict[str, Any]:
    """Make a staged batch of a partition current."""
    opened = _as_seen(db, table, asked.partition, asked.expected)
    pin = pinned(opened, asked.partition, asked.batch_id)
    try:
        done = snapshots.warehouse().publish(pin, reason=asked.reason, producer=producer)
    finally:
        snapshots.forget(opened.ref)
    return _done(opened, asked.partition, done)


@router.post("/runs/rollback", response_model=list[UndoDocument], openapi_extra=ASKED)
@seated
def rollback_run(asked: UndoRun, producer: Author) -> list[UndoDocument]:
    """Undo everything that a DAG run published; partitions that somebody has changed since stay as they are."""
    warehouse, dag_id, run_id = snapshots.warehouse(), asked.dag_id, asked.run_id
    now = undone(warehouse.rollback_run(dag_id=dag_id, run_id=run_id, dry_run=True))
    if now != asked.expected:
        raise CommitConflict(
            f"undoing the run {run_id} of {dag_id} would not do now what it would have done: somebody has changed "
            "its partitions meanwhile, and nothing was done; look again"
        )
    try:
        done = warehouse.rollback_run(dag_id=dag_id, run_id=run_id, reason=asked.reason, producer=producer)
    finally:
        for one in now:
            snapshots.forget(TableRef.parse(one.table))
    return undone(done)


def _as_seen(db: str, table: str, partition: str, expected: str | None) -> OpenTable:
    """The table, if the partition is as its asker saw it.

    Raises:
        CommitConflict: Somebody else has changed it meanwhile.
    """
    opened = snapshots.open(db, table)
    wanted = values(opened, partition)
    try:  # the history, as the page does: another engine may have moved what the metastore says
        current = snapshots.warehouse().history_page(db, table, wanted, limit=1, before=None).current
    except PartitionNotFound:
        current = None
    if current != expected:
        raise CommitConflict(
            f"{opened.describe(partition)} has {current or 'no batch'} now, not {expected or 'none'}: somebody has changed "
            "it meanwhile, and nothing was done; look again",
            table=str(opened.ref),
            partition=partition,
        )
    return opened


def _done(table: OpenTable, partition: str, pin: BatchPin) -> dict[str, Any]:
    return {"table": str(table.ref), "partition": partition, "batch_id": pin.batches[partition]}

"""Routes that change what is current in a partition: rollback, publish.

Each request states what the requester saw as current, and is rejected if that has changed.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.plugin.web.requests import Publish, Rollback
from airflow_sfx.plugin.web.routes_read import (
    partition_values,
    pinned,
    snapshots,
)
from airflow_sfx.plugin.web.schemas import Done
from airflow_sfx.plugin.web.security import (
    CHANGE_PARAMETERS,
    READ_ACCESS,
    WRITE_ACCESS,
    author,
    in_page_threads,
)
from airflow_sfx.warehouse.table.table import Table

router = APIRouter(dependencies=[*READ_ACCESS, *WRITE_ACCESS], tags=["change"])

Author = Annotated[Producer, Depends(author)]


@router.post("/tables/{db}/{table}/rollback", response_model=Done, openapi_extra=CHANGE_PARAMETERS)
@in_page_threads
def rollback(db: str, table: str, body: Rollback, producer: Author) -> dict[str, Any]:
    """Make an earlier batch of a partition current again; no data is deleted."""
    opened = snapshots.open(db, table)
    try:
        done = snapshots.warehouse().rollback(
            db,
            table,
            partition_values(opened, body.partition),
            to=body.to,
            reason=body.reason,
            expected={body.partition: body.expected},
            producer=producer,
        )
    finally:
        snapshots.forget(opened.ref)
    return _done(opened, body.partition, done)


@router.post("/tables/{db}/{table}/publish", response_model=Done, openapi_extra=CHANGE_PARAMETERS)
@in_page_threads
def publish(db: str, table: str, body: Publish, producer: Author) -> dict[str, Any]:
    """Publish a staged batch of a partition."""
    opened = snapshots.open(db, table)
    pin = pinned(opened, body.partition, body.batch_id)
    expected = {body.partition: body.expected}
    try:
        done = snapshots.warehouse().publish(
            pin, reason=body.reason, expected=expected, producer=producer
        )
    finally:
        snapshots.forget(opened.ref)
    return _done(opened, body.partition, done)


def _done(table: Table, partition: str, pin: BatchPin) -> dict[str, Any]:
    return {"table": str(table.ref), "partition": partition, "batch_id": pin.batches[partition]}

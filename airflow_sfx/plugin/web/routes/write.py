"""Routes that change what is current in a partition: rollback.

Each request states what the requester saw as current, and is rejected if that has changed.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.plugin.web.cache import snapshots
from airflow_sfx.plugin.web.documents.requests import Rollback
from airflow_sfx.plugin.web.documents.tables import Done
from airflow_sfx.plugin.web.routes.parameters import partition_values
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
        pin = snapshots.warehouse().rollback(
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
    return done(opened, body.partition, pin)


def done(table: Table, partition: str, pin: BatchPin) -> dict[str, Any]:
    """Return the response to a change."""
    return {"table": str(table.ref), "partition": partition, "batch_id": pin.batches[partition]}

"""What was made from batches and is current: it becomes stale when they end."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from airflow_sfx.core.pin import BatchPin
from airflow_sfx.plugin.web.cache import snapshots
from airflow_sfx.plugin.web.documents.tables import BatchReference
from airflow_sfx.plugin.web.routes.parameters import Batch, Partition, pinned
from airflow_sfx.plugin.web.security import READ_ACCESS, cancel_on_disconnect, in_page_threads

router = APIRouter(dependencies=[*READ_ACCESS, Depends(cancel_on_disconnect)], tags=["read"])


class CurrentDownstream(BaseModel):
    """What becomes stale when a batch ends.

    Args:
        batches: The current batches that were made from it, at any depth.
    """

    batches: list[BatchReference]


@router.get("/tables/{db}/{table}/downstream", response_model=CurrentDownstream)
@in_page_threads
def downstream(db: str, table: str, batch_id: Batch, partition: Partition = "") -> dict[str, Any]:
    """List the current batches that were made from a batch: what becomes stale when it ends."""
    pin = pinned(snapshots.open(db, table), partition, batch_id)
    found = snapshots.warehouse().stale_after(pin)
    return {"batches": [one for made in found for one in references(made.pin)]}


def references(pin: BatchPin) -> list[dict[str, str]]:
    """Return the addresses of the batches of a pin."""
    return [
        {"table": str(pin.ref), "partition": partition, "batch_id": batch_id}
        for partition, batch_id in pin.entries
    ]

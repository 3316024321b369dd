"""What was made from batches: what becomes stale when they end, and models."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from airflow_sfx.core.pin import BatchPin
from airflow_sfx.plugin.web.cache import snapshots
from airflow_sfx.plugin.web.documents.tables import AffectedVersion, BatchReference
from airflow_sfx.plugin.web.routes.parameters import Batch, Partition, pinned
from airflow_sfx.plugin.web.security import READ_ACCESS, cancel_on_disconnect, in_page_threads
from airflow_sfx.warehouse.json_values import plain

router = APIRouter(dependencies=[*READ_ACCESS, Depends(cancel_on_disconnect)], tags=["read"])


class CurrentDownstream(BaseModel):
    """What becomes stale when a batch ends.

    Args:
        batches: The current batches that were made from it, at any depth.
        models: The versions of models that were trained on it, or on what was made from it.
    """

    batches: list[BatchReference]
    models: list[AffectedVersion]


@router.get("/tables/{db}/{table}/downstream", response_model=CurrentDownstream)
@in_page_threads
def downstream(db: str, table: str, batch_id: Batch, partition: Partition = "") -> dict[str, Any]:
    """List the current batches and the models that were made from a batch."""
    pin = pinned(snapshots.open(db, table), partition, batch_id)
    warehouse = snapshots.warehouse()
    return {
        "batches": [one for made in warehouse.stale_after(pin) for one in references(made.pin)],
        "models": [plain(one) for one in warehouse.models_trained_on(pin) if one.saved],
    }


def references(pin: BatchPin) -> list[dict[str, str]]:
    """Return the addresses of the batches of a pin."""
    return [
        {"table": str(pin.ref), "partition": partition, "batch_id": batch_id}
        for partition, batch_id in pin.entries
    ]

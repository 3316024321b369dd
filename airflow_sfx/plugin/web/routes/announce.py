"""Routes of announcements: asset events that start consumers of a table again.

The events of a request are written to Airflow's database in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.api_fastapi.logging.decorators import action_logging
from fastapi import APIRouter, Depends, Query
from pydantic import StringConstraints

from airflow_sfx.assets.event_payload import asset_uri, events_of
from airflow_sfx.core.errors import CommitConflict, TableNotFound
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.hooks.airflow_internals import consumers_of_asset, write_asset_events
from airflow_sfx.plugin.web.cache import snapshots
from airflow_sfx.plugin.web.documents.requests import MAX_ANNOUNCED, Announce
from airflow_sfx.plugin.web.documents.stale import Announced, ConsumersDocument
from airflow_sfx.plugin.web.documents.tables import MAX_NAME
from airflow_sfx.plugin.web.routes.parameters import partition_values
from airflow_sfx.plugin.web.security import (
    CHANGE_PARAMETERS,
    READ_ACCESS,
    WRITE_ACCESS,
    cancel_on_disconnect,
    in_page_threads,
)

reading = APIRouter(dependencies=[*READ_ACCESS, Depends(cancel_on_disconnect)], tags=["read"])
changing = APIRouter(
    dependencies=[*READ_ACCESS, *WRITE_ACCESS, Depends(action_logging("sfx_announce"))],
    tags=["change"],
)


@reading.get("/tables/{db}/{table}/consumers", response_model=ConsumersDocument)
@in_page_threads
def consumers(
    db: str,
    table: str,
    partition: Annotated[
        Sequence[Annotated[str, StringConstraints(max_length=MAX_NAME)]],
        Query(max_length=MAX_ANNOUNCED, description="Partitions whose current batch is returned."),
    ] = (),
) -> dict[str, Any]:
    """List the DAGs that are scheduled on a table: an announcement starts them."""
    uri = asset_uri(TableRef(db, table))
    found = consumers_of_asset(uri)
    pointers = {}
    if partition:
        opened = snapshots.open(db, table)
        values = [one for name in partition for one in partition_values(opened, name) or ()]
        pointers = opened.pointers(opened.wanted(values or None))
    return {
        "batches": {
            name: pointers[name].batch_id if name in pointers else None for name in partition
        },
        "asset": uri,
        "known": found is not None,
        "consumers": [{"dag_id": dag_id, "paused": paused} for dag_id, paused in found or ()],
    }


@changing.post(
    "/tables/{db}/{table}/announce", response_model=Announced, openapi_extra=CHANGE_PARAMETERS
)
@in_page_threads
def announce(db: str, table: str, body: Announce, user: GetUserDep) -> dict[str, Any]:
    """Send the asset events of current batches, which start the table's consumers."""
    pin = _current(db, table, body.batches)
    more = {"user": user.get_name(), **({"reason": body.reason} if body.reason else {})}
    events = events_of(pin, "announce", **more)
    if not write_asset_events(asset_uri(pin.ref), events, user):
        raise TableNotFound(
            f"Airflow does not know the asset {asset_uri(pin.ref)}: a DAG must name it first, in"
            " its schedule or as an outlet; nothing was sent",
            table=str(pin.ref),
        )
    return {"table": str(pin.ref), "batches": dict(pin.batches), "events": len(events)}


def _current(db: str, table: str, batches: dict[str, str]) -> BatchPin:
    """Return the pin of batches, all of which must be current.

    Raises:
        CommitConflict: One is not, or not any more.
        PartitionNotFound: A partition has no current batch.
    """
    opened = snapshots.open(db, table)
    values = [one for name in batches for one in partition_values(opened, name) or ()]
    pin = snapshots.warehouse().pin(db, table, values or None)
    for name, batch_id in batches.items():
        if (now := pin.batches.get(name)) != batch_id:
            raise CommitConflict(
                f"{batch_id!r:.40} is not the current batch of {pin.ref} {name}:"
                f" {now or 'no batch'} is; another writer may have changed it, nothing was sent",
                table=str(pin.ref),
                partition=name,
            )
    return pin

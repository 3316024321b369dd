"""Routes of holds: list those in force, and release them."""

from __future__ import annotations

from itertools import islice
from typing import Any

from fastapi import APIRouter, Depends

from airflow_sfx.core.errors import CommitConflict
from airflow_sfx.core.table import TableRef
from airflow_sfx.plugin.web.cache import snapshots
from airflow_sfx.plugin.web.documents.holds import HoldPage, Released
from airflow_sfx.plugin.web.documents.requests import Release
from airflow_sfx.plugin.web.routes.parameters import Limit, Offset, OneTable, Search
from airflow_sfx.plugin.web.routes.write import Author
from airflow_sfx.plugin.web.security import (
    CHANGE_PARAMETERS,
    READ_ACCESS,
    WRITE_ACCESS,
    cancel_on_disconnect,
    in_page_threads,
)
from airflow_sfx.warehouse.json_values import plain
from airflow_sfx.warehouse.pins.holds import Hold

MAX_BATCHES = 20
"""Greatest number of batches of a hold in a list."""

reading = APIRouter(dependencies=[*READ_ACCESS, Depends(cancel_on_disconnect)], tags=["read"])
changing = APIRouter(dependencies=[*READ_ACCESS, *WRITE_ACCESS], tags=["change"])


@reading.get("/holds", response_model=HoldPage)
@in_page_threads
def holds(
    table: OneTable = "", search: Search = "", limit: Limit = 50, offset: Offset = 0
) -> dict[str, Any]:
    """List the holds in force, newest first."""
    ref = TableRef.parse(table) if table else None
    names = (ref.database, ref.table) if ref else (None, None)
    everything = snapshots.warehouse().holding(*names)
    numbers = {(one.pin.ref, one.name): one.number for one in everything}  # the newest is last
    found = [
        one for one in reversed(everything) if search.lower() in f"{one.pin.ref} {one.name}".lower()
    ]
    page = found[offset : offset + limit]
    return {
        "total": len(found),
        "holds": [_held(one, numbers[one.pin.ref, one.name]) for one in page],
    }


@changing.post(
    "/tables/{db}/{table}/release", response_model=Released, openapi_extra=CHANGE_PARAMETERS
)
@in_page_threads
def release(db: str, table: str, body: Release, producer: Author) -> dict[str, Any]:
    """Release a hold before it expires; no data is deleted."""
    warehouse = snapshots.warehouse()
    newest = next(iter(warehouse.holds(db, table, body.name)), None)
    if newest is None or newest.released or newest.number != body.number:
        raise CommitConflict(
            f"the hold {body.name!r:.80} of {db}.{table} was released or renewed meanwhile: look at"
            " the list again",
            table=f"{db}.{table}",
        )
    warehouse.release(db, table, body.name, reason=body.reason, producer=producer)
    return {"table": f"{db}.{table}", "name": body.name}


def _held(one: Hold, number: int) -> dict[str, Any]:
    """Return a hold, with the number of the newest hold of its name."""
    return {
        "name": one.name,
        "number": number,
        "at": one.at,
        "until": one.until,
        "reason": one.reason,
        "table": str(one.pin.ref),
        "total": len(one.pin.entries),
        "batches": dict(islice(one.pin.entries, MAX_BATCHES)),
        "producer": plain(one.producer),
    }

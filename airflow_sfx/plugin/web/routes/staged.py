"""Routes of staged batches: list, publish and discard them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from airflow_sfx.core.errors import CommitConflict
from airflow_sfx.plugin.web.cache import snapshots
from airflow_sfx.plugin.web.documents.batches import StagedDocument
from airflow_sfx.plugin.web.documents.requests import Discard, Publish
from airflow_sfx.plugin.web.documents.tables import MAX_NAME, Done, Problem
from airflow_sfx.plugin.web.routes.parameters import Limit, Offset, partition_values, pinned
from airflow_sfx.plugin.web.routes.write import Author, done
from airflow_sfx.plugin.web.security import (
    CHANGE_PARAMETERS,
    READ_ACCESS,
    WRITE_ACCESS,
    cancel_on_disconnect,
    in_page_threads,
)
from airflow_sfx.warehouse.json_values import plain

reading = APIRouter(dependencies=[*READ_ACCESS, Depends(cancel_on_disconnect)], tags=["read"])
changing = APIRouter(dependencies=[*READ_ACCESS, *WRITE_ACCESS], tags=["change"])


class StagedPage(BaseModel):
    """A page of staged batches that were not published, newest first.

    Args:
        total: Number of staged batches.
        batches: The batches on this page.
    """

    total: int
    batches: list[StagedDocument]


class Conflict(Problem):
    """A publish that was rejected, with what is current.

    Args:
        error: The name of the error.
        message: What failed, why, and what to do about it.
        current: The current batch, or null for none.
    """

    current: str | None


@reading.get("/tables/{db}/{table}/staged", response_model=StagedPage)
@in_page_threads
def staged(
    db: str,
    table: str,
    partition: Annotated[
        str | None, Query(max_length=MAX_NAME, description="Only those of this partition.")
    ] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> dict[str, Any]:
    """List the staged batches that were not published, with their failed checks."""
    wanted = None
    if partition is not None:
        wanted = partition_values(snapshots.open(db, table), partition)
    found = snapshots.warehouse().staged(db, table, wanted)
    return {"total": len(found), "batches": plain(found[offset : offset + limit])}


@changing.post(
    "/tables/{db}/{table}/publish",
    response_model=Done,
    responses={409: {"model": Conflict}},
    openapi_extra=CHANGE_PARAMETERS,
)
@in_page_threads
def publish(db: str, table: str, body: Publish, producer: Author) -> dict[str, Any] | JSONResponse:
    """Publish a staged batch of a partition."""
    opened = snapshots.open(db, table)
    pin = pinned(opened, body.partition, body.batch_id)
    expected = {body.partition: body.expected}
    try:
        published = snapshots.warehouse().publish(
            pin, reason=body.reason, force=body.force, expected=expected, producer=producer
        )
    except CommitConflict as error:
        now = snapshots.partition(db, table, body.partition).pin(body.partition)
        current = now.batches[body.partition] if now else None
        return JSONResponse(
            {"error": type(error).__name__, "message": str(error), "current": current}, 409
        )
    finally:
        snapshots.forget(opened.ref)
    return done(opened, body.partition, published)


@changing.post("/tables/{db}/{table}/discard", response_model=Done, openapi_extra=CHANGE_PARAMETERS)
@in_page_threads
def discard(db: str, table: str, body: Discard, producer: Author) -> dict[str, Any]:
    """End a staged batch of a partition: it is not to be published; no data is deleted."""
    opened = snapshots.open(db, table)
    pin = pinned(opened, body.partition, body.batch_id)
    try:
        snapshots.warehouse().discard(pin, reason=body.reason, producer=producer)
    finally:
        snapshots.forget(opened.ref)
    now = snapshots.partition(db, table, body.partition).pin(body.partition)
    return {
        "table": str(opened.ref),
        "partition": body.partition,
        "batch_id": now.batches[body.partition] if now else None,
    }

"""The route of the night: what needs attention across tables."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from airflow_sfx.plugin.web.cache import snapshots
from airflow_sfx.plugin.web.documents.history import NightDocument
from airflow_sfx.plugin.web.security import READ_ACCESS, cancel_on_disconnect, in_page_threads
from airflow_sfx.warehouse.json_values import plain

router = APIRouter(dependencies=[*READ_ACCESS, Depends(cancel_on_disconnect)], tags=["read"])


@router.get("/night", response_model=NightDocument)
@in_page_threads
def night(
    since: Annotated[
        AwareDatetime | None, Query(description="Beginning of the night; default 24 hours ago.")
    ] = None,
    full: Annotated[
        bool,
        Query(
            description="Look for stale batches, foreign changes and unusual values, in all tables."
        ),
    ] = False,
) -> Any:
    """List what needs attention after a night, across tables."""
    return plain(snapshots.warehouse().night(since, full=full))

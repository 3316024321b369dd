"""The route of stale batches."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from airflow_sfx.plugin.web.cache import snapshots
from airflow_sfx.plugin.web.documents.stale import StalePage
from airflow_sfx.plugin.web.documents.tables import MAX_NAME
from airflow_sfx.plugin.web.routes.downstream import references
from airflow_sfx.plugin.web.routes.parameters import Limit, Offset, OneTable
from airflow_sfx.plugin.web.security import (
    METASTORE_RETRY_SECONDS,
    READ_ACCESS,
    cancel_on_disconnect,
    in_page_threads,
)
from airflow_sfx.plugin.web.stale_search import StaleSearch
from airflow_sfx.warehouse.json_values import plain
from airflow_sfx.warehouse.pins.stale import StaleBatch

search = StaleSearch(
    lambda: snapshots.warehouse().stale(),
    lambda: snapshots.invalidations,
    METASTORE_RETRY_SECONDS,
)
"""The search of this process."""

router = APIRouter(dependencies=[*READ_ACCESS, Depends(cancel_on_disconnect)], tags=["read"])


@router.get("/stale", response_model=StalePage)
@in_page_threads
def stale(
    table: OneTable = "",
    first: Annotated[
        str | None,
        Query(max_length=MAX_NAME, description="Only partitions from this one on, by name."),
    ] = None,
    last: Annotated[
        str | None,
        Query(max_length=MAX_NAME, description="Only partitions up to this one, by name."),
    ] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> dict[str, Any]:
    """List stale batches: current ones whose inputs are no longer current."""
    found, complete = search.result()
    shown = [
        one
        for one in (found.batches if found else ())
        if (not table or one.table == table)
        and (first is None or first <= one.partition)
        and (last is None or one.partition <= last)
    ]
    return {
        "complete": complete,
        "at": found.at if found else None,
        "total": len(shown),
        "tables": Counter(one.table for one in shown),
        "batches": [_stale(one) for one in shown[offset : offset + limit]],
    }


def _stale(one: StaleBatch) -> dict[str, Any]:
    return {
        "table": one.table,
        "partition": one.partition,
        "batch_id": one.batch_id,
        "input": references(one.input)[0],
        "cause": one.cause,
        "since": one.since,
        "producer": plain(one.producer),
        "reason": one.reason,
        "path": [batch for pin in one.path for batch in references(pin)],
    }

"""Routes that start, open and stop workbenches.

To open one is a change, too: its response has a token, so it is a request that no other site can
make, and no server or browser writes it to a log or a history.
"""

from __future__ import annotations

import logging
from typing import Any

from fastapi import APIRouter, Depends

from airflow_sfx.plugin.web.cache import snapshots
from airflow_sfx.plugin.web.documents.workbenches import (
    Address,
    OneWorkbench,
    StartWorkbench,
    WorkbenchChanged,
)
from airflow_sfx.plugin.web.routes.workbenches.visitor import Visitor
from airflow_sfx.plugin.web.security import (
    CHANGE_PARAMETERS,
    READ_ACCESS,
    in_page_threads,
    require_code_access,
    require_same_origin,
)
from airflow_sfx.plugin.web.workbench_settings import workbenches

router = APIRouter(
    prefix="/workbenches",
    dependencies=[*READ_ACCESS, Depends(require_same_origin), Depends(require_code_access)],
    tags=["change"],
)

_log = logging.getLogger(__name__)


@router.post("/start", response_model=WorkbenchChanged, openapi_extra=CHANGE_PARAMETERS)
@in_page_threads
def start(body: StartWorkbench, visitor: Visitor) -> dict[str, Any]:
    """Start a workbench of the user's own, within the administrator's limits."""
    opened = workbenches()
    started = opened.start(
        owner=visitor.name, warehouse=snapshots.warehouse().uri, **body.model_dump()
    )
    _log.info("%r started the workbench %s of %s", visitor.name, started.id, started.image)
    return {"id": started.id, "reason": started.reason}


@router.post("/open", response_model=Address, openapi_extra=CHANGE_PARAMETERS)
@in_page_threads
def open_(body: OneWorkbench, visitor: Visitor) -> dict[str, Any]:
    """Return the address of the user's own workbench, with its token."""
    return {"address": workbenches().address(body.id, visitor.name)}


@router.post("/stop", response_model=WorkbenchChanged, openapi_extra=CHANGE_PARAMETERS)
@in_page_threads
def stop(body: OneWorkbench, visitor: Visitor) -> dict[str, Any]:
    """Stop a workbench: one's own, or with the right to change connections, anybody's."""
    stopped = workbenches().stop(body.id, owner=visitor.asks_for)
    _log.info("%r stopped the workbench %s of %s", visitor.name, stopped.id, stopped.owner)
    return {"id": stopped.id, "reason": stopped.reason}

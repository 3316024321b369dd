"""Routes that list workbenches, and read the log of one.

None of them gives an address.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from airflow_sfx.plugin.web.documents.tables import MAX_NAME
from airflow_sfx.plugin.web.documents.workbenches import WorkbenchList, WorkbenchLog
from airflow_sfx.plugin.web.routes.workbenches.visitor import Visitor
from airflow_sfx.plugin.web.security import READ_ACCESS, cancel_on_disconnect, in_page_threads
from airflow_sfx.plugin.web.workbench_settings import MISSING, are_set_up, workbenches
from airflow_sfx.workbench.limits import Limits

router = APIRouter(dependencies=[*READ_ACCESS, Depends(cancel_on_disconnect)], tags=["read"])

Lines = Annotated[int, Query(ge=1, le=10_000)]


@router.get("/workbenches", response_model=WorkbenchList)
@in_page_threads
def listed(
    visitor: Visitor,
    owner: Annotated[str, Query(max_length=MAX_NAME, description="Only those of this user.")] = "",
) -> dict[str, Any]:
    """List the workbenches of all people, newest first, and what one may be and use."""
    if not are_set_up():
        return {"limits": None, "missing": MISSING, "may_start": False, "workbenches": []}
    opened = workbenches()
    return {
        "limits": _limits(opened.site.limits),
        "missing": "",
        "may_start": visitor.may_start,
        "workbenches": [visitor.document(one) for one in opened.all(owner or None)],
    }


@router.get("/workbenches/log", response_model=WorkbenchLog)
@in_page_threads
def log(
    visitor: Visitor,
    workbench_id: Annotated[str, Query(alias="id", max_length=MAX_NAME, description="Its ID.")],
    lines: Lines = 200,
) -> dict[str, Any]:
    """Return the last lines that a workbench printed, to its owner and to those who may stop it."""
    return {"lines": workbenches().log(workbench_id, lines, owner=visitor.asks_for)}


def _limits(limits: Limits) -> dict[str, Any]:
    return {
        "images": limits.images,
        "image": limits.default_image,
        "memory": limits.allowed_memory(None),
        "most_memory": limits.most_memory,
        "cpus": limits.allowed_cpus(None),
        "most_cpus": limits.most_cpus,
        "hours": limits.allowed_hours(None),
        "most_hours": limits.most_hours,
        "most_per_owner": limits.most_per_owner,
    }

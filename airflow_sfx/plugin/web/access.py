"""Who may look and who may change: Airflow's auth manager says so, for every route. Airflow protects none by itself."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from functools import cache, partial, wraps
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_asset, requires_access_view
from airflow.configuration import conf
from anyio import CapacityLimiter, to_thread
from fastapi import Depends, HTTPException, Request

from airflow_sfx.core.garbage import seldom_collected
from airflow_sfx.core.producer import Producer
from airflow_sfx.metastore.patience import patient_for

Asked = ParamSpec("Asked")
Told = TypeVar("Told")

SEATS = 8
"""How many requests of the page are served at a time: those that wait for a warehouse that does not answer."""

PATIENCE = 10.0
"""For how many seconds a metastore that breaks off is asked again before the page says so."""

HEADER = "X-SFX-Request"
"""A header that a page of another site cannot send: every change needs it."""

ASKED = {
    "parameters": [
        {
            "name": HEADER,
            "in": "header",
            "required": True,
            "description": "Any value: a page of another site cannot send it",
            "schema": {"type": "string"},
        }
    ]
}
"""How the API's description says so; FastAPI itself would answer 422 where the header is missing, and not 403."""

READING = [Depends(requires_access_view(AccessView.PLUGINS)), Depends(requires_access_asset("GET"))]
"""What every route asks for: a login, Airflow's plugins and its assets."""


def same_site(request: Request) -> None:
    """Refuse a change that a page of another site asks for with the cookie of whoever looks at it.

    Raises:
        HTTPException: 403: the header is missing, or the origin is not Airflow's own.
    """
    if HEADER not in request.headers:
        raise HTTPException(403, f"a change needs the header {HEADER}, with any value")
    origin = request.headers.get("origin")
    own = {request.headers.get("host"), urlsplit(conf.get("api", "base_url", fallback="")).netloc}
    if origin is not None and urlsplit(origin).netloc not in own - {None, ""}:
        raise HTTPException(403, f"the origin {origin!r} is not Airflow's own")


def author(user: GetUserDep) -> Producer:
    """Whoever is logged in, for the audit trail."""
    return Producer(user=user.get_name(), host=socket.gethostname())


EDITING = [Depends(same_site), Depends(requires_access_asset("POST"))]
"""What a change asks for beside: that it comes from Airflow's own pages or a script, and a role that may make asset events."""


def seated(route: Callable[Asked, Told]) -> Callable[Asked, Awaitable[Told]]:
    """Serve a route in threads of the page's own: a warehouse that does not answer may not hold up Airflow's other requests.

    Garbage is looked for seldom meanwhile: among all that Airflow's API server has, it takes half a second.
    """

    @wraps(route)
    async def served(*args: Asked.args, **kwargs: Asked.kwargs) -> Told:
        with patient_for(PATIENCE), seldom_collected():
            return await to_thread.run_sync(partial(route, *args, **kwargs), limiter=_seats())

    return served


@cache
def _seats() -> CapacityLimiter:
    return CapacityLimiter(SEATS)

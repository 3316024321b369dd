"""Who may look and who may change: Airflow's auth manager says so, for every route. Airflow protects none by itself."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import cache, partial, wraps
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import (
    GetUserDep,
    requires_access_asset,
    requires_access_view,
)
from airflow.configuration import conf
from anyio import CapacityLimiter, to_thread
from fastapi import Depends, HTTPException, Request, Response

from airflow_sfx.core.io.cancellation import Cancelled, cancelled_unless
from airflow_sfx.core.io.timeouts import timeouts_of
from airflow_sfx.core.producer import Producer

Asked = ParamSpec("Asked")
Told = TypeVar("Told")

_request: ContextVar[Request | None] = ContextVar("sfx_request", default=None)

CLIENT_LEFT = 499
"""The status of an answer that nobody waits for, as web servers note it."""

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


async def awaited(request: Request) -> None:
    """A dependency of routes that change nothing: what `seated` does for the request ends when its client has left."""
    _request.set(request)


def seated(route: Callable[Asked, Told]) -> Callable[Asked, Awaitable[Told | Response]]:
    """Serve a route in threads of the page's own: a warehouse that does not answer may not hold up Airflow's other requests."""

    @wraps(route)
    async def served(*args: Asked.args, **kwargs: Asked.kwargs) -> Told | Response:
        there = threading.Event()
        there.set()
        request = _request.get()
        watch = asyncio.create_task(_until_left(request, there)) if request else None
        try:
            with timeouts_of(PATIENCE), cancelled_unless(there.is_set):
                return await to_thread.run_sync(partial(route, *args, **kwargs), limiter=_seats())
        except Cancelled:
            return Response(status_code=CLIENT_LEFT)  # which nobody gets
        finally:
            if watch:
                watch.cancel()

    return served


async def _until_left(request: Request, there: threading.Event) -> None:
    """Clear the flag when the client has left. The route has read its request: nothing else comes after that."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    there.clear()


@cache
def _seats() -> CapacityLimiter:
    return CapacityLimiter(SEATS)

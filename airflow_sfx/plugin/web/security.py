"""Access control, and the threads in which requests are served.

Airflow does not protect the routes of plugins: every route here asks its auth manager.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import cache, partial, wraps
from typing import Annotated, ParamSpec, TypeVar
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
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

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_request: ContextVar[Request | None] = ContextVar("sfx_request", default=None)

CLIENT_CLOSED_REQUEST = 499
"""Status of a response whose client has disconnected, as web servers log it."""

MAX_REQUESTS = 8
"""Requests served at a time, even if a warehouse does not respond."""

METASTORE_RETRY_SECONDS = 10.0
"""How long a request retries a metastore that disconnects."""

HEADER = "X-SFX-Request"
"""Header that every change needs, as a page of another site cannot send it."""

CHANGE_PARAMETERS = {
    "parameters": [
        {
            "name": HEADER,
            "in": "header",
            "required": True,
            "description": "Any value; pages of other sites cannot send this header",
            "schema": {"type": "string"},
        }
    ]
}
"""`HEADER` in the API's description; FastAPI would respond 422, not 403."""

READ_ACCESS = [
    Depends(requires_access_view(AccessView.PLUGINS)),
    Depends(requires_access_asset("GET")),
]
"""Dependencies of routes: a login, read access to plugins and assets."""


def require_same_origin(request: Request) -> None:
    """Reject a change that another site requests with the user's cookie.

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
    """Return the logged-in user as the producer of a change."""
    return Producer(user=user.get_name(), host=socket.gethostname())


def may_run_code(user: GetUserDep) -> bool:
    """Return whether a user may start DAG runs: the role ``user`` and those above it."""
    return get_auth_manager().is_authorized_dag(
        method="POST", access_entity=DagAccessEntity.RUN, user=user
    )


def may_manage_others(user: GetUserDep) -> bool:
    """Return whether a user may change connections: the role ``op`` and those above it."""
    return get_auth_manager().is_authorized_connection(method="PUT", user=user)


def require_code_access(allowed: Annotated[bool, Depends(may_run_code)]) -> None:
    """Reject a user who may not start DAG runs.

    Raises:
        HTTPException: 403: the role does not permit it.
    """
    if not allowed:
        raise HTTPException(403, "a workbench needs the permission to start DAG runs")


WRITE_ACCESS = [Depends(require_same_origin), Depends(requires_access_asset("POST"))]
"""Dependencies of changes: the same origin, and create access to assets."""


async def cancel_on_disconnect(request: Request) -> None:
    """Let `in_page_threads` cancel a request whose client disconnects.

    A dependency of routes that change nothing.
    """
    _request.set(request)


def in_page_threads(
    route: Callable[Parameters, Result],
) -> Callable[Parameters, Awaitable[Result | Response]]:
    """Serve a route in own threads: a slow warehouse must not block Airflow."""

    @wraps(route)
    async def served(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result | Response:
        connected = threading.Event()
        connected.set()
        request = _request.get()
        watch = asyncio.create_task(_until_disconnect(request, connected)) if request else None
        try:
            with timeouts_of(METASTORE_RETRY_SECONDS), cancelled_unless(connected.is_set):
                return await to_thread.run_sync(partial(route, *args, **kwargs), limiter=_limiter())
        except Cancelled:
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        finally:
            if watch:
                watch.cancel()

    return served


async def _until_disconnect(request: Request, connected: threading.Event) -> None:
    """Clear the flag on disconnect, the only message left after the body."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    connected.clear()


@cache
def _limiter() -> CapacityLimiter:
    return CapacityLimiter(MAX_REQUESTS)

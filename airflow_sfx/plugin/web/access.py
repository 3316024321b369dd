"""Who may look and who may change: Airflow's auth manager says so, for every route. Airflow protects none by itself."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_asset, requires_access_view
from airflow.configuration import conf
from fastapi import Depends, HTTPException, Request

from airflow_sfx.core.producer import Producer

HEADER = "X-SFX-Request"
"""A header that a page of another site cannot send: every change needs it."""

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

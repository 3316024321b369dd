"""The web application that Airflow's API server mounts at ``/sfx``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from airflow_sfx._version import __version__
from airflow_sfx.core.errors import (
    BatchNotFound,
    CommitConflict,
    ForeignChange,
    InvalidName,
    PartitionNotFound,
    SchemaMismatch,
    SfxError,
    TableNotFound,
    WarehouseUnavailable,
)
from airflow_sfx.plugin.web import routes_read, routes_write
from airflow_sfx.plugin.web.comparison_queue import TooManyComparisons
from airflow_sfx.plugin.web.schemas import Problem
from airflow_sfx.plugin.web.security import READING

_STATUS: dict[type[SfxError], int] = {
    InvalidName: 400,
    SchemaMismatch: 400,
    TableNotFound: 404,
    PartitionNotFound: 404,
    BatchNotFound: 404,
    CommitConflict: 409,
    ForeignChange: 409,
    WarehouseUnavailable: 503,
}
_PROBLEMS = {
    400: "It cannot be meant",
    404: "It is not there",
    409: "Somebody else has changed it",
    500: "What is stored is not as it was written",
    503: "The warehouse cannot be reached",
}
RETRY_SECONDS = 5
"""After how many seconds to ask again where it was not a request's turn."""
_STATIC = Path(__file__).parent / "static"
_POLICY = (
    "default-src 'self'; img-src 'self' data:; frame-ancestors 'self'; base-uri 'none'; form-action"
    " 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
}


@cache
def create_app() -> FastAPI:
    """The application of this process: the page, and the JSON API below ``/api``, described at ``/sfx/openapi.json``.

    Returns:
        The application. Everything but the page's own files is behind Airflow's auth manager.
    """
    app = FastAPI(
        title="airflow_sfx", version=__version__, docs_url=None, redoc_url=None, openapi_url=None
    )
    refused: dict[int | str, dict[str, Any]] = {
        401: {"description": "No login"},
        403: {"description": "Not allowed"},
    }
    told = {status: {"model": Problem, "description": text} for status, text in _PROBLEMS.items()}
    problems = refused | told
    app.include_router(routes_read.router, prefix="/api", responses=problems)
    app.include_router(routes_write.router, prefix="/api", responses=problems)
    app.add_exception_handler(SfxError, _told)
    app.add_exception_handler(TooManyComparisons, _later)
    app.add_exception_handler(HTTPException, _log_in_first)
    app.middleware("http")(_guarded)
    app.get("/openapi.json", dependencies=READING, include_in_schema=False)(_description)
    app.get("/", dependencies=READING, include_in_schema=False, response_class=FileResponse)(_page)
    app.mount("/static", StaticFiles(directory=_STATIC))
    return app


def _description(request: Request) -> dict[str, Any]:
    """The description of the API, with the address at which it was asked for: clients are generated from it."""
    app: FastAPI = request.app
    return {**app.openapi(), "servers": [{"url": request.scope["root_path"]}]}


def _page() -> FileResponse:
    """The page itself; it holds no data."""
    return FileResponse(_STATIC / "index.html")


async def _guarded(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """An answer that browsers treat with care: nothing of another site runs in the page, and none is kept beyond its time."""
    response = await answer(request)
    response.headers.update(_HEADERS)
    response.headers["Cache-Control"] = "no-store" if "/api/" in request.url.path else "no-cache"
    return response


async def _log_in_first(request: Request, error: Exception) -> Response:
    """Who opens the page without a login gets to Airflow's, and then back; scripts are told."""
    assert isinstance(error, HTTPException)
    if error.status_code == 401 and "text/html" in request.headers.get("accept", ""):  # noqa: PLR2004
        airflow = str(request.base_url).removesuffix("sfx/")
        return RedirectResponse(
            f"{airflow}api/v2/auth/login?next={quote(str(request.url), safe='')}", 303
        )
    return await http_exception_handler(request, error)


async def _told(request: Request, error: Exception) -> JSONResponse:
    """An error of the warehouse as an answer."""
    if isinstance(error, WarehouseUnavailable):
        routes_read.snapshots.reopen()
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    return JSONResponse({"error": type(error).__name__, "message": str(error)}, status)


async def _later(request: Request, error: Exception) -> JSONResponse:
    """A request whose turn did not come."""
    assert isinstance(error, TooManyComparisons)
    return JSONResponse(
        {"error": "Busy", "message": str(error)},
        error.status,
        headers={"Retry-After": str(RETRY_SECONDS)},
    )

"""The web application, mounted at ``/sfx`` in Airflow's API server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

from airflow_sfx._version import __version__
from airflow_sfx.core.errors import (
    BatchNotFound,
    CommitConflict,
    ForeignChange,
    InvalidName,
    JobFailed,
    ModelRefused,
    PartitionNotFound,
    SchemaMismatch,
    SfxError,
    TableNotFound,
    WarehouseUnavailable,
)
from airflow_sfx.plugin.web.cache import snapshots
from airflow_sfx.plugin.web.comparison_queue import TooManyComparisons
from airflow_sfx.plugin.web.documents.tables import Problem, described
from airflow_sfx.plugin.web.routes import (
    announce,
    batches,
    changes,
    downstream,
    holds,
    metrics,
    night,
    staged,
    stale,
    tables,
    undo,
    write,
)
from airflow_sfx.plugin.web.routes.models import (
    changing as changing_models,
    comparing as comparing_models,
    reading as reading_models,
)
from airflow_sfx.plugin.web.routes.streams import reading as reading_streams
from airflow_sfx.plugin.web.routes.workbenches import (
    changing as changing_workbenches,
    reading as reading_workbenches,
)
from airflow_sfx.plugin.web.security import READ_ACCESS
from airflow_sfx.plugin.web.workbench_settings import are_set_up
from airflow_sfx.workbench.errors import WorkbenchNotFound, WorkbenchRefused

_STATUS: dict[type[SfxError], int] = {
    InvalidName: 400,
    SchemaMismatch: 400,
    TableNotFound: 404,
    PartitionNotFound: 404,
    BatchNotFound: 404,
    CommitConflict: 409,
    ForeignChange: 409,
    ModelRefused: 409,
    WarehouseUnavailable: 503,
    WorkbenchRefused: 403,
    WorkbenchNotFound: 404,
    JobFailed: 503,
}
_PROBLEMS = {
    400: "Invalid request",
    404: "Not found",
    409: "Conflict with a change made meanwhile, or a model that was refused",
    500: "Damaged data",
    503: "Warehouse unavailable, or what runs workbenches",
}
RETRY_SECONDS = 5
"""``Retry-After`` of responses to requests that waited too long."""
_OF_WORKBENCHES = ' data-workbenches="shown"'
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
    """Return the application: the page, and the JSON API below ``/api``.

    Everything but the page's own files is behind Airflow's auth manager.
    """
    app = FastAPI(
        title="airflow_sfx", version=__version__, docs_url=None, redoc_url=None, openapi_url=None
    )
    problems: dict[int | str, dict[str, Any]] = {
        401: {"description": "Not logged in"},
        403: {"description": "Not permitted, or a workbench that was refused"},
        **{status: {"model": Problem, "description": text} for status, text in _PROBLEMS.items()},
    }
    for router in (
        tables.router,
        batches.router,
        changes.router,
        night.router,
        metrics.router,
        undo.reading,
        staged.reading,
        stale.router,
        downstream.router,
        announce.reading,
        holds.reading,
        reading_streams.router,
        reading_models.router,
        comparing_models.router,
        write.router,
        undo.changing,
        staged.changing,
        announce.changing,
        holds.changing,
        changing_models.router,
        reading_workbenches.router,
        changing_workbenches.router,
    ):
        app.include_router(router, prefix="/api", responses=problems)
    app.add_exception_handler(SfxError, _problem)
    app.add_exception_handler(TooManyComparisons, _busy)
    app.add_exception_handler(HTTPException, _redirect_to_login)
    app.middleware("http")(_with_security_headers)
    app.get("/openapi.json", dependencies=READ_ACCESS, include_in_schema=False)(_description)
    app.get("/", dependencies=READ_ACCESS, include_in_schema=False, response_class=HTMLResponse)(
        _page
    )
    app.mount("/static", StaticFiles(directory=_STATIC))
    return app


def _description(request: Request) -> dict[str, Any]:
    """Return the OpenAPI description, with the address of this server."""
    app: FastAPI = request.app
    found = app.openapi()
    paths = {
        path: {
            method: operation | {"summary": operation["description"].rstrip(".")}
            for method, operation in operations.items()
        }
        for path, operations in found["paths"].items()
    }
    schemas = {name: described(one) for name, one in found["components"]["schemas"].items()}
    return {
        **found,
        "servers": [{"url": request.scope["root_path"]}],
        "paths": paths,
        "components": found["components"] | {"schemas": schemas},
    }


def _page() -> str:
    """Return the page, which holds no data, but says whether there are workbenches."""
    return _document() if are_set_up() else _document().replace(_OF_WORKBENCHES, "")


@cache
def _document() -> str:
    return (_STATIC / "index.html").read_text(encoding="utf-8")


async def _with_security_headers(
    request: Request, respond: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Add headers that keep other sites out of the page, and data out of caches."""
    response = await respond(request)
    response.headers.update(_HEADERS)
    response.headers["Cache-Control"] = "no-store" if "/api/" in request.url.path else "no-cache"
    return response


async def _redirect_to_login(request: Request, error: Exception) -> Response:
    """Redirect people to Airflow's login page; scripts get the error."""
    assert isinstance(error, HTTPException)
    if error.status_code == 401 and "text/html" in request.headers.get("accept", ""):  # noqa: PLR2004
        airflow = str(request.base_url).removesuffix("sfx/")
        return RedirectResponse(
            f"{airflow}api/v2/auth/login?next={quote(str(request.url), safe='')}", 303
        )
    return await http_exception_handler(request, error)


async def _problem(request: Request, error: Exception) -> JSONResponse:
    """Return an error of the warehouse as a response."""
    if isinstance(error, WarehouseUnavailable):
        snapshots.reopen()
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    return JSONResponse({"error": type(error).__name__, "message": str(error)}, status)


async def _busy(request: Request, error: Exception) -> JSONResponse:
    """Return the response to a request that waited too long in the queue."""
    assert isinstance(error, TooManyComparisons)
    return JSONResponse(
        {"error": "Busy", "message": str(error)},
        error.status,
        headers={"Retry-After": str(RETRY_SECONDS)},
    )

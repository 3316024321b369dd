"""The web application that Airflow's API server mounts at ``/sfx``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse
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
from airflow_sfx.plugin.web import changing, looking
from airflow_sfx.plugin.web.access import READING
from airflow_sfx.plugin.web.documents import Problem

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
_STATIC = Path(__file__).parent / "static"
_POLICY = "default-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"


@cache
def create_app() -> FastAPI:
    """The application of this process: the page, and the JSON API below ``/api``, described at ``/sfx/openapi.json``.

    Returns:
        The application. Everything but the page's own files is behind Airflow's auth manager.
    """
    app = FastAPI(title="airflow_sfx", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    problems: dict[int | str, dict[str, Any]] = {status: {"model": Problem} for status in sorted(set(_STATUS.values()))}
    app.include_router(looking.router, prefix="/api", responses=problems)
    app.include_router(changing.router, prefix="/api", responses=problems)
    app.add_exception_handler(SfxError, _told)
    app.get("/openapi.json", dependencies=READING, include_in_schema=False)(app.openapi)
    app.get("/", include_in_schema=False, response_class=FileResponse)(_page)
    app.mount("/static", StaticFiles(directory=_STATIC))
    return app


def _page() -> FileResponse:
    """The page itself; it holds no data."""
    return FileResponse(
        _STATIC / "index.html", headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"}
    )


async def _told(request: Request, error: Exception) -> JSONResponse:
    """An error of the warehouse as an answer."""
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    return JSONResponse({"error": type(error).__name__, "message": str(error)}, status)

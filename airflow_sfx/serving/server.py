"""Runs the server of a model: loads it, listens, and stops cleanly."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InvalidName, ModelRefused
from airflow_sfx.serving.follower import Follower
from airflow_sfx.serving.served import ServedModel
from airflow_sfx.serving.sources import Source, shadow_of, source_of
from airflow_sfx.serving.web.app import ModelApp
from airflow_sfx.serving.web.limits import Limits

if TYPE_CHECKING:
    from airflow_sfx.core.table import TableRef
    from airflow_sfx.models.registry import ModelRegistry
    from airflow_sfx.warehouse.warehouse import Warehouse

LOOPBACK = "127.0.0.1"
_GRACE = 10
"""How long requests may take when the server stops, in seconds."""
_BACKLOG, _CONNECTIONS = 2048, 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server serves, and how.

    Args:
        model: ``NAME@ALIAS``, ``NAME/VERSION``, ``NAME``, the path of a zip, or
            ``MODULE:FUNCTION``.
        host: The address to listen on.
        port: The port; 0 for any that is free.
        shadow: Another alias, whose version answers too, but not to the client; None for none.
        log: The table that samples of predictions are written into, or None.
        log_rows: The most rows of such a sample, for each hour and version.
        log_seconds: How often the sample of an hour that is not over is written, in seconds.
        limits: What a request may cost.
        trust: What code of a model without a portable scorer may run.
        key: The file of a public key whose signature each version must have, or None.
    """

    model: str
    host: str = LOOPBACK
    port: int = 8000
    shadow: str | None = None
    log: TableRef | None = None
    log_rows: int = 10_000
    log_seconds: float = 300.0
    limits: Limits = field(default_factory=Limits)
    trust: Sequence[str] = ()
    key: Path | None = None


def serve(
    settings: Settings, warehouse: Callable[[], Warehouse], report: Callable[[str], None]
) -> None:
    """Serve a model or a function until the process gets SIGINT or SIGTERM.

    Args:
        settings: What to serve, and how.
        warehouse: Opens the warehouse, if the model is from one, or predictions are written back.
        report: Called with the address once the server is ready.

    Raises:
        InvalidName: The text names no model, or the address cannot be listened on.
        ModelRefused: The model is damaged, fails its golden rows, or needs a library.
        PartitionNotFound: There is no such model or alias.
    """
    with (
        contextlib.closing(_listen(settings.host, settings.port)) as listening,
        ThreadPoolExecutor(1) as loading,
    ):
        address = _address(settings.host, listening)
        opened = loading.submit(_app, settings, warehouse, lambda app: report(_ready(app, address)))
        uvicorn = _uvicorn()  # its import takes as long as loading the model
        app = opened.result()
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            lifespan="on",
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_GRACE,
        )
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


def _app(
    settings: Settings, warehouse: Callable[[], Warehouse], ready: Callable[[ModelApp], None]
) -> ModelApp:
    """Load what is served."""

    def registry() -> ModelRegistry:
        from airflow_sfx.models.registry import ModelRegistry

        return ModelRegistry(warehouse())

    follower = Follower(_source(settings, registry))
    follower.load()
    app = ModelApp(follower, settings.limits, lambda: ready(app))
    if settings.shadow is not None:
        from airflow_sfx.serving.shadow import Shadow

        source = shadow_of(settings.model, settings.shadow, registry, settings.trust, settings.key)
        app.shadow = Follower(source)
        app.shadow.load()
        app.background.append(Shadow(app.shadow, app.metrics))
    if settings.log is not None:
        from airflow_sfx.serving.predictions import Samples, check_columns

        assert isinstance(follower.served, ServedModel)  # so is its source
        check_columns(follower.served)
        every = (settings.log_rows, settings.log_seconds)
        app.background.append(Samples(warehouse(), settings.log, *every, app.metrics))
    return app


def _source(settings: Settings, registry: Callable[[], ModelRegistry]) -> Source:
    """Return where a model or a function is from."""
    if ":" not in settings.model or settings.model.endswith(".zip"):
        return source_of(settings.model, registry, settings.trust, settings.key)
    of_models = {
        "--shadow": settings.shadow,
        "--log": settings.log,
        "--trust": settings.trust,
        "--key": settings.key,
    }
    given = [name for name, value in of_models.items() if value]
    if given:
        raise InvalidName(
            f"{given[0]} is for models, and {settings.model!r:.80} names a function: leave it out"
        )
    from airflow_sfx.serving.functions import FunctionSource

    return FunctionSource(settings.model)


def _ready(app: ModelApp, address: str) -> str:
    follower = app.follower
    source = f" ({follower.source.name})" if follower.source.moves else ""
    return f"serving {follower.served.name}{source} at {address}"


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
        (True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens, before anything is loaded."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = found[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        raise InvalidName(
            f"{host}:{port} cannot be listened on ({error.strerror or error}): pass another --host"
            " or --port"
        ) from error


def _address(host: str, listening: socket.socket) -> str:
    port = listening.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _uvicorn() -> Any:
    try:
        import uvicorn
    except ImportError as error:
        raise ModelRefused(
            f"the server needs uvicorn, which is not installed ({error}): pip install"
            " 'airflow-sfx[serve]'"
        ) from error
    return uvicorn

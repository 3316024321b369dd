"""The server as an ASGI application.

It is written without a web framework: importing one takes a third of the second in which a server
is to be ready, and the schema of a request is not known before the model is; see decision 15.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_sfx.serving.background import Answered, Background
from airflow_sfx.serving.figures import server_metrics
from airflow_sfx.serving.served import Served, ServedFunction, ServedModel
from airflow_sfx.serving.web.joining import Joining
from airflow_sfx.serving.web.openapi import ARROW, JSON, description
from airflow_sfx.serving.web.refusal import RefusedError
from airflow_sfx.serving.web.rows import (
    Asked,
    answer,
    asked,
    nothing,
    read_of_function,
    read_rows,
    written,
)

if TYPE_CHECKING:
    from airflow_sfx.serving.follower import Follower
    from airflow_sfx.serving.web.limits import Limits

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]
Response = tuple[HTTPStatus, bytes, tuple[Header, ...]]

_SMALL = 64 << 10
"""Bodies up to this size, in bytes, are decoded without a thread."""
_QUICK = 0.002
"""Requests that take at most this long, in seconds, are answered without a thread."""
_TYPES = {JSON: (b"content-type", JSON.encode()), ARROW: (b"content-type", ARROW.encode())}
_TEXT = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
_SAFE = (b"x-content-type-options", b"nosniff")
_log = logging.getLogger(__name__)


class _DisconnectedError(Exception):
    """The client has gone."""


class ModelApp:
    """A server of one model, or of one portable function.

    Args:
        follower: The version that answers.
        limits: What a request may cost.
        ready: Called once when the server is ready.

    Attributes:
        metrics: The figures of the server.
        background: What is done with answered requests: comparison with a shadow, samples.
        shadow: The follower of the version that answers beside it, or None.
    """

    def __init__(
        self, follower: Follower, limits: Limits, ready: Callable[[], None] = lambda: None
    ) -> None:
        self.follower, self.limits, self._ready = follower, limits, ready
        self.background: list[Background] = []
        self.metrics = server_metrics(follower, self.background)
        self.shadow: Follower | None = None
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, "sfx-score")
        self._native = ThreadPoolExecutor(1, "sfx-native")
        self._waiting = 0
        self._joining = Joining(self._threads, limits, self._called)
        self._routes: dict[str, tuple[str, Callable[[], Response]]] = {
            "/healthz": ("GET", lambda: _json({"status": "ok"})),
            "/readyz": ("GET", self._readyz),
            "/metadata": ("GET", self._metadata),
            "/metrics": ("GET", lambda: (HTTPStatus.OK, self.metrics.text(), (_TEXT,))),
            "/openapi.json": ("GET", self._openapi),
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or start and stop with the server."""
        if scope["type"] == "lifespan":
            return await self._live(receive, send)
        begun = time.perf_counter()
        path = scope["path"]
        try:
            status, body, headers = await self._respond(scope, receive)
        except RefusedError as refused:
            status, body = refused.status, refused.body
            headers = (_TYPES[JSON], *refused.headers)
        except _DisconnectedError:
            return None
        except Exception:
            _log.exception("The request %s failed", path)
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            body = RefusedError(status, "the server failed: its log has the error").body
            headers = (_TYPES[JSON],)
        known = path if path == "/predict" or path in self._routes else "other"
        self.metrics.count("requests", path=known, status=str(status.value))
        if path == "/predict":
            self.metrics.observe("seconds", time.perf_counter() - begun)
        length = (b"content-length", str(len(body)).encode())
        start = {"type": "http.response.start", "status": int(status)}
        await send({**start, "headers": [*headers, length, _SAFE]})
        await send({"type": "http.response.body", "body": body})
        return None

    async def _respond(self, scope: Message, receive: Receive) -> Response:
        path, method = scope["path"], scope["method"]
        if path == "/predict":
            _check_method(path, method, "POST")
            return await self._predict(scope, receive)
        if path not in self._routes:
            raise RefusedError(
                HTTPStatus.NOT_FOUND,
                f"{path!r:.80} is not a path of this server: it has /predict,"
                f" {', '.join(self._routes)}",
            )
        expected, respond = self._routes[path]
        _check_method(path, method, expected)
        return respond()

    async def _predict(self, scope: Message, receive: Receive) -> Response:
        headers = dict(scope["headers"])
        kind, encoding = (headers.get(one, b"") for one in (b"content-type", b"content-encoding"))
        what = asked(kind, encoding, scope["query_string"])
        try:
            async with asyncio.timeout(self.limits.seconds):
                body = await self._body(headers, receive)
        except TimeoutError:
            raise RefusedError(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the body did not arrive within {self.limits.seconds:g} s: send it at once",
                headers=((b"connection", b"close"),),
            ) from None
        served = self.follower.served
        content = await self._answer(served, body, what)
        return HTTPStatus.OK, content, (_TYPES[ARROW if what.arrow else JSON], served.header)

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        declared = headers.get(b"content-length", b"")
        if declared.isdigit():
            self.limits.check_bytes(int(declared))
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _DisconnectedError
            part = message.get("body", b"")
            size += len(part)
            self.limits.check_bytes(size)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts) if len(parts) > 1 else parts[0]

    async def _answer(self, served: Served, body: bytes, what: Asked) -> bytes:
        """Return the body of the response: at once for few rows, else in a thread."""
        if isinstance(served, ServedFunction):
            return await self._joined(served, body, what)
        assert isinstance(served, ServedModel)
        if len(body) > _SMALL or served.one_at_a_time:
            return await self._in_thread(
                served, lambda: self._scored(served, *self._read(served, body, what), what)
            )
        rows, count = self._read(served, body, what)
        if count * served.seconds_per_row <= _QUICK:
            return self._scored(served, rows, count, what)
        return await self._in_thread(served, lambda: self._scored(served, rows, count, what))

    async def _joined(self, served: ServedFunction, body: bytes, what: Asked) -> bytes:
        """Return the body of a function's response, whose call may be shared."""
        rows = read_of_function(body, what, served, self.limits)
        found = await self._joining.answer(served, rows) if rows else []
        self.metrics.count("rows", len(rows), model=served.name)
        return msgspec.json.encode({"model": served.name, "predictions": found})

    def _called(self, requests: int) -> None:
        self.metrics.count("calls")
        self.metrics.count("joined", requests)

    def _read(self, served: ServedModel, body: bytes, what: Asked) -> tuple[Any, int]:
        return read_rows(body, what, served, self.limits)

    def _scored(self, served: ServedModel, rows: Any, count: int, what: Asked) -> bytes:
        if not count:
            return nothing(what, served)
        answers = answer(served, rows, what)
        self.metrics.count("rows", count, model=served.name)
        if self.background:
            done = Answered(served, rows, answers, datetime.now(UTC))
            for one in self.background:
                one.offer(done)
        return written(served, answers, what)

    async def _in_thread(self, served: ServedModel, work: Callable[[], bytes]) -> bytes:
        if self._waiting >= self.limits.waiting:
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{self._waiting} requests are waiting already: send it again later",
                headers=((b"retry-after", b"1"),),
            )
        self._waiting += 1
        threads = self._native if served.one_at_a_time else self._threads
        future = asyncio.get_running_loop().run_in_executor(threads, work)
        future.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self.limits.seconds)
        except TimeoutError:
            raise RefusedError(
                HTTPStatus.GATEWAY_TIMEOUT,
                f"the model {served.name} did not answer within {self.limits.seconds:g} s: send"
                " fewer rows",
            ) from None

    def _done(self, future: asyncio.Future[bytes]) -> None:
        self._waiting -= 1
        if not future.cancelled():
            future.exception()  # of a request that was given its answer already

    def state(self) -> dict[str, object]:
        """Return what is served, and why not the newest version, if so."""
        return {
            "model": self.follower.served.name,
            "source": self.follower.source.name,
            "trouble": _trouble(self.follower),
            "swaps": self.follower.swaps,
            "shadow": None
            if self.shadow is None
            else {
                "model": self.shadow.served.name,
                "source": self.shadow.source.name,
                "trouble": _trouble(self.shadow),
            },
        }

    def _readyz(self) -> Response:
        return _json({"ready": True, **self.state()})

    def _metadata(self) -> Response:
        served = self.follower.served
        found = _json({**served.document(), "state": self.state()})
        return found[0], found[1], (*found[2], served.header)

    def _openapi(self) -> Response:
        served = self.follower.served
        found = _json(description(served))
        return found[0], found[1], (*found[2], served.header)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start what runs beside the requests, and end it with the server."""
        await receive()
        for follower in self._followers():
            follower.start()
        for one in self.background:
            one.start()
        await send({"type": "lifespan.startup.complete"})
        self._ready()
        await receive()
        await asyncio.get_running_loop().run_in_executor(None, self._stop)
        await send({"type": "lifespan.shutdown.complete"})

    def _followers(self) -> list[Follower]:
        return [self.follower] if self.shadow is None else [self.follower, self.shadow]

    def _stop(self) -> None:
        for follower in self._followers():
            follower.stop()
        for one in self.background:
            one.stop()
        for threads in (self._threads, self._native):
            threads.shutdown(wait=False, cancel_futures=True)


def _trouble(follower: Follower) -> dict[str, object] | None:
    trouble = follower.trouble
    return None if trouble is None else trouble.document()


def _check_method(path: str, method: str, expected: str) -> None:
    if method != expected and (method, expected) != ("HEAD", "GET"):
        raise RefusedError(
            HTTPStatus.METHOD_NOT_ALLOWED,
            f"{path} does not answer {method!r:.20}: send {expected}",
            headers=((b"allow", expected.encode()),),
        )


def _json(document: object) -> Response:
    return HTTPStatus.OK, msgspec.json.encode(document), (_TYPES[JSON],)

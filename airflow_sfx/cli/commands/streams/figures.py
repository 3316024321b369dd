"""Figures of a consumer, for Prometheus."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import typer

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.serving.metrics import Family, Labels, Metrics

if TYPE_CHECKING:
    from airflow_sfx.streams.consumer import Progress

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_FAMILIES = {
    "records": Family("counter", "Records that the table has now, or had already."),
    "rows": Family("counter", "Rows that were added."),
    "dead_letters": Family("counter", "Records that became dead letters."),
    "commit_seconds": Family("histogram", "Seconds from records to their commit.", _SECONDS),
    "behind_seconds": Family("gauge", "How far this consumer is behind the stream, in seconds."),
    "shards": Family("gauge", "Shards that this consumer reads."),
    "stopped_shards": Family("gauge", "Shards of the last commit that stopped at a record."),
}


class Figures:
    """Counts what a consumer reports.

    Args:
        table: The table.
        stream: The stream.
    """

    def __init__(self, table: str, stream: str) -> None:
        self._labels = (("table", table), ("stream", stream))
        self._last: Progress | None = None
        self._metrics = Metrics(_FAMILIES, "sfx_stream_")
        self._metrics.compute("behind_seconds", lambda: self._gauge(_behind))
        self._metrics.compute("shards", lambda: self._gauge(lambda one: one.shards))
        self._metrics.compute("stopped_shards", lambda: self._gauge(lambda one: len(one.stopped)))

    def count(self, progress: Progress) -> None:
        """Count one commit."""
        labels = dict(self._labels)
        self._metrics.count("records", progress.records, **labels)
        self._metrics.count("rows", progress.rows, **labels)
        self._metrics.count("dead_letters", progress.dead, **labels)
        self._metrics.observe("commit_seconds", progress.seconds, **labels)
        self._last = progress

    def text(self) -> bytes:
        """Return all figures."""
        return self._metrics.text()

    def _gauge(self, value: Callable[[Progress], float | None]) -> dict[Labels, float]:
        found = None if self._last is None else value(self._last)
        return {} if found is None else {self._labels: found}

    @contextmanager
    def served(self, address: str) -> Iterator[None]:
        """Answer GET /metrics at an address, HOST:PORT, while the block runs."""
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise typer.BadParameter(f"{address!r} is not an address: type one as 127.0.0.1:9100")
        figures = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = self.path.partition("?")[0] == "/metrics"
                body = figures.text() if found else b""
                self.send_response(HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Write no line for each request."""

        try:
            server = ThreadingHTTPServer((host, int(port)), Handler)
        except (OSError, OverflowError) as error:
            raise InvalidName(
                f"{address} cannot be listened on ({error}): choose another address"
            ) from error
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()


def _behind(progress: Progress) -> float | None:
    return None if progress.behind is None else progress.behind.total_seconds()

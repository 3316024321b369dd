"""A proxy before a server of Kinesis, with the faults that Amazon's has."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REFUSALS = {
    "throttled": "ProvisionedThroughputExceededException",
    "limited": "LimitExceededException",
    "expired": "ExpiredIteratorException",
    "expired token": "ExpiredNextTokenException",
    "denied": "AccessDeniedException",
}
"""Answers of status 400 in the server's place."""


class KinesisProxy:
    """A proxy that injects faults: ``lost`` answers, ``broken`` servers, and `REFUSALS`.

    Args:
        port: The server's port.
        odds: How likely each fault is, by operation.
        seed: What decides which.
    """

    def __init__(self, port: int, odds: Mapping[str, Mapping[str, float]], seed: int) -> None:
        self.upstream, self.odds, self.random = port, odds, random.Random(seed)
        self.planned: defaultdict[str, deque[str]] = defaultdict(deque)
        self.page = 0
        """The number of shards that a page lists at most; 0 for the server's."""
        self.done: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server = _HttpServer(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def plan(self, operation: str, *faults: str) -> None:
        """Inject faults into the next calls of an operation."""
        self.planned[operation].extend(faults)

    def fault(self, operation: str) -> str:
        """Return the fault of a call; empty for none."""
        with self._lock:
            self.calls[operation] += 1
            found = self.planned[operation].popleft() if self.planned[operation] else ""
            for name, chance in () if found else self.odds.get(operation, {}).items():
                if not found and self.random.random() < chance:
                    found = name
            if found:
                self.done[found] += 1
            return found

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    proxy: KinesisProxy

    def handle_error(self, *_: object) -> None:
        """Print nothing of clients that were killed."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: _HttpServer

    def setup(self) -> None:
        super().setup()
        self.proxy: KinesisProxy = self.server.proxy
        self.upstream = http.client.HTTPConnection("127.0.0.1", self.proxy.upstream)

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.upstream.close()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        fault = self.proxy.fault(operation)
        if fault in REFUSALS:
            self._answer(400, json.dumps({"__type": REFUSALS[fault], "message": fault}).encode())
            return
        if fault == "broken":
            self._answer(503, b"{}")
            return
        if operation == "ListShards" and self.proxy.page:
            body = json.dumps({**json.loads(body), "MaxResults": self.proxy.page}).encode()
        status, answer = self._ask(body)
        if fault == "lost":
            self.close_connection = True
            return
        self._answer(status, answer)

    def _ask(self, body: bytes) -> tuple[int, bytes]:
        kept = {"Host", "Content-Length", "Connection", "Expect"}
        headers = {name: value for name, value in self.headers.items() if name not in kept}
        self.upstream.request("POST", self.path, body, headers)
        answer = self.upstream.getresponse()
        return answer.status, answer.read()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextlib.contextmanager
def faulty(
    port: int, odds: Mapping[str, Mapping[str, float]] | None = None, seed: int = 1
) -> Iterator[KinesisProxy]:
    """A running proxy."""
    made = KinesisProxy(port, odds or {}, seed)
    try:
        yield made
    finally:
        made.close()

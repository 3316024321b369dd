"""A server of a model as a user starts it, and its client."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

JSON = {"content-type": "application/json"}


@dataclass
class Answer:
    """What a request got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return self.json["message"]


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen
    port: int
    told: str

    def get(self, path: str) -> Answer:
        return self.send("GET", path)

    def predict(self, rows: object, path: str = "/predict") -> Answer:
        return self.send("POST", path, json.dumps(rows).encode(), JSON)

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: dict | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            found = connection.getresponse()
            return Answer(found.status, dict(found.getheaders()), found.read())
        finally:
            connection.close()

    def figure(self, line: str) -> float:
        """Return the figure of /metrics whose name and labels begin so."""
        lines = self.get("/metrics").body.decode().splitlines()
        return next((float(one.split()[-1]) for one in lines if one.startswith(line)), 0.0)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def command(*arguments: str, uri: str = "embedded:///nowhere") -> list[str]:
    return [sys.executable, "-m", "airflow_sfx.cli", "-w", uri, "serve", *arguments]


@contextmanager
def serving(*arguments: str, uri: str = "embedded:///nowhere") -> Iterator[Server]:
    """Run `sfx serve` on a free port until the block ends."""
    process = subprocess.Popen(
        command(*arguments, "--port", "0", uri=uri),
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    try:
        assert process.stderr is not None
        told = ""
        while "serving" not in told:
            line = process.stderr.readline()
            assert line, f"the server ended: {told}"
            told += line
        yield Server(process, int(told.strip().rpartition(":")[2]), told)
    finally:
        process.kill()
        process.wait()


def until(true: Callable[[], bool], seconds: float = 30) -> float:
    """Wait until something is true, and return how long it took."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds
        time.sleep(0.02)
    return time.monotonic() - begun

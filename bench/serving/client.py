"""The client of all servers: connections that each send a request after the answer to the last."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast


@dataclass
class Load:
    """What the requests of a run got.

    Args:
        seconds: How long each request took.
        elapsed: How long the run took.
        failed: The statuses other than 200, and "closed" for connections that ended.
    """

    seconds: list[float] = field(default_factory=list)
    elapsed: float = 0.0
    failed: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return len(self.seconds) / self.elapsed

    def quantile(self, share: float) -> float:
        """Return the seconds within which a share of the requests were answered."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class _Connection(asyncio.Protocol):
    def __init__(
        self,
        requests: Sequence[bytes],
        load: Load,
        until: float,
        seen: Callable[[bytes, bytes], None],
    ) -> None:
        self.requests, self.load, self.until, self.seen = requests, load, until, seen
        self.number, self.begun, self.data = 0, 0.0, b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.send()

    def send(self) -> None:
        self.begun = time.perf_counter()
        if self.begun >= self.until:
            self.transport.close()
            return
        self.transport.write(self.requests[self.number % len(self.requests)])
        self.number += 1

    def data_received(self, data: bytes) -> None:
        self.data += data
        head, found, body = self.data.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self.data = b""
        self.load.seconds.append(time.perf_counter() - self.begun)
        if head[9:12] != b"200":
            self.load.failed.append(head[9:12].decode())
        else:
            self.seen(head, body)
        self.send()

    def connection_lost(self, error: Exception | None) -> None:
        if time.perf_counter() < self.until:
            self.load.failed.append("closed")
        self.done.set_result(None)


def request(path: str, body: bytes) -> bytes:
    """Return a POST of JSON as it is on the wire."""
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def _run(
    port: int,
    requests: Sequence[bytes],
    connections: int,
    seconds: float,
    seen: Callable[[bytes, bytes], None],
) -> Load:
    load = Load()
    begun = time.perf_counter()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(
            lambda: _Connection(requests, load, begun + seconds, seen), "127.0.0.1", port
        )
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in made))
    load.elapsed = time.perf_counter() - begun
    return load


def send(
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int,
    seconds: float,
    seen: Callable[[bytes, bytes], None] = lambda head, body: None,
) -> Load:
    """Send requests to a server of this machine for a time.

    Args:
        port: Its port.
        requests: The requests, which each connection sends in turn.
        connections: How many connections send at once.
        seconds: For how long.
        seen: Called with the head and the body of each answer of status 200.
    """
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(port, requests, connections, seconds, seen))

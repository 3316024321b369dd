"""A proxy that injects the faults of networks and overloaded servers."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping

FAULTS = ("reset", "lost reply", "stall")
"""Connections closed before or after a request is done, and a slow server."""


class FaultProxy:
    """A proxy that passes bytes on, and injects faults now and then.

    Args:
        port: The server's port.
        odds: How likely each fault is at a request or reply; a number as in ``"503"`` is an HTTP
            status that is answered in the server's place (409 to conditional creates alone, as S3
            does; 404 to reads of objects that were just written, and ``"old list"`` repeats what a
            listing said before them, as a replica does that lags).
        seed: What decides which.
        stall_seconds: How long a stall takes.
        lag_seconds: For how long an object counts as just written.
    """

    def __init__(
        self,
        port: int,
        odds: Mapping[str, float],
        *,
        seed: int,
        stall_seconds: float = 1.0,
        lag_seconds: float = 2.0,
    ) -> None:
        self._upstream = port
        self._odds = odds
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._stall = stall_seconds
        self._lag = lag_seconds
        self._written: dict[bytes, float] = {}
        self._listed: dict[bytes, tuple[float, bytes]] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.done: Counter[str] = Counter()
        self.quiet = False
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.accepted += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._upstream))
        except OSError:
            client.close()
            return
        talk = _Talk(client, server)
        back = threading.Thread(target=self._pass_replies, args=(talk,), daemon=True)
        back.start()
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                if not talk.asking:
                    self._remember(talk)
                    talk.asked, talk.answer = data, b""
                    talk.asking = True
                    fault = self._draw(self._possible(talk))
                    if fault == "reset":
                        break
                    if fault == "stall":
                        time.sleep(self._stall)
                    elif fault == "old list":
                        client.sendall(self._listed[talk.target][1])
                        break
                    elif fault:
                        client.sendall(_refusal(fault))
                        break
                server.sendall(data)
        self._remember(talk)
        talk.close()

    def _pass_replies(self, talk: _Talk) -> None:
        with contextlib.suppress(OSError):
            while data := talk.server.recv(1 << 16):
                talk.answer += data if talk.is_list else b""
                if talk.asking:
                    talk.asking = False
                    if talk.method == b"PUT" and data.startswith(b"HTTP/1.1 200"):
                        self._written[talk.target] = time.monotonic()
                    if self._draw({"lost reply"}):
                        break
                talk.client.sendall(data)
        talk.close()

    def _remember(self, talk: _Talk) -> None:
        """Keep the answer of a listing, unless a newer one is kept and still shown."""
        if talk.answer and not self._fresh(self._listed.get(talk.target, (0.0,))[0]):
            self._listed[talk.target] = (time.monotonic(), talk.answer)

    def _fresh(self, since: float) -> bool:
        return time.monotonic() - since < self._lag

    def _possible(self, talk: _Talk) -> set[str]:
        """The faults that a server could have at this request."""
        impossible = {"lost reply"}
        if b"if-none-match" not in talk.asked.lower():
            impossible.add("409")
        if talk.method not in (b"GET", b"HEAD") or not self._fresh(
            self._written.get(talk.target, -self._lag)
        ):
            impossible.add("404")
        if not (talk.is_list and self._fresh(self._listed.get(talk.target, (-self._lag,))[0])):
            impossible.add("old list")
        return set(self._odds) - impossible

    def _draw(self, possible: set[str]) -> str:
        if self.quiet:
            return ""
        with self._lock:
            for fault, chance in self._odds.items():
                if fault in possible and self._random.random() < chance:
                    self.done[fault] += 1
                    return fault
        return ""


def _refusal(status: str) -> bytes:
    reason = "" if status == "404" else "<Error><Code>SlowDown</Code></Error>"
    head = f"HTTP/1.1 {status} Fault\r\nContent-Length: {len(reason)}\r\nConnection: close\r\n\r\n"
    return (head + reason).encode()


class _Talk:
    """The two connections of one client."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.asking = False
        self.asked = b""
        self.answer = b""

    @property
    def method(self) -> bytes:
        """Return the method of an HTTP request, or another word of another protocol."""
        return self.asked.partition(b" ")[0]

    @property
    def target(self) -> bytes:
        """Return the path and query of an HTTP request."""
        return self.asked.partition(b" ")[2].partition(b" ")[0]

    @property
    def is_list(self) -> bool:
        """Return whether an HTTP request lists a bucket."""
        return self.method == b"GET" and b"list-type=2" in self.target

    def close(self) -> None:
        for one in (self.client, self.server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextlib.contextmanager
def proxy(
    port: int,
    odds: Mapping[str, float],
    *,
    seed: int,
    stall_seconds: float = 1.0,
    lag_seconds: float = 2.0,
) -> Iterator[FaultProxy]:
    """A running proxy."""
    made = FaultProxy(port, odds, seed=seed, stall_seconds=stall_seconds, lag_seconds=lag_seconds)
    try:
        yield made
    finally:
        made.close()

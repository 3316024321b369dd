"""A proxy that stands between a client and a server and does to their talk what networks and overloaded servers do."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping

FAULTS = ("reset", "lost reply", "stall")
"""A connection closed before the request got through; one closed after the server has done it; a slow server."""


class FaultProxy:
    """Passes bytes on, and now and then does not.

    Args:
        port: The server's port.
        odds: How likely each fault is at a request or reply; a number as in ``"503"`` is an HTTP status that is answered
            in the server's place (409 to conditional creates alone, as S3 does).
        seed: What decides which.
        stall_seconds: How long a stall takes.
    """

    def __init__(self, port: int, odds: Mapping[str, float], *, seed: int, stall_seconds: float = 1.0) -> None:
        self._upstream = port
        self._odds = odds
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._stall = stall_seconds
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
                    talk.asking = True
                    fault = self._draw(before=True, conditional=b"if-none-match" in data.lower())
                    if fault == "reset":
                        break
                    if fault == "stall":
                        time.sleep(self._stall)
                    elif fault:
                        client.sendall(_refusal(fault))
                        break
                server.sendall(data)
        talk.close()

    def _pass_replies(self, talk: _Talk) -> None:
        with contextlib.suppress(OSError):
            while data := talk.server.recv(1 << 16):
                if talk.asking:
                    talk.asking = False
                    if self._draw(before=False):
                        break
                talk.client.sendall(data)
        talk.close()

    def _draw(self, *, before: bool, conditional: bool = False) -> str:
        if self.quiet:
            return ""
        with self._lock:
            for fault, chance in self._odds.items():
                if fault == "409" and not conditional:
                    continue
                if (fault != "lost reply") == before and self._random.random() < chance:
                    self.done[fault] += 1
                    return fault
        return ""


def _refusal(status: str) -> bytes:
    reason = "<Error><Code>SlowDown</Code></Error>"
    head = f"HTTP/1.1 {status} Fault\r\nContent-Length: {len(reason)}\r\nConnection: close\r\n\r\n"
    return (head + reason).encode()


class _Talk:
    """The two connections of one client."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.asking = False

    def close(self) -> None:
        for one in (self.client, self.server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextlib.contextmanager
def proxy(port: int, odds: Mapping[str, float], *, seed: int, stall_seconds: float = 1.0) -> Iterator[FaultProxy]:
    """A running proxy."""
    made = FaultProxy(port, odds, seed=seed, stall_seconds=stall_seconds)
    try:
        yield made
    finally:
        made.close()

"""Servers that do not answer.

One refuses, one is silent, one stops in the middle of an answer, and one recovers.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

_HEADERS = (
    b'HTTP/1.1 200 OK\r\nETag: "0"\r\nLast-Modified: Wed, 02 Nov 2016 23:42:52 GMT\r\n'
    b"Content-Length: 1000\r\n\r\n"
    b"only some of it"
)
_DONE = (
    b'HTTP/1.1 200 OK\r\nETag: "0"\r\nLast-Modified: Wed, 02 Nov 2016 23:42:52 GMT\r\n'
    b"Content-Length: 2\r\n\r\nok"
)


@contextlib.contextmanager
def refusing() -> Iterator[int]:
    """Reserve a port on which every connection is refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextlib.contextmanager
def hanging(answer: bytes = b"") -> Iterator[int]:
    """A server that accepts, may send some bytes once it was asked, and is silent from then on."""
    kept: list[socket.socket] = []

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                kept.append(client)
                if answer:
                    client.recv(1 << 16)
                    client.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    for client in kept:
        client.close()


def hanging_in_the_body() -> contextlib.AbstractContextManager[int]:
    """A server that sends headers and a part of the body, and is silent from then on."""
    return hanging(_HEADERS)


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """Open a port whose queue of connections is full: clients get no answer."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        time.sleep(0.2)
        yield listener.getsockname()[1]
        for filler in fillers:
            filler.close()


@contextlib.contextmanager
def back_after(seconds: float) -> Iterator[int]:
    """A server that refuses connections, and answers every request from some moment on."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        if ended.wait(seconds):
            return
        taken.listen()
        with contextlib.suppress(OSError):
            while True:
                client, _ = taken.accept()
                client.recv(1 << 16)
                client.sendall(_DONE)
                client.close()

    threading.Thread(target=serve, daemon=True).start()
    yield taken.getsockname()[1]
    ended.set()
    with contextlib.suppress(OSError):
        taken.shutdown(socket.SHUT_RDWR)
    taken.close()

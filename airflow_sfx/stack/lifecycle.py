"""Start, status and stop of the services."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.stack import hive_metastore, process, s3_server
from airflow_sfx.stack.settings import (
    Stack,
    load,
    port_error,
    save,
    save_credentials,
    settle,
)

DEFAULT_DIRECTORY = Path("~/.sfx/stack")
START_SECONDS = 120.0
PORT_SECONDS = 2.0
WATCH_SECONDS = 0.5
_SERVICES: tuple[ModuleType, ...] = (s3_server, hive_metastore)
_PORTS_OF = {
    s3_server.NAME: (
        "s3",
        "s3_grpc",
        "master",
        "master_grpc",
        "volume",
        "volume_grpc",
        "filer",
        "filer_grpc",
    ),
    hive_metastore.NAME: ("metastore",),
}


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The status of a service.

    Args:
        name: The service.
        pid: The ID of its process; None if it does not run.
        port: The port on which it listens.
        ready: Whether it answers.
    """

    name: str
    pid: int | None
    port: int
    ready: bool


def up(
    directory: Path = DEFAULT_DIRECTORY,
    *,
    s3_port: int | None = None,
    metastore_port: int | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Stack:
    """Start the services that do not run, and wait until all of them answer.

    Args:
        directory: The folder for data, settings and logs, which is created if necessary.
        s3_port: The port of the S3 server; None for that of the last start, or a free one.
        metastore_port: The port of the metastore; None as for ``s3_port``.
        report: Called with a text for each step.

    Returns:
        The running stack.

    Raises:
        WarehouseUnavailable: The folder cannot be created, a port is in use, a package is not
            installed, or a service ended or did not answer in two minutes. The services that this
            call started are stopped.

    Example:
        ::

            stack = up(Path("/tmp/stack"))
            warehouse = sfx.connect(stack.uri)
            down(stack.directory)
    """
    folder = directory.expanduser().absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise WarehouseUnavailable(
            f"the folder {folder} cannot be created ({error.strerror}): name another with --dir"
        ) from error
    wanted = {
        name: port
        for name, port in (("s3", s3_port), ("metastore", metastore_port))
        if port is not None
    }
    with _locked(folder):
        running = {service.NAME for service in _SERVICES if _running(service, folder)}
        before = load(folder)
        if running and before and any(before.ports[name] != port for name, port in wanted.items()):
            raise WarehouseUnavailable(
                f"the stack in {folder} runs with other ports ({before.ports}): stop it first"
            )
        stack = before if running and before else settle(folder, wanted)
        _refuse_busy_ports(stack, running)
        save(stack)
        started: list[process.Daemon] = []
        try:
            for service in _SERVICES:
                if service.NAME not in running:
                    report(f"starting the {service.NAME}")
                    started.append(_start(service, stack))
            _wait(stack, started, report)
            if hive_metastore.is_provisional(stack):
                started.append(_restart(hive_metastore, stack))
                _wait(stack, started, report)
        except BaseException:
            for daemon in started:
                process.stop(daemon, folder)
            raise
    return stack


def run(
    directory: Path = DEFAULT_DIRECTORY,
    *,
    s3_port: int | None = None,
    metastore_port: int | None = None,
    credentials: Path | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> None:
    """Run the services until one of them ends, or an exception ends the call, and stop them.

    For a container or a service manager, whose process has to live as long as the services.

    Args:
        directory: As for `up`.
        s3_port: As for `up`.
        metastore_port: As for `up`.
        credentials: An AWS credentials file to write the keys of the S3 server to, for other
            programs of this user.
        report: Called with a text for each step.

    Raises:
        WarehouseUnavailable: As of `up`, or a service has ended; the message has the end of its
            log.

    Example:
        ::

            run(Path("/var/lib/stack"), s3_port=8333, metastore_port=9083)
    """
    folder = directory.expanduser().absolute()
    stack = up(folder, s3_port=s3_port, metastore_port=metastore_port, report=report)
    try:
        if credentials is not None:
            save_credentials(stack, credentials)
        report(f"the stack in {folder} is running")
        while True:
            for service in _SERVICES:
                if _running(service, folder) is None:
                    raise WarehouseUnavailable(
                        f"the {service.NAME} has ended; the end of its log:\n"
                        f"{process.log_end(service.NAME, folder)}"
                    )
            time.sleep(WATCH_SECONDS)
    finally:
        down(folder)


def down(directory: Path = DEFAULT_DIRECTORY) -> list[str]:
    """Stop the services of a folder, and keep their data.

    Args:
        directory: The folder.

    Returns:
        The names of the services that were running.

    Example:
        >>> import tempfile
        >>> down(Path(tempfile.mkdtemp()))
        []
    """
    folder = directory.expanduser().absolute()
    if not folder.is_dir():
        return []
    with _locked(folder):
        found = [
            daemon for service in _SERVICES if (daemon := process.recorded(service.NAME, folder))
        ]
        return [daemon.name for daemon in reversed(found) if process.stop(daemon, folder)]


def status(directory: Path = DEFAULT_DIRECTORY) -> list[ServiceStatus]:
    """Return the status of a folder's services.

    Args:
        directory: The folder.

    Returns:
        The status of each service; empty if no stack was ever started there.

    Example:
        >>> import tempfile
        >>> status(Path(tempfile.mkdtemp()))
        []
    """
    folder = directory.expanduser().absolute()
    stack = load(folder)
    if stack is None:
        return []
    ports = {s3_server.NAME: stack.ports["s3"], hive_metastore.NAME: stack.metastore_port}
    found = []
    for service in _SERVICES:
        daemon = _running(service, folder)
        found.append(
            ServiceStatus(
                service.NAME,
                daemon.pid if daemon else None,
                ports[service.NAME],
                bool(daemon) and service.ready(stack),
            )
        )
    return found


def _start(service: ModuleType, stack: Stack) -> process.Daemon:
    temporary = stack.directory / "tmp"
    temporary.mkdir(exist_ok=True)
    variables = {"TMPDIR": str(temporary), **service.environment(stack)}
    return process.start(service.NAME, service.command(stack), stack.directory, variables)


def _restart(service: ModuleType, stack: Stack) -> process.Daemon:
    running = _running(service, stack.directory)
    if running is not None:
        process.stop(running, stack.directory)
    _refuse_busy_ports(stack, {other.NAME for other in _SERVICES if other is not service})
    return _start(service, stack)


def _running(service: ModuleType, folder: Path) -> process.Daemon | None:
    daemon = process.recorded(service.NAME, folder)
    return daemon if daemon is not None and daemon.alive else None


def _wait(stack: Stack, started: list[process.Daemon], report: Callable[[str], None]) -> None:
    end = time.monotonic() + START_SECONDS
    for service in _SERVICES:
        report(f"waiting for the {service.NAME} to answer")
        while not service.ready(stack):
            for daemon in {one.name: one for one in started}.values():  # the last of each name
                process.refuse_if_dead(daemon, stack.directory)
            if _running(service, stack.directory) is None:  # it was about to end
                _refuse_busy_ports(
                    stack, {other.NAME for other in _SERVICES if other is not service}
                )
                started.append(_start(service, stack))
            if time.monotonic() > end:
                raise WarehouseUnavailable(
                    f"the {service.NAME} did not answer in {START_SECONDS:.0f} s; the end of its"
                    f" log:\n{process.log_end(service.NAME, stack.directory)}"
                )
            time.sleep(0.2)


def _refuse_busy_ports(stack: Stack, running: set[str]) -> None:
    # A killed process keeps its ports until its last thread has ended.
    end = time.monotonic() + PORT_SECONDS
    for service, names in _PORTS_OF.items():
        for name in names if service not in running else ():
            while (error := port_error(stack.ports[name])) is not None:
                if time.monotonic() > end:
                    raise WarehouseUnavailable(
                        f"the port {stack.ports[name]} of the {service} ({name}) is in use"
                        f" ({error.strerror}): stop the program that listens there, or choose"
                        " another with --s3-port or --metastore-port"
                    ) from error
                time.sleep(0.1)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Prevent other processes from starting or stopping services."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

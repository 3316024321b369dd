"""Background processes that outlive the terminal.

A process is identified by its ID and its start time, so that no other process is stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from airflow_sfx.core.errors import WarehouseUnavailable

_GRACE_SECONDS = 4.0
"""How long a process may take to end after SIGTERM.

The system has everything that it acknowledged by then. SeaweedFS would wait 15 s for its own
connections.
"""
_LOG_LINES = 15


@dataclass(frozen=True, slots=True)
class Daemon:
    """A background process.

    Args:
        name: The service that it runs.
        pid: Its ID.
        started: Its start time as the system reports it, as another process may get its ID.
    """

    name: str
    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return _started(self.pid) == self.started


def start(
    name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> Daemon:
    """Start a process in its own session, and record it in ``<name>.pid``.

    Args:
        name: The service that it runs.
        command: The program and its arguments.
        folder: The folder for the record and the log, ``<name>.log``.
        environment: Variables in addition to those of this process.

    Returns:
        The process.
    """
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  the command is ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            cwd=folder,
            start_new_session=True,
        )
    started = _started(process.pid)
    daemon = Daemon(name, process.pid, started or "")
    (folder / f"{name}.pid").write_text(json.dumps(asdict(daemon)))
    return daemon


def recorded(name: str, folder: Path) -> Daemon | None:
    """Return the process that was started last; None if no record can be read."""
    try:
        return Daemon(**json.loads((folder / f"{name}.pid").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def stop(daemon: Daemon, folder: Path) -> bool:
    """Stop a process, and wait until it has ended.

    Returns:
        Whether it was running.
    """
    was_running = daemon.alive
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        if not daemon.alive:
            break
        os.kill(daemon.pid, signal_number)
        _wait_gone(daemon)
    (folder / f"{daemon.name}.pid").unlink(missing_ok=True)
    return was_running


def log_end(name: str, folder: Path) -> str:
    """Return the last lines of a process's log."""
    lines = (folder / f"{name}.log").read_text(errors="replace").splitlines()
    return "\n".join(lines[-_LOG_LINES:])


def refuse_if_dead(daemon: Daemon, folder: Path) -> None:
    """Raise an error if a process has ended.

    Raises:
        WarehouseUnavailable: The process has ended; the message has the end of its log.
    """
    if not daemon.alive:
        raise WarehouseUnavailable(
            f"the {daemon.name} ended while it started; the end of"
            f" {folder / f'{daemon.name}.log'}:\n{log_end(daemon.name, folder)}"
        )


def _wait_gone(daemon: Daemon) -> None:
    end = time.monotonic() + _GRACE_SECONDS
    while daemon.alive and time.monotonic() < end:
        time.sleep(0.05)


def _started(pid: int) -> str | None:
    """Return when a process started, by the system; None if it does not run."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # an ended child of this process would stay a zombie
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self/stat").exists():  # not Linux
        found = subprocess.run(  # noqa: S603
            ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
        return found.stdout.strip() or None
    try:
        state, *_, started = stat.read_text().rpartition(")")[2].split()[:20]
    except OSError:
        return None
    return None if state == "Z" else started

"""The base of the runners of workbenches."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from airflow_sfx.jobs.runners.base import Status
from airflow_sfx.workbench.workbench import LABEL, Order, State, Workbench

_LOOK_SECONDS = 0.2
_LONGEST_START = timedelta(minutes=2)
"""After that, a workbench counts as running although its address cannot be reached from here."""
_KILL_SECONDS = 10
_REASONS = {
    124: "its time was over",
    127: "it ended by itself: its command, or the program timeout, is not in the image",
    143: "it was stopped, by its daemon, a person or its machine",
}
"""What exit codes mean: of `timeout` whose command took too long, of shells, and of SIGTERM."""


class WorkbenchRunner(ABC):
    """Runs workbenches, and finds them again by their labels."""

    name: ClassVar[str]
    longest_pause: ClassVar[float] = 0.5
    """The longest time between two looks at a workbench that starts, in seconds."""

    @property
    @abstractmethod
    def sees_homes(self) -> bool:
        """Whether the directories of this machine are those that it mounts."""

    @abstractmethod
    def start(self, order: Order) -> None:
        """Start a workbench.

        Args:
            order: What to start.

        Raises:
            JobFailed: It cannot be started: the image is missing.
            RunnerUnavailable: The daemon or service cannot be reached.
        """

    @abstractmethod
    def all(self, *, measure: bool = True) -> list[Workbench]:
        """Return all workbenches, those that have ended included.

        Args:
            measure: Whether to ask for the memory that they use.

        Raises:
            RunnerUnavailable: The daemon or service cannot be reached.
        """

    @abstractmethod
    def token(self, workbench_id: str) -> str:
        """Return the token of a workbench; empty if there is no such workbench.

        Args:
            workbench_id: The workbench's ID.
        """

    @abstractmethod
    def log(self, workbench_id: str, lines: int) -> list[str]:
        """Return the last lines that a workbench printed.

        Args:
            workbench_id: The workbench's ID.
            lines: How many.
        """

    @abstractmethod
    def stop(self, workbench_id: str) -> None:
        """End a workbench, and remove what it has left with the runner; its home stays.

        Args:
            workbench_id: The workbench's ID.
        """


def limited(seconds: int, command: Sequence[str]) -> list[str]:
    """Return a command that ends by itself, even if no process looks at it.

    Args:
        seconds: After how long.
        command: The command.

    Example:
        >>> limited(3600, ["jupyter", "lab"])
        ['timeout', '-k', '10', '3600', 'jupyter', 'lab']
    """
    return ["timeout", "-k", str(_KILL_SECONDS), str(seconds), *command]


def described(
    labels: Mapping[str, str],
    status: Status,
    address: tuple[str, int],
    *,
    memory_used: int | None = None,
) -> Workbench:
    """Return a workbench from the labels of its container.

    Args:
        labels: The labels.
        status: What became of the container.
        address: The host, and the port if the labels have none; empty and 0 if not known yet.
        memory_used: The memory that it uses, in bytes, or None.
    """
    label = {name.removeprefix(f"{LABEL}."): value for name, value in labels.items()}
    started, ends = (datetime.fromisoformat(label[name]) for name in ("started", "ends"))
    host, port = address[0], int(label["port"]) or address[1]
    runs = status.is_running
    return Workbench(
        id=labels[LABEL],
        owner=label["owner"],
        image=label["image"],
        state=_state(started, host, port) if runs else "ended",
        memory=int(label["memory"]),
        cpus=float(label["cpus"]),
        started=started,
        ends=ends,
        memory_used=memory_used,
        home=label.get("home", ""),
        host=host if runs else "",
        port=port if runs else 0,
        reason="" if runs else _reason(status),
    )


def _reason(status: Status) -> str:
    """Return why a workbench has ended."""
    if status.out_of_memory:
        return "it was out of memory: start one with more"
    if status.exit_code in _REASONS:
        return _REASONS[status.exit_code]
    code = "it was lost" if status.exit_code is None else f"exit code {status.exit_code}"
    return f"it ended by itself: {status.reason or code}"


def _state(started: datetime, host: str, port: int) -> State:
    """Return whether a workbench that has not ended answers at its address."""
    if datetime.now(UTC) - started > _LONGEST_START:
        return "running"
    if not host or not port:
        return "starting"
    try:
        socket.create_connection((host, port), _LOOK_SECONDS).close()
    except OSError:
        return "starting"
    return "running"

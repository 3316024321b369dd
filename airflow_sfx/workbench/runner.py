"""The base of the runners of workbenches."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from airflow_sfx.workbench.workbench import Order, State, Workbench

_LOOK_SECONDS = 0.2
_LONGEST_START = timedelta(minutes=2)
"""After that, a workbench counts as running although its address cannot be reached from here."""
_KILL_SECONDS = 10


class WorkbenchRunner(ABC):
    """Runs workbenches, and finds them again by their labels."""

    name: ClassVar[str]

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


def reason_of(exit_code: int | None, reason: str, *, out_of_memory: bool, over: bool) -> str:
    """Return why a workbench has ended.

    Args:
        exit_code: The exit code of its command.
        reason: The runner's words.
        out_of_memory: Whether it used more memory than its limit.
        over: Whether its time is over.
    """
    if out_of_memory:
        return "it was out of memory: start one with more"
    if over:
        return "its time was over"
    words = reason or (f"exit code {exit_code}" if exit_code is not None else "it was lost")
    return f"it ended by itself: {words}"


def state_of(started: datetime, host: str, port: int) -> State:
    """Return whether a workbench that has not ended answers at its address.

    Args:
        started: When it was started.
        host: The host of its address.
        port: The port of its address.
    """
    if datetime.now(UTC) - started > _LONGEST_START:
        return "running"
    if not host or not port:
        return "starting"
    try:
        socket.create_connection((host, port), _LOOK_SECONDS).close()
    except OSError:
        return "starting"
    return "running"

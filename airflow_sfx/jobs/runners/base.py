"""The base of the runners: start a job, look at it, read its log, end it.

A job's ID names its process or container, so that any process finds it again: another worker, the
triggerer, or the next attempt of a task.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar

from airflow_sfx.core.errors import InvalidName, JobFailed
from airflow_sfx.jobs.contract import VARIABLE, Job

PREFIX = "sfx-"
"""How the names of containers begin."""
CREDENTIALS = "AWS_SHARED_CREDENTIALS_FILE"
JOB_FOLDER = "/run/sfx"
"""Where a container has ``job.json``."""
KEYS_INSIDE = f"{JOB_FOLDER}/credentials"
"""Where a container has its file of AWS credentials."""

KILLED, NOT_FOUND, NOT_EXECUTABLE = 137, 127, 126
"""Exit codes, as shells have them: SIGKILL, no such command, a command that cannot be run."""

_SIZE = re.compile(r"(\d{1,15})\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_LEAST_MEMORY = 6 << 20
_O = TypeVar("_O")


class RunnerUnavailable(JobFailed):
    """The daemon or service that runs jobs cannot be reached now."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a runner starts.

    Args:
        job: The job.
        command: The command with its arguments; empty for that of the image.
        image: The container's image; runners of processes ignore it.
        memory: The limit of memory in bytes, or None for none.
        cpus: The limit of processors, or None for none.
        environment: Further variables of the command, without secrets.

    Raises:
        InvalidName: The command or a variable is not text, or a limit cannot be met.
    """

    job: Job
    command: tuple[str, ...] = ()
    image: str = ""
    memory: int | None = None
    cpus: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in (*self.command, *self.environment, *self.environment.values()):
            if not isinstance(one, str) or "\0" in one:
                raise InvalidName(
                    f"{one!r:.80} in the command or the environment of a job is not text"
                )
        if VARIABLE in self.environment:
            raise InvalidName(f"{VARIABLE} is set by the runner: leave it out of environment")
        if self.cpus is not None and not 0 < self.cpus <= 1024:  # noqa: PLR2004
            raise InvalidName(f"cpus={self.cpus!r} is not a number of processors, such as 0.5 or 2")

    def variables(self) -> dict[str, str]:
        """Return the variables of the command, without `VARIABLE`, which each runner sets."""
        return {**self.job.environment(), **self.environment}


@dataclass(frozen=True, slots=True)
class Status:
    """What became of a job's process or container.

    Args:
        state: ``running``, which includes waiting for its start; ``ended``; or ``missing``: it was
            never started, or was removed.
        exit_code: The exit code of the command, or None if it has none.
        out_of_memory: Whether it was ended because it used more memory than its limit.
        reason: Why it ended, in the runner's words; empty if they say nothing more.
        lacks_image: Whether its image could not be pulled.
    """

    state: str
    exit_code: int | None = None
    out_of_memory: bool = False
    reason: str = ""
    lacks_image: bool = False

    @property
    def is_running(self) -> bool:
        """Whether it runs, or waits for its start."""
        return self.state == "running"


MISSING, RUNNING = Status("missing"), Status("running")


class Runner(ABC):
    """Starts jobs, and finds them again by their IDs."""

    name: ClassVar[str]
    needs_image: ClassVar[bool] = True
    is_local: ClassVar[bool] = False
    """Whether only processes of the same machine find its jobs."""
    longest_pause: ClassVar[float] = 1.0
    """The longest time between two looks at a job, in seconds."""

    @abstractmethod
    def start(self, work: Work) -> None:
        """Start a job; one with this ID that exists already is kept.

        Args:
            work: What to start.

        Raises:
            JobFailed: It cannot be started: the image or the command is missing.
            RunnerUnavailable: The daemon or service cannot be reached.
        """

    @abstractmethod
    def status(self, job_id: str) -> Status:
        """Return what became of a job.

        Args:
            job_id: The job's ID.

        Raises:
            RunnerUnavailable: The daemon or service cannot be reached.
        """

    @abstractmethod
    def log(self, job_id: str, lines: int) -> list[str]:
        """Return the last lines that a job printed; none if there is no log.

        Args:
            job_id: The job's ID.
            lines: How many.
        """

    @abstractmethod
    def kill(self, job_id: str) -> None:
        """End a job, first politely; one that has ended stays as it is.

        Args:
            job_id: The job's ID.
        """

    @abstractmethod
    def remove(self, job_id: str) -> None:
        """Remove what an ended job has left with the runner; its batch is not touched.

        Args:
            job_id: The job's ID.
        """


def container_name(job_id: str) -> str:
    """Return the name of a job's container or folder.

    Example:
        >>> container_name("01932c07-209c-7cf4-bb9e-b83cd3d1d0a8")
        'sfx-01932c07-209c-7cf4-bb9e-b83cd3d1d0a8'
    """
    return PREFIX + re.sub(r"[^A-Za-z0-9_.-]", "-", job_id)[:120]


def memory_size(value: object) -> int | None:
    """Return the bytes of a limit of memory.

    Args:
        value: Bytes, a text such as ``512m`` or ``2g`` (powers of 1,024), or None for no limit.

    Returns:
        The bytes, or None.

    Raises:
        InvalidName: It is not a size, or is below 6 MiB, which no command starts in.

    Example:
        >>> memory_size("2g"), memory_size("512 MiB"), memory_size(None)
        (2147483648, 536870912, None)
    """
    if value is None:
        return None
    found = _SIZE.fullmatch(str(value).strip())
    if isinstance(value, (bool, float)) or found is None:
        raise InvalidName(f"memory={value!r:.40} is not a size: pass bytes, or text such as '2g'")
    size = int(found[1]) << 10 * _POWERS[found[2].lower()]
    if size < _LEAST_MEMORY:
        raise InvalidName(f"memory={value!r:.40} is below 6 MiB, in which no command starts")
    return size


def parse_options(kind: type[_O], given: Mapping[str, Any], runner: str) -> _O:
    """Make the options of a runner from a mapping, as a DAG has it.

    Args:
        kind: The runner's dataclass of options.
        given: The options by name; lists become tuples.
        runner: The runner's name, for messages.

    Raises:
        InvalidName: There is no option of that name.
    """
    known = [one.name for one in fields(kind)]  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            raise InvalidName(
                f"the runner {runner} has no option {name!r}; its options are {', '.join(known)}"
            )
    return kind(
        **{name: tuple(one) if isinstance(one, list) else one for name, one in given.items()}
    )


def texts(given: Sequence[str], option: str) -> tuple[str, ...]:
    """Return the texts of an option that is a list.

    Raises:
        InvalidName: It is one text, or has items of other types.
    """
    if isinstance(given, str) or not all(isinstance(one, str) for one in given):
        raise InvalidName(f"{option}={given!r:.80} is not a list of texts")
    return tuple(given)

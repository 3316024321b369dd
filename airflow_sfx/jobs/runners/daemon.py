"""A Docker daemon, and containers with limits and without rights.

Jobs and workbenches are such containers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from importlib import import_module
from typing import Any
from urllib.parse import unquote

from airflow_sfx.core.errors import JobFailed
from airflow_sfx.core.io.uris import parse_uri
from airflow_sfx.jobs.runners.base import (
    KILLED,
    NOT_EXECUTABLE,
    NOT_FOUND,
    RUNNING,
    RunnerUnavailable,
    Status,
)

_TIMEOUT_SECONDS = 60
_LONGEST_START = timedelta(minutes=2)
"""After that, the process that created a container and did not start it has died."""
_TMPFS = {"/tmp": "rw,nosuid,nodev,size=1g"}  # noqa: S108  of the container
_NANO = 1_000_000_000
_MISSING_COMMAND = ("executable file not found", "no such file or directory")
_LOCAL = "unix:///run/docker.sock"


class Daemon:
    """A Docker daemon; nothing is connected before its first use.

    Args:
        url: Its address, as ``unix:///run/docker.sock``, or empty for what ``DOCKER_HOST`` names.
    """

    def __init__(self, url: str = "") -> None:
        self._url = url

    @property
    def url(self) -> str:
        """Its address."""
        return self._url or os.environ.get("DOCKER_HOST") or _LOCAL

    @cached_property
    def _library(self) -> Any:
        try:
            return import_module("docker")
        except ImportError as error:
            raise JobFailed(
                "containers of Docker need the library docker",
                remedy="pip install 'airflow-sfx[docker]'",
            ) from error

    @property
    def errors(self) -> Any:
        """The module of the client's errors."""
        return self._library.errors

    @cached_property
    def client(self) -> Any:
        """The client."""
        if self._url:
            return self._library.DockerClient(base_url=self._url, timeout=_TIMEOUT_SECONDS)
        return self._library.from_env(timeout=_TIMEOUT_SECONDS)

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Raise errors of the connection to the daemon as `RunnerUnavailable`."""
        errors = self.errors  # says first what is not installed
        connection = import_module("requests").exceptions.RequestException
        try:
            yield
        except JobFailed:
            raise
        except (errors.DockerException, connection, OSError) as error:
            self.__dict__.pop("client", None)
            raise RunnerUnavailable(
                f"the Docker daemon at {self.url} cannot be used ({first_line(error)})",
                remedy="start it, or name another by DOCKER_HOST or the runner's option url",
                reason=first_line(error),
            ) from error

    def find(self, name: str) -> Any:
        """Return the container of a name, or None."""
        try:
            return self.client.containers.get(name)
        except self.errors.NotFound:
            return None

    def pull(self, image: str, table: str | None = None) -> Any:
        """Pull an image with this user's logins, and return it.

        Args:
            image: Its name.
            table: The table that an error names.

        Raises:
            JobFailed: It cannot be pulled.
        """
        try:
            return self.client.images.pull(image)
        except self.errors.APIError as error:
            raise JobFailed(
                f"the image {image} is neither on the Docker daemon nor can it be pulled"
                f" ({first_line(error)})",
                reason="image missing",
                remedy="build it, correct its name, or log in to its registry",
                table=table,
            ) from error

    def mount(self, directory: str, inside: str) -> Any:
        """Return the mount of a directory, which fails without that directory.

        Args:
            directory: The directory on the daemon's machine.
            inside: Where it is in the container.
        """
        return self._library.types.Mount(inside, directory, type="bind")

    def log_of(self, container: Any, lines: int) -> list[str]:
        """Return the last lines of a container's output.

        Args:
            container: The container.
            lines: How many.
        """
        try:
            text: bytes = container.logs(tail=lines)
        except self.errors.APIError as error:  # as of a log driver that cannot be read
            return [f"(the log cannot be read: {error.explanation})"]
        return text.decode(errors="replace").splitlines()


def confined(memory: int | None, cpus: float | None, *, read_only: bool = True) -> dict[str, Any]:
    """Return the settings of a container with limits and without rights.

    Args:
        memory: The limit of memory in bytes, without swap, or None for none.
        cpus: The limit of processors, or None for none.
        read_only: Whether the root of its file system is read-only; ``/tmp`` never is.
    """
    return {
        "read_only": read_only,
        "tmpfs": dict(_TMPFS),
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "nano_cpus": None if cpus is None else int(cpus * _NANO),
        **({} if memory is None else {"mem_limit": memory, "memswap_limit": memory}),
    }


def status_of(container: Any) -> Status:
    """Return what became of a container."""
    state = container.attrs["State"]
    if state["Status"] in ("running", "restarting", "paused"):
        return RUNNING
    if state["Status"] == "created":
        return _of_created(str(container.attrs["Created"]))
    code, problem = state["ExitCode"], state.get("Error") or ""
    out_of_memory = bool(state.get("OOMKilled"))
    if code == KILLED and not out_of_memory:
        problem = problem or "it was killed, by its daemon, a person or its machine"
    return Status("ended", code, out_of_memory, problem)


def _of_created(at: str) -> Status:
    """Return the status of a container that was not started yet, and may never be.

    Args:
        at: When it was created, as the daemon writes it: with nanoseconds.

    Example:
        >>> _of_created("2016-11-01T00:22:56.123456789Z").reason
        'it was never started'
    """
    created = datetime.fromisoformat(at[:19] + "+00:00")
    if datetime.now(UTC) - created < _LONGEST_START:
        return RUNNING
    return Status("ended", reason="it was never started")


def not_started(image: str, command: str, error: Any, table: str | None = None) -> JobFailed:
    """Return the error of a container that cannot be created or started.

    Args:
        image: Its image.
        command: The program that it runs, or empty for that of the image.
        error: The daemon's error.
        table: The table that the error names.
    """
    words = first_line(error)
    if any(part in words for part in _MISSING_COMMAND) and "exec" in words:
        return JobFailed(
            f"the image {image} has no command {command or 'of its own'!r}",
            exit_code=NOT_FOUND,
            reason=words,
            remedy="correct command, or install it in the image",
            table=table,
        )
    return JobFailed(
        f"the container of {image} cannot be started: {words}",
        exit_code=NOT_EXECUTABLE,
        reason=words,
        table=table,
    )


def directory_of(warehouse: str) -> str:
    """Return the directory of an embedded warehouse, which a container needs; else empty.

    Args:
        warehouse: The warehouse's URI.
    """
    parts = parse_uri(warehouse, "the job's warehouse")
    is_here = parts.scheme == "embedded"
    return os.path.expanduser(unquote(parts.authority + parts.path)) if is_here else ""


def owner_of(directory: str) -> str | None:
    """Return who can write into a directory: its owner; None without one, for the image's user.

    Args:
        directory: The directory, which is made if it is not there, or empty.
    """
    if not directory:
        return None
    os.makedirs(directory, exist_ok=True)
    there = os.stat(directory)
    return f"{there.st_uid}:{there.st_gid}"


def first_line(error: Any) -> str:
    """Return the first line of an error of Docker."""
    text = str(getattr(error, "explanation", None) or error).strip()
    return (text.splitlines() or [type(error).__name__])[0][:300]

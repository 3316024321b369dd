"""Jobs as containers of a Docker daemon.

``job.json`` is copied into a volume of the container's own, so that the daemon may be on another
machine. The container has no capabilities, a read-only root and the image's user.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from importlib import import_module
from typing import Any, ClassVar
from urllib.parse import unquote

from airflow_sfx.core.errors import InvalidName, JobFailed
from airflow_sfx.core.io.uris import parse_uri
from airflow_sfx.jobs.contract import VARIABLE
from airflow_sfx.jobs.runners.base import (
    CREDENTIALS,
    JOB_FOLDER,
    KILLED,
    MISSING,
    NOT_EXECUTABLE,
    NOT_FOUND,
    RUNNING,
    Runner,
    RunnerUnavailable,
    Status,
    Work,
    container_name,
    texts,
)

LABEL = "airflow_sfx.job"
"""The label of each job's container; its value is the job's ID."""
_TIMEOUT_SECONDS = 60
_GRACE_SECONDS = 5
_LONGEST_START = timedelta(minutes=2)
"""After that, the process that created a container and did not start it has died."""
_TMPFS = {"/tmp": "rw,nosuid,nodev,size=1g"}  # noqa: S108  of the container
_KEYS_INSIDE = f"{JOB_FOLDER}/credentials"
_NANO = 1_000_000_000
_MISSING_COMMAND = ("executable file not found", "no such file or directory")


@dataclass(frozen=True, slots=True)
class DockerOptions:
    """Options of the runner of Docker containers.

    Args:
        url: The daemon, as ``unix:///run/docker.sock``; by default what ``DOCKER_HOST`` names.
        network: The network, such as ``host`` or ``none``; by default the daemon's.
        user: The user inside, as ``uid:gid``; by default the image's, or the owner of an embedded
            warehouse's directory.
        volumes: Directories to mount, as ``/on/host:/inside`` or ``/on/host:/inside:ro``.
        workdir: The directory inside in which the command starts; by default the image's.
        credentials: A file of AWS credentials on the daemon's machine that the container can read.
        read_only: Whether the root of the file system is read-only; ``/tmp`` never is.
    """

    url: str = ""
    network: str = ""
    user: str = ""
    volumes: tuple[str, ...] = ()
    workdir: str = ""
    credentials: str = ""
    read_only: bool = True

    def __post_init__(self) -> None:
        for volume in texts(self.volumes, "volumes"):
            parts = volume.split(":")
            if len(parts) not in (2, 3) or not all(one.startswith("/") for one in parts[:2]):
                raise InvalidName(f"the volume {volume!r} is not /on/host:/inside or …:/inside:ro")


class DockerRunner(Runner):
    """Runs jobs in containers of a Docker daemon.

    Args:
        options: The options.
    """

    name: ClassVar[str] = "docker"

    def __init__(self, options: DockerOptions | None = None) -> None:
        self._options = options or DockerOptions()

    def start(self, work: Work) -> None:
        """Create the container, give it its ``job.json``, and start it."""
        if not work.image:
            raise InvalidName("a job in a container has no image: pass image='name:tag'")
        settings = self._settings(work)
        with self._reached():
            container = self._created(work, settings)
            if container is None:
                return
            try:
                container.put_archive(JOB_FOLDER, _archive(work.job.to_text()))
                container.start()
            except self._errors.APIError as error:
                container.remove(v=True, force=True)
                raise _not_started(work, error) from error

    def status(self, job_id: str) -> Status:
        """Return what became of the container."""
        with self._reached():
            container = self._find(job_id)
        if container is None:
            return MISSING
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

    def log(self, job_id: str, lines: int) -> list[str]:
        """Return the last lines of the container's output."""
        with self._reached():
            container = self._find(job_id)
            if container is None:
                return []
            try:
                text: bytes = container.logs(tail=lines)
            except self._errors.APIError as error:  # as of a log driver that cannot be read
                return [f"(the log cannot be read: {error.explanation})"]
        return text.decode(errors="replace").splitlines()

    def kill(self, job_id: str) -> None:
        """Stop the container."""
        with self._reached():
            container = self._find(job_id)
            if container is not None and container.status != "exited":
                container.stop(timeout=_GRACE_SECONDS)

    def remove(self, job_id: str) -> None:
        """Remove the container and its volume."""
        with self._reached():
            container = self._find(job_id)
            if container is not None:
                container.remove(v=True, force=True)

    @cached_property
    def _library(self) -> Any:
        try:
            return import_module("docker")
        except ImportError as error:
            raise JobFailed(
                "jobs in Docker need the library docker",
                remedy="pip install 'airflow-sfx[docker]'",
            ) from error

    @property
    def _errors(self) -> Any:
        return self._library.errors

    @cached_property
    def _client(self) -> Any:
        if self._options.url:
            return self._library.DockerClient(base_url=self._options.url, timeout=_TIMEOUT_SECONDS)
        return self._library.from_env(timeout=_TIMEOUT_SECONDS)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Raise errors of the connection to the daemon as such."""
        errors = self._errors  # says first what is not installed
        connection = import_module("requests").exceptions.RequestException
        try:
            yield
        except JobFailed:
            raise
        except (errors.DockerException, connection, OSError) as error:
            self.__dict__.pop("_client", None)
            where = self._options.url or os.environ.get("DOCKER_HOST", "unix:///run/docker.sock")
            raise RunnerUnavailable(
                f"the Docker daemon at {where} cannot be used ({_first_line(error)})",
                remedy="start it, or name another by DOCKER_HOST or the runner's option url",
                reason=_first_line(error),
            ) from error

    def _find(self, job_id: str) -> Any:
        try:
            return self._client.containers.get(container_name(job_id))
        except self._errors.NotFound:
            return None

    def _created(self, work: Work, settings: dict[str, Any]) -> Any:
        """Create the container; None if there is one of that name."""

        def create() -> Any:
            return self._client.containers.create(work.image, **settings)

        try:
            try:
                return create()
            except self._errors.ImageNotFound:
                self._pull(work)
                return create()
        except self._errors.APIError as error:
            if error.status_code == 409:  # noqa: PLR2004  another process has created it
                return None
            raise _not_started(work, error) from error

    def _pull(self, work: Work) -> None:
        try:
            self._client.images.pull(work.image)
        except self._errors.APIError as error:
            raise JobFailed(
                f"the image {work.image} is neither on the Docker daemon nor can it be pulled"
                f" ({_first_line(error)})",
                reason="image missing",
                remedy="build it, correct its name, or log in to its registry",
                table=work.job.output.table,
            ) from error

    def _settings(self, work: Work) -> dict[str, Any]:
        options = self._options
        environment = {**work.variables(), VARIABLE: f"{JOB_FOLDER}/job.json"}
        volumes = [JOB_FOLDER, *options.volumes]
        if options.credentials:
            volumes.append(f"{options.credentials}:{_KEYS_INSIDE}:ro")
            environment[CREDENTIALS] = _KEYS_INSIDE
        directory = _directory(work.job.warehouse)
        if directory:
            volumes.append(f"{directory}:{directory}")
        limits = {"mem_limit": work.memory, "memswap_limit": work.memory}
        return {
            "command": list(work.command) or None,
            "name": container_name(work.job.id),
            "labels": {LABEL: work.job.id},
            "environment": environment,
            "volumes": volumes,
            "network_mode": options.network or None,
            "working_dir": options.workdir or None,
            "user": options.user or _owner(directory),
            "read_only": options.read_only,
            "tmpfs": _TMPFS,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "nano_cpus": None if work.cpus is None else int(work.cpus * _NANO),
            **({} if work.memory is None else limits),
        }


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


def _not_started(work: Work, error: Any) -> JobFailed:
    """Return the error of a container that cannot be created or started."""
    words = _first_line(error)
    no_command = any(part in words for part in _MISSING_COMMAND) and "exec" in words
    if no_command:
        return JobFailed(
            f"the image {work.image} has no command {' '.join(work.command[:1]) or 'of its own'!r}",
            exit_code=NOT_FOUND,
            reason=words,
            remedy="correct command, or install it in the image",
            table=work.job.output.table,
        )
    return JobFailed(
        f"the container of {work.image} cannot be started: {words}",
        exit_code=NOT_EXECUTABLE,
        reason=words,
        table=work.job.output.table,
    )


def _archive(text: str) -> bytes:
    """Return ``job.json``, readable by all users and writable by none, as a tar file."""
    data = text.encode()
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        info = tarfile.TarInfo("job.json")
        info.size, info.mode = len(data), 0o444
        archive.addfile(info, io.BytesIO(data))
    return whole.getvalue()


def _directory(warehouse: str) -> str:
    """Return the directory of an embedded warehouse, which the container needs; else empty."""
    parts = parse_uri(warehouse, "the job's warehouse")
    is_here = parts.scheme == "embedded"
    return os.path.expanduser(unquote(parts.authority + parts.path)) if is_here else ""


def _owner(directory: str) -> str | None:
    """Return who can write into a directory: its owner; None without one, for the image's user."""
    if not directory:
        return None
    os.makedirs(directory, exist_ok=True)
    there = os.stat(directory)
    return f"{there.st_uid}:{there.st_gid}"


def _first_line(error: Any) -> str:
    text = str(getattr(error, "explanation", None) or error).strip()
    return (text.splitlines() or [type(error).__name__])[0][:300]

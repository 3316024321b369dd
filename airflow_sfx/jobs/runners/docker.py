"""Jobs as containers of a Docker daemon.

``job.json`` is copied into a volume of the container's own, so that the daemon may be on another
machine. The container has no capabilities, a read-only root and the image's user.
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_sfx.core.errors import InvalidName, JobFailed
from airflow_sfx.jobs.contract import VARIABLE
from airflow_sfx.jobs.runners.base import (
    CREDENTIALS,
    JOB_FOLDER,
    KEYS_INSIDE,
    MISSING,
    Runner,
    Status,
    Work,
    container_name,
    texts,
)
from airflow_sfx.jobs.runners.daemon import (
    Daemon,
    confined,
    directory_of,
    not_started,
    owner_of,
    status_of,
)

LABEL = "airflow_sfx.job"
"""The label of each job's container; its value is the job's ID."""
_GRACE_SECONDS = 5


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
        self._daemon = Daemon(self._options.url)

    def start(self, work: Work) -> None:
        """Create the container, give it its ``job.json``, and start it."""
        if not work.image:
            raise InvalidName("a job in a container has no image: pass image='name:tag'")
        settings = self._settings(work)
        with self._daemon.reached():
            container = self._created(work, settings)
            if container is None:
                return
            try:
                container.put_archive(JOB_FOLDER, _archive(work.job.to_text()))
                container.start()
            except self._daemon.errors.APIError as error:
                container.remove(v=True, force=True)
                raise _not_started(work, error) from error

    def status(self, job_id: str) -> Status:
        """Return what became of the container."""
        with self._daemon.reached():
            container = self._find(job_id)
        return MISSING if container is None else status_of(container)

    def log(self, job_id: str, lines: int) -> list[str]:
        """Return the last lines of the container's output."""
        with self._daemon.reached():
            container = self._find(job_id)
            return [] if container is None else self._daemon.log_of(container, lines)

    def kill(self, job_id: str) -> None:
        """Stop the container."""
        with self._daemon.reached():
            container = self._find(job_id)
            if container is not None and container.status != "exited":
                container.stop(timeout=_GRACE_SECONDS)

    def remove(self, job_id: str) -> None:
        """Remove the container and its volume."""
        with self._daemon.reached():
            container = self._find(job_id)
            if container is not None:
                container.remove(v=True, force=True)

    def _find(self, job_id: str) -> Any:
        return self._daemon.find(container_name(job_id))

    def _created(self, work: Work, settings: dict[str, Any]) -> Any:
        """Create the container; None if there is one of that name."""
        daemon = self._daemon

        def create() -> Any:
            return daemon.client.containers.create(work.image, **settings)

        try:
            try:
                return create()
            except daemon.errors.ImageNotFound:
                daemon.pull(work.image, work.job.output.table)
                return create()
        except daemon.errors.APIError as error:
            if error.status_code == 409:  # noqa: PLR2004  another process has created it
                return None
            raise _not_started(work, error) from error

    def _settings(self, work: Work) -> dict[str, Any]:
        options = self._options
        directory = directory_of(work.job.warehouse)
        volumes, keys = mounts(options, directory)
        environment = {**work.variables(), VARIABLE: f"{JOB_FOLDER}/job.json", **keys}
        return {
            "command": list(work.command) or None,
            "name": container_name(work.job.id),
            "labels": {LABEL: work.job.id},
            "environment": environment,
            "volumes": [JOB_FOLDER, *volumes],
            "network_mode": options.network or None,
            "working_dir": options.workdir or None,
            "user": options.user or owner_of(directory),
            **confined(work.memory, work.cpus, read_only=options.read_only),
        }


def mounts(options: DockerOptions, directory: str) -> tuple[list[str], dict[str, str]]:
    """Return what a container gets of the machine: directories, and variables that name them.

    Args:
        options: The options of the daemon.
        directory: The directory of an embedded warehouse, or empty.

    Example:
        >>> mounts(DockerOptions(), "/data/w")
        (['/data/w:/data/w'], {})
    """
    volumes, variables = list(options.volumes), {}
    if options.credentials:
        volumes.append(f"{options.credentials}:{KEYS_INSIDE}:ro")
        variables[CREDENTIALS] = KEYS_INSIDE
    if directory:
        volumes.append(f"{directory}:{directory}")
    return volumes, variables


def _not_started(work: Work, error: Any) -> JobFailed:
    return not_started(work.image, " ".join(work.command[:1]), error, work.job.output.table)


def _archive(text: str) -> bytes:
    """Return ``job.json``, readable by all users and writable by none, as a tar file."""
    data = text.encode()
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        info = tarfile.TarInfo("job.json")
        info.size, info.mode = len(data), 0o444
        archive.addfile(info, io.BytesIO(data))
    return whole.getvalue()

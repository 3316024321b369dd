"""Workbenches as containers of a Docker daemon, which its labels describe."""

from __future__ import annotations

import socket
from typing import Any, ClassVar

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.jobs.runners.base import PREFIX, parse_options
from airflow_sfx.jobs.runners.daemon import (
    Daemon,
    confined,
    directory_of,
    not_started,
    owner_of,
    status_of,
)
from airflow_sfx.jobs.runners.docker import DockerOptions, mounts
from airflow_sfx.workbench.limits import Site
from airflow_sfx.workbench.runner import WorkbenchRunner, described, limited
from airflow_sfx.workbench.workbench import HOME_INSIDE, INSIDE_PORT, LABEL, Order, Workbench

_GRACE_SECONDS = 5
_PROCESSES = 4096
_REMOVED_ELSEWHERE = (404, 409)
"""What the daemon says if another process has removed a container, or is about to."""
_HOME_IN_MEMORY = "rw,exec,nosuid,nodev,size=1g"
_UNNAMED = "65534:65534"
"""The user of a workbench whose image has root as its user."""
_HOST = "host"


class DockerWorkbenches(WorkbenchRunner):
    """Runs workbenches in containers of a Docker daemon.

    Args:
        site: How workbenches run here.

    Raises:
        InvalidName: An option is not one of Docker's, or the network is none.
    """

    name: ClassVar[str] = "docker"

    def __init__(self, site: Site) -> None:
        options = parse_options(DockerOptions, site.options, self.name)
        if options.network == "none":
            raise InvalidName("a workbench without a network cannot be reached: name another")
        self._options, self._bind, self._site = options, site.bind, site.name
        self._daemon = Daemon(options.url)

    @property
    def sees_homes(self) -> bool:
        """Whether the daemon is on this machine."""
        return self._daemon.url.startswith("unix://")

    def start(self, order: Order) -> None:
        """Start the container of a workbench; one that does not start is removed."""
        with self._daemon.reached():
            image = self._image(order.image)
            command = _command_of(image)
            if not command:
                raise not_started(order.image, "", "exec: no such file or directory")
        settings = self._settings(order, command, image)
        with self._daemon.reached():
            try:
                container = self._daemon.client.containers.create(image.id, **settings)
            except self._daemon.errors.APIError as error:
                raise not_started(order.image, command[0], error) from error
            try:
                container.start()
            except self._daemon.errors.APIError as error:
                container.remove(v=True, force=True)
                raise not_started(order.image, command[0], error) from error

    def all(self, *, measure: bool = True) -> list[Workbench]:
        """Return the workbenches of the daemon."""
        own = [LABEL, f"{LABEL}.site={self._site}"]
        with self._daemon.reached():
            containers = self._daemon.client.containers.list(
                all=True, filters={"label": own}, ignore_removed=True
            )
            return [self._described(one, measure=measure) for one in containers]

    def token(self, workbench_id: str) -> str:
        """Return the token, from the container's variables."""
        with self._daemon.reached():
            container = self._find(workbench_id)
        variables = container.attrs["Config"]["Env"] if container is not None else ()
        found = [one.partition("=")[2] for one in variables if one.startswith("JUPYTER_TOKEN=")]
        return str(found[0]) if found else ""

    def log(self, workbench_id: str, lines: int) -> list[str]:
        """Return the last lines of the container's output."""
        with self._daemon.reached():
            container = self._find(workbench_id)
            return [] if container is None else self._daemon.log_of(container, lines)

    def stop(self, workbench_id: str) -> None:
        """Stop the container, and remove it."""
        with self._daemon.reached():
            container = self._find(workbench_id)
            if container is None:
                return
            try:
                if container.status != "exited":
                    container.stop(timeout=_GRACE_SECONDS)
                container.remove(v=True, force=True)
            except self._daemon.errors.APIError as error:
                if error.status_code not in _REMOVED_ELSEWHERE:
                    raise

    def _find(self, workbench_id: str) -> Any:
        container = self._daemon.find(_name(workbench_id))
        is_one = container is not None and container.labels.get(LABEL) == workbench_id
        return container if is_one else None

    def _image(self, name: str) -> Any:
        try:
            return self._daemon.client.images.get(name)
        except self._daemon.errors.ImageNotFound:
            return self._daemon.pull(name)

    def _settings(self, order: Order, command: list[str], image: Any) -> dict[str, Any]:
        options = self._options
        confinement = confined(order.memory, order.cpus, read_only=options.read_only)
        directory = directory_of(order.warehouse)
        volumes, keys = mounts(options, directory)
        of_image = str(image.attrs["Config"].get("User") or "")
        users = (options.user, order.user, owner_of(directory) or "", of_image)
        user = next((one for one in users if not _is_root(one)), _UNNAMED)
        if order.home:
            confinement["mounts"] = [self._daemon.mount(order.home, HOME_INSIDE)]
        else:
            confinement["tmpfs"][HOME_INSIDE] = _HOME_IN_MEMORY + _owned_by(user)
        network, host, port = self._network(order)
        return {
            **confinement,
            **network,
            "name": _name(order.id),
            "labels": order.labels(self._site, port),
            "entrypoint": limited(order.seconds(), command),
            "environment": {**keys, **order.variables(host, port or INSIDE_PORT)},
            "volumes": volumes,
            "working_dir": options.workdir or HOME_INSIDE,
            "user": user,
            "init": True,
            "pids_limit": _PROCESSES,
        }

    def _network(self, order: Order) -> tuple[dict[str, Any], str, int]:
        """Return settings of the network, and where to listen; port 0 if the daemon chooses it."""
        if self._options.network == _HOST:
            port = _free_port(self._bind, order.taken)
            return {"network_mode": _HOST}, self._bind, port
        published = {f"{INSIDE_PORT}/tcp": (self._bind, None)}
        named = {"network": self._options.network} if self._options.network else {}
        return {"ports": published, **named}, "0.0.0.0", 0  # noqa: S104  in the container

    def _described(self, container: Any, *, measure: bool) -> Workbench:
        status, running = status_of(container), container.status == "running"
        used = self._memory_of(container) if running and measure else None
        return described(
            container.labels,
            status,
            (self._bind, _published(container)),
            memory_used=used,
        )

    def _memory_of(self, container: Any) -> int | None:
        """Return the memory that a container uses, without the cache of files."""
        try:
            found = container.stats(stream=False, one_shot=True)["memory_stats"]
        except (self._daemon.errors.APIError, ValueError):  # it has ended since it was listed
            return None
        detail = found.get("stats", {})
        cache = detail.get("total_inactive_file", detail.get("inactive_file", 0))
        return int(found["usage"]) - int(cache) if "usage" in found else None


def _name(workbench_id: str) -> str:
    return f"{PREFIX}workbench-{workbench_id}"


def _command_of(image: Any) -> list[str]:
    config = image.attrs["Config"]
    return [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]


def _free_port(address: str, taken: frozenset[int]) -> int:
    """Return a port at which nothing listens now, and which no other workbench has."""
    while True:
        try:
            with socket.create_server((address, 0)) as server:
                port = int(server.getsockname()[1])
        except OSError as error:
            raise InvalidName(
                f"SFX_WORKBENCH_BIND={address!r} is not an address of this machine ({error})"
            ) from error
        if port not in taken:
            return port


def _published(container: Any) -> int:
    ports = container.attrs["NetworkSettings"]["Ports"] or {}
    for one in ports.get(f"{INSIDE_PORT}/tcp") or ():
        return int(one["HostPort"])
    return 0


def _is_root(user: str) -> bool:
    return user.partition(":")[0] in ("", "0", "root")


def _owned_by(user: str) -> str:
    """Return the options of a file system in memory that a user can write to.

    Example:
        >>> _owned_by("1000:100"), _owned_by("50000"), _owned_by("jovyan")
        (',uid=1000,gid=100', ',uid=50000', '')
    """
    names = zip(("uid", "gid"), user.split(":"), strict=False)
    return "".join(f",{name}={number}" for name, number in names if number.isdecimal())

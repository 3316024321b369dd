"""Workbenches as tasks of Amazon ECS, which their tags describe."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from airflow_sfx.core.errors import InvalidName, JobFailed
from airflow_sfx.jobs.runners.base import parse_options
from airflow_sfx.jobs.runners.cluster import Cluster, EcsOptions, not_run
from airflow_sfx.workbench.limits import Site
from airflow_sfx.workbench.runner import WorkbenchRunner, described, limited
from airflow_sfx.workbench.workbench import HOME_INSIDE, INSIDE_PORT, LABEL, Order, Workbench

_STARTER = "sfx-workbench"
"""The ``startedBy`` of all tasks that are workbenches."""
_STOPPED = "the workbench was stopped"
_AT_ONCE = 100
"""Tasks that ECS describes in one request."""
_COMMAND = ("sfx-notebook",)
"""The command of the image ``lab``, of a task definition that has none."""
_PORTS = range(20_000, 32_000)
"""Of container instances, below those that the system gives to connections."""
_EVERYWHERE = "0.0.0.0"  # noqa: S104  security groups decide who reaches it


class EcsWorkbenches(WorkbenchRunner):
    """Runs workbenches as tasks of ECS.

    Args:
        site: How workbenches run here.

    Raises:
        InvalidName: An option is not one of ECS, or there is no task definition.
    """

    name: ClassVar[str] = "ecs"
    longest_pause: ClassVar[float] = 3.0

    def __init__(self, site: Site) -> None:
        self._site = site
        self._cluster = Cluster(parse_options(EcsOptions, site.options, self.name))
        self._cluster.check()
        self._started: list[str] = []
        """Tasks that this process started: ECS lists a new task only after a while."""

    @property
    def sees_homes(self) -> bool:
        """Whether homes are directories of this machine: they are of container instances."""
        return False

    def start(self, order: Order) -> None:
        """Run a task of the task definition, with the image, home and limits of the workbench."""

        def failed(reason: str) -> JobFailed:
            return not_run(order.image, reason)

        with self._cluster.reached(failed):
            definition, container = self._cluster.definition(order.image, order.home, HOME_INSIDE)
            port = self._port(definition, order)
            command = limited(order.seconds(), container.get("command") or _COMMAND)
            variables = order.variables(_EVERYWHERE, port or INSIDE_PORT)
            labels = order.labels(self._site.name, port)
            arn = self._cluster.run(
                definition,
                self._cluster.override_of(
                    container["name"], variables, command, order.memory, order.cpus
                ),
                failed,
                startedBy=_STARTER,
                clientToken=order.id,
                tags=[{"key": key, "value": value} for key, value in labels.items() if value],
            )
        self._started.append(arn)

    def all(self, *, measure: bool = True) -> list[Workbench]:
        """Return the workbenches of the cluster; ECS does not say how much memory they use."""
        with self._cluster.reached():
            return [self._described(task) for task in self._tasks()]

    def token(self, workbench_id: str) -> str:
        """Return the token, from the variables of the task."""
        with self._cluster.reached():
            task = self._find(workbench_id)
        for override in (task or {}).get("overrides", {}).get("containerOverrides", ()):
            for one in override.get("environment", ()):
                if one["name"] == "JUPYTER_TOKEN":
                    return str(one["value"])
        return ""

    def log(self, workbench_id: str, lines: int) -> list[str]:
        """Return the last lines from CloudWatch Logs, if the task definition sends them there."""
        with self._cluster.reached():
            task = self._find(workbench_id)
            return [] if task is None else self._cluster.log_of(task, lines)

    def stop(self, workbench_id: str) -> None:
        """Stop the task; ECS forgets it by itself, within an hour."""
        with self._cluster.reached():
            task = self._find(workbench_id)
            if task is not None:
                self._cluster.stop(task, _STOPPED)

    def _port(self, definition: Mapping[str, Any], order: Order) -> int:
        """Return the port of a task on its machine's network; 0 if it has a network of its own."""
        mode = definition.get("networkMode")
        if mode == "awsvpc":
            return 0
        if mode != "host" or "{host}" in self._site.url:
            raise InvalidName(
                f"the network mode {mode!r} of the task definition gives a workbench no address:"
                " use awsvpc, or host and an address without {host} in SFX_WORKBENCH_URL"
            )
        free = [port for port in _PORTS if port not in order.taken]
        return secrets.choice(free)

    def _tasks(self) -> list[dict[str, Any]]:
        """Return the tasks of this installation, but for those that were stopped by a call."""
        pages = self._cluster.client.get_paginator("list_tasks")
        arns = dict.fromkeys(self._started)
        for status in ("RUNNING", "STOPPED"):
            for page in pages.paginate(
                cluster=self._cluster.options.cluster, startedBy=_STARTER, desiredStatus=status
            ):
                arns.update(dict.fromkeys(page["taskArns"]))
        found = {task["taskArn"]: task for task in self._asked(list(arns))}
        self._started = [arn for arn in self._started if arn in found]
        return [
            task
            for task in found.values()
            if _labels(task).get(f"{LABEL}.site") == self._site.name
            and task.get("stoppedReason") != _STOPPED
        ]

    def _asked(self, arns: list[str]) -> Iterator[dict[str, Any]]:
        for start in range(0, len(arns), _AT_ONCE):
            yield from self._cluster.client.describe_tasks(
                cluster=self._cluster.options.cluster,
                tasks=arns[start : start + _AT_ONCE],
                include=["TAGS"],
            )["tasks"]

    def _find(self, workbench_id: str) -> dict[str, Any] | None:
        found = (task for task in self._tasks() if _labels(task).get(LABEL) == workbench_id)
        return next(found, None)

    def _described(self, task: Mapping[str, Any]) -> Workbench:
        interfaces = self._cluster.container_of(task).get("networkInterfaces") or ()
        host = next((str(one["privateIpv4Address"]) for one in interfaces), "")
        if "{host}" not in self._site.url:
            host = urlsplit(self._site.url.format(port=0)).hostname or ""
        port = INSIDE_PORT if host else 0
        return described(_labels(task), self._cluster.status_of(task), (host, port))


def _labels(task: Mapping[str, Any]) -> dict[str, str]:
    return {one["key"]: one["value"] for one in task.get("tags", ())}

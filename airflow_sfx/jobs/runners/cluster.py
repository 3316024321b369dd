"""A cluster of Amazon ECS: its client, its errors, and tasks with limits.

Jobs and workbenches are such tasks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from airflow_sfx.core.errors import InvalidName, JobFailed
from airflow_sfx.jobs.runners.base import RUNNING, RunnerUnavailable, Status

_MEBIBYTE, _UNITS_OF_A_CPU = 1 << 20, 1024
_GONE = ("CannotPull", "ImageNotFound", "ImagePull")
_MEMORY = "OutOfMemory"
_KEPT = (
    *("taskRoleArn", "executionRoleArn", "networkMode", "volumes", "placementConstraints"),
    *("requiresCompatibilities", "cpu", "memory", "ephemeralStorage", "runtimePlatform"),
)
"""The members of a task definition that one with another image keeps."""
_HOME = "sfx-home"
"""The volume of a home."""


@dataclass(frozen=True, slots=True)
class EcsOptions:
    """Options of the runner of ECS tasks.

    Args:
        task_definition: The family, or its ARN, of the task definition to run.
        cluster: The cluster, by name or ARN.
        container: The container of the job in the task definition; by default its first.
        launch_type: ``FARGATE`` or ``EC2``; by default the cluster's capacity providers decide.
        subnets: The subnets of a task with its own network interface.
        security_groups: Its security groups.
        public_address: Whether it gets a public address.
        region: The region; by default that of the AWS environment.
        endpoint_url: Another server than Amazon's; by default that of the AWS environment.
        profile: A profile of the AWS configuration; by default that of the environment.
    """

    task_definition: str = ""
    cluster: str = "default"
    container: str = ""
    launch_type: str = ""
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    public_address: bool = False
    region: str = ""
    endpoint_url: str = ""
    profile: str = ""


class Cluster:
    """A cluster of ECS; nothing is connected before its first use.

    Args:
        options: The options.
    """

    def __init__(self, options: EcsOptions) -> None:
        self.options = options

    @cached_property
    def _session(self) -> Any:
        import boto3

        return boto3.Session(
            profile_name=self.options.profile or None, region_name=self.options.region or None
        )

    @cached_property
    def client(self) -> Any:
        """The client."""
        return self._session.client("ecs", endpoint_url=self.options.endpoint_url or None)

    def check(self) -> None:
        """Check that the options name what can be run.

        Raises:
            InvalidName: They name no task definition.
        """
        if not self.options.task_definition:
            raise InvalidName(
                "the runner ecs has no task definition: set the runner's option task_definition to"
                " a family whose role may use the warehouse"
            )

    @contextmanager
    def reached(self, failed: Callable[[str], JobFailed] | None = None) -> Iterator[None]:
        """Raise errors of ECS, and of the way to it, as such.

        Args:
            failed: Makes the error of a request that ECS refuses; by default it counts as
                unavailable.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        from airflow_sfx.core.io.error_text import safe_message

        try:
            yield
        except ClientError as error:
            words = f"{error.response['Error'].get('Message', error)}"
            if failed is None or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:  # noqa: PLR2004
                raise RunnerUnavailable(f"ECS refuses a request: {words}", reason=words) from error
            raise failed(words) from error
        except BotoCoreError as error:
            words = safe_message(error)
            raise RunnerUnavailable(
                f"ECS cannot be used ({words})",
                remedy="check the network, the region and the role's rights",
                reason=words,
            ) from error

    def run(
        self,
        definition: Mapping[str, Any],
        override: Mapping[str, Any],
        failed: Callable[[str], JobFailed],
        **request: Any,
    ) -> str:
        """Run one task, and return its ARN.

        Args:
            definition: Its task definition.
            override: What it changes of its container, by `override_of`.
            failed: Makes the error of a task that is not placed.
            request: Further members of the request, such as ``startedBy``.
        """
        answer = self.client.run_task(
            cluster=self.options.cluster,
            taskDefinition=definition["taskDefinitionArn"],
            count=1,
            overrides=self._overrides(override),
            **self._placement(),
            **request,
        )
        if answer.get("failures"):
            raise failed(str(answer["failures"][0].get("reason", "")))
        arn: str = answer["tasks"][0]["taskArn"]
        return arn

    def override_of(
        self,
        container: str,
        variables: Mapping[str, str],
        command: Sequence[str],
        memory: int | None,
        cpus: float | None,
    ) -> dict[str, Any]:
        """Return what a task changes of its container.

        Args:
            container: The container's name.
            variables: Its variables.
            command: Its command, or empty for that of the definition.
            memory: The limit of memory in bytes, or None for that of the definition.
            cpus: The limit of processors, or None for that of the definition.
        """
        override: dict[str, Any] = {
            "name": container,
            "environment": [{"name": name, "value": one} for name, one in variables.items()],
        }
        if command:
            override["command"] = list(command)
        if memory is not None:
            override["memory"] = -(-memory // _MEBIBYTE)
        if cpus is not None:
            override["cpu"] = int(cpus * _UNITS_OF_A_CPU)
        return override

    def _overrides(self, override: Mapping[str, Any]) -> dict[str, Any]:
        # a task on EC2 has no limit of its own beside its container's
        limits = ("memory", "cpu") if self.options.launch_type == "FARGATE" else ()
        whole = {name: str(override[name]) for name in limits if name in override}
        return {"containerOverrides": [dict(override)], **whole}

    def log_of(self, task: Mapping[str, Any], lines: int) -> list[str]:
        """Return the last lines of a task from CloudWatch Logs, if its definition logs there.

        Args:
            task: The task, as ECS describes it.
            lines: How many.
        """
        _, container = self.described(task["taskDefinitionArn"])
        log = container.get("logConfiguration") or {}
        to = log.get("options") or {}
        if log.get("logDriver") != "awslogs" or "awslogs-stream-prefix" not in to:
            return []
        number = task["taskArn"].rpartition("/")[2]
        answer = self._session.client(
            "logs",
            region_name=to.get("awslogs-region") or self.options.region or None,
            endpoint_url=self.options.endpoint_url or None,
        ).get_log_events(
            logGroupName=to["awslogs-group"],
            logStreamName=f"{to['awslogs-stream-prefix']}/{container['name']}/{number}",
            limit=min(lines, 10_000),
            startFromHead=False,
        )
        return [str(event["message"]) for event in answer.get("events", [])]

    def stop(self, task: Mapping[str, Any], reason: str) -> None:
        """Stop a task that has not ended.

        Args:
            task: The task, as ECS describes it.
            reason: Why.
        """
        if task.get("lastStatus") != "STOPPED":
            self.client.stop_task(cluster=self.options.cluster, task=task["taskArn"], reason=reason)

    def container_of(self, task: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the container of a task that its options name; empty without one."""
        for one in task.get("containers", ()):
            if self.options.container in ("", one.get("name")):
                found: Mapping[str, Any] = one
                return found
        return {}

    def status_of(self, task: Mapping[str, Any]) -> Status:
        """Return what became of a task's container."""
        if task.get("lastStatus") != "STOPPED":
            return RUNNING
        one = self.container_of(task)
        reason = str(one.get("reason") or task.get("stoppedReason") or "")
        code = one.get("exitCode")
        if code in (0, None) or reason.startswith("Essential container"):
            reason = "" if code is not None else reason
        lacks_image = any(part in reason for part in _GONE)
        return Status("ended", code, _MEMORY in reason, reason, lacks_image)

    def described(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a task definition, and the container in it that the options name.

        Args:
            name: Its family, or its ARN.
        """
        definition = self.client.describe_task_definition(taskDefinition=name)["taskDefinition"]
        for container in definition["containerDefinitions"]:
            if self.options.container in ("", container["name"]):
                return definition, container
        raise InvalidName(f"the task definition {name} has no container {self.options.container!r}")

    def definition(
        self, image: str, home: str = "", inside: str = ""
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the task definition of the options with an image and a home.

        A copy of it is registered once for each of these.

        Args:
            image: The image, or empty for its own.
            home: A directory of the container instances to mount, or empty for none.
            inside: Where it is in the container.

        Raises:
            InvalidName: The task definition has no such container.
        """
        definition, container = self.described(self.options.task_definition)
        if image in ("", container["image"]) and not home:
            return definition, container
        wanted = " ".join(one for one in (definition["taskDefinitionArn"], image, home) if one)
        digest = hashlib.sha256(wanted.encode()).hexdigest()
        family = f"{definition['family'][:200]}-sfx-{digest[:12]}"
        from botocore.exceptions import ClientError

        try:
            return self.described(family)
        except ClientError:  # there is none of these yet
            changed = {**container, "image": image or container["image"]}
            kept = {name: definition[name] for name in _KEPT if definition.get(name)}
            if home:
                volume = {"name": _HOME, "host": {"sourcePath": home}}
                mount = {"sourceVolume": _HOME, "containerPath": inside}
                kept["volumes"] = [*kept.get("volumes", ()), volume]
                changed["mountPoints"] = [*container.get("mountPoints", ()), mount]
            containers = [
                changed if one["name"] == container["name"] else one
                for one in definition["containerDefinitions"]
            ]
            registered = self.client.register_task_definition(
                **kept, family=family, containerDefinitions=containers
            )["taskDefinition"]
            return registered, changed

    def _placement(self) -> dict[str, Any]:
        options = self.options
        placed: dict[str, Any] = {}
        if options.launch_type:
            placed["launchType"] = options.launch_type
        if options.subnets:
            placed["networkConfiguration"] = {
                "awsvpcConfiguration": {
                    "subnets": list(options.subnets),
                    "securityGroups": list(options.security_groups),
                    "assignPublicIp": "ENABLED" if options.public_address else "DISABLED",
                }
            }
        return placed


def not_run(image: str, reason: str, table: str | None = None) -> JobFailed:
    """Return the error of a task that ECS did not run.

    Args:
        image: Its image, or empty for that of the task definition.
        reason: The words of ECS.
        table: The table that the error names.
    """
    if any(part in reason for part in _GONE):
        return JobFailed(
            f"ECS cannot get the image {image or 'of the task definition'} ({reason})",
            reason=reason,
            remedy="push it, correct its name, or let the execution role read it",
            table=table,
        )
    return JobFailed(f"ECS did not run the task: {reason}", reason=reason, table=table)

"""Jobs as tasks of Amazon ECS.

The attempt's ID is the task's ``startedBy``, by which it is found again. A job that is too large
for a task's overrides is an object of the warehouse's store, which the task reads by its role.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from airflow_sfx.core.errors import InvalidName, JobFailed
from airflow_sfx.jobs.contract import VARIABLE
from airflow_sfx.jobs.runners.base import (
    MISSING,
    RUNNING,
    Runner,
    RunnerUnavailable,
    Status,
    Work,
)

_MEBIBYTE, _UNITS_OF_A_CPU = 1 << 20, 1024
_LARGEST_JOB = 6000
"""Characters of a job that fit into the overrides of a task, of which ECS takes 8,192 in all."""
_LONGEST_STARTER, _LONGEST_TOKEN = 36, 64
_GONE = ("CannotPull", "ImageNotFound", "ImagePull")
_MEMORY = "OutOfMemory"


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


class EcsRunner(Runner):
    """Runs jobs as tasks of ECS.

    Args:
        options: The options.
    """

    name: ClassVar[str] = "ecs"
    needs_image: ClassVar[bool] = False
    longest_pause: ClassVar[float] = 5.0

    def __init__(self, options: EcsOptions | None = None) -> None:
        self._options = options or EcsOptions()
        self._arns: dict[str, str] = {}
        """Of tasks that this process started: ECS lists a new task only after a while."""

    def start(self, work: Work) -> None:
        """Run a task of the task definition, with the job's overrides."""
        options = self._options
        if not options.task_definition:
            raise InvalidName(
                "the runner ecs has no task definition: set the runner's option task_definition to"
                " a family whose role may use the warehouse"
            )
        with self._reached(work):
            if self._find(work.job.id) is not None:
                return
            definition, container = self._definition(work.image)
            answer = self._client.run_task(
                cluster=options.cluster,
                taskDefinition=definition["taskDefinitionArn"],
                count=1,
                startedBy=_starter(work.job.id),
                # a repeated request starts no second task
                clientToken=work.job.id[:_LONGEST_TOKEN],
                overrides=self._overrides(work, container["name"]),
                **self._placement(),
            )
        if answer.get("failures"):
            reason = str(answer["failures"][0].get("reason", ""))
            raise _failed(work, reason)
        self._arns[work.job.id] = answer["tasks"][0]["taskArn"]

    def status(self, job_id: str) -> Status:
        """Return what became of the task's container."""
        with self._reached():
            task = self._find(job_id)
        if task is None:
            return MISSING
        if task.get("lastStatus") != "STOPPED":
            return RUNNING
        containers = [
            one
            for one in task.get("containers", [])
            if self._options.container in ("", one.get("name"))
        ]
        one = containers[0] if containers else {}
        reason = str(one.get("reason") or task.get("stoppedReason") or "")
        code = one.get("exitCode")
        if code in (0, None) or reason.startswith("Essential container"):
            reason = "" if code is not None else reason
        lacks_image = any(part in reason for part in _GONE)
        return Status("ended", code, _MEMORY in reason, reason, lacks_image)

    def log(self, job_id: str, lines: int) -> list[str]:
        """Return the last lines from CloudWatch Logs, if the task definition sends them there."""
        with self._reached():
            task = self._find(job_id)
            if task is None:
                return []
            _, container = self._described(task["taskDefinitionArn"])
            log = container.get("logConfiguration") or {}
            to = log.get("options") or {}
            if log.get("logDriver") != "awslogs" or "awslogs-stream-prefix" not in to:
                return []
            number = task["taskArn"].rpartition("/")[2]
            answer = self._session.client(
                "logs",
                region_name=to.get("awslogs-region") or self._options.region or None,
                endpoint_url=self._options.endpoint_url or None,
            ).get_log_events(
                logGroupName=to["awslogs-group"],
                logStreamName=f"{to['awslogs-stream-prefix']}/{container['name']}/{number}",
                limit=min(lines, 10_000),
                startFromHead=False,
            )
        return [str(event["message"]) for event in answer.get("events", [])]

    def kill(self, job_id: str) -> None:
        """Stop the task."""
        with self._reached():
            task = self._find(job_id)
            if task is not None and task.get("lastStatus") != "STOPPED":
                self._client.stop_task(
                    cluster=self._options.cluster,
                    task=task["taskArn"],
                    reason="the job was killed",
                )

    def remove(self, job_id: str) -> None:
        """Leave the task: ECS forgets stopped tasks by itself, within an hour."""

    @cached_property
    def _session(self) -> Any:
        import boto3

        return boto3.Session(
            profile_name=self._options.profile or None, region_name=self._options.region or None
        )

    @cached_property
    def _client(self) -> Any:
        return self._session.client("ecs", endpoint_url=self._options.endpoint_url or None)

    @contextmanager
    def _reached(self, work: Work | None = None) -> Iterator[None]:
        """Raise errors of ECS, and of the way to it, as such."""
        from botocore.exceptions import BotoCoreError, ClientError

        from airflow_sfx.core.io.error_text import safe_message

        try:
            yield
        except ClientError as error:
            words = f"{error.response['Error'].get('Message', error)}"
            if work is None or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:  # noqa: PLR2004
                raise RunnerUnavailable(f"ECS refuses a request: {words}", reason=words) from error
            raise _failed(work, words) from error
        except BotoCoreError as error:
            words = safe_message(error)
            raise RunnerUnavailable(
                f"ECS cannot be used ({words})",
                remedy="check the network, the region and the role's rights",
                reason=words,
            ) from error

    def _find(self, job_id: str) -> dict[str, Any] | None:
        found = [self._arns[job_id]] if job_id in self._arns else self._listed(job_id)
        if not found:
            return None
        answer = self._client.describe_tasks(cluster=self._options.cluster, tasks=found[:1])
        tasks: list[dict[str, Any]] = answer["tasks"]
        return tasks[0] if tasks else None

    def _listed(self, job_id: str) -> list[str]:
        for wanted in ("RUNNING", "STOPPED"):
            found: list[str] = self._client.list_tasks(
                cluster=self._options.cluster, startedBy=_starter(job_id), desiredStatus=wanted
            )["taskArns"]
            if found:
                return found
        return []

    def _described(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return a task definition, and the container of the job in it."""
        definition = self._client.describe_task_definition(taskDefinition=name)["taskDefinition"]
        for container in definition["containerDefinitions"]:
            if self._options.container in ("", container["name"]):
                return definition, container
        raise InvalidName(
            f"the task definition {name} has no container {self._options.container!r}"
        )

    def _definition(self, image: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the task definition with the wanted image, registered once for each image."""
        definition, container = self._described(self._options.task_definition)
        if image in ("", container["image"]):
            return definition, container
        digest = hashlib.sha256(f"{definition['taskDefinitionArn']} {image}".encode()).hexdigest()
        family = f"{definition['family'][:200]}-sfx-{digest[:12]}"
        from botocore.exceptions import ClientError

        try:
            return self._described(family)
        except ClientError:  # there is none of this image yet
            changed = [
                {**one, "image": image} if one["name"] == container["name"] else one
                for one in definition["containerDefinitions"]
            ]
            kept = {name: definition[name] for name in _KEPT if definition.get(name)}
            registered = self._client.register_task_definition(
                **kept, family=family, containerDefinitions=changed
            )["taskDefinition"]
            return registered, container

    def _overrides(self, work: Work, container: str) -> dict[str, Any]:
        text = work.job.to_text()
        if len(text) > _LARGEST_JOB:
            text = _kept_in_store(work, text)
        environment = {**work.variables(), VARIABLE: text}
        override: dict[str, Any] = {
            "name": container,
            "environment": [{"name": name, "value": one} for name, one in environment.items()],
        }
        whole: dict[str, Any] = {}
        if work.command:
            override["command"] = list(work.command)
        if work.memory is not None:
            override["memory"] = -(-work.memory // _MEBIBYTE)
            whole["memory"] = str(override["memory"])
        if work.cpus is not None:
            override["cpu"] = int(work.cpus * _UNITS_OF_A_CPU)
            whole["cpu"] = str(override["cpu"])
        # a task on EC2 has no limit of its own beside its container's
        beside = whole if self._options.launch_type == "FARGATE" else {}
        return {"containerOverrides": [override], **beside}

    def _placement(self) -> dict[str, Any]:
        options = self._options
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


_KEPT = (
    *("taskRoleArn", "executionRoleArn", "networkMode", "volumes", "placementConstraints"),
    *("requiresCompatibilities", "cpu", "memory", "ephemeralStorage", "runtimePlatform"),
)
"""The members of a task definition that one with another image keeps."""


def _starter(job_id: str) -> str:
    """Return a job's ``startedBy``: its UUID, or a digest of an ID that is longer."""
    if len(job_id) <= _LONGEST_STARTER:
        return job_id
    return hashlib.sha256(job_id.encode()).hexdigest()[:_LONGEST_STARTER]


def _kept_in_store(work: Work, text: str) -> str:
    """Put a large job into the warehouse's store, and return its place."""
    from airflow_sfx.jobs.contract import stored_job_path
    from airflow_sfx.warehouse.connect import connect

    path = stored_job_path(work.job.id)
    connect(work.job.warehouse).store.put_if_absent(path, text.encode())
    return path


def _failed(work: Work, reason: str) -> JobFailed:
    table = work.job.output.table
    if any(part in reason for part in _GONE):
        return JobFailed(
            f"ECS cannot get the image {work.image or 'of the task definition'} ({reason})",
            reason=reason,
            remedy="push it, correct its name, or let the execution role read it",
            table=table,
        )
    return JobFailed(f"ECS did not run the task: {reason}", reason=reason, table=table)

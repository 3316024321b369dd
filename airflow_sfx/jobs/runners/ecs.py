"""Jobs as tasks of Amazon ECS.

The attempt's ID is the task's ``startedBy``, by which it is found again. A job that is too large
for a task's overrides is an object of the warehouse's store, which the task reads by its role.
"""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

from airflow_sfx.core.errors import JobFailed
from airflow_sfx.jobs.contract import VARIABLE
from airflow_sfx.jobs.runners.base import MISSING, Runner, Status, Work
from airflow_sfx.jobs.runners.cluster import Cluster, EcsOptions, not_run

_LARGEST_JOB = 6000
"""Characters of a job that fit into the overrides of a task, of which ECS takes 8,192 in all."""
_LONGEST_STARTER, _LONGEST_TOKEN = 36, 64


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
        self._cluster = Cluster(self._options)
        self._arns: dict[str, str] = {}
        """Of tasks that this process started: ECS lists a new task only after a while."""

    def start(self, work: Work) -> None:
        """Run a task of the task definition, with the job's overrides."""

        def failed(reason: str) -> JobFailed:
            return not_run(work.image, reason, work.job.output.table)

        self._cluster.check()
        with self._cluster.reached(failed):
            if self._find(work.job.id) is not None:
                return
            definition, container = self._cluster.definition(work.image)
            self._arns[work.job.id] = self._cluster.run(
                definition,
                self._override(work, container["name"]),
                failed,
                startedBy=_starter(work.job.id),
                # a repeated request starts no second task
                clientToken=work.job.id[:_LONGEST_TOKEN],
            )

    def status(self, job_id: str) -> Status:
        """Return what became of the task's container."""
        with self._cluster.reached():
            task = self._find(job_id)
        return MISSING if task is None else self._cluster.status_of(task)

    def log(self, job_id: str, lines: int) -> list[str]:
        """Return the last lines from CloudWatch Logs, if the task definition sends them there."""
        with self._cluster.reached():
            task = self._find(job_id)
            return [] if task is None else self._cluster.log_of(task, lines)

    def kill(self, job_id: str) -> None:
        """Stop the task."""
        with self._cluster.reached():
            task = self._find(job_id)
            if task is not None:
                self._cluster.stop(task, "the job was killed")

    def remove(self, job_id: str) -> None:
        """Leave the task: ECS forgets stopped tasks by itself, within an hour."""

    def _find(self, job_id: str) -> dict[str, Any] | None:
        found = [self._arns[job_id]] if job_id in self._arns else self._listed(job_id)
        if not found:
            return None
        answer = self._cluster.client.describe_tasks(cluster=self._options.cluster, tasks=found[:1])
        tasks: list[dict[str, Any]] = answer["tasks"]
        return tasks[0] if tasks else None

    def _listed(self, job_id: str) -> list[str]:
        for wanted in ("RUNNING", "STOPPED"):
            found: list[str] = self._cluster.client.list_tasks(
                cluster=self._options.cluster, startedBy=_starter(job_id), desiredStatus=wanted
            )["taskArns"]
            if found:
                return found
        return []

    def _override(self, work: Work, container: str) -> dict[str, Any]:
        text = work.job.to_text()
        if len(text) > _LARGEST_JOB:
            text = _kept_in_store(work, text)
        variables = {**work.variables(), VARIABLE: text}
        return self._cluster.override_of(container, variables, work.command, work.memory, work.cpus)


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

"""The trigger of `ContainerBatchOperator`: waits for a container to end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_sfx.core.errors import SfxError
from airflow_sfx.jobs.run import Patience
from airflow_sfx.jobs.runners.base import Runner, RunnerUnavailable, Status
from airflow_sfx.jobs.runners.factory import open_runner
from airflow_sfx.triggers._events import failure

_LEAST_SECONDS = 5.0
"""How long a task stays deferred at least.

A busy scheduler takes seconds to notice that the task was deferred, and fails one that is queued
again before that.
"""


class JobTrigger(BaseTrigger):
    """Fires when the container of a job has ended, and kills it if the task is killed.

    Another triggerer that continues finds the container by the job's ID.

    Args:
        runner: The runner's name.
        options: The runner's options.
        job_id: The job.
    """

    def __init__(self, runner: str, options: Mapping[str, Any], job_id: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.runner = runner
        self.options = dict(options)
        self.job_id = job_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments, from which another triggerer can continue."""
        return (
            "airflow_sfx.triggers.job.JobTrigger",
            {"runner": self.runner, "options": self.options, "job_id": self.job_id},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look at the container until it has ended, and yield the event."""
        try:
            await asyncio.gather(self._end(), asyncio.sleep(_LEAST_SECONDS))
        except SfxError as error:
            yield failure(error)
        else:
            yield TriggerEvent({"status": "success"})

    async def on_kill(self) -> None:
        """End the container: a person has killed the task."""
        await asyncio.to_thread(self._remove)

    async def _end(self) -> None:
        runner = self._opened()
        patience = Patience(runner.longest_pause)
        while True:
            try:
                found: Status = await asyncio.to_thread(runner.status, self.job_id)
                patience.reached()
                if not found.is_running:
                    return
            except RunnerUnavailable as error:
                patience.failed(error)
            await asyncio.sleep(patience.pause())

    def _remove(self) -> None:
        runner = self._opened()
        runner.kill(self.job_id)
        runner.remove(self.job_id)

    def _opened(self) -> Runner:
        return open_runner(self.runner, self.options)

"""The trigger of `BatchPartitionSensor`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airflow_sfx.core.errors import InvalidName, SfxError
from airflow_sfx.core.table import TableRef
from airflow_sfx.hooks.partitions import check_rendered
from airflow_sfx.hooks.templates import CheckedTemplates
from airflow_sfx.triggers._events import failure
from airflow_sfx.triggers.conditions import PartitionCondition, run_partitions
from airflow_sfx.triggers.polling import Pointers, wait_for

if TYPE_CHECKING:
    from airflow.sdk import Context
    from jinja2 import Environment


class BatchPartitionTrigger(CheckedTemplates, BaseTrigger):
    """Fires when each of some partitions has a new enough batch.

    The triggers of a table share one poll.

    Args:
        table: ``database.table``.
        partitions: The partitions' values; of a task that starts in the triggerer, templates.
        newer_than: A time or a batch ID, or None for any batch.
        poll_seconds: The time between two checks; up to a tenth longer.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        end_from_trigger: Whether the task then succeeds without a worker.
        of_run: Whether the partitions are the run's partition key or date.
    """

    names = ("table", "partitions", "newer_than")

    def __init__(
        self,
        table: str,
        partitions: Sequence[Any] | None = None,
        newer_than: str | None = None,
        poll_seconds: float = 30.0,
        sfx_conn_id: str | None = None,
        end_from_trigger: bool = False,
        of_run: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.table = table
        self.partitions = self._as_written = partitions
        self.newer_than = newer_than
        self.poll_seconds = poll_seconds
        self.sfx_conn_id = sfx_conn_id
        self.end_from_trigger = end_from_trigger
        self.of_run = of_run
        self._invalid_name: InvalidName | None = None

    def render_template_fields(
        self, context: Context, jinja_env: Environment | None = None
    ) -> None:
        """Render the templates of a task that starts in the triggerer.

        `run` reports an invalid name.

        Args:
            context: The task's context.
            jinja_env: Airflow's environment of templates.
        """
        try:
            super().render_template_fields(context, jinja_env)
        except InvalidName as error:
            self._invalid_name = error

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments, from which another triggerer can continue."""
        return (
            "airflow_sfx.triggers.partition.BatchPartitionTrigger",
            {
                "table": self.table,
                "partitions": self.partitions,
                "newer_than": self.newer_than,
                "poll_seconds": self.poll_seconds,
                "sfx_conn_id": self.sfx_conn_id,
                "end_from_trigger": self.end_from_trigger,
                "of_run": self.of_run,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield the event; an error for good is an event, too."""
        try:
            if self._invalid_name is not None:
                raise self._invalid_name
            check_rendered(self.partitions or (), self._as_written or (), str(self.task_id))
            partitions = run_partitions(self.partitions or ()) if self.of_run else self.partitions
            condition = PartitionCondition.of(partitions, self.newer_than)

            def is_met(pointers: Pointers) -> bool:
                return not condition.missing(pointers)

            await wait_for(
                self.sfx_conn_id,
                TableRef.parse(self.table),
                condition.partitions,
                is_met,
                seconds=self.poll_seconds,
            )
        except SfxError as error:
            yield failure(error)
        else:
            yield (
                TaskSuccessEvent() if self.end_from_trigger else TriggerEvent({"status": "success"})
            )

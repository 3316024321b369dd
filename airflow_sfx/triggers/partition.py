"""The trigger behind `BatchPartitionSensor`."""

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
    """Fires when each of some partitions has a batch that is new enough; all who wait on a table share one poll.

    Args:
        table: ``database.table``.
        partitions: The partitions' values; of a task that begins in the triggerer, templates.
        newer_than: A time, a batch ID, or nothing: any batch will do.
        poll_seconds: The time between two looks, up to a tenth more.
        sfx_conn_id: The connection of the warehouse; the default warehouse where it is None.
        end_from_trigger: Whether the task has succeeded then, without a worker.
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
        self._refused: InvalidName | None = None

    def render_template_fields(
        self, context: Context, jinja_env: Environment | None = None
    ) -> None:
        """Render the templates of a task that begins in the triggerer; what is refused is told by `run`.

        Args:
            context: The task's context.
            jinja_env: Airflow's environment of templates.
        """
        try:
            super().render_template_fields(context, jinja_env)
        except InvalidName as error:
            self._refused = error

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and its arguments: a triggerer that takes over begins with these."""
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
        """Wait, and say so with an event; an error that no waiting mends is an event, too."""
        try:
            if self._refused is not None:
                raise self._refused
            check_rendered(self.partitions or (), self._as_written or (), str(self.task_id))
            partitions = run_partitions(self.partitions or ()) if self.of_run else self.partitions
            awaited = PartitionCondition.of(partitions, self.newer_than)

            def there(pointers: Pointers) -> bool:
                return not awaited.missing(pointers)

            await wait_for(
                self.sfx_conn_id,
                TableRef.parse(self.table),
                awaited.partitions,
                there,
                seconds=self.poll_seconds,
            )
        except SfxError as error:
            yield failure(error)
        else:
            yield (
                TaskSuccessEvent() if self.end_from_trigger else TriggerEvent({"status": "success"})
            )

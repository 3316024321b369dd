"""The triggers of the sensors: a partition's batch that is awaited, and a pin whose objects are to be seen."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent

from airflow_sfx.core.errors import InvalidName, SfxError, WarehouseUnavailable
from airflow_sfx.core.table import TableRef
from airflow_sfx.hooks.partitions import check_rendered
from airflow_sfx.hooks.templates import NamesRendered
from airflow_sfx.plugin.xcom import VERSION, load
from airflow_sfx.triggers.awaited import Awaited, run_partitions
from airflow_sfx.triggers.polling import Pointers, wait_for
from airflow_sfx.triggers.warehouses import forget, warehouse_of

if TYPE_CHECKING:
    from airflow.sdk import Context
    from jinja2 import Environment

    from airflow_sfx.core.pin import BatchPin


def failure(error: SfxError) -> TriggerEvent:
    """The event of a trigger that met an error that no waiting mends."""
    return TriggerEvent({"status": "error", "error": type(error).__name__, "message": str(error)})


def error_of(event: Mapping[str, Any]) -> SfxError:
    """The error that an event tells, of the class that it was.

    Example:
        >>> error_of(failure(WarehouseUnavailable("it is away")).payload)
        WarehouseUnavailable('it is away')
    """
    kinds = [SfxError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    named = next((kind for kind in kinds if kind.__name__ == event.get("error")), SfxError)
    return named(str(event["message"]))


class BatchPartitionTrigger(NamesRendered, BaseTrigger):
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

    def render_template_fields(self, context: Context, jinja_env: Environment | None = None) -> None:
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
            "airflow_sfx.triggers.batches.BatchPartitionTrigger",
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
            awaited = Awaited.of(partitions, self.newer_than)

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
            yield TaskSuccessEvent() if self.end_from_trigger else TriggerEvent({"status": "success"})


class BatchConsistencyTrigger(BaseTrigger):
    """Fires when all of a pin can be seen as it was written, and metastore and history agree.

    Args:
        pins: The pins, each as `airflow_sfx.plugin.xcom.dump` wrote it.
        poll_seconds: The time between two looks.
        sfx_conn_id: The connection of the warehouse; the default warehouse where it is None.
    """

    def __init__(
        self, pins: Sequence[Mapping[str, Any]], poll_seconds: float = 30.0, sfx_conn_id: str | None = None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.pins = list(pins)
        self.poll_seconds = poll_seconds
        self.sfx_conn_id = sfx_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and its arguments: a triggerer that takes over begins with these."""
        return (
            "airflow_sfx.triggers.batches.BatchConsistencyTrigger",
            {"pins": self.pins, "poll_seconds": self.poll_seconds, "sfx_conn_id": self.sfx_conn_id},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until nothing is amiss, and say so with an event."""
        try:
            for written in self.pins:
                pin = load(written, VERSION)
                while amiss := await self._amiss(pin):
                    self.log.info("%s: %s", pin, "; ".join(amiss[:5]))
                    await asyncio.sleep(self.poll_seconds * random.uniform(0.9, 1.1))  # noqa: S311
        except SfxError as error:
            yield failure(error)
        else:
            yield TriggerEvent({"status": "success"})

    async def _amiss(self, pin: BatchPin) -> list[str]:
        def look() -> list[str]:
            return warehouse_of(self.sfx_conn_id).inconsistencies(pin)

        try:
            return await asyncio.to_thread(look)
        except WarehouseUnavailable as error:
            forget(self.sfx_conn_id)
            return [str(error)]

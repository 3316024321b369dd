"""Wait until a partition has a batch that is new enough."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import PokeReturnValue
from airflow.triggers.base import StartTriggerArgs

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.hooks.partitions import check_rendered
from airflow_sfx.hooks.templates import CheckedTemplates, checks_names, is_settled
from airflow_sfx.sensors._base import BatchSensor
from airflow_sfx.serde.pin import register
from airflow_sfx.triggers.conditions import PartitionCondition, run_partitions

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger

register()


_RUN_PARTITION = "{{ dag_run.partition_key or ds_nodash }}"


class BatchPartitionSensor(CheckedTemplates, BatchSensor):
    """Waits until each of some partitions has a batch, or one that is new enough. Its XCom is their pin.

    Sensors of one table in one triggerer share one question to the metastore a poll, however many
    they are.

    Args:
        table: ``database.table`` (templated). It need not be there yet.
        partitions: The partitions' values (templated); the run's where they are absent; an empty
            list for a table without partitions.
        newer_than: A batch counts that was written at this time or later (``"{{ data_interval_end
            }}"``: since the run's data are complete; with a time zone), or after this batch, given
            by its ID or its pin (templated); None: any counts.
        start_from_trigger: Begin in the triggerer: no worker is needed before the batch is there.
            Then no argument may be the output of another task.
        end_from_trigger: End in the triggerer: no worker is needed after it either, and there is no
            XCom.
        deferrable: False keeps the worker's slot, as the ``mode`` of every sensor says.
        poke_interval: Seconds, or a timedelta, between two looks, up to a tenth more.
        sfx_conn_id: The connection of the warehouse; the default warehouse where it is None.
        kwargs: As of every sensor: ``timeout`` in seconds, ``soft_fail`` and so on.

    Raises:
        InvalidName: The table's name breaks a rule, or an argument is another task's output with
            ``start_from_trigger``.

    Example:
        >>> sensor = BatchPartitionSensor(
        ...     task_id="late", table="sales.sold_items", newer_than="{{ data_interval_end }}", timeout=6 * 3600
        ... )
        >>> sensor.partitions
        ['{{ dag_run.partition_key or ds_nodash }}']
    """

    names = ("table", "partitions", "newer_than")
    template_fields: Sequence[str] = names

    @checks_names
    def __init__(
        self,
        *,
        table: str,
        partitions: Sequence[Any] | str | None = None,
        newer_than: Any = None,
        start_from_trigger: bool = False,
        end_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if is_settled(table):
            TableRef.parse(table)
        self.table = table
        given = [partitions] if isinstance(partitions, str) else partitions
        self.partitions = [_RUN_PARTITION] if given is None else given
        self._of_run = given is None
        self.newer_than = newer_than
        self._as_written = self.partitions
        self.end_from_trigger = end_from_trigger
        self.start_from_trigger = start_from_trigger
        mapped = kwargs.get("_airflow_from_mapped")  # begins on a worker in any case
        if start_from_trigger and not mapped:
            for name, value in (("partitions", self.partitions), ("newer_than", newer_than)):
                if _has_output(value):
                    raise InvalidName(
                        f"the task {self.task_id} has {name}={value}, the output of another task,"
                        " and start_from_trigger=True: what begins in the triggerer reads no XCom;"
                        " leave start_from_trigger out, and it begins on a worker"
                    )
            self.start_trigger_args = StartTriggerArgs(
                trigger_cls="airflow_sfx.triggers.partition.BatchPartitionTrigger",
                trigger_kwargs={
                    "table": self.table,
                    "partitions": self.partitions,
                    "newer_than": self._newer_than(),
                    "poll_seconds": self.poke_interval,
                    "sfx_conn_id": self.sfx_conn_id,
                    "end_from_trigger": end_from_trigger,
                    "of_run": self._of_run,
                },
                next_method="execute_complete",
                timeout=timedelta(seconds=self.timeout),
            )

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once.

        Args:
            context: The task's context.

        Returns:
            Whether the batches are there, and their pin.
        """
        check_rendered(self.partitions, self._as_written, self.task_id)
        partitions = run_partitions(self.partitions) if self._of_run else self.partitions
        ref, awaited = (
            TableRef.parse(self.table),
            PartitionCondition.of(partitions, self._newer_than()),
        )
        warehouse = self._warehouse()
        missing = awaited.missing(warehouse.metastore.get_partitions(ref, awaited.partitions))
        if missing:
            shown = ", ".join("/".join(one.values) or "the table" for one in missing[:8])
            self.log.info(
                "%s: %d of %d are not there yet: %s",
                ref,
                len(missing),
                len(awaited.partitions),
                shown,
            )
            return PokeReturnValue(is_done=False)
        pin = warehouse.pin(ref.database, ref.table, partitions or None)
        self.log.info("Found %s", pin)
        return PokeReturnValue(is_done=True, xcom_value=pin)

    def _awaited(self) -> str:
        newer = self._newer_than()
        since = f" newer than {newer}" if newer else ""
        return f"a batch{since} of {self.table} {', '.join(map(str, self.partitions))}".rstrip()

    def _newer_than(self) -> str | None:
        given = self.newer_than
        if isinstance(given, BatchPin):
            return given.batch_id
        return given.isoformat() if isinstance(given, datetime) else given

    def _trigger(self) -> BaseTrigger:
        from airflow_sfx.triggers.partition import BatchPartitionTrigger

        return BatchPartitionTrigger(
            self.table,
            list(self.partitions),
            self._newer_than(),
            self.poke_interval,
            self.sfx_conn_id,
            self.end_from_trigger,
            self._of_run,
        )


def _has_output(value: Any) -> bool:
    """Whether an argument is, or has in it, what another task leaves when it runs."""
    if isinstance(value, (list, tuple)):
        return any(_has_output(one) for one in value)
    return hasattr(value, "iter_references")

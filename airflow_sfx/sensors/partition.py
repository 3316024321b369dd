"""Wait until partitions have a batch that is new enough."""

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
from airflow_sfx.hooks.templates import (
    CheckedTemplates,
    checks_names,
    is_instance_of_mapped,
    is_settled,
)
from airflow_sfx.sensors._base import BatchSensor
from airflow_sfx.triggers.conditions import (
    PartitionCondition,
    run_partitions,
    waits_for_table,
)

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger

_RUN_PARTITION = "{{ dag_run.partition_key or ds_nodash }}"
_TRIGGER = "airflow_sfx.triggers.partition.BatchPartitionTrigger"


class BatchPartitionSensor(CheckedTemplates, BatchSensor):
    """Waits until each of some partitions has a batch, or a new enough one.

    The XCom is their pin. The sensors of a table in one triggerer share one metastore request per
    poll.

    Args:
        table: ``database.table`` (templated). It need not exist yet.
        partitions: The partitions' values (templated). The default is the run's partition; an empty
            list is for a table without partitions.
        newer_than: A time with a time zone: accept only batches written then or later, such as
            ``"{{ data_interval_end }}"``, since the run's data are complete. Or a batch, by its ID
            or its pin: accept only later ones (templated). Or None for any batch.
        start_from_trigger: Start in the triggerer: no worker is needed before the batch is there.
            Then no argument may be the output of another task.
        end_from_trigger: End in the triggerer: no worker is needed afterwards, and there is no
            XCom.
        deferrable: False keeps the worker's slot, as the ``mode`` of every sensor defines.
        poke_interval: Seconds, or a timedelta, between two checks; up to a tenth longer.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every sensor: ``timeout`` in seconds, ``soft_fail`` and so on.

    Raises:
        InvalidName: The table's name breaks a rule, or an argument is another task's output with
            ``start_from_trigger``.

    Example:
        >>> sensor = BatchPartitionSensor(
        ...     task_id="late",
        ...     table="sales.sold_items",
        ...     newer_than="{{ data_interval_end }}",
        ...     timeout=6 * 3600,
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
        self._looked_for_table = False
        self.end_from_trigger = end_from_trigger
        self.start_from_trigger = start_from_trigger
        # An instance of a mapped task starts on a worker in any case.
        if start_from_trigger and not is_instance_of_mapped(kwargs):
            self._refuse_outputs()
            self.start_trigger_args = StartTriggerArgs(
                trigger_cls=_TRIGGER,
                trigger_kwargs=self._trigger_arguments(),
                next_method="execute_complete",
                timeout=timedelta(seconds=self.timeout),
            )

    def poke(self, context: Context) -> PokeReturnValue:
        """Check once.

        Args:
            context: The task's context.

        Returns:
            Whether all batches are there, and their pin.
        """
        check_rendered(self.partitions, self._as_written, self.task_id)
        partitions = run_partitions(self.partitions) if self._of_run else self.partitions
        ref = TableRef.parse(self.table)
        condition = PartitionCondition.of(partitions, self._newer_than())
        warehouse = self._warehouse()
        missing = condition.missing(warehouse.metastore.get_partitions(ref, condition.partitions))
        if missing:
            self.log.info(
                "%s: %d of %d are not there yet: %s",
                ref,
                len(missing),
                len(condition.partitions),
                ", ".join("/".join(one.values) or "the table" for one in missing[:8]),
            )
            if not self._looked_for_table:
                self._looked_for_table = True
                if warehouse.metastore.get_table(ref) is None:
                    self.log.warning("%s", waits_for_table(ref, warehouse.uri))
            return PokeReturnValue(is_done=False)
        pin = warehouse.pin(ref.database, ref.table, partitions or None)
        self.log.info("Found %s", pin)
        return PokeReturnValue(is_done=True, xcom_value=pin)

    def _condition(self) -> str:
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

        return BatchPartitionTrigger(**self._trigger_arguments())

    def _trigger_arguments(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "partitions": list(self.partitions),
            "newer_than": self._newer_than(),
            "poll_seconds": self.poke_interval,
            "sfx_conn_id": self.sfx_conn_id,
            "end_from_trigger": self.end_from_trigger,
            "of_run": self._of_run,
        }

    def _refuse_outputs(self) -> None:
        for name, value in (("partitions", self.partitions), ("newer_than", self.newer_than)):
            if _has_output(value):
                raise InvalidName(
                    f"the task {self.task_id} has {name}={value}, the output of another task, and"
                    " start_from_trigger=True. A task that starts in the triggerer cannot read"
                    " XCom: leave start_from_trigger out, and it starts on a worker"
                )


def _has_output(value: Any) -> bool:
    """Return whether an argument is, or contains, the output of another task."""
    if isinstance(value, (list, tuple)):
        return any(_has_output(one) for one in value)
    return hasattr(value, "iter_references")

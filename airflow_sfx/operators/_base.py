"""Where a task writes: its table, its partition, its warehouse; checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow_sfx.assets.events import emit
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.table import TableRef
from airflow_sfx.core.validation import is_missing
from airflow_sfx.hooks.partitions import check_rendered, run_partition
from airflow_sfx.hooks.templates import CheckedTemplates, is_settled

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Logger

    from airflow_sfx.core.options import Keys
    from airflow_sfx.core.pin import BatchPin
    from airflow_sfx.core.schema import Evolve
    from airflow_sfx.operators.notifications import Notify
    from airflow_sfx.warehouse.warehouse import Warehouse


class TableOperator(CheckedTemplates):
    """What operators that write a batch have in common; mixed into each."""

    names: ClassVar[tuple[str, ...]] = ("table", "partitions", "reason")
    task_id: str
    table: str
    partitions: Sequence[Any] | None
    partition_by: Sequence[str] | None
    partition_keys: Keys | None
    reason: str
    sfx_conn_id: str | None
    publish: bool
    evolve: Evolve
    cascade: bool | str
    notify: Notify
    log: Logger
    linked: BatchPin | None = None
    _as_written: tuple[str | None, Sequence[Any] | None]

    def set_destination(
        self,
        table: str | None,
        partitions: Sequence[Any] | str | None,
        reason: str,
        sfx_conn_id: str | None,
        *,
        partition_by: Sequence[str] | str | None = None,
        **more: Any,
    ) -> None:
        """Take note of where and how to write, when the DAG file is parsed.

        Args:
            table: ``database.table``, or a template; None for an operator that finds its tables
                otherwise.
            partitions: The partition's values, or templates.
            reason: Why.
            sfx_conn_id: The connection of the warehouse.
            partition_by: The columns that say the partition.
            more: The operator's other attributes.

        Raises:
            InvalidName: The table's name breaks a rule and is no template, or the reason is
                missing.
        """
        if table is not None and is_settled(table):
            TableRef.parse(table)
        if is_missing(reason):
            raise InvalidName(
                f"the task {self.task_id} has reason={reason!r}: pass text, or leave it out"
            )
        values = [partitions] if isinstance(partitions, str) else partitions
        # Together: an operator that is being made does in Airflow's __setattr__ what is needed
        # after that alone, and ten attributes one by one make a DAG file of hundreds of tasks a
        # tenth slower to parse.
        vars(self).update(
            more,
            table=table or "",
            partitions=values,
            partition_by=[partition_by] if isinstance(partition_by, str) else partition_by,
            reason=reason,
            sfx_conn_id=sfx_conn_id,
            _as_written=(table, values),
        )

    def destination(self, context: Context) -> tuple[TableRef, Sequence[Any] | None]:
        """The table and the partition, when the task runs.

        Args:
            context: The task's context.

        Returns:
            The table, and the partition's values: as given, or the run's; None where there is none
            or columns say it.

        Raises:
            InvalidName: The table or a value is refused.
        """
        return self.named_table(), self._partitions(context)

    def named_table(self) -> TableRef:
        """The table that the task names.

        Returns:
            The table.

        Raises:
            InvalidName: It is refused.
        """
        try:
            return TableRef.parse(self.table)
        except InvalidName as error:
            raise InvalidName(
                f"the task {self.task_id} has table={self._as_written[0]!r}, and {error}"
            ) from error

    def named_partitions(self) -> Sequence[Any] | None:
        """The partitions that the task names, and none of its run's.

        Returns:
            The partitions' values; None where it names none.

        Raises:
            InvalidName: A value is refused.
        """
        if self.partitions is not None:
            check_rendered(self.partitions, self._as_written[1] or (), self.task_id)
        return self.partitions or None

    def warehouse(self) -> Warehouse:
        """Open the warehouse of the connection.

        Returns:
            The warehouse.
        """
        # Connections are for running tasks, not for parsing DAG files.
        from airflow_sfx._default import warehouse_of

        return warehouse_of(self.sfx_conn_id)

    def told(self, context: Context, pin: BatchPin) -> BatchPin:
        """Say what was written: in the log, by the link to it and, where it is current, by asset events.

        Args:
            context: The task's context.
            pin: What was written.

        Returns:
            The pin, which is the task's output.
        """
        self.linked = pin
        self.log.info("%s %s", "Published" if self.publish else "Staged", pin)
        emit(context, [pin] if self.publish else [], "publish", cascade=self.cascade)
        return pin

    def _partitions(self, context: Context) -> Sequence[Any] | None:
        if self.partition_by is not None and self.partitions is None:
            return None
        if self.partitions is None:
            return [run_partition(cast("Mapping[str, Any]", context))]
        return self.named_partitions()

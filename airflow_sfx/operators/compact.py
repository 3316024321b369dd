"""Make one batch of the windows of a stream, once their hour or day is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_sfx.hooks.templates import checks_names
from airflow_sfx.operators.base.operators import ChangeOperator, TableOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sfx.core.pin import BatchPin
    from airflow_sfx.operators.base.notifications import Notify


class CompactOperator(ChangeOperator, TableOperator, BaseOperator):
    """Makes one batch of a stream's windows, and sends its asset events.

    Args:
        table: ``database.table`` (templated), a table of a stream.
        partitions: The first partition values, such as a day and an hour (templated); None for the
            whole table.
        reason: The reason for the history (templated).
        cascade: Whether the compacted batches are asset events that start other DAGs (templated).
        notify: Lists of Airflow's notifiers for ``publish``, ``rollback``, ``failed_check`` and
            ``foreign_change``; in their templates, ``batch`` describes the event.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every operator.

    Example:
        >>> compact = CompactOperator(
        ...     task_id="compact",
        ...     table="web.clicks",
        ...     partitions=["{{ ds_nodash }}", "{{ logical_date.strftime('%H') }}"],
        ... )
        >>> compact.outlets[0].uri
        'sfx://web/clicks'
    """

    template_fields: Sequence[str] = (*TableOperator.names, "cascade")

    @checks_names
    def __init__(
        self,
        *,
        table: str,
        partitions: Sequence[Any] | str | None = None,
        reason: str = "",
        cascade: bool | str = True,
        notify: Notify | None = None,
        sfx_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            table=table,
            partitions=partitions,
            outlet=table,
            reason=reason,
            cascade=cascade,
            notify=notify,
            sfx_conn_id=sfx_conn_id,
            **kwargs,
        )

    def run(self, context: Context) -> BatchPin:
        """Compact the windows.

        Args:
            context: The task's context.

        Returns:
            The pin of the compacted batches; without batches if there were no windows.

        Raises:
            TableNotFound: The table does not exist.
            InvalidName: The table is not one of a stream.
            PartitionNotFound: No current partition begins with these values.
        """
        ref = self.named_table()
        pin = self.warehouse().compact(
            ref.database,
            ref.table,
            self.named_partitions() or (),
            reason=self.reason,
            producer=self.producer(context),
        )
        self.log.info("Compacted %s", pin if pin.entries else f"no windows of {ref}")
        if pin.entries:
            self.linked = pin
            self.emit(context, [pin], "publish")
        return pin

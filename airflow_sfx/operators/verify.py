"""Verify every file of pinned batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_sfx._default import warehouse_of
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.hooks.pin_guard import refuse_foreign_pin
from airflow_sfx.operators.links import BatchHistoryLink
from airflow_sfx.operators.pin_arguments import passed_on, required_pins

if TYPE_CHECKING:
    from airflow.sdk import Context


class VerifyBatchOperator(BaseOperator):
    """Reads every file of a pin and compares it with the manifest; fails where something is missing or altered.

    Args:
        pin: The pin, or several (templated).
        sfx_conn_id: The connection of the warehouse; the default warehouse where it is None.
        kwargs: As of every operator.

    Example:
        >>> from airflow.sdk import DAG
        >>> from airflow_sfx.operators import PinBatchesOperator
        >>> with DAG("verified"):
        ...     pins = PinBatchesOperator(task_id="pins", table="sales.sold_items")
        ...     verify = VerifyBatchOperator(task_id="verify", pin=pins.output)
        >>> sorted(verify.upstream_task_ids)
        ['pins']
    """

    operator_extra_links = (BatchHistoryLink(),)
    template_fields: Sequence[str] = ("pin",)
    linked: BatchPin | None = None

    def __init__(self, *, pin: Any, sfx_conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pin = pin
        self.sfx_conn_id = sfx_conn_id

    def execute(self, context: Context) -> Any:
        """Verify.

        Args:
            context: The task's context.

        Returns:
            The pin, or the pins, as they came: a task after this one takes them from here.

        Raises:
            InvalidName: There is no pin, or one of another table than that of the task that it
                comes from.
            InconsistentBatch: Something is missing or altered.
        """
        refuse_foreign_pin(self, context, "pin")
        warehouse = warehouse_of(self.sfx_conn_id)
        for pin in required_pins(self.pin, self.task_id):
            report = warehouse.verify(pin)
            self.linked = pin
            self.log.info(
                "%s: %d files, %d rows, %d bytes are as they were written",
                pin,
                report.files,
                report.rows,
                report.bytes,
            )
        return passed_on(self.pin)

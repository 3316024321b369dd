"""Verify every file of pinned batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_sfx.operators.base.operators import WarehouseOperator
from airflow_sfx.operators.base.pin_arguments import plain_pins, required_pins

if TYPE_CHECKING:
    from airflow.sdk import Context


class VerifyBatchOperator(WarehouseOperator, BaseOperator):
    """Compares every file of a pin with its manifest, and fails if one differs.

    Args:
        pin: The pin, or several (templated).
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every operator.

    Example:
        >>> from airflow.sdk import DAG
        >>> from airflow_sfx.operators import PinBatchesOperator
        >>> with DAG("verified"):
        ...     pins = PinBatchesOperator(task_id="pins", table="sales.sold_items")
        ...     verify = VerifyBatchOperator(task_id="verify", pin=pins.output)
        >>> sorted(verify.upstream_task_ids)
        ['pins']
    """

    names = ()
    pin_fields = ("pin",)
    template_fields: Sequence[str] = pin_fields

    def __init__(self, *, pin: Any, sfx_conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(sfx_conn_id=sfx_conn_id, reason="", **kwargs)
        self.pin = pin

    def run(self, context: Context) -> Any:
        """Verify the pinned batches.

        Args:
            context: The task's context.

        Returns:
            The pin or pins as they came, for the tasks after this one.

        Raises:
            InvalidName: There is no pin.
            InconsistentBatch: A file is missing or altered.
        """
        warehouse = self.warehouse()
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
        return plain_pins(self.pin)

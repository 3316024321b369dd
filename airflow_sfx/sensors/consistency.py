"""Wait until a pin's objects are visible and its metastore is in sync."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import PokeReturnValue

from airflow_sfx.operators.base.pin_arguments import plain_pins, required_pins
from airflow_sfx.sensors._base import BatchSensor
from airflow_sfx.serde.pin import dump

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.triggers.base import BaseTrigger


class BatchConsistencySensor(BatchSensor):
    """Waits until a pin's objects are visible and the metastore is in sync.

    Objects are compared by size and ETag. They are listed, a thousand per request; there is no
    request per object. The XCom is the pin, as it came.

    Args:
        pin: The pin, or several (templated): the output of a task that stored or pinned.
        deferrable: False keeps the worker's slot, as the ``mode`` of every sensor defines.
        poke_interval: Seconds, or a timedelta, between two checks.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        kwargs: Those of every sensor: ``timeout`` in seconds, ``soft_fail`` and so on.

    Example:
        >>> from airflow.sdk import DAG
        >>> from airflow_sfx.sensors import BatchPartitionSensor
        >>> with DAG("after_sales"):
        ...     there = BatchPartitionSensor(task_id="there", table="sales.sold_items")
        ...     seen = BatchConsistencySensor(task_id="seen", pin=there.output, poke_interval=5)
        >>> sorted(seen.upstream_task_ids)
        ['there']
    """

    template_fields: Sequence[str] = ("pin",)

    def __init__(self, *, pin: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pin = pin

    def poke(self, context: Context) -> PokeReturnValue:
        """Check once.

        Args:
            context: The task's context.

        Returns:
            Whether everything is consistent, and the pin.
        """
        warehouse = self._warehouse()
        for pin in required_pins(self.pin, self.task_id):
            problems = warehouse.inconsistencies(pin)
            if problems:
                shown = "; ".join(problems[:5])
                self.log.info("%s: %d inconsistencies: %s", pin, len(problems), shown)
                return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=plain_pins(self.pin))

    def _condition(self) -> str:
        pins = required_pins(self.pin, self.task_id)
        more = f" and {len(pins) - 1} more pins" if pins[1:] else ""
        return f"all objects of {pins[0]}{more} to be visible"

    def _trigger(self) -> BaseTrigger:
        from airflow_sfx.triggers.consistency import BatchConsistencyTrigger

        pins = [dump(pin) for pin in required_pins(self.pin, self.task_id)]
        return BatchConsistencyTrigger(pins, self.poke_interval, self.sfx_conn_id)

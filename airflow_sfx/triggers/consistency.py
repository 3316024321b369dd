"""The trigger of `BatchConsistencySensor`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_sfx.core.errors import SfxError, WarehouseUnavailable
from airflow_sfx.serde.pin import VERSION, load
from airflow_sfx.triggers._events import failure
from airflow_sfx.triggers._warehouses import forget, opened_warehouse

if TYPE_CHECKING:
    from airflow_sfx.core.pin import BatchPin


class BatchConsistencyTrigger(BaseTrigger):
    """Fires when the pins' objects are visible and the metastore is in sync.

    Args:
        pins: The pins, each as `airflow_sfx.serde.pin.dump` wrote it.
        poll_seconds: The time between two checks.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
    """

    def __init__(
        self,
        pins: Sequence[Mapping[str, Any]],
        poll_seconds: float = 30.0,
        sfx_conn_id: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.pins = list(pins)
        self.poll_seconds = poll_seconds
        self.sfx_conn_id = sfx_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments, from which another triggerer can continue."""
        return (
            "airflow_sfx.triggers.consistency.BatchConsistencyTrigger",
            {"pins": self.pins, "poll_seconds": self.poll_seconds, "sfx_conn_id": self.sfx_conn_id},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Check until the pins are consistent, and yield the event."""
        try:
            for written in self.pins:
                pin = load(written, VERSION)
                while problems := await self._problems(pin):
                    self.log.info("%s: %s", pin, "; ".join(problems[:5]))
                    await asyncio.sleep(self.poll_seconds * random.uniform(0.9, 1.1))  # noqa: S311
        except SfxError as error:
            yield failure(error)
        else:
            yield TriggerEvent({"status": "success"})

    async def _problems(self, pin: BatchPin) -> list[str]:
        def check() -> list[str]:
            return opened_warehouse(self.sfx_conn_id).inconsistencies(pin)

        try:
            return await asyncio.to_thread(check)
        except WarehouseUnavailable as error:
            forget(self.sfx_conn_id)
            return [str(error)]

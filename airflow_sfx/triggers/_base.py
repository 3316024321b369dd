"""The base of triggers that check something in the warehouse until it is so."""

from __future__ import annotations

import asyncio
import random
from abc import abstractmethod
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_sfx.core.errors import SfxError, StreamUnavailable, WarehouseUnavailable
from airflow_sfx.triggers._events import failure
from airflow_sfx.triggers._warehouses import forget, opened_warehouse

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse


class CheckingTrigger(BaseTrigger):
    """Base of triggers that check the warehouse again and again, and fire once.

    Args:
        poll_seconds: The time between two checks.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
    """

    def __init__(self, poll_seconds: float, sfx_conn_id: str | None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.poll_seconds = poll_seconds
        self.sfx_conn_id = sfx_conn_id

    @abstractmethod
    def is_met(self, warehouse: Warehouse) -> bool:
        """Return whether the trigger fires. It runs in a thread.

        Args:
            warehouse: The warehouse.
        """

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Check until it is so, and yield the event.

        The first check is after a pause: the worker has just made one, and Airflow fails a task
        that is resumed before its worker has ended.
        """
        try:
            is_met = False
            while not is_met:
                await asyncio.sleep(self.poll_seconds * random.uniform(1.0, 1.1))  # noqa: S311
                is_met = await self._checked()
        except SfxError as error:
            yield failure(error)
        else:
            yield TriggerEvent({"status": "success"})

    async def _checked(self) -> bool:
        try:
            return await asyncio.to_thread(lambda: self.is_met(opened_warehouse(self.sfx_conn_id)))
        except (StreamUnavailable, WarehouseUnavailable) as error:
            self.log.warning("The check failed and will be repeated: %s", error)
            forget(self.sfx_conn_id)
            return False

"""The trigger of `ModelDriftSensor`, and what the two compare."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_sfx.core.errors import (
    PartitionNotFound,
    SfxError,
    TableNotFound,
    WarehouseUnavailable,
)
from airflow_sfx.core.table import TableRef
from airflow_sfx.triggers._events import failure
from airflow_sfx.triggers._warehouses import forget, opened_warehouse

if TYPE_CHECKING:
    from airflow_sfx.core.pin import BatchPin
    from airflow_sfx.models.pin import ModelPin
    from airflow_sfx.warehouse.warehouse import Warehouse


def to_compare(
    warehouse: Warehouse, model: str, table: str, partitions: Sequence[Any] | None
) -> tuple[ModelPin, BatchPin] | None:
    """Return the version and the batches that are current now, or None if one is missing.

    Args:
        warehouse: The warehouse.
        model: The version, as for `airflow_sfx.models.resolve`.
        table: ``database.table``.
        partitions: The partitions' values, or None for all.
    """
    from airflow_sfx.models.registry import ModelRegistry

    ref = TableRef.parse(table)
    try:
        pin = warehouse.pin(ref.database, ref.table, partitions)
        version = ModelRegistry(warehouse).resolve(model)
    except (TableNotFound, PartitionNotFound):
        return None
    return (version, pin) if pin.entries else None


def digest_of(found: tuple[ModelPin, BatchPin] | None) -> str | None:
    """Return a text that is the same for the same version and batches; None for nothing.

    Args:
        found: What `to_compare` returned.
    """
    if found is None:
        return None
    version, pin = found
    return hashlib.sha256(f"{version} {pin.to_json()}".encode()).hexdigest()


class ModelDriftTrigger(BaseTrigger):
    """Fires when there is something new to compare: other batches, or another version.

    The comparison itself is the worker's, so that no rows are loaded in the triggerer.

    Args:
        model: The version, as for `airflow_sfx.models.resolve`.
        table: ``database.table``.
        partitions: The partitions' values, or None for all.
        compared: The digest of what was compared last, or None.
        poll_seconds: The time between two checks.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
    """

    def __init__(
        self,
        model: str,
        table: str,
        partitions: Sequence[Any] | None = None,
        compared: str | None = None,
        poll_seconds: float = 30.0,
        sfx_conn_id: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.model = model
        self.table = table
        self.partitions = partitions
        self.compared = compared
        self.poll_seconds = poll_seconds
        self.sfx_conn_id = sfx_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its arguments, from which another triggerer can continue."""
        return (
            "airflow_sfx.triggers.model_drift.ModelDriftTrigger",
            {
                "model": self.model,
                "table": self.table,
                "partitions": self.partitions,
                "compared": self.compared,
                "poll_seconds": self.poll_seconds,
                "sfx_conn_id": self.sfx_conn_id,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Check until the version or the batches are others, and yield the event.

        The first check is after a pause: the worker has just made one, and Airflow fails a task
        that is resumed before its worker has ended.
        """
        try:
            is_new = False
            while not is_new:
                await asyncio.sleep(self.poll_seconds * random.uniform(1.0, 1.1))  # noqa: S311
                is_new = await self._is_new()
        except SfxError as error:
            yield failure(error)
        else:
            yield TriggerEvent({"status": "success"})

    async def _is_new(self) -> bool:
        def check() -> bool:
            warehouse = opened_warehouse(self.sfx_conn_id)
            found = digest_of(to_compare(warehouse, self.model, self.table, self.partitions))
            return found not in (None, self.compared)

        try:
            return await asyncio.to_thread(check)
        except WarehouseUnavailable as error:
            self.log.warning("The check failed and will be repeated: %s", error)
            forget(self.sfx_conn_id)
            return False

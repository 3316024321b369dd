"""The trigger of `ModelDriftSensor`, and what the two compare."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import PartitionNotFound, TableNotFound
from airflow_sfx.core.table import TableRef
from airflow_sfx.triggers._base import CheckingTrigger

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


class ModelDriftTrigger(CheckingTrigger):
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
        super().__init__(poll_seconds, sfx_conn_id)
        self.model = model
        self.table = table
        self.partitions = partitions
        self.compared = compared

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

    def is_met(self, warehouse: Warehouse) -> bool:
        """Return whether there is something new to compare.

        Args:
            warehouse: The warehouse.
        """
        found = digest_of(to_compare(warehouse, self.model, self.table, self.partitions))
        return found not in (None, self.compared)

"""Artifacts of versions, within limits, and the batches they were trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_sfx.core.errors import ForeignChange, ModelRefused, PartitionNotFound, TableNotFound
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.models.model import Model, described
from airflow_sfx.models.pin import LATEST, ModelPin
from airflow_sfx.models.registry import ModelRegistry
from airflow_sfx.plugin.web.cache import snapshots
from airflow_sfx.warehouse.json_values import plain
from airflow_sfx.warehouse.pins.input_ends import Cause, InputEnd, ends_of
from airflow_sfx.warehouse.table.log_only import (
    DATABASE,
    LogOnlyMetastore,
    log_only_table,
)
from airflow_sfx.warehouse.table.renamed import table_at
from airflow_sfx.warehouse.table.table import Table

MOST_BYTES = 64 << 20
"""The size of the largest artifact that the page reads; the command line has no such limit."""

MAX_BATCHES = 100
"""Greatest number of training batches of a role that are listed."""


def registry() -> ModelRegistry:
    """Return the models of the page's warehouse."""
    return ModelRegistry(snapshots.warehouse())


def table_of(name: str) -> Table:
    """Return the table of a model.

    Raises:
        PartitionNotFound: There is no such model.
    """
    found = log_only_table(TableRef(DATABASE, name), snapshots.warehouse().store)
    if found is None:
        raise PartitionNotFound(
            f"there is no model {name!r:.80}: `sfx model list` lists those of the warehouse",
            table=f"{DATABASE}.{name}",
        )
    return found


def require_small(table: Table, pin: ModelPin, command: str) -> None:
    """Raise an error for an artifact that is too large for the API server.

    Args:
        table: The model's table.
        pin: The version.
        command: The command that has no such limit.

    Raises:
        ModelRefused: It is too large.
        BatchNotFound: There is no such version.
    """
    size = table.manifest(LATEST, pin.version).bytes
    if size > MOST_BYTES:
        raise ModelRefused(
            f"the artifact of {pin} has {size} bytes, and the page reads at most {MOST_BYTES}: use"
            f" `{command}`"
        )


def artifact(table: Table, pin: ModelPin, command: str) -> Model:
    """Return what an artifact says, without opening its scorer.

    Args:
        table: The model's table.
        pin: The version.
        command: The command that reads larger ones.

    Raises:
        ModelRefused: It is too large, damaged or hostile.
        BatchNotFound: There is no such version.
        InconsistentBatch: It is missing.
    """
    require_small(table, pin, command)
    return described(registry().fetch(pin), str(pin))


def trained_on(role: str, pin: BatchPin, rows: int | None) -> dict[str, Any]:
    """Return the batches of a role, those that are no longer current first.

    Args:
        role: The role; empty if unknown.
        pin: The batches.
        rows: Their rows, or None if unknown.
    """
    ref, ended = _ended(pin)
    ordered = sorted(pin.entries, key=lambda item: item not in ended)
    return {
        "role": role,
        "rows": rows,
        "total": len(ordered),
        "batches": [
            {
                "table": str(ref),
                "partition": item[0],
                "batch_id": item[1],
                **(_state(ended[item]) if item in ended else {"state": "current"}),
            }
            for item in ordered[:MAX_BATCHES]
        ],
    }


def _state(end: InputEnd | None) -> dict[str, Any]:
    """Return how a batch ended, or that this is not known."""
    if end is None:
        return {"state": "unknown"}
    return {
        "state": end.cause,
        "at": end.at,
        "producer": plain(end.producer) if end.at else None,
        "reason": end.reason,
    }


def _ended(pin: BatchPin) -> tuple[TableRef, Mapping[tuple[str, str], InputEnd | None]]:
    """Return what the table of a pin is called now, and how those of its batches ended that did."""
    warehouse = snapshots.warehouse()
    try:
        table = table_at(pin.ref, pin.location, warehouse.store, warehouse.metastore)
    except (TableNotFound, ForeignChange):
        return pin.ref, dict.fromkeys(pin.entries, InputEnd(Cause.DROPPED))
    if isinstance(table.metastore, LogOnlyMetastore):  # a model, which has no pointers
        return table.ref, dict.fromkeys(pin.entries)
    keys = table.info.keys
    pointers = table.pointers(
        [table.layout.partition(one) for one in pin.batches] if keys else None
    )
    ended = [
        (name, batch_id)
        for name, batch_id in pin.entries
        if name not in pointers or pointers[name].batch_id != batch_id
    ]
    ends = ends_of(table, pointers, ended)
    return table.ref, {item: ends.get(item) for item in ended}

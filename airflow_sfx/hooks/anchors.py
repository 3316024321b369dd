"""The batches that a task pins and holds, which it reads again if it is cleared."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_sfx.core.producer import Producer
    from airflow_sfx.core.table import TableRef
    from airflow_sfx.warehouse.pins.holds import Hold
    from airflow_sfx.warehouse.warehouse import Warehouse


def anchor(
    warehouse: Warehouse,
    producer: Producer,
    ref: TableRef,
    partitions: Sequence[Any] | None,
    *,
    until: datetime | None,
    renew: bool = False,
    as_of: datetime | None = None,
    reason: str = "",
) -> Hold:
    """Pin and hold batches for a task, or return what it pinned the first time.

    A run that was asked to pin anew (`Warehouse.repin`) does so once.

    Args:
        warehouse: The warehouse.
        producer: The task.
        ref: The table.
        partitions: The partitions, or None for all.
        until: Until when retention keeps the batches, or None for ever.
        renew: Whether to pin anew in any case.
        as_of: The time whose current batches are pinned, or None for now.
        reason: The reason, recorded in the hold.

    Returns:
        The hold.
    """
    dag_id, run_id = str(producer.dag_id), str(producer.run_id)
    name = f"{dag_id}/{run_id}/{producer.task_id}/{producer.map_index}"
    if not renew and (asked := warehouse.repin_requested(dag_id=dag_id, run_id=run_id)):
        held = warehouse.holds(ref.database, ref.table, name)
        renew = bool(held) and held[0].at < asked
        as_of = None if renew else as_of
    return warehouse.pin_and_hold(
        ref.database,
        ref.table,
        partitions,
        name=name,
        as_of=as_of,
        until=until,
        renew=renew,
        reason=reason,
        producer=producer,
    )


def configured_until() -> datetime:
    """Return until when holds last by Airflow's configuration: ``[sfx] hold_days``."""
    from airflow.sdk.configuration import conf

    return datetime.now(UTC) + timedelta(days=conf.getint("sfx", "hold_days", fallback=90))

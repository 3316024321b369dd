"""Pins for DAGs that start on batches: exactly those of their events."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from airflow_sfx._default import warehouse_of
from airflow_sfx.assets.asset import batch_asset
from airflow_sfx.assets.event_payload import read
from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.hooks.anchors import anchor, configured_until
from airflow_sfx.hooks.task_context import producer_of
from airflow_sfx.serde.partition_key import partition_of_key

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse

_log = logging.getLogger(__name__)


def pins_from_events(
    context: Mapping[str, Any], table: str, *, once: bool = False, sfx_conn_id: str | None = None
) -> BatchPin:
    """Return the pin of the newest event of each key that started a run.

    A run without asset events, which was triggered by hand, gets what is current: the partition of
    its key, or all. It holds them, so that cleared tasks read the same again. So does a run that
    `Warehouse.repin` asked to pin anew.

    Args:
        context: The task's context, ``airflow.sdk.get_current_context()``.
        table: ``database.table``, whose asset the DAG is scheduled on.
        once: Whether each change is for one run of this task only: if Airflow sends an event twice,
            the second run is skipped. Retries and cleared tasks of the first run read it again.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.

    Returns:
        The pin.

    Raises:
        InvalidName: The events that started the run are all of other tables, or one has no pin or
            the pin of another table.
        AirflowSkipException: Another run has claimed these changes already.

    Example:
        In a DAG whose schedule is
        ``PartitionedAssetTimetable(assets=batch_asset("sales.sold_items"))``::

            @task
            def anchor():
                return pins_from_events(get_current_context(), "sales.sold_items", once=True)
    """
    ref = TableRef.parse(table)
    warehouse = warehouse_of(sfx_conn_id)
    run = context["dag_run"]
    by_hand = not list(context["triggering_asset_events"])
    if by_hand or warehouse.repin_requested(dag_id=run.dag_id, run_id=run.run_id):
        return _current(context, ref, warehouse, once=once)
    entries: dict[str, str] = {}
    location = ""
    for event in newest_events(context, ref):
        operation, pin = read(event.extra, event.partition_key)
        if pin.ref != ref:
            raise InvalidName(
                f"an asset event of {ref} has a pin of {pin.ref}: it was forged or edited"
            )
        _log.info(
            "%s of %s, sent by %s at %s",
            operation,
            pin,
            event.source_dag_id or "a writer outside of Airflow",
            event.timestamp,
        )
        entries |= pin.batches
        location = pin.location
    found = BatchPin.of(ref, location, entries)
    return _claimed(context, found, warehouse) if once else found


def _current(
    context: Mapping[str, Any], ref: TableRef, warehouse: Warehouse, *, once: bool
) -> BatchPin:
    """Return the current batches of a run's partition, or of all, and hold them for the run."""
    key = context["dag_run"].partition_key
    held = anchor(
        warehouse,
        producer_of(context),
        ref,
        None if key is None else [partition_of_key(key).values],
        until=configured_until(),
        reason="a run without asset events, or one that was asked to pin anew",
    )
    _log.info("No event: current is %s, pinned %s", held.pin, held.at)
    if once:  # the runs that claimed these changes before do not matter: a person asked for this
        warehouse.take(held.pin, consumer=_consumer(context), run=context["run_id"], newest=True)
    return held.pin


def _consumer(context: Mapping[str, Any]) -> str:
    return f"{context['ti'].dag_id}/{context['ti'].task_id}"


def missed_pins(
    context: Mapping[str, Any],
    table: str,
    *,
    consumer: str,
    since: datetime | None = None,
    sfx_conn_id: str | None = None,
) -> BatchPin | None:
    """Return the current batches that no run of a task has claimed.

    Airflow dropped their events.

    Args:
        context: The context of the running task.
        table: ``database.table``.
        consumer: The task that uses ``pins_from_events(…, once=True)``, as ``dag_id/task_id``.
        since: The earliest time of a change, with a time zone, or None for all changes, including
            those from before the DAG existed.
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.

    Returns:
        The pin of the missed changes, which this run has now claimed; None if there are none.

    Raises:
        TableNotFound: The table does not exist.
        InvalidName: The time has no time zone.

    Example:
        In a DAG that runs now and then::

            @task
            def catch_up():
                context = get_current_context()
                return missed_pins(context, "sales.sold_items", consumer="weekly/anchor")
    """
    ref = TableRef.parse(table)
    warehouse = warehouse_of(sfx_conn_id)
    missed = warehouse.missed(ref.database, ref.table, consumer=consumer, since=since)
    if missed is None:
        return None
    others = warehouse.take(missed, consumer=consumer, run=context["run_id"], newest=True)
    left = {name: batch_id for name, batch_id in missed.batches.items() if name not in others}
    return BatchPin.of(ref, missed.location, left) if left else None


def newest_events(context: Mapping[str, Any], ref: TableRef) -> list[Any]:
    """Return the newest event of each partition key; Airflow does not sort its list.

    Args:
        context: The task's context.
        ref: The table, whose asset the DAG is scheduled on.

    Returns:
        The events.

    Raises:
        InvalidName: The run was started by events of other assets.
    """
    events = context["triggering_asset_events"]
    asset = batch_asset(str(ref))
    found: dict[str | None, Any] = {}
    for event in sorted(
        events[asset] if asset in list(events) else (), key=lambda event: event.timestamp
    ):
        found[event.partition_key] = event
    if not found:
        raise InvalidName(
            f"the run {context['run_id']} was not started by events of {ref}: schedule the DAG"
            " with "
            f'PartitionedAssetTimetable(assets=batch_asset("{ref}")), or [batch_asset("{ref}")] for'
            " a table without partitions;"
            " or pin the current batches with sfx.pin"
        )
    return list(found.values())


def _claimed(context: Mapping[str, Any], pin: BatchPin, warehouse: Warehouse) -> BatchPin:
    """Return the part of a pin whose changes this run has claimed."""
    others = warehouse.take(pin, consumer=_consumer(context), run=context["run_id"])
    left = {name: batch_id for name, batch_id in pin.batches.items() if name not in others}
    if not left:
        raise AirflowSkipException(
            f"{pin} was claimed already, by the run {', '.join(sorted(set(others.values())))}"
        )
    return BatchPin.of(pin.ref, pin.location, left)

"""In a DAG that starts on batches: exactly the batch that its events tell of, each change once."""

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

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse

_log = logging.getLogger(__name__)


def pins_from_events(
    context: Mapping[str, Any], table: str, *, once: bool = False, sfx_conn_id: str | None = None
) -> BatchPin:
    """The pin of the events that started a run: of each partition key the newest one, in whatever order they came.

    Args:
        context: The task's context, ``airflow.sdk.get_current_context()``.
        table: ``database.table``, whose asset the DAG is scheduled on.
        once: Whether each change is for one run of this task only: a run that hears of one again,
            because Airflow sent an event twice, is skipped. Retries and cleared tasks of the run
            that took it read it again.
        sfx_conn_id: The connection of the warehouse; the default warehouse where it is None. Used
            with ``once``.

    Returns:
        The pin.

    Raises:
        InvalidName: No event of the table started the run, or one has no pin or the pin of another
            table.
        AirflowSkipException: Another run has taken these changes already.

    Example:
        In a DAG whose schedule is
        ``PartitionedAssetTimetable(assets=batch_asset("sales.sold_items"))``::

            @task
            def anchor():
                return pins_from_events(get_current_context(), "sales.sold_items", once=True)
    """
    ref = TableRef.parse(table)
    entries: dict[str, str] = {}
    location = ""
    for event in _newest(context, ref):
        operation, pin = read(event.extra, event.partition_key)
        if pin.ref != ref:
            raise InvalidName(
                f"an asset event of {ref} has a pin of {pin.ref}: it was forged or edited"
            )
        _log.info(
            "%s of %s, told by %s at %s",
            operation,
            pin,
            event.source_dag_id or "a writer outside",
            event.timestamp,
        )
        entries |= pin.batches
        location = pin.location
    found = BatchPin.of(ref, location, entries)
    return _taken(context, found, warehouse_of(sfx_conn_id)) if once else found


def missed_pins(
    context: Mapping[str, Any],
    table: str,
    *,
    consumer: str,
    since: datetime | None = None,
    sfx_conn_id: str | None = None,
) -> BatchPin | None:
    """What is current and no run of a task took with ``once``: events that Airflow dropped, found in the ledger.

    Args:
        context: The context of the task that looks.
        table: ``database.table``.
        consumer: The task that takes events with ``pins_from_events(…, once=True)``, as
            ``dag_id/task_id``.
        since: Changes from this time on, with a time zone; None for all, also those from before the
            DAG was there.
        sfx_conn_id: The connection of the warehouse; the default warehouse where it is None.

    Returns:
        The pin of what was missed, which counts as taken by this run now; None if nothing was.

    Raises:
        TableNotFound: There is no such table.
        InvalidName: The time has no time zone.

    Example:
        In a DAG that runs now and then::

            @task
            def look():
                return missed_pins(get_current_context(), "sales.sold_items",
                consumer="weekly/anchor")
    """
    ref = TableRef.parse(table)
    warehouse = warehouse_of(sfx_conn_id)
    missed = warehouse.missed(ref.database, ref.table, consumer=consumer, since=since)
    if missed is None:
        return None
    others = warehouse.take(missed, consumer=consumer, run=context["run_id"], newest=True)
    left = {name: batch_id for name, batch_id in missed.batches.items() if name not in others}
    return BatchPin.of(ref, missed.location, left) if left else None


def _newest(context: Mapping[str, Any], ref: TableRef) -> list[Any]:
    """The newest event of each partition key; the list that Airflow gives is not sorted."""
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
            " a table without partitions; "
            "or pin what is current with sfx.pin"
        )
    return list(found.values())


def _taken(context: Mapping[str, Any], pin: BatchPin, warehouse: Warehouse) -> BatchPin:
    """The part of a pin whose changes are this run's."""
    ti = context["ti"]
    others = warehouse.take(pin, consumer=f"{ti.dag_id}/{ti.task_id}", run=context["run_id"])
    left = {name: batch_id for name, batch_id in pin.batches.items() if name not in others}
    if not left:
        raise AirflowSkipException(
            f"{pin} was taken already, by the run {', '.join(sorted(set(others.values())))}"
        )
    return BatchPin.of(pin.ref, pin.location, left)

"""The asset events of a task, one per partition that it changed, with the pin."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk import Asset, get_current_context

from airflow_sfx.assets.asset import batch_asset
from airflow_sfx.assets.event_payload import EXTRA, SCHEME, asset_uri, written
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.hooks.templates import is_settled
from airflow_sfx.serde.partition_key import event_key, partition_of_name
from airflow_sfx.warehouse.log.events import Committed, Loaded

if TYPE_CHECKING:
    from airflow.sdk import Context

CASCADE = "sfx_cascade"
"""The member of a run's configuration that, when false, keeps its events from being sent."""
MAX_PARTITIONS = 2_000
"""The limit of partitions with different batch IDs whose events are sent.

Each event has the IDs of all, so their size grows with the square.
"""

_log = logging.getLogger(__name__)
_FALSE = ("false", "0", "no")
_ANNOUNCED = ("publish", "rollback", "adopt")


def add_outlet(arguments: dict[str, Any], table: str) -> None:
    """Add the table that a task writes to the outlets among its arguments.

    Args:
        arguments: The operator's arguments.
        table: ``database.table``; a template is not known yet, and adds nothing.
    """
    if not is_settled(table):
        return
    outlets = arguments.get("outlets")
    given = (
        list(outlets)
        if isinstance(outlets, (list, tuple))
        else [outlets]
        if outlets is not None
        else []
    )
    uri = asset_uri(TableRef.parse(table))
    if not any(getattr(one, "uri", None) == uri for one in given):
        given.append(batch_asset(table))
    arguments["outlets"] = given


def emit(
    context: Context,
    pins: Iterable[BatchPin],
    operation: str,
    *,
    cascade: bool | str = True,
    stale: Sequence[str] = (),
) -> None:
    """Send one event per partition of what became current, when the task succeeds.

    A table that is not among the task's outlets, because its name is a template or its run was
    undone, becomes one: Airflow sends its events if any DAG names the asset. Outlets whose tables
    the task did not change are removed, because an outlet of a task that succeeds is an event.

    Args:
        context: The task's context.
        pins: The batches that are current now; none of a task that has staged.
        operation: ``publish`` or ``rollback``.
        cascade: Whether consumers get the events; the run's configuration can turn them off, too,
            with ``{"sfx_cascade": false}``.
        stale: The tables with batches that a rollback left stale, named in its events.
    """
    announced = _announced(context)
    for pin in pins:
        if not pin.entries or _is_false(cascade) or _is_quiet(context):
            announced.pop(asset_uri(pin.ref), None)
        else:
            _announce(context, pin, operation, stale)
    task = context["task"]
    task.outlets = [
        one
        for one in task.outlets
        if not _is_table(one) or (one.uri in announced and not _is_vast(announced[one.uri]))
    ]


def send_outlet_events(work: Committed | Loaded) -> None:
    """Send the events of a task that changes one of its outlets by a public call.

    Args:
        work: A commit or a read of the warehouse.
    """
    if not isinstance(work, Committed) or work.pin is None or work.operation not in _ANNOUNCED:
        return
    try:
        context = get_current_context()
    except RuntimeError:  # no task runs
        return
    outlets, outlet = context["task"].outlets, _outlet_of(context, work.pin)
    if outlet is None:
        return
    if _is_quiet(context):
        context["task"].outlets = [one for one in outlets if one is not outlet]
    else:
        _announce(context, work.pin, work.operation)


def _announce(context: Context, pin: BatchPin, operation: str, stale: Sequence[str] = ()) -> None:
    """Fill in the event of a table, with the partitions of all the task's changes."""
    outlet = _outlet_of(context, pin)
    if outlet is None:
        outlet = batch_asset(str(pin.ref))
        context["task"].outlets = [*context["task"].outlets, outlet]
    before = _announced(context).get(outlet.uri)
    if before is not None and before.location == pin.location:
        pin = BatchPin.of(pin.ref, pin.location, before.batches | pin.batches)
    _announced(context)[outlet.uri] = pin
    if _is_vast(pin):
        _log.warning(
            "%s changed in %d partitions with different batch IDs; the limit for asset events is"
            " %d. None is sent: consumers find the changes with airflow_sfx.assets.missed_pins",
            pin.ref,
            len(pin.entries),
            MAX_PARTITIONS,
        )
        context["task"].outlets = [one for one in context["task"].outlets if one is not outlet]
        return
    event = context["outlet_events"][outlet]
    event.extra = {EXTRA: {**written(pin, operation), **({"stale": list(stale)} if stale else {})}}
    keys = [event_key(partition_of_name(name)) for name in pin.batches if name]
    if keys:
        event.add_partitions(keys)


def _announced(context: Context) -> dict[str, BatchPin]:
    """Return the pins that the task has announced so far, by the assets' URIs."""
    return cast(
        "dict[str, BatchPin]", cast("dict[str, Any]", context).setdefault("sfx_announced", {})
    )


def _outlet_of(context: Context, pin: BatchPin) -> Asset | None:
    """Return the table's asset among the task's outlets."""
    uri = asset_uri(pin.ref)
    return next(
        (one for one in context["task"].outlets if isinstance(one, Asset) and one.uri == uri), None
    )


def _is_vast(pin: BatchPin) -> bool:
    return len(pin.entries) > MAX_PARTITIONS and len({batch_id for _, batch_id in pin.entries}) > 1


def _is_table(outlet: object) -> bool:
    return isinstance(outlet, Asset) and outlet.uri.startswith(f"{SCHEME}://")


def _is_quiet(context: Context) -> bool:
    conf = getattr(context.get("dag_run"), "conf", None) or {}
    return _is_false(conf.get(CASCADE, True))


def _is_false(value: object) -> bool:
    return str(value).strip().lower() in _FALSE

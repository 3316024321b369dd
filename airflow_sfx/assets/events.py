"""The asset events of a task: what was published or rolled back, with its pin, one event a partition."""

from __future__ import annotations

import logging
from collections.abc import Iterable
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

QUIET = "sfx_cascade"
"""The member of a run's configuration that, when false, keeps its events from being sent."""
MOST_TOLD = 2_000
"""Of how many partitions with different batch IDs events are sent: each has the IDs of all, so that they grow as the square."""

_log = logging.getLogger(__name__)
_FALSE = ("false", "0", "no")
_TOLD = ("publish", "rollback", "adopt")


def add_outlet(arguments: dict[str, Any], table: str) -> None:
    """Add the table that a task writes to the outlets among its arguments.

    A task that is made of a mapped one when it runs has the outlets that its DAG file gave it, and
    no others.

    Args:
        arguments: The operator's arguments.
        table: ``database.table``; a template is not known yet, and adds nothing.
    """
    if not is_settled(table) or arguments.get("_airflow_from_mapped"):
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
    context: Context, pins: Iterable[BatchPin], operation: str, *, cascade: bool | str = True
) -> None:
    """Say what became current, with one event a partition, when the task succeeds.

    A table that is not among the task's outlets, because its name is a template or its run was
    undone, is added to them: Airflow sends its events where any DAG names the asset. Tables among
    them that the task has not changed are taken out: an outlet of a task that succeeds is an event.

    Args:
        context: The task's context.
        pins: What is current now; none of a task that has staged.
        operation: ``publish`` or ``rollback``.
        cascade: Whether consumers are to hear of it; the run's configuration may say
            ``{"sfx_cascade": false}``, too.
    """
    said = _said(context)
    for pin in pins:
        if not pin.entries or _says_no(cascade) or _is_quiet(context):
            said.pop(asset_uri(pin.ref), None)
        else:
            _say(context, pin, operation)
    task = context["task"]
    task.outlets = [
        one
        for one in task.outlets
        if not _is_table(one) or (one.uri in said and not _is_vast(said[one.uri]))
    ]


def tell_outlet(work: Committed | Loaded) -> None:
    """Fill in the event of a task that has named the table among its outlets and changes it by a public call.

    Args:
        work: What the warehouse did.
    """
    if not isinstance(work, Committed) or work.pin is None or work.operation not in _TOLD:
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
        _say(context, work.pin, work.operation)


def _say(context: Context, pin: BatchPin, operation: str) -> None:
    """One extra is for all events of an asset: of several changes by one task, it has all partitions."""
    outlet = _outlet_of(context, pin)
    if outlet is None:
        outlet = batch_asset(str(pin.ref))
        context["task"].outlets = [*context["task"].outlets, outlet]
    before = _said(context).get(outlet.uri)
    if before is not None and before.location == pin.location:
        pin = BatchPin.of(pin.ref, pin.location, before.batches | pin.batches)
    _said(context)[outlet.uri] = pin
    if _is_vast(pin):
        _log.warning(
            "%s changed in %d partitions with different batch IDs, and events are sent of up to %d:"
            " none is sent, and consumers find the changes with airflow_sfx.assets.missed_pins",
            pin.ref,
            len(pin.entries),
            MOST_TOLD,
        )
        context["task"].outlets = [one for one in context["task"].outlets if one is not outlet]
        return
    event = context["outlet_events"][outlet]
    event.extra = {EXTRA: written(pin, operation)}
    keys = [event_key(partition_of_name(name)) for name in pin.batches if name]
    if keys:
        event.add_partitions(keys)


def _said(context: Context) -> dict[str, BatchPin]:
    """What the task has said so far, by the assets' URIs."""
    return cast("dict[str, BatchPin]", cast("dict[str, Any]", context).setdefault("sfx_said", {}))


def _outlet_of(context: Context, pin: BatchPin) -> Asset | None:
    """The table's asset among the task's outlets."""
    uri = asset_uri(pin.ref)
    return next(
        (one for one in context["task"].outlets if isinstance(one, Asset) and one.uri == uri), None
    )


def _is_vast(pin: BatchPin) -> bool:
    return len(pin.entries) > MOST_TOLD and len({batch_id for _, batch_id in pin.entries}) > 1


def _is_table(outlet: object) -> bool:
    return isinstance(outlet, Asset) and outlet.uri.startswith(f"{SCHEME}://")


def _is_quiet(context: Context) -> bool:
    conf = getattr(context.get("dag_run"), "conf", None) or {}
    return _says_no(conf.get(QUIET, True))


def _says_no(value: object) -> bool:
    return str(value).strip().lower() in _FALSE

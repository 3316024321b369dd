"""The asset events of a task: what was published or rolled back, with its pin, one event a partition."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from airflow_sfx.assets.asset import batch_asset
from airflow_sfx.assets.message import EXTRA, asset_uri, written
from airflow_sfx.core.event_key import event_key, partition_of_name
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef

if TYPE_CHECKING:
    from airflow.sdk import Context

QUIET = "sfx_cascade"
"""The member of a run's configuration that, when false, keeps its events from being sent."""
_FALSE = ("false", "0", "no")


def add_outlet(arguments: dict[str, Any], table: str) -> None:
    """Add the table that a task writes to the outlets among its arguments.

    A task that is made of a mapped one when it runs has the outlets that its DAG file gave it, and no others.

    Args:
        arguments: The operator's arguments.
        table: ``database.table``; a template is not known yet, and adds nothing.
    """
    if "{" in table or arguments.get("_airflow_from_mapped"):
        return
    outlets = arguments.get("outlets")
    given = list(outlets) if isinstance(outlets, (list, tuple)) else [outlets] if outlets is not None else []
    uri = asset_uri(TableRef.parse(table))
    if not any(getattr(one, "uri", None) == uri for one in given):
        given.append(batch_asset(table))
    arguments["outlets"] = given


def emit(context: Context, pins: Iterable[BatchPin], operation: str, *, cascade: bool | str = True) -> None:
    """Say what became current, with one event a partition, when the task succeeds.

    Args:
        context: The task's context.
        pins: What is current now.
        operation: ``publish`` or ``rollback``.
        cascade: Whether consumers are to hear of it; the run's configuration may say ``{"sfx_cascade": false}``, too.
    """
    told = {(pin.database, pin.table): pin for pin in pins}
    conf = getattr(context.get("dag_run"), "conf", None) or {}
    quiet = _says_no(cascade) or _says_no(conf.get(QUIET, True))
    outlets = context["task"].outlets
    for outlet in [one for one in outlets if isinstance(one, Asset)]:
        pin = told.get(_table_of(outlet) or ("", ""))
        if pin is None:
            continue
        if quiet:
            outlets.remove(outlet)  # an outlet of a task that succeeds is an event
            continue
        event = context["outlet_events"][outlet]
        event.extra = {EXTRA: written(pin, operation)}
        keys = [event_key(partition_of_name(name)) for name in pin.batches if name]
        if keys:
            event.add_partitions(keys)


def _table_of(asset: Asset) -> tuple[str, str] | None:
    scheme, _, rest = asset.uri.partition("://")
    database, _, table = rest.partition("/")
    return (database, table) if scheme == "sfx" else None


def _says_no(value: object) -> bool:
    return str(value).strip().lower() in _FALSE

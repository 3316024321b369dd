"""The extra of an asset event, also for writers that have no Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.partition import escape
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.serde import encode
from airflow_sfx.core.table import MODELS, TableRef
from airflow_sfx.serde.partition_key import event_key, partition_of_key, partition_of_name
from airflow_sfx.serde.pin import READABLE_PARTITIONS, VERSION, dump, load

SCHEME = "sfx"
EXTRA = "sfx"
"""The member of an event's extra that belongs to this package."""


def asset_uri(ref: TableRef) -> str:
    """Return the URI of a table's asset.

    Args:
        ref: The table.

    Returns:
        ``sfx://database/table``.

    Example:
        >>> asset_uri(TableRef("sales", "sold_items"))
        'sfx://sales/sold_items'
    """
    return f"{SCHEME}://{ref.database}/{ref.table}"


def written(pin: BatchPin, operation: str) -> dict[str, Any]:
    """Return an event's extra: the operation and the pin.

    Of many partitions with one batch ID, it has that ID in place of the pin. An event is sent once
    for each of the pin's partitions. That of a model has its versions by alias, too.

    Args:
        pin: The batches that are current now.
        operation: ``publish`` or ``rollback``.

    Returns:
        The value of the member `EXTRA`.

    Example:
        >>> entries = tuple((f"{n:03}", "20161101002256") for n in range(99))
        >>> many = BatchPin("sales", "items", "s3://b/sales.db/items", entries)
        >>> written(many, "publish")["batch_id"]
        '20161101002256'
    """
    head: dict[str, Any] = {"version": VERSION, "operation": operation}
    if pin.database == MODELS:
        head["models"] = {alias: f"{pin.table}/{version}" for alias, version in pin.entries}
    ids = {batch_id for _, batch_id in pin.entries}
    if len(pin.entries) <= READABLE_PARTITIONS or len(ids) > 1:
        return {**head, "pin": dump(pin)}
    sample = pin.entries[0][0]
    named = [step.rpartition("=")[0] for step in sample.split("/")] if "=" in sample else []
    where = {"database": pin.database, "table": pin.table, "location": pin.location, "keys": named}
    return {**head, **where, "batch_id": ids.pop(), "partitions": len(pin.entries)}


def events_of(
    pin: BatchPin, operation: str, **more: object
) -> list[tuple[str | None, dict[str, Any]]]:
    """Return the asset events of a pin, one for each partition.

    Args:
        pin: The batches that are current now.
        operation: ``publish``, ``rollback`` or ``announce``.
        more: Other members of the value of `EXTRA`.

    Returns:
        The partition key of each event, None for a table without partitions, and its extra.

    Example:
        >>> pin = BatchPin("sales", "items", "s3://b/sales.db/items", (("1", "20161101002256"),))
        >>> [(key, extra["sfx"]["operation"]) for key, extra in events_of(pin, "publish")]
        [('1', 'publish')]
    """
    extra = {EXTRA: {**written(pin, operation), **more}}
    return [(event_key(partition_of_name(name)) if name else None, extra) for name in pin.batches]


def read(extra: Mapping[str, Any], key: str | None) -> tuple[str, BatchPin]:
    """Return an event's operation and the checked pin of its partition.

    Args:
        extra: The event's extra.
        key: The event's partition key, or None if it has none.

    Returns:
        The operation and the pin.

    Raises:
        InvalidName: This package did not write the extra, or it was edited.

    Example:
        A table without partitions; the key is that of the run:

        >>> whole = BatchPin("sales", "items", "s3://b/sales.db/items", (("", "20161101002256"),))
        >>> read({"sfx": written(whole, "publish")}, "20161031")[1] == whole
        True
    """
    payload = extra.get(EXTRA)
    if not isinstance(payload, Mapping) or not ("pin" in payload or "batch_id" in payload):
        raise InvalidName(
            f"the asset event has no pin in its extra ({dict(extra)!r:.120}): it was not sent by"
            " this package; airflow_sfx.assets.announce sends one for a writer outside of Airflow"
        )
    operation = str(payload.get("operation", "publish"))
    if "pin" not in payload:
        return operation, _pin_of_key(payload, key)
    pin = load(payload["pin"], payload.get("version", 0))
    # The events of a table without partitions have no key but that of their run.
    if key is None or pin.entries[0][0] == "":
        return operation, pin
    entries = tuple(one for one in pin.entries if event_key(partition_of_name(one[0])) == key)
    if not entries:
        raise InvalidName(
            f"the asset event has the partition key {key!r}, but its pin is of other partitions:"
            f" {pin}"
        )
    return operation, replace(pin, entries=entries)


def _pin_of_key(payload: Mapping[str, Any], key: str | None) -> BatchPin:
    if key is None:
        raise InvalidName(
            f"the asset event has no partition key, but is one of {payload.get('partitions')}"
            " partitions"
        )
    values = [escape(value) for value in partition_of_key(key).values]
    keys = payload.get("keys") or []
    name = (
        "/".join(f"{one}={value}" for one, value in zip(keys, values, strict=True))
        if keys
        else "/".join(values)
    )
    head = {member: payload.get(member) for member in ("database", "table", "location")}
    return BatchPin.from_json(encode({**head, "batches": {name: payload.get("batch_id")}}))

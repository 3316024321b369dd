"""What an asset event says in its extra. Known without Airflow, so that writers outside of it can say it, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.partition import escape
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.serde import encode
from airflow_sfx.core.table import TableRef
from airflow_sfx.serde.partition_key import event_key, partition_of_key, partition_of_name
from airflow_sfx.serde.pin import READABLE_PARTITIONS, VERSION, dump, load

SCHEME = "sfx"
EXTRA = "sfx"
"""The member of an event's extra that holds what this package says."""


def asset_uri(ref: TableRef) -> str:
    """The URI of a table's asset.

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
    """What an event says: what was done, and the pin; of many partitions with one batch ID, that ID alone.

    An event of a pin is written once for each of its partitions.

    Args:
        pin: What is current now.
        operation: ``publish`` or ``rollback``.

    Returns:
        What goes into the event's extra.

    Example:
        >>> many = BatchPin("sales", "items", "s3://b/sales.db/items", tuple((f"{n:03}", "20161101002256") for n in range(99)))
        >>> written(many, "publish")["batch_id"]
        '20161101002256'
    """
    head = {"version": VERSION, "operation": operation}
    ids = {batch_id for _, batch_id in pin.entries}
    if len(pin.entries) <= READABLE_PARTITIONS or len(ids) > 1:
        return {**head, "pin": dump(pin)}
    sample = pin.entries[0][0]
    named = [step.rpartition("=")[0] for step in sample.split("/")] if "=" in sample else []
    where = {"database": pin.database, "table": pin.table, "location": pin.location, "keys": named}
    return {**head, **where, "batch_id": ids.pop(), "partitions": len(pin.entries)}


def read(extra: Mapping[str, Any], key: str | None) -> tuple[str, BatchPin]:
    """What an event says of its partition; it may come from outside, and every part is checked.

    Args:
        extra: The event's extra.
        key: The event's partition key; None where it has none.

    Returns:
        The operation and the pin.

    Raises:
        InvalidName: It says nothing, or nothing that this package has written.

    Example:
        >>> whole = BatchPin("sales", "items", "s3://b/sales.db/items", (("", "20161101002256"),))
        >>> read({"sfx": written(whole, "publish")}, "20161031")[1] == whole  # a run's key, of a table without partitions
        True
    """
    said = extra.get(EXTRA)
    if not isinstance(said, Mapping) or not ("pin" in said or "batch_id" in said):
        raise InvalidName(
            f"the asset event has no pin in its extra ({dict(extra)!r:.120}): it was not sent by"
            " this package; airflow_sfx.assets.announce sends one for a writer outside of Airflow"
        )
    operation = str(said.get("operation", "publish"))
    if "pin" not in said:
        return operation, _pin_of_key(said, key)
    pin = load(said["pin"], said.get("version", 0))
    if (
        key is None or pin.entries[0][0] == ""
    ):  # without partitions its events have no key but their run's
        return operation, pin
    entries = tuple(one for one in pin.entries if event_key(partition_of_name(one[0])) == key)
    if not entries:
        raise InvalidName(
            f"the asset event has the partition key {key!r}, and its pin is of other partitions:"
            f" {pin}"
        )
    return operation, replace(pin, entries=entries)


def _pin_of_key(said: Mapping[str, Any], key: str | None) -> BatchPin:
    if key is None:
        raise InvalidName(
            f"the asset event has no partition key, and is one of {said.get('partitions')}"
            " partitions"
        )
    values = [escape(value) for value in partition_of_key(key).values]
    keys = said.get("keys") or []
    name = (
        "/".join(f"{one}={value}" for one, value in zip(keys, values, strict=True))
        if keys
        else "/".join(values)
    )
    head = {member: said.get(member) for member in ("database", "table", "location")}
    return BatchPin.from_json(encode({**head, "batches": {name: said.get("batch_id")}}))

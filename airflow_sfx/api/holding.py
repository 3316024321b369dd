"""Pins that last, and what consumers have taken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from airflow_sfx.warehouse.pins.holds import DurablePin
from airflow_sfx.api.connecting import warehouse_of


def hold(
    pin: BatchPin,
    name: str,
    *,
    until: datetime | None = None,
    renew: bool = False,
    reason: str = "",
    producer: Producer | None = None,
    warehouse: Warehouse | str | None = None,
) -> DurablePin:
    """Write a pin down beside its table, so that it outlives XCom and retention leaves its batches alone.

    A name's first pin of some partitions stays its pin: a second call gives the first one's, unless
    it renews or the first one's time is over.

    Args:
        pin: The pin.
        name: Whose it is, such as a report's name.
        until: Until when retention leaves the batches alone, with a time zone; None for ever.
        renew: Write this one down even where the name has one.
        reason: Why, for whoever looks.
        producer: Who; the process's own identity when absent.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The durable pin that counts.

    Raises:
        InvalidName: The pin is of another warehouse, the name is empty, or the time is over or has
            no time zone.

    Example:
        >>> sfx.hold(good, "annual accounts").pin == sfx.hold(oops, "annual accounts").pin == good
        True
    """
    return warehouse_of(warehouse).hold(
        pin, name, until=until, renew=renew, reason=reason, producer=producer
    )


def release(
    db: str,
    table: str,
    name: str,
    *,
    reason: str = "",
    producer: Producer | None = None,
    warehouse: Warehouse | str | None = None,
) -> DurablePin | None:
    """End what a name holds durably, before its time: retention may give the batches up, unless another name holds them.

    Args:
        db: The database.
        table: The table.
        name: Whose pins.
        reason: Why, for whoever looks.
        producer: Who; the process's own identity when absent.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        What says so, the name's newest pin; None where it holds nothing.

    Raises:
        TableNotFound: There is no such table.

    Example:
        >>> held = sfx.hold(good, "annual accounts")
        >>> released = sfx.release("sales", "sold_items", "annual accounts", reason="the ten years are over")
        >>> warehouse.holding("sales", "sold_items")
        []
    """
    return warehouse_of(warehouse).release(db, table, name, reason=reason, producer=producer)


def pin_durably(
    db: str,
    table: str,
    partitions: Sequence[object] | None = None,
    *,
    name: str,
    as_of: datetime | None = None,
    until: datetime | None = None,
    renew: bool = False,
    reason: str = "",
    producer: Producer | None = None,
    warehouse: Warehouse | str | None = None,
) -> DurablePin:
    """What a name has pinned already; else pin what is current, or was at a time, and write it down.

    Args:
        db: The database.
        table: The table.
        partitions: Which partitions; None for all. Where the name has pinned other ones, these are
            pinned anew.
        name: Whose pin it is.
        as_of: The time, with a time zone; None for now.
        until: Until when retention leaves the batches alone, with a time zone; None for ever.
        renew: Pin anew in any case.
        reason: Why, for whoever looks.
        producer: Who; the process's own identity when absent.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The durable pin that counts.

    Raises:
        TableNotFound: There is no such table.
        PartitionNotFound: A partition has no batch, or no partition has one.
        InvalidName: The name is empty, or a time has no time zone, or ``until`` is over.

    Example:
        >>> sfx.pin_durably("sales", "sold_items", name="october report").pin == oops
        True
    """
    return warehouse_of(warehouse).pin_durably(
        db,
        table,
        partitions,
        name=name,
        as_of=as_of,
        until=until,
        renew=renew,
        reason=reason,
        producer=producer,
    )


def durable_pins(
    db: str, table: str, name: str | None = None, *, warehouse: Warehouse | str | None = None
) -> list[DurablePin]:
    """What is pinned durably in a table: by whom, since when, until when.

    Args:
        db: The database.
        table: The table.
        name: Whose pin; None for everybody's.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The pins, oldest first; of one name only the one that counts, or none.

    Raises:
        TableNotFound: There is no such table.

    Example:
        >>> held = sfx.hold(good, "annual accounts", reason="signed by the auditor")
        >>> sfx.durable_pins("sales", "sold_items") == [held]
        True
    """
    return warehouse_of(warehouse).durable_pins(db, table, name)

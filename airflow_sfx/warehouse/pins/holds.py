"""Holds: named pins stored beside the table, which retention respects.

Holds outlive XCom. Each name has numbered versions, each written with a conditional create. A task
reads version 1 however often it is cleared; later versions exist only if the hold was renewed or
released.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from airflow_sfx.core.errors import BatchNotFound, InvalidName
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.serde import (
    Number,
    Record,
    Time,
    check_time,
    decode,
    decoding,
    encode,
)
from airflow_sfx.core.validation import zoned
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.storage.consistency import wait_until_visible
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import refuse_retired


@dataclass(frozen=True, slots=True)
class Hold:
    """A named pin that retention respects until it expires or is released.

    Args:
        name: The name: a task instance as ``dag/run/task/map index``, or any text.
        number: The version of this hold, starting at 1.
        pin: The held batches.
        at: When it was made, in UTC.
        until: The time until which retention keeps the batches, in UTC, or None for no limit.
        producer: Who made it.
        reason: The reason.
        released: Whether this version releases the name's earlier versions.

    Example:
        >>> import tempfile, pandas as pd, airflow_sfx as sfx
        >>> warehouse = sfx.connect(f"embedded://{tempfile.mkdtemp()}")
        >>> frame = pd.DataFrame({"n": [1]})
        >>> pin = warehouse.store_dataframe(frame, "sales", "sold_items", ["20161031"])
        >>> held = warehouse.hold(pin, "annual accounts", reason="signed")
        >>> held.name, held.number, held.pin == pin, held.until
        ('annual accounts', 1, True, None)
    """

    name: str
    number: int
    pin: BatchPin
    at: datetime
    until: datetime | None = None
    producer: Producer = field(default_factory=Producer)
    reason: str = ""
    released: bool = False


def hold(
    table: Table, name: str, pin: BatchPin, author: Author, *, until: datetime | None, renew: bool
) -> Hold:
    """Hold a pin, unless its name already has a hold in force.

    Args:
        table: The pin's table.
        name: The name of the hold.
        pin: The batches.
        author: Who holds, and why.
        until: The time until which retention keeps the batches, or None for no limit.
        renew: Whether to replace an existing hold of the same partitions.

    Returns:
        The hold in force: the new one, or the existing one.

    Raises:
        InvalidName: The name is empty, or the time is past or has no time zone.
        BatchNotFound: A batch has expired.
    """
    if until is not None:
        until = zoned(until, "until")
        if until <= datetime.now(UTC):
            raise InvalidName(
                f"until={until.isoformat()} is in the past",
                cli_rule=f"{until.isoformat()} is in the past",
                remedy="pass a future time, or None for no limit",
                cli_remedy="name a future time by --until, or omit it for no limit",
            )
    there = before = newest(table, name)
    while there is None or renew or not _holds(there, pin):
        refuse_retired(table, pin.batches.items())
        number = there.number + 1 if there else 1
        made = Hold(name, number, pin, datetime.now(UTC), until, author.producer, author.reason)
        path = table.layout.hold(name, number)
        if table.store.put_if_absent(path, _to_text(made).encode()):
            try:
                refuse_retired(table, pin.batches.items())
            except BatchNotFound:  # expired at this moment: the rejected hold must not stay
                _withdraw(table, made, before)
                raise
            return made
        there = wait_until_visible(table.store, partial(_read, table, name, number))
    return there


def _holds(there: Hold, pin: BatchPin) -> bool:
    """Return whether an existing hold is in force and of the same partitions."""
    if there.released or _is_over(there, datetime.now(UTC)):
        return False
    return set(there.pin.batches) == set(pin.batches)


def _is_over(one: Hold, now: datetime) -> bool:
    return one.until is not None and one.until <= now


def _withdraw(table: Table, refused: Hold, before: Hold | None) -> None:
    """Restore what the name held before a rejected hold, without a gap."""
    if before is None or before.released:
        again = replace(refused, number=refused.number + 1, until=None, released=True)
    else:
        again = replace(before, number=refused.number + 1, at=datetime.now(UTC))
    table.store.put_if_absent(
        table.layout.hold(refused.name, again.number), _to_text(again).encode()
    )


def release(table: Table, name: str, author: Author) -> Hold | None:
    """Release a hold before it expires.

    Args:
        table: The table.
        name: The name of the hold.
        author: Who releases, and why.

    Returns:
        The releasing version, or None if the name holds nothing.
    """
    there = newest(table, name)
    while there is not None and not there.released:
        number = there.number + 1
        made = Hold(
            name,
            number,
            there.pin,
            datetime.now(UTC),
            None,
            author.producer,
            author.reason,
            released=True,
        )
        if table.store.put_if_absent(table.layout.hold(name, number), _to_text(made).encode()):
            return made
        there = wait_until_visible(table.store, partial(_read, table, name, number))
    return None


def holding(table: Table, now: datetime) -> list[Hold]:
    """List the holds in force, oldest first.

    Earlier versions of renewed holds stay in force until they expire or are released.

    Args:
        table: The table.
        now: The time, in UTC.

    Returns:
        The holds.
    """
    pins = holds(table)
    released: dict[str, int] = {}
    for one in pins:
        if one.released:
            released[one.name] = max(one.number, released.get(one.name, 0))
    return [
        one for one in pins if one.number > released.get(one.name, 0) and not _is_over(one, now)
    ]


def standing(table: Table, name: str, partitions: Sequence[Partition] | None) -> Hold | None:
    """Return a name's newest hold if it is of these partitions and not released.

    Args:
        table: The table.
        name: The name of the hold.
        partitions: The partitions, or None for any.

    Returns:
        The hold, or None.
    """
    there = newest(table, name)
    if there is None or there.released:
        return None
    if partitions is None:
        return there
    wanted = {table.layout.name(partition) for partition in partitions}
    return there if wanted == set(there.pin.batches) else None


def newest(table: Table, name: str) -> Hold | None:
    """Return the newest version of a name's hold, or None if it has none."""
    if not isinstance(name, str) or not name.strip():
        raise InvalidName(
            f"{name!r:.80} is not a name for a hold: pass text, such as the name of a report"
        )
    found = None
    number = 1
    while (one := _read(table, name, number)) is not None:
        found, number = one, number + 1
    return found


def holds(table: Table) -> list[Hold]:
    """List all holds of a table, oldest first."""
    paths = [info.path for info in table.store.list(table.layout.pins)]
    found = map_concurrently(
        lambda path: _parsed(table, table.store.get(path) or b"", path),
        paths,
        table.store.concurrency,
    )
    return sorted(found, key=lambda one: (one.at, one.name, one.number))


def of_tables(tables: Sequence[Table], find: Callable[[Table], list[Hold]]) -> list[Hold]:
    """Return the holds of several tables, oldest first.

    Args:
        tables: The tables.
        find: Returns the holds of one.
    """
    found = map_concurrently(find, tables, tables[0].store.concurrency if tables else 1)
    return sorted(
        (one for some in found for one in some),
        key=lambda one: (one.at, str(one.pin.ref), one.name, one.number),
    )


def _read(table: Table, name: str, number: int) -> Hold | None:
    path = table.layout.hold(name, number)
    data = table.store.get(path)
    return None if data is None else _parsed(table, data, path)


def _to_text(one: Hold) -> str:
    return encode(
        {
            "name": one.name,
            "number": one.number,
            "pin": one.pin.to_json(),
            "at": one.at.isoformat(),
            "until": one.until.isoformat() if one.until else None,
            "producer": one.producer.to_json(),
            "reason": one.reason,
            **({"released": True} if one.released else {}),
        }
    )


def _parsed(table: Table, data: bytes, path: str) -> Hold:
    record = decode(data, _HoldRecord, path)
    with decoding(path):
        pin = table.pin(BatchPin.from_json(record.pin).batches)  # the table may have moved
        for name in pin.batches:
            table.layout.partition(name)
        return Hold(
            name=record.name,
            number=record.number,
            pin=pin,
            at=check_time(record.at, "at"),
            until=record.until and check_time(record.until, "until", future=True),
            producer=record.producer,
            reason=record.reason,
            released=record.released,
        )


class _HoldRecord(Record):
    name: str
    number: Number
    pin: str
    at: Time
    producer: Producer
    reason: str
    until: Time | None = None
    released: bool = False

"""Holds: what somebody has pinned, written down beside the table, so that it outlives XCom.

Each name has numbered pins, every one created where none was. The first is what a task reads
however often it is cleared; a later one is there only where somebody asked to pin anew, or released
what the name held.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    """A pin that is written down.

    Args:
        name: Whose it is: a task instance as ``dag/run/task/map index``, or any text.
        number: The how manieth pin of that name, from 1.
        pin: Exactly which batches.
        at: When it was pinned, in UTC.
        until: Until when retention leaves the batches alone, in UTC; None for ever.
        producer: Who pinned.
        reason: Why, in their words.
        released: Whether the name holds nothing any more, by this and all of its pins before.

    Example:
        >>> import tempfile, pandas as pd, airflow_sfx as sfx
        >>> warehouse = sfx.connect(f"embedded://{tempfile.mkdtemp()}")
        >>> pin = warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "sales", "sold_items", ["20161031"])
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
    """Write a pin down, unless its name has one that is not over.

    Args:
        table: The pin's table.
        name: Whose it is.
        pin: Which batches.
        author: Who and why.
        until: Until when retention leaves them alone.
        renew: Write it down even where the name has one of the same partitions: the newest counts.

    Returns:
        The pin that counts: this one, or the one that was there.

    Raises:
        InvalidName: The name is empty, or the time is over or has no time zone.
        BatchNotFound: A batch is retired.
    """
    if until is not None:
        until = zoned(until, "until")
        if until <= datetime.now(UTC):
            raise InvalidName(
                f"until={until.isoformat()} is over, and would hold nothing: pass a time to come,"
                " or None for ever"
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
            except (
                BatchNotFound
            ):  # retired at this very moment; nobody may find later what was refused
                _take_back(table, made, before)
                raise
            return made
        there = wait_until_visible(table.store, partial(_read, table, name, number))
    return there


def _holds(there: Hold, pin: BatchPin) -> bool:
    """Whether a name's pin keeps retention away from the partitions that are to be held."""
    if there.released or _is_over(there, datetime.now(UTC)):
        return False
    return set(there.pin.batches) == set(pin.batches)


def _is_over(one: Hold, now: datetime) -> bool:
    return one.until is not None and one.until <= now


def _take_back(table: Table, refused: Hold, before: Hold | None) -> None:
    """What the name held before counts again, and stays held all the while; where it held nothing, it does so again."""
    if before is None or before.released:
        again = replace(refused, number=refused.number + 1, until=None, released=True)
    else:
        again = replace(before, number=refused.number + 1, at=datetime.now(UTC))
    table.store.put_if_absent(
        table.layout.hold(refused.name, again.number), _to_text(again).encode()
    )


def release(table: Table, name: str, author: Author) -> Hold | None:
    """Hold by a name nothing any more: retention may give up what it held, unless another name holds it.

    Args:
        table: The table.
        name: The name.
        author: Who and why.

    Returns:
        What says so; None where the name holds nothing.
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
    """The holds that keep retention away, oldest first: not over, nor released; also where the name has pinned anew since.

    Args:
        table: The table.
        now: The time, in UTC.
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
    """The pin of a name that counts, if it is of these partitions; None if it has none.

    Args:
        table: The table.
        name: Whose pin.
        partitions: Which partitions; None for whichever it has.
    """
    there = newest(table, name)
    if there is None or there.released:
        return None
    if partitions is None:
        return there
    wanted = {table.layout.name(partition) for partition in partitions}
    return there if wanted == set(there.pin.batches) else None


def newest(table: Table, name: str) -> Hold | None:
    """The pin of a name that counts; None if it has none."""
    if not isinstance(name, str) or not name.strip():
        raise InvalidName(
            f"{name!r:.80} is no name for a hold: pass who holds it, such as the name of a report"
        )
    found = None
    number = 1
    while (one := _read(table, name, number)) is not None:
        found, number = one, number + 1
    return found


def holds(table: Table) -> list[Hold]:
    """All holds of a table, oldest first."""
    paths = [info.path for info in table.store.list(table.layout.pins)]
    found = map_concurrently(
        lambda path: _parsed(table, table.store.get(path) or b"", path),
        paths,
        table.store.concurrency,
    )
    return sorted(found, key=lambda one: (one.at, one.name, one.number))


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
        pin = table.pin(BatchPin.from_json(record.pin).batches)  # wherever the table is now
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

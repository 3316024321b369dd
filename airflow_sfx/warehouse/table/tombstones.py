"""Tombstones: records of retired batches, which are deleted later.

A tombstone is written before its batches are retired in the log. A process that refers to a
batch reads the tombstones *after* its reference is visible to others, and a process that deletes
batches reads the references *after* its tombstone is visible. So one of the two always sees the
other, and no batch with a granted reference is deleted. This is the order of Dekker's and
Peterson's algorithms for mutual exclusion. It needs an object store whose writes are visible to
every later read, as those of S3 are since December 2020.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_sfx.core.batch_id import batch_id_at, check_batch_id, moment_of
from airflow_sfx.core.errors import BatchNotFound
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.serde import (
    Count,
    Record,
    Time,
    check_time,
    decode,
    decoding,
    encode,
)
from airflow_sfx.storage.concurrency import map_concurrently, put_all
from airflow_sfx.storage.consistency import wait_until_visible

if TYPE_CHECKING:
    from airflow_sfx.warehouse.table.table import Table

UNFINISHED_FOR = timedelta(days=1)
"""For how long an unreferenced directory may belong to a running writer."""
_SURELY_WRITING = UNFINISHED_FOR - timedelta(hours=1)  # clocks differ

Batches = Mapping[str, tuple[str, ...]]
"""Batch IDs by partition name."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """The batch that replaces one whose rows had to be erased.

    Args:
        batch_id: The batch.
        rows: Its number of rows.
        bytes: Its size in bytes.
        staged: Whether it is staged, as the replaced batch was.
    """

    batch_id: str
    rows: Count
    bytes: Count
    staged: bool = False


Versions = Mapping[tuple[str, str], Replacement]
"""By partition name and batch ID, the replacement of a batch of which rows were erased."""

_INTENT, _RETIRED, _DONE = "intent.json", "retired.json", "done.json"
_ERASURE = "-erasure"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The batches that one retention or erasure retires, and its progress.

    Args:
        name: The tombstone's name, which sorts by time.
        batches: The batches that are to be retired.
        at: When it was written, in UTC.
        delete_after: When the files may be deleted, in UTC.
        producer: Who retires them.
        reason: Why, in the words of the author.
        replaced: By partition name and batch ID, the replacements of batches of which rows are
            erased.
        despite_pins: Whether the files are deleted even if a hold protects them.
        retired: The batches that the log retired, with replacements that lost to those of
            another erasure, or None while that is not confirmed.
        done: Whether all of its batches are deleted.
    """

    name: str
    batches: Batches
    at: datetime
    delete_after: datetime
    producer: Producer = field(default_factory=Producer)
    reason: str = ""
    replaced: Mapping[str, Mapping[str, Replacement]] = field(default_factory=dict)
    despite_pins: bool = False
    retired: Batches | None = None
    done: bool = False

    @property
    def refused(self) -> Batches:
        """The batches that get no new references."""
        return self.batches if self.retired is None else self.retired

    @property
    def instead(self) -> Mapping[str, Mapping[str, Replacement]]:
        """The confirmed replacements by partition name and batch ID.

        Before the confirmation, another erasure may be the first to replace a batch, and references
        to it are rejected.
        """
        confirmed = {name: set(ids) for name, ids in (self.retired or {}).items()}
        return {
            name: {old: new for old, new in news.items() if old in confirmed.get(name, ())}
            for name, news in self.replaced.items()
        }


@dataclass(frozen=True, slots=True)
class Tombstones:
    """The tombstones of a table at one moment.

    Args:
        active: Those that are in force, oldest first.
        some_done: Whether there are tombstones whose batches are all deleted.
    """

    active: list[Tombstone]
    some_done: bool


def write(table: Table, tombstone: Tombstone) -> Tombstone:
    """Write a tombstone, before its batches are retired in the log."""
    text = {
        "batches": {name: list(ids) for name, ids in tombstone.batches.items()},
        "at": tombstone.at.isoformat(),
        "delete_after": tombstone.delete_after.isoformat(),
        "producer": tombstone.producer.to_json(),
        "reason": tombstone.reason,
        "replaced": {
            name: {old: asdict(new) for old, new in news.items()}
            for name, news in tombstone.replaced.items()
        },
        "despite_pins": tombstone.despite_pins,
    }
    table.store.put_if_absent(_path(table, tombstone.name, _INTENT), encode(text).encode())
    return tombstone


def name_at(moment: datetime, *, erasure: bool = False) -> str:
    """Return a unique name for a tombstone."""
    return f"{batch_id_at(moment)}-{uuid.uuid4().hex}{_ERASURE if erasure else ''}"


def first_to_replace(table: Table, tombstone: Tombstone) -> dict[str, dict[str, Replacement]]:
    """Return the replacements of an erasure that are the first ones of their batches.

    Two erasures may replace the same batch at the same time, each by one that still has the other's
    rows. Only the first replacement counts, and the other erasure searches it again. The tombstone
    must be visible to others before the call.

    Args:
        table: The table.
        tombstone: The erasure's tombstone.

    Returns:
        Replacements by partition name and batch ID.
    """
    items = [(name, old) for name, news in tombstone.replaced.items() for old in news]
    text = encode({"note": tombstone.name}).encode()
    first = put_all(table.store, [(table.layout.replaced(name, old), text) for name, old in items])
    found: dict[str, dict[str, Replacement]] = {}
    for (name, old), is_first in zip(items, first, strict=True):
        if is_first:
            found.setdefault(name, {})[old] = tombstone.replaced[name][old]
    return found


def confirm(table: Table, tombstone: Tombstone, retired: Batches) -> Batches:
    """Record the batches that the log retired; return the first such record."""
    text = encode({"batches": {name: list(ids) for name, ids in retired.items()}})
    path = _path(table, tombstone.name, _RETIRED)
    table.store.put_if_absent(path, text.encode())
    data = wait_until_visible(table.store, lambda: table.store.get(path))
    return _retired(data, path)


def finish(table: Table, tombstone: Tombstone) -> None:
    """Record that all batches of a tombstone are deleted."""
    table.store.put_if_absent(_path(table, tombstone.name, _DONE), b"{}")


def list_tombstones(table: Table, *, ended: bool = False) -> list[Tombstone]:
    """Return the tombstones of a table that are in force, oldest first.

    A table without tombstones costs one listing.

    Args:
        table: The table.
        ended: Whether to read those whose batches are all deleted, too; those of erasures are
            always read.

    Returns:
        The tombstones.
    """
    return _opened(table, _listed(table), ended=ended)


def read_tombstones(table: Table) -> Tombstones:
    """Return the tombstones in force, and whether there are others."""
    listed = _listed(table)
    return Tombstones(_opened(table, listed), any(_DONE in kinds for _, kinds in listed))


def refused_by(known: Iterable[Tombstone]) -> set[tuple[str, str]]:
    """Return the batches, by partition name and batch ID, that get no new references."""
    return {
        (name, one) for tombstone in known for name, ids in tombstone.refused.items() for one in ids
    }


def _naming(known: Iterable[Tombstone], name: str, batch_id: str) -> Tombstone | None:
    return next(
        (tombstone for tombstone in known if batch_id in tombstone.refused.get(name, ())), None
    )


def refuse_retired(
    table: Table, batches: Iterable[tuple[str, str]], seen: Tombstones | None = None
) -> None:
    """Raise an error for a reference to a retired batch.

    The reference must be visible to others before the call.

    Args:
        table: The table.
        batches: Partition names and batch IDs.
        seen: Tombstones that were read after the reference became visible, or None to read them.
            They may be older if the log rejects a change that comes too late.

    Raises:
        BatchNotFound: One is retired, or deleted.
    """
    seen = seen or read_tombstones(table)
    wanted = list(batches)
    for name, batch_id in wanted:
        if tombstone := _naming(seen.active, name, batch_id):
            raise retired_error(table, tombstone, name, batch_id)
    if seen.some_done:
        there = table.sealed(wanted)
        for name, batch_id in wanted:
            if (name, batch_id) not in there and (error := retirement_of(table, name, batch_id)):
                raise error


def refuse_expired_writes(table: Table, batches: Collection[tuple[str, str]]) -> None:
    """Raise an error for slowly written batches that an erasure has expired.

    Files of theirs may be deleted, so the check comes after their last file. Batches that are young
    enough cost no request.

    Args:
        table: The table.
        batches: Partition names and batch IDs.

    Raises:
        BatchNotFound: One is retired, or deleted.
    """
    until = datetime.now(UTC) - _SURELY_WRITING
    old = [(name, batch_id) for name, batch_id in batches if moment_of(batch_id) < until]
    known = list_tombstones(table, ended=True) if old else []
    for name, batch_id in old:
        if tombstone := _naming(known, name, batch_id):
            remedy = (
                "writing it took longer than a day, and a part of it may be gone: run the job again"
            )
            raise retired_error(table, tombstone, name, batch_id, remedy)


def retirement_of(table: Table, name: str, batch_id: str) -> BatchNotFound | None:
    """Return the error for a batch that was retired, or None for one that was not."""
    tombstone = _naming(list_tombstones(table, ended=True), name, batch_id)
    return retired_error(table, tombstone, name, batch_id) if tombstone else None


def versions(known: Iterable[Tombstone]) -> Versions:
    """Return the replacements of batches of which rows were erased.

    If two tombstones name a batch, only one has retired it (`first_to_replace`).

    Args:
        known: The table's tombstones.

    Returns:
        The last replacement of each, by partition name and batch ID.
    """
    direct = {
        (name, old): new
        for tombstone in known
        for name, news in tombstone.instead.items()
        for old, new in news.items()
    }
    found = {}
    for (name, old), first in direct.items():
        last, passed = first, {old}
        while (
            name,
            last.batch_id,
        ) in direct and last.batch_id not in passed:  # a forged tombstone may lead back
            passed.add(last.batch_id)
            last = direct[name, last.batch_id]
        found[name, old] = last
    return found


def retired_error(
    table: Table, tombstone: Tombstone, name: str, batch_id: str, remedy: str = ""
) -> BatchNotFound:
    """Return the error for a retired batch, which names its replacement or a remedy."""
    replaced = tombstone.instead.get(name, {}).get(batch_id)
    who = tombstone.producer.user or tombstone.producer.dag_id or "an unknown author"
    place = f"{table.ref} {name}".rstrip()
    why = f" ({tombstone.reason})" if tombstone.reason else ""
    instead = (
        f"the batch {replaced.batch_id} in its place"
        if replaced
        else f"a later batch: `sfx history {place}`"
    )
    return BatchNotFound(
        f"the batch {batch_id} of {table.describe(name)} was retired on"
        f" {tombstone.at:%Y-%m-%d %H:%M} UTC by {who}{why}, and its files are deleted from"
        f" {tombstone.delete_after:%Y-%m-%d %H:%M} UTC on; {remedy or f'use {instead}'}",
        table=str(table.ref),
        partition=name,
        batch_id=batch_id,
    )


def _listed(table: Table) -> list[tuple[str, set[str]]]:
    """Return the tombstones' names, oldest first, with their kinds of objects."""
    found: dict[str, set[str]] = {}
    for info in table.store.list(table.layout.retired):
        name, _, kind = info.path.removeprefix(f"{table.layout.retired}/").rpartition("/")
        found.setdefault(name, set()).add(kind)
    return [(name, kinds) for name, kinds in sorted(found.items()) if _INTENT in kinds]


def _opened(
    table: Table, listed: list[tuple[str, set[str]]], *, ended: bool = False
) -> list[Tombstone]:
    wanted = [
        (name, kinds)
        for name, kinds in listed
        if ended or _DONE not in kinds or name.endswith(_ERASURE)
    ]
    return map_concurrently(lambda item: _read(table, *item), wanted, table.store.concurrency)


def _path(table: Table, name: str, kind: str) -> str:
    return f"{table.layout.retired}/{name}/{kind}"


def _read(table: Table, name: str, kinds: set[str]) -> Tombstone:
    where = _path(table, name, _INTENT)
    record = decode(table.store.get(where), _IntentRecord, where)
    path = _path(table, name, _RETIRED)
    retired = _retired(table.store.get(path), path) if _RETIRED in kinds else None
    with decoding(where):
        _check_batch_ids(record)
        for replaced in record.replaced.values():
            for old, new in replaced.items():
                check_batch_id(old)
                check_batch_id(new.batch_id)
        return Tombstone(
            name,
            record.batches,
            check_time(record.at, "at"),
            check_time(record.delete_after, "delete_after"),
            record.producer,
            record.reason,
            record.replaced,
            record.despite_pins,
            retired,
            _DONE in kinds,
        )


def _retired(data: bytes | None, path: str) -> Batches:
    return decode(data, _RetiredRecord, path, _check_batch_ids).batches


def _check_batch_ids(record: _RetiredRecord | _IntentRecord) -> None:
    for ids in record.batches.values():
        for batch_id in ids:
            check_batch_id(batch_id)


class _RetiredRecord(Record):
    batches: dict[str, tuple[str, ...]]


class _IntentRecord(Record):
    batches: dict[str, tuple[str, ...]]
    at: Time
    delete_after: Time
    producer: Producer
    reason: str
    replaced: dict[str, dict[str, Replacement]]
    despite_pins: bool

"""Tombstones: batches that get no new references, and are deleted when due.

A note is written before its batches' ledgers say so, and whoever refers to a batch looks at the
notes *after* the reference can be seen by others; whoever deletes looks at the references *after*
the note can be seen. So one of the two always sees the other: no batch that a reference was granted
for is deleted. (The order of flag and look is that of Dekker's and Peterson's algorithms for mutual
exclusion; it needs storage that shows a write to every later read, as S3 does since December 2020.)
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
"""For how long a directory that nothing names may still be somebody's who writes."""
_SURELY_WRITING = UNFINISHED_FOR - timedelta(hours=1)  # clocks differ

Batches = Mapping[str, tuple[str, ...]]
"""Batch IDs by partition name."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """The batch that took the place of one whose rows had to be erased.

    Args:
        batch_id: The batch.
        rows: Its rows.
        bytes: Its bytes.
        staged: Whether it waits to be published, as the other one did.
    """

    batch_id: str
    rows: Count
    bytes: Count
    staged: bool = False


Versions = Mapping[tuple[str, str], Replacement]
"""By partition name and batch ID, what stands for a batch of which rows were erased."""

_INTENT, _RETIRED, _DONE = "intent.json", "retired.json", "done.json"
_ERASURE = "-erasure"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What one call of retention or of an erasure wants to retire, and how far it came.

    Args:
        name: The note's name, which sorts by time.
        batches: What it set out to retire.
        at: When, in UTC.
        delete_after: When the files may be deleted, in UTC.
        producer: Who.
        reason: Why.
        replaced: By partition name and batch ID, what is to take the place of batches of which rows
            are erased.
        despite_pins: Whether the files are deleted even where a hold holds them.
        retired: What was retired in the ledgers, and what was to replace batches that another
            erasure was the first to replace; None while that is not sure.
        done: Whether all of it is deleted.
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
        """What nobody may refer to anew."""
        return self.batches if self.retired is None else self.retired

    @property
    def instead(self) -> Mapping[str, Mapping[str, Replacement]]:
        """The replacements of erased batches, by partition name and batch ID.

        Until then another erasure may be the first to replace one of them, and whoever refers to it
        is refused.
        """
        sure = {name: set(ids) for name, ids in (self.retired or {}).items()}
        return {
            name: {old: new for old, new in news.items() if old in sure.get(name, ())}
            for name, news in self.replaced.items()
        }


@dataclass(frozen=True, slots=True)
class Tombstones:
    """What the notes of a table said at one moment.

    Args:
        notes: Those that anybody must heed, oldest first.
        some_done: Whether the batches of any note are all deleted.
    """

    notes: list[Tombstone]
    some_done: bool


def write(table: Table, note: Tombstone) -> Tombstone:
    """Note what is to be retired, before anything else says so."""
    text = {
        "batches": {name: list(ids) for name, ids in note.batches.items()},
        "at": note.at.isoformat(),
        "delete_after": note.delete_after.isoformat(),
        "producer": note.producer.to_json(),
        "reason": note.reason,
        "replaced": {
            name: {old: asdict(new) for old, new in news.items()}
            for name, news in note.replaced.items()
        },
        "despite_pins": note.despite_pins,
    }
    table.store.put_if_absent(_path(table, note.name, _INTENT), encode(text).encode())
    return note


def name_at(moment: datetime, *, erasure: bool = False) -> str:
    """A name for a note, of which there is no other."""
    return f"{batch_id_at(moment)}-{uuid.uuid4().hex}{_ERASURE if erasure else ''}"


def first_to_replace(table: Table, note: Tombstone) -> dict[str, dict[str, Replacement]]:
    """Return what an erasure is the first to replace; the answer never changes.

    Two erasures may replace the same batch at once, each with one that has the other's rows. Only
    one of these may stand for it, and the other erasure searches that one again. It is called when
    others can see the note.

    Args:
        table: The table.
        note: What the erasure noted.

    Returns:
        By partition name and batch ID, what takes the place of batches.
    """
    items = [(name, old) for name, news in note.replaced.items() for old in news]
    text = encode({"note": note.name}).encode()
    first = put_all(table.store, [(table.layout.replaced(name, old), text) for name, old in items])
    found: dict[str, dict[str, Replacement]] = {}
    for (name, old), is_first in zip(items, first, strict=True):
        if is_first:
            found.setdefault(name, {})[old] = note.replaced[name][old]
    return found


def confirm(table: Table, note: Tombstone, retired: Batches) -> Batches:
    """Record which batches the ledgers expired; return the first record, which counts."""
    text = encode({"batches": {name: list(ids) for name, ids in retired.items()}})
    path = _path(table, note.name, _RETIRED)
    table.store.put_if_absent(path, text.encode())
    data = wait_until_visible(table.store, lambda: table.store.get(path))
    return _retired(data, path)


def finish(table: Table, note: Tombstone) -> None:
    """Note that all of it is deleted."""
    table.store.put_if_absent(_path(table, note.name, _DONE), b"{}")


def list_tombstones(table: Table, *, ended: bool = False) -> list[Tombstone]:
    """Return the tombstones in effect, oldest first; one listing if there are none.

    Args:
        table: The table.
        ended: Whether to read also those whose batches are all deleted; of erasures they are always
            read.

    Returns:
        The notes.
    """
    return _opened(table, _listed(table), ended=ended)


def read_tombstones(table: Table) -> Tombstones:
    """Return the tombstones in effect, and whether there are others, from one listing."""
    listed = _listed(table)
    return Tombstones(_opened(table, listed), any(_DONE in kinds for _, kinds in listed))


def refused_by(known: Iterable[Tombstone]) -> set[tuple[str, str]]:
    """Return the batches that get no new references because of a tombstone.

    Batches are pairs of partition name and batch ID.
    """
    return {(name, one) for note in known for name, ids in note.refused.items() for one in ids}


def _naming(known: Iterable[Tombstone], name: str, batch_id: str) -> Tombstone | None:
    return next((note for note in known if batch_id in note.refused.get(name, ())), None)


def refuse_retired(
    table: Table, batches: Iterable[tuple[str, str]], seen: Tombstones | None = None
) -> None:
    """Refuse a reference to a batch that is retired; called when others can see the reference.

    Args:
        table: The table.
        batches: Partition names and batch IDs.
        seen: What the notes said, where they were looked at; not from before others could see the
            reference, unless its batches' ledgers refuse a change that comes too late.

    Raises:
        BatchNotFound: One is retired, or deleted.
    """
    seen = seen or read_tombstones(table)
    wanted = list(batches)
    for name, batch_id in wanted:
        if note := _naming(seen.notes, name, batch_id):
            raise retired_error(table, note, name, batch_id)
    if seen.some_done:
        paths = [table.layout.manifest(name, batch_id) for name, batch_id in wanted]
        there = map_concurrently(table.store.head, paths, table.store.concurrency)
        for (name, batch_id), info in zip(wanted, there, strict=True):
            if info is None and (error := retirement_of(table, name, batch_id)):
                raise error


def refuse_expired_writes(table: Table, batches: Collection[tuple[str, str]]) -> None:
    """Reject batches so old that an erasure may have taken them for unfinished ones.

    It may have deleted files of theirs, so it is called when it is known what their files are. It
    asks for nothing where they are as young as unfinished ones may be.

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
        if note := _naming(known, name, batch_id):
            remedy = (
                "writing it took longer than a day, and a part of it may be gone: run the job again"
            )
            raise retired_error(table, note, name, batch_id, remedy)


def retirement_of(table: Table, name: str, batch_id: str) -> BatchNotFound | None:
    """Return the error for an expired batch, deleted or not, or None for another."""
    note = _naming(list_tombstones(table, ended=True), name, batch_id)
    return retired_error(table, note, name, batch_id) if note else None


def versions(known: Iterable[Tombstone]) -> Versions:
    """What stands for batches of which rows were erased now, by partition name and batch ID.

    Of two notes that name a batch, one has it retired (`first_to_replace`).

    Args:
        known: The table's notes.

    Returns:
        The last replacement of each, where one took the place of another.
    """
    direct = {
        (name, old): new
        for note in known
        for name, news in note.instead.items()
        for old, new in news.items()
    }
    found = {}
    for (name, old), first in direct.items():
        last, passed = first, {old}
        while (
            name,
            last.batch_id,
        ) in direct and last.batch_id not in passed:  # a forged note may lead back
            passed.add(last.batch_id)
            last = direct[name, last.batch_id]
        found[name, old] = last
    return found


def retired_error(
    table: Table, note: Tombstone, name: str, batch_id: str, remedy: str = ""
) -> BatchNotFound:
    """Return the error for an expired batch, with its replacement or the given remedy."""
    replaced = note.instead.get(name, {}).get(batch_id)
    who = note.producer.user or note.producer.dag_id or "somebody"
    place = f"{table.ref} {name}".rstrip()
    why = f" ({note.reason})" if note.reason else ""
    instead = (
        f"the batch {replaced.batch_id} in its place"
        if replaced
        else f"a later batch: `sfx history {place}`"
    )
    return BatchNotFound(
        f"the batch {batch_id} of {table.describe(name)} was retired on {note.at:%Y-%m-%d %H:%M}"
        f" UTC by {who}{why}, and its files are deleted from {note.delete_after:%Y-%m-%d %H:%M} UTC"
        f" on; {remedy or f'use {instead}'}",
        table=str(table.ref),
        partition=name,
        batch_id=batch_id,
    )


def _listed(table: Table) -> list[tuple[str, set[str]]]:
    """The names of the notes, oldest first, and what is there of each."""
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

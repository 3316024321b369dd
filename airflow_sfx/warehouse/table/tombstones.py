"""Tombstones: which commits expired batches, and when their files may be deleted.

The log decides: a batch has expired once the log has an entry that expires it. A tombstone is
written right before that entry and names its commit, so that expired batches are found without
reading the log; without the entry it has no effect.

A process that refers to a batch outside of the log, such as a hold, looks for tombstones *after*
its reference is visible to others. A process that deletes batches looks at the references *after*
the entry is in the log. So one of the two always sees the other, and no batch with a granted
reference is deleted. This is the order of Dekker's and Peterson's algorithms for mutual exclusion.
It needs an object store whose writes are visible to every later read, as those of S3 are since
December 2020.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_sfx.core.batch_id import check_batch_id, moment_of
from airflow_sfx.core.errors import BatchNotFound, InvalidName
from airflow_sfx.core.log_entry import Change, Operation
from airflow_sfx.core.paths import commit_version
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
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.table.table_log import TableLog

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

_INTENT, _DONE = "intent.json", "done.json"
_ERASURE = "-erasure"


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The batches that one commit of a retention or an erasure expires.

    Args:
        batches: The batches.
        at: When it was written, in UTC.
        delete_after: When the files may be deleted, in UTC.
        producer: Who expires them.
        reason: Why, in the words of the author.
        replaced: By partition name and batch ID, the replacements of batches of which rows are
            erased.
        commit: The commit, or empty before it is tried.
        despite_pins: Whether the files are deleted even if a hold protects them.
        pending: Whether the commit is not in the log yet.
        done: Whether all of its batches are deleted.
    """

    batches: Batches
    at: datetime
    delete_after: datetime
    producer: Producer = field(default_factory=Producer)
    reason: str = ""
    replaced: Mapping[str, Mapping[str, Replacement]] = field(default_factory=dict)
    commit: str = ""
    despite_pins: bool = False
    pending: bool = False
    done: bool = False

    @property
    def name(self) -> str:
        """The tombstone's name, which sorts by time."""
        return f"{self.commit.replace('/', '~')}{_ERASURE if self.replaced else ''}"

    @property
    def items(self) -> list[tuple[str, str]]:
        """The batches as partition name and batch ID."""
        return [(name, one) for name, ids in self.batches.items() for one in ids]

    @property
    def instead(self) -> Versions:
        """The replacements of the batches, by partition name and batch ID."""
        known = {
            (name, old): new for name, news in self.replaced.items() for old, new in news.items()
        }
        return {item: known[item] for item in self.items if item in known}


@dataclass(frozen=True, slots=True)
class Tombstones:
    """The tombstones of a table at one moment.

    Args:
        active: Those that are in force, oldest first.
        some_done: Whether there are tombstones whose batches are all deleted.
    """

    active: list[Tombstone]
    some_done: bool


def write(table: Table, tombstone: Tombstone) -> None:
    """Write a tombstone, before the entry of its commit is created."""
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
    }
    table.store.put_if_absent(_path(table, tombstone.name, _INTENT), encode(text).encode())


def finish(table: Table, tombstone: Tombstone) -> None:
    """Record that all batches of a tombstone are deleted, or that its commit was not made."""
    table.store.put_if_absent(_path(table, tombstone.name, _DONE), b"{}")


def list_tombstones(table: Table, *, ended: bool = False, pending: bool = False) -> list[Tombstone]:
    """Return the tombstones of a table that are in force, oldest first.

    A table without tombstones costs one listing.

    Args:
        table: The table.
        ended: Whether to read those whose batches are all deleted, too; those of erasures are
            always read.
        pending: Whether to return those whose commits may still come, too.

    Returns:
        The tombstones.
    """
    found = _opened(table, _listed(table), ended=ended)
    return [one for one in found if pending or not one.pending]


def read_tombstones(table: Table) -> Tombstones:
    """Return the tombstones in force, and whether there are others."""
    listed = _listed(table)
    active = [one for one in _opened(table, listed) if not one.pending]
    return Tombstones(active, any(_DONE in kinds for _, kinds in listed))


def forged_items(table: Table) -> list[tuple[str, str]]:
    """Return the batches of tombstones that name no commit, which no retention has written."""
    found = []
    for name, _ in _listed(table):
        if not _commit(name):
            path = _path(table, name, _INTENT)
            batches = decode(table.store.get(path), _IntentRecord, path).batches
            found += [(place, one) for place, ids in batches.items() for one in ids]
    return found


def refused_by(known: Iterable[Tombstone]) -> set[tuple[str, str]]:
    """Return the batches, by partition name and batch ID, that get no new references."""
    return {item for tombstone in known for item in tombstone.items}


def _naming(known: Iterable[Tombstone], name: str, batch_id: str) -> Tombstone | None:
    return next(
        (tombstone for tombstone in known if batch_id in tombstone.batches.get(name, ())), None
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
            They may be older if the batches' logs reject a change that comes too late.

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


def refuse_expired_writes(
    table: Table, batches: Collection[tuple[str, str]], newest: Mapping[str, str] | None = None
) -> None:
    """Raise an error for written batches that have expired as unfinished, or are about to.

    Files of theirs may be deleted, so the check comes after their last file. Batches that are young
    enough by the writer's clock, and newer than all that the log has, cost no request.

    Args:
        table: The table.
        batches: Partition names and batch IDs.
        newest: For a commit, the greatest batch IDs of partitions in the log, by name: the log
            decides. None for a write outside of the log, to which an expiry counts that only may
            come.

    Raises:
        BatchNotFound: One is retired, or deleted.
    """
    until = datetime.now(UTC) - _SURELY_WRITING
    doubtful = [
        (name, batch_id)
        for name, batch_id in batches
        if moment_of(batch_id) < until or (newest or {}).get(name, "") >= batch_id
    ]
    known = list_tombstones(table, ended=True, pending=newest is None) if doubtful else []
    for name, batch_id in doubtful:
        if tombstone := _naming(known, name, batch_id):
            remedy = (
                "writing it took longer than a day, or the writer's clock is slow, and a part of it"
                " may be gone: run the job again"
            )
            raise retired_error(table, tombstone, name, batch_id, remedy)


def refuse_expired_changes(table: Table, changes: Sequence[tuple[Change, str]]) -> None:
    """Raise an error for a new batch that has expired since its writer began.

    A publish of a staged batch has looked for expired ones itself, at less cost.

    Args:
        table: The table.
        changes: The changes, each with the greatest batch ID of its partition in the log.

    Raises:
        BatchNotFound: One is retired, or deleted.
    """
    new = {one.partition: at for one, at in changes if one.manifest and not one.manifest.staged}
    made = [(one.partition, one.batch_id or "") for one, _ in changes if one.partition in new]
    refuse_expired_writes(table, made, new)


def retirement_of(table: Table, name: str, batch_id: str) -> BatchNotFound | None:
    """Return the error for a batch that was retired, or None for one that was not."""
    tombstone = _naming(list_tombstones(table, ended=True), name, batch_id)
    return retired_error(table, tombstone, name, batch_id) if tombstone else None


def versions(known: Iterable[Tombstone]) -> Versions:
    """Return the replacements of batches of which rows were erased.

    Args:
        known: The table's tombstones.

    Returns:
        The last replacement of each, by partition name and batch ID.
    """
    direct = {item: new for tombstone in known for item, new in tombstone.instead.items()}
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
    replaced = tombstone.instead.get((name, batch_id))
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
    """Read tombstones whose commits are in the log, or may still come."""
    log = TableLog(table.store, table.layout, str(table.ref))
    wanted = [
        (name, kinds)
        for name, kinds in listed
        if _commit(name) and (ended or _DONE not in kinds or name.endswith(_ERASURE))
    ]
    read = map_concurrently(lambda item: _read(table, log, *item), wanted, table.store.concurrency)
    return [one for one in read if one is not None]


def _path(table: Table, name: str, kind: str) -> str:
    return f"{table.layout.retired}/{name}/{kind}"


def _commit(name: str) -> str:
    """Return the commit of a tombstone's name, or empty text if it names none."""
    commit = name.removesuffix(_ERASURE).replace("~", "/")
    try:
        commit_version(commit)
    except InvalidName:
        return ""
    return commit


def _read(table: Table, log: TableLog, name: str, kinds: set[str]) -> Tombstone | None:
    """Read a tombstone, or return None if another commit has the number of its own."""
    commit = _commit(name)
    entry = log.find(commit_version(commit))
    if entry is not None and entry.header.commit != commit:
        return None
    where = _path(table, name, _INTENT)
    record = decode(table.store.get(where), _IntentRecord, where)
    with decoding(where):
        for ids in record.batches.values():
            for batch_id in ids:
                check_batch_id(batch_id)
        for replaced in record.replaced.values():
            for old, new in replaced.items():
                check_batch_id(old)
                check_batch_id(new.batch_id)
        at = check_time(record.at, "at")
        delete_after = check_time(record.delete_after, "delete_after")
    changes = list(entry.find(record.batches).values()) if entry else []
    is_erasure = entry is None or entry.header.operation is Operation.ERASE
    return Tombstone(
        record.batches if entry is None else {one.partition: one.retired for one in changes},
        at,
        delete_after,
        record.producer,
        record.reason,
        record.replaced if is_erasure else {},
        commit,
        any(one.despite_pins for one in changes),
        pending=entry is None,
        done=_DONE in kinds,
    )


class _IntentRecord(Record):
    batches: dict[str, tuple[str, ...]]
    at: Time
    delete_after: Time
    producer: Producer
    reason: str
    replaced: dict[str, dict[str, Replacement]]

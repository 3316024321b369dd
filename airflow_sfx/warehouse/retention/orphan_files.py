"""Files that no log entry names, left by writers that died or lost a race.

Besides directories with files, these are directories with a claim only, and unfinished objects and
uploads. Their writers may still run if they are young.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow_sfx.core.batch_id import is_batch_id, moment_of
from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.batch.staging import recorded_pins
from airflow_sfx.warehouse.integrity.repair import has_files
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.retention.deletion import delete_claims, delete_empty, unfinished
from airflow_sfx.warehouse.retention.retire import retire
from airflow_sfx.warehouse.table import tombstones
from airflow_sfx.warehouse.table.manifests import Item, open_call
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import UNFINISHED_FOR, Tombstone


@dataclass(frozen=True, slots=True)
class OrphanFiles:
    """Files that no log entry names.

    Args:
        batches: Batches with files, or with a manifest.
        claims: The batch IDs that a call claimed, of which there is nothing else.
        unfinished: Objects that writers began and did not finish, too old for a running writer.
        empty: Directories without files of such writers, which file systems have.
    """

    batches: tuple[Item, ...] = ()
    claims: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()


def find_orphan_files(
    table: Table, named: Collection[Item], known: Sequence[Tombstone], now: datetime
) -> OrphanFiles:
    """Find files that no log entry names, in all partitions that have a directory.

    Args:
        table: The table.
        named: All batches that the log names.
        known: All tombstones, including those whose batches are deleted.
        now: The time, in UTC.

    Returns:
        The orphan files.
    """
    layout, store = table.layout, table.store
    ever = {*named, *_named_by_tombstones(table, known)}
    # What is there of deleted batches was written since, by a writer that was suspended.
    mentioned = ever - tombstones.refused_by(one for one in known if one.done)
    young = now - UNFINISHED_FOR

    def of_partition(name: str) -> dict[Item, bool]:
        there = [
            one for one in store.list_directories(layout.partition_dir(name)) if is_batch_id(one)
        ]
        unknown = [one for one in there if (name, one) not in mentioned]
        return {(name, one): has_files(table, layout.batch_dir(name, one)) for one in unknown}

    places = _directories(table)
    ours = {name for name, _ in ever}
    names = sorted({*(name for name in places if layout.is_partition(name)), *ours})
    parts = map_concurrently(of_partition, names, store.concurrency)
    found = dict.fromkeys(item for some in parts for item, filled in some.items() if filled)
    unfilled = [item for some in parts for item, filled in some.items() if not filled]
    kept = {batch_id for _, batch_id in mentioned}
    claims = []
    for batch_id in store.list_directories(layout.batches):
        if not is_batch_id(batch_id) or batch_id in kept:
            continue
        call = open_call(store, layout, batch_id)
        if call is not None:  # of files elsewhere, too
            items = [(one.partition, batch_id) for one in call.all()]
            found |= dict.fromkeys(item for item in items if item not in mentioned)
        elif moment_of(batch_id) < young:
            claims.append(batch_id)
    filled = {batch_id for _, batch_id in found}
    return OrphanFiles(
        tuple(sorted(found)),
        tuple(one for one in claims if one not in filled),
        unfinished(table, now, dry_run=True),
        (
            *(layout.batch_dir(*item) for item in unfilled if moment_of(item[1]) < young),
            *_empty(table, [name for name in places if name not in ours]),
        ),
    )


def _directories(table: Table) -> list[str]:
    """Return the directories of partitions, and those above, with or without a history."""
    level, found = [""], [""] * (not table.layout.keys)
    for _ in table.layout.keys:
        below = map_concurrently(
            lambda name: table.store.list_directories(table.layout.partition_dir(name)),
            level,
            table.store.concurrency,
        )
        level = [
            f"{above}/{name}".lstrip("/")
            for above, names in zip(level, below, strict=True)
            for name in names
        ]
        found += level
    return found


def _empty(table: Table, names: Sequence[str]) -> list[str]:
    """Return the paths of directories with nothing in them, as a killed writer may leave them."""
    store, above = table.store, {name.rpartition("/")[0] for name in names}
    there = [table.layout.partition_dir(name) for name in names if name and name not in above]

    def is_empty(directory: str) -> bool:
        return not store.list_directories(directory) and not store.paths(directory)

    found = map_concurrently(is_empty, there, store.concurrency)
    return [one for one, nothing in zip(there, found, strict=True) if nothing]


def named_by(table: Table, entry: LogEntry) -> list[Item]:
    """Return the batches that a log entry names.

    These are its batch, those that it expires or discards, and the batch whose directory holds the
    files.
    """
    home = _home(table, entry.partition, entry.location)
    ids = (entry.batch_id, *entry.retired, *entry.discarded, home)
    return [(entry.partition, one) for one in ids if one]


def _home(table: Table, name: str, location: str) -> str:
    """Return the batch ID of the directory that a location is in, or an empty text."""
    below = f"{table.store.uri}/{table.layout.partition_dir(name)}/"
    one = location.removeprefix(below).partition("/")[0] if location.startswith(below) else ""
    return one if is_batch_id(one) else ""


def _named_by_tombstones(table: Table, known: Sequence[Tombstone]) -> set[Item]:
    """Return the batches that tombstones and records of staged batches name.

    Args:
        table: The table.
        known: All tombstones, including those whose batches are deleted.

    Returns:
        The batches, replaced ones and replacements, as partition name and batch ID.
    """
    news = {
        (name, new.batch_id)
        for tombstone in known
        for name, some in tombstone.replaced.items()
        for new in some.values()
    }
    return {
        *tombstones.refused_by(known),
        *news,
        *(item for pin in recorded_pins(table) for item in pin.entries),
    }


def expire_orphans(
    table: Table,
    log: PartitionLog,
    orphans: OrphanFiles,
    author: Author,
    *,
    now: datetime,
    grace: timedelta,
    since: int,
) -> tuple[Item, ...]:
    """Expire old orphan batches, and delete claims and unfinished objects.

    A writer that still tries to publish one of these batches conflicts with the log entry that
    expires it, or finds the tombstone (`refuse_expired_writes`) when it plans again; so does one
    that stages it.

    Args:
        table: The table.
        log: The table's log.
        orphans: The result of `find_orphan_files`.
        author: Who expires them.
        now: The time, in UTC.
        grace: How long their files stay.
        since: A version of the table at which no log entry named them.

    Returns:
        The orphan batches that are left, whose writers may still run.
    """
    unfinished(table, now, dry_run=False)
    until = now - max(UNFINISHED_FOR, grace)
    delete_claims(table, [one for one in orphans.claims if moment_of(one) < until])
    delete_empty(table, orphans.empty)
    old = [item for item in orphans.batches if moment_of(item[1]) < until]
    if old:
        reason = f"{len(old)} unfinished batches expired"
        tombstone = Tombstone(_by_partition(old), now, now + grace, author.producer, reason)
        retire(table, log, tombstone, since=since)
    return tuple(item for item in orphans.batches if item not in old)


def _by_partition(items: Sequence[Item]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, one in items:
        found[name] = (*found.get(name, ()), one)
    return found

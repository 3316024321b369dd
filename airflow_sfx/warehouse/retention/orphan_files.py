"""What writers left that died, or were overtaken, or are writing now: directories with files that no history names, and less.

Less is a directory that was claimed and holds nothing, a file under the name that it has until it
is whole, parts of an upload.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow_sfx.core.batch_id import is_batch_id, moment_of
from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.batch.staging import noted_pins, waiting
from airflow_sfx.warehouse.integrity.repair import has_files
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.retention.ledger_verdicts import Item
from airflow_sfx.warehouse.retention.vacuum import confirmed, delete_claims, unfinished
from airflow_sfx.warehouse.table import tombstones
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import UNFINISHED_FOR, Tombstone


@dataclass(frozen=True, slots=True)
class OrphanFiles:
    """What no history names.

    Args:
        batches: Directories of batches with files.
        claims: Those that hold nothing but their claim.
        unfinished: Objects that somebody began to write and did not finish, and that are as old as
            no living writer's.
    """

    batches: tuple[Item, ...] = ()
    claims: tuple[Item, ...] = ()
    unfinished: tuple[str, ...] = ()


def find_orphan_files(table: Table, mentioned: Collection[Item], now: datetime) -> OrphanFiles:
    """Look for what no history names, in all partitions that have a directory.

    Args:
        table: The table.
        mentioned: All batches that the history, or a note, names.
        now: The time, in UTC.
    """
    layout, store = table.layout, table.store

    def of_partition(name: str) -> list[tuple[Item, bool]]:
        there = [
            one for one in store.list_directories(layout.partition_dir(name)) if is_batch_id(one)
        ]
        unknown = [one for one in there if (name, one) not in mentioned]
        return [((name, one), has_files(table, layout.batch_dir(name, one))) for one in unknown]

    names = sorted({*_partition_names(table), *(name for name, _ in mentioned)})
    found = [
        one for some in map_concurrently(of_partition, names, store.concurrency) for one in some
    ]
    return OrphanFiles(
        tuple(item for item, is_filled in found if is_filled),
        tuple(
            item
            for item, is_filled in found
            if not is_filled and moment_of(item[1]) < now - UNFINISHED_FOR
        ),
        unfinished(table, now, dry_run=True),
    )


def _partition_names(table: Table) -> list[str]:
    """The names of the partitions that have a directory, whether the history knows them or not."""
    found = [""]
    for _ in table.layout.keys:
        below = map_concurrently(
            lambda name: table.store.list_directories(table.layout.partition_dir(name)),
            found,
            table.store.concurrency,
        )
        found = [
            f"{above}/{name}".lstrip("/")
            for above, names in zip(found, below, strict=True)
            for name in names
        ]
    return [name for name in found if table.layout.is_partition(name)]


def named_by(table: Table, entry: LedgerEntry) -> list[Item]:
    """The batches that an entry of a ledger names: the current one, those that it retires, and where the files are."""
    home = _home(table, entry.partition, entry.location)
    return [(entry.partition, one) for one in (entry.batch_id, *entry.retired, home) if one]


def _home(table: Table, name: str, location: str) -> str:
    """The batch ID whose directory a batch's files lie in, where they are in another one's; else none."""
    below = f"{table.store.uri}/{table.layout.partition_dir(name)}/"
    one = location.removeprefix(below).partition("/")[0] if location.startswith(below) else ""
    return one if is_batch_id(one) else ""


def mentioned_in_notes(table: Table, known: Sequence[Tombstone]) -> set[Item]:
    """The batches that a note of what is retired names, as old or new, or one of what was staged.

    Args:
        table: The table.
        known: The notes of what is retired, those whose batches are all deleted among them.
    """
    news = {
        (name, new.batch_id)
        for note in known
        for name, some in note.replaced.items()
        for new in some.values()
    }
    return {
        *tombstones.refused_by(known),
        *news,
        *(item for pin in noted_pins(table) for item in pin.entries),
    }


def expire_old(
    table: Table,
    ledger: Ledger,
    strays: OrphanFiles,
    known: Container[str],
    author: Author,
    *,
    now: datetime,
    grace: timedelta,
) -> tuple[Item, ...]:
    """Retire the strays that nobody can finish, and delete what holds nothing that could be read.

    Whoever would still make one of these current takes the next number of its ledger, which may be
    that of the entry that retires it, and looks at the notes (`refuse_given_up`) each time that it
    plans; so does whoever stages it.

    Args:
        table: The table.
        ledger: Its ledgers.
        strays: What `find_orphan_files` found.
        known: The partitions that have a history.
        author: Who.
        now: The time, in UTC.
        grace: For how long their files stay.

    Returns:
        Those that are left: as young as a writer may be.
    """
    unfinished(table, now, dry_run=False)
    delete_claims(table, strays.claims)
    until = now - max(UNFINISHED_FOR, grace)
    old = [item for item in strays.batches if moment_of(item[1]) < until]
    heard = [item for item in old if item[0] in known]
    unheard = [item for item in old if item[0] not in known]
    reason = f"{len(old)} unfinished batches given up"
    if heard:
        note = Tombstone(
            tombstones.name_at(now), _by_partition(heard), now, now + grace, author.producer, reason
        )
        confirmed(table, ledger, tombstones.write(table, note))
    if unheard:  # no ledger can say it: whoever looked before the note was there has a day to go on
        later = now + max(grace, UNFINISHED_FOR)
        note = tombstones.write(
            table,
            Tombstone(
                tombstones.name_at(now), _by_partition(unheard), now, later, author.producer, reason
            ),
        )
        kept = waiting(table, ledger, unheard)
        tombstones.confirm(
            table, note, _by_partition([item for item in unheard if item not in kept])
        )
    return tuple(item for item in strays.batches if item not in old)


def _by_partition(items: Sequence[Item]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, one in items:
        found[name] = (*found.get(name, ()), one)
    return found

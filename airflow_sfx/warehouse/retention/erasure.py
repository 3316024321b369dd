"""Erasure: rows are taken out of every batch that is retained, and the batches that held them are retired and deleted.

What was current stays current without the rows, a rollback goes to what replaced a batch, and the
ledger keeps the proof: how many rows of how many batches, chosen by which columns, when and by
whom. The condition's values are nowhere kept.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.validation import positive_duration
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.batch.staging import staged_pins
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.metastore_sync import all_heads
from airflow_sfx.warehouse.retention.ledger_verdicts import fates
from airflow_sfx.warehouse.retention.orphan_files import (
    expire_old,
    find_orphan_files,
    mentioned_in_notes,
    named_by,
)
from airflow_sfx.warehouse.retention.row_delete import RowMatch, search, without
from airflow_sfx.warehouse.retention.vacuum import catch_up, complete, confirmed, held, vacuum
from airflow_sfx.warehouse.table import tombstones
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import Replacement, Tombstone

_SEARCHERS = 4  # each holds one file in memory


@dataclass(frozen=True, slots=True)
class ErasedBatch:
    """A batch that held rows to be erased.

    Args:
        partition: Its partition's name.
        batch_id: The batch.
        erased: How many of its rows are to be erased, or were.
        rows: How many rows it had.
        replaced_by: The batch that has the others; None in a dry run.
        current: Whether it was current.
        pinned: Whether a hold holds it, so that its files stay until the pin is over.
        outside: Where its files lie if they are not the warehouse's own, as a URI: those are for
            their owner to delete.
    """

    partition: str
    batch_id: str
    erased: int
    rows: int
    replaced_by: str | None = None
    current: bool = False
    pinned: bool = False
    outside: str = ""


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What an erasure would do, or did.

    Args:
        table: The table as ``database.table``.
        dry_run: Whether nothing was done.
        searched: How many batches were searched.
        without: How many of them have not all of the columns that the condition names: the others
            are null there.
        batches: Those that held rows.
        strays: Partition names and batch IDs of directories with files that no history names: what
            writers left that died, or were overtaken, or are writing. They are not searched. Those
            that are older than a day, and than a batch of the partition's history, nobody can
            finish any more: they are retired, and deleted like others; these are left.
        deleted: The retired batches whose files are to be deleted by now, or were; partition and
            batch ID.
        waiting: How many retired batches still have their files: in their time of grace, or pinned.
        delete_after: When the files of what was retired now may be deleted, in UTC.
        ignored: Batches that a note wants deleted and that the history has not given up: they stay,
            as of `RetentionReport`.
        unfinished: Objects that a writer began more than a day ago and did not finish: they are to
            be deleted, or were.
    """

    table: str
    dry_run: bool
    searched: int
    without: int
    batches: tuple[ErasedBatch, ...]
    strays: tuple[tuple[str, str], ...]
    deleted: tuple[tuple[str, str], ...]
    waiting: int
    delete_after: datetime
    ignored: tuple[tuple[str, str], ...] = ()
    unfinished: tuple[str, ...] = ()

    @property
    def erased(self) -> int:
        """The rows, of all batches together."""
        return sum(one.erased for one in self.batches)


@dataclass(frozen=True, slots=True)
class Erasure:
    """What to erase, and how.

    Args:
        where: Which rows, as a condition of SQL without WHERE.
        grace: For how long the files of the batches that held them stay.
        despite_pins: Delete also the files that holds hold.

    Raises:
        InvalidName: The time is none, or too long.
    """

    where: str
    grace: timedelta
    despite_pins: bool = False

    def __post_init__(self) -> None:
        positive_duration(self.grace, "grace")


def erase(
    table: Table, ledger: Ledger, erasure: Erasure, author: Author, *, dry_run: bool, now: datetime
) -> ErasureReport:
    """Erase rows from every retained batch, and delete what was retired long enough ago.

    Each partition is a change of its own: whoever repeats the call after it was cut short goes on
    where it stopped.

    Args:
        table: The table.
        ledger: Its ledgers.
        erasure: What and how.
        author: Who and why.
        dry_run: Only tell.
        now: The time, in UTC.

    Returns:
        What was done, or would be.

    Raises:
        SchemaMismatch: The condition is not understood, or names a column that no batch has.
        InconsistentBatch: A batch's files are not what they were.
    """
    from airflow_sfx.frames.predicates.sql import columns_of

    columns = columns_of(erasure.where)
    delete_after = now + erasure.grace
    seen: dict[tuple[str, str], bool] = {}
    there: set[str] = set()
    found: list[ErasedBatch] = []
    if not dry_run:
        catch_up(table, ledger, author)  # what something else did is searched as well
    pinned = held(table, now)
    known = _batches(table, ledger, erasure, dry_run=dry_run)
    while batches := [item for item in known.retained if item not in seen]:
        matches = map_concurrently(
            lambda item: search(table, *item, erasure.where, columns), batches, _SEARCHERS
        )
        _refuse_unknown(table, columns, there := there.union(*(match.columns for match in matches)))
        seen |= {
            item: len(match.columns) == len(columns)
            for item, match in zip(batches, matches, strict=True)
        }
        hits: dict[str, list[RowMatch]] = {}
        for match in matches:
            if match.found:
                hits.setdefault(match.manifest.partition, []).append(match)
        for name, of_partition in hits.items():
            current = known.current.get(name)
            news = (
                {}
                if dry_run
                else _replace(
                    table, ledger, of_partition, known.staged, erasure, author, columns, now
                )
            )
            done = [one for one in of_partition if dry_run or one.manifest.batch_id in news]
            found += [
                _told(table, one, current, news.get(one.manifest.batch_id), pinned) for one in done
            ]
            seen |= {(name, new.batch_id): True for new in news.values()}
        # again, for those that were stored meanwhile, and those that another erasure replaced first
        if not dry_run:
            known = _batches(table, ledger, erasure, dry_run=dry_run)
    left = find_orphan_files(table, known.mentioned, now)
    strays = left.batches
    if not dry_run:
        strays = expire_old(table, ledger, left, known.names, author, now=now, grace=erasure.grace)
    due = [one for one in tombstones.list_tombstones(table) if not one.done]
    swept = vacuum(table, ledger, due, now, dry_run=dry_run, despite_pins=erasure.despite_pins)
    mine = {(one.partition, one.replaced_by) for one in found}
    without = sum(not there for there in seen.values())
    return ErasureReport(
        table=str(table.ref),
        dry_run=dry_run,
        searched=sum(item not in mine for item in seen),
        without=without,
        batches=tuple(found),
        strays=strays,
        deleted=swept.deleted,
        waiting=swept.waiting,
        delete_after=delete_after,
        ignored=swept.ignored,
        unfinished=left.unfinished,
    )


@dataclass(frozen=True, slots=True)
class _Batches:
    """A table's batches, as partition name and batch ID.

    Args:
        current: The current batch of each partition that has one, by partition name.
        retained: Those that can be loaded or published: current, earlier and staged.
        mentioned: All that the history, or a note of what is retired, names.
        names: The partitions that have a history.
        staged: Those that wait to be published.
    """

    current: Mapping[str, str]
    names: Collection[str]
    staged: Collection[tuple[str, str]]
    retained: list[tuple[str, str]]
    mentioned: set[tuple[str, str]]


def _batches(table: Table, ledger: Ledger, erasure: Erasure, *, dry_run: bool) -> _Batches:
    """The batches as they are now.

    What another erasure has noted is completed first, so that what it makes of batches is searched
    as well. A batch that is named by a note which came since is still searched: this erasure may be
    the first to replace it.
    """
    if not dry_run:
        complete(table, ledger, despite_pins=erasure.despite_pins)
    known = tombstones.list_tombstones(table, ended=True)
    instead = tombstones.versions(known)
    heads = all_heads(table, ledger)

    def of_partition(name: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        found: dict[tuple[str, str], None] = {}
        all_ids: list[tuple[str, str]] = []
        gone: set[str] = (
            set()
        )  # as the ledger has it: a note alone, which may be forged, hides nothing from a search
        for entry in ledger.newest_first(name, heads[name]):
            gone.update(entry.retired)
            all_ids += named_by(table, entry)
            if entry.batch_id:
                new = instead.get((name, entry.batch_id)) if entry.batch_id in gone else None
                found.setdefault((name, new.batch_id if new else entry.batch_id))
        return [item for item in found if item[1] not in gone], all_ids

    parts = map_concurrently(of_partition, sorted(heads), table.store.concurrency)
    staged = _staged(table, ledger, tombstones.refused_by(known))
    retained = [*(item for found, _ in parts for item in found), *staged]
    mentioned = {*mentioned_in_notes(table, known), *(item for _, ids in parts for item in ids)}
    current = {name: head.batch_id for name, head in heads.items() if head.batch_id}
    known_names = {name for name, head in heads.items() if head.entry}
    return _Batches(current, known_names, set(staged), list(dict.fromkeys(retained)), mentioned)


def _staged(
    table: Table, ledger: Ledger, noted: Container[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Those that wait to be published and that no ledger has retired: a note alone, which may be forged, hides none.

    Where no ledger could say it, a batch that a note names and that is deleted is gone as well.
    """
    items = [
        item
        for pin in staged_pins(table, ledger, table.pointers(None), known=())
        for item in pin.entries
    ]
    known = fates(table, ledger, items)

    def is_deleted(item: tuple[str, str]) -> bool:
        return item in noted and table.store.head(table.layout.manifest(*item)) is None

    return [
        item for item in items if item[1] not in known[item[0]].retired and not is_deleted(item)
    ]


def _refuse_unknown(table: Table, columns: list[str], there: set[str]) -> None:
    unknown = [name for name in columns if name not in there]
    if unknown:
        raise SchemaMismatch(
            f"no batch of {table.ref} has a column {', '.join(map(repr, unknown))}, which the"
            " condition names: nothing was erased; `sfx show` tells the columns"
        )


def _replace(
    table: Table,
    ledger: Ledger,
    matches: list[RowMatch],
    staged: Collection[tuple[str, str]],
    erasure: Erasure,
    author: Author,
    columns: list[str],
    now: datetime,
) -> dict[str, Manifest]:
    """Write the batches of a partition without the rows, and retire those that held them; the new ones by the old IDs.

    Those that another erasure was the first to replace are not among them, and what it put in their
    place is to be searched.
    """
    name = matches[0].manifest.partition
    news = {match.manifest.batch_id: without(table, ledger, match) for match in matches}
    rows = sum(match.rows for match in matches)
    proof = f"erased {rows} rows of {len(matches)} batches, chosen by {', '.join(columns)}"
    note = Tombstone(
        tombstones.name_at(now, erasure=True),
        {name: tuple(news)},
        now,
        now + erasure.grace,
        author.producer,
        f"{proof}: {author.reason}" if author.reason else proof,
        {
            name: {
                old: Replacement(new.batch_id, new.rows, new.bytes, staged=(name, old) in staged)
                for old, new in news.items()
            }
        },
        erasure.despite_pins,
    )
    tombstones.refuse_expired_writes(table, [(name, new.batch_id) for new in news.values()])
    done = set(confirmed(table, ledger, tombstones.write(table, note)).get(name, ()))
    return {old: new for old, new in news.items() if old in done}


def _told(
    table: Table,
    match: RowMatch,
    current: str | None,
    new: Manifest | None,
    pinned: set[tuple[str, str]],
) -> ErasedBatch:
    old = match.manifest
    return ErasedBatch(
        old.partition,
        old.batch_id,
        match.rows,
        old.rows,
        new.batch_id if new else None,
        current=current == old.batch_id,
        pinned=(old.partition, old.batch_id) in pinned,
        outside="" if table.keeps(old.partition, old.batch_id, old.location) else old.location,
    )

"""Erasure: replace every batch that has certain rows by a batch without them.

Replaced batches expire, and their files are deleted later. The replacement of the current batch
becomes current, and rollbacks go to replacements. The log keeps the proof: how many rows of how
many batches were erased, by a condition on which columns, when, and by whom. The values of the
condition are stored nowhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import SchemaMismatch, counted
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.validation import positive_duration
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.batch.staging import staged_batches
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.pins.lineage import record_rewritten
from airflow_sfx.warehouse.pins.trained import TrainedVersion
from airflow_sfx.warehouse.results import Tabular
from airflow_sfx.warehouse.retention.deletion import delete_batches
from airflow_sfx.warehouse.retention.orphan_files import (
    expire_orphans,
    find_orphan_files,
    named_by,
)
from airflow_sfx.warehouse.retention.retire import reconcile_all, retire
from airflow_sfx.warehouse.retention.row_delete import RowMatch, search, without
from airflow_sfx.warehouse.retention.vacuum import held, vacuum
from airflow_sfx.warehouse.table import tombstones
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import Replacement, Tombstone
from airflow_sfx.warehouse.write.discard import discard

if TYPE_CHECKING:
    from airflow_sfx.warehouse.retention.downstream import DownstreamErasure

_SEARCH_CONCURRENCY = 4  # each thread has one file in memory
_WRITTEN_AT_ONCE = 1000
"""The most partitions that are written before the first is replaced; a death repeats these."""


@dataclass(frozen=True, slots=True)
class ErasedBatch:
    """A batch that held rows to erase.

    Args:
        partition: The partition's name.
        batch_id: The batch.
        erased: The number of rows to erase.
        rows: The number of rows before.
        replaced_by: The batch with the other rows, or None in a dry run.
        current: Whether it was current.
        pinned: Whether a hold keeps its files until the hold ends.
        outside: The URI of its files if they are outside of the warehouse, for their owner to
            delete; otherwise empty.
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
class ErasureReport(Tabular):
    """What an erasure would do, or did.

    Args:
        table: The table as ``database.table``.
        dry_run: Whether nothing was done.
        searched: The number of batches searched.
        without: The number of them that lack some columns of the condition, which count as null.
        batches: The batches that held rows to erase.
        orphans: Directories with files that no log entry names, as partition name and batch ID.
            They are not searched. Those older than a day and than a batch of the partition's
            history expire and are deleted like others; these are left.
        deleted: The expired batches whose files are deleted, as partition name and batch ID.
        waiting: The number of expired batches whose files stay: their grace period is not over, or
            a hold keeps them.
        delete_after: When the files of the batches that expire now may be deleted, in UTC.
        ignored: Batches that a tombstone names and the log does not; see `RetentionReport`.
        unfinished: Objects that writers began more than a day ago and did not finish, which are
            deleted.
        downstream: The tables with batches made from those that held rows, if they were asked for.
        models: The versions of models that were trained on batches with such rows, or on what was
            made from them.
    """

    table: str
    dry_run: bool
    searched: int
    without: int
    batches: tuple[ErasedBatch, ...]
    orphans: tuple[tuple[str, str], ...]
    deleted: tuple[tuple[str, str], ...]
    waiting: int
    delete_after: datetime
    ignored: tuple[tuple[str, str], ...] = ()
    unfinished: tuple[str, ...] = ()
    downstream: tuple[DownstreamErasure, ...] = ()
    models: tuple[TrainedVersion, ...] = ()

    @property
    def erased(self) -> int:
        """The number of rows to erase, in all batches."""
        return sum(one.erased for one in self.batches)


@dataclass(frozen=True, slots=True)
class Erasure:
    """What to erase, and how.

    Args:
        where: The rows, as an SQL condition without WHERE.
        grace: How long the files of replaced batches stay.
        despite_pins: Whether to delete held files too.

    Raises:
        InvalidName: The time is not a duration, or is too long.
    """

    where: str
    grace: timedelta
    despite_pins: bool = False

    def __post_init__(self) -> None:
        positive_duration(self.grace, "grace")


def erase(
    table: Table,
    log: PartitionLog,
    erasure: Erasure,
    author: Author,
    *,
    dry_run: bool,
    now: datetime,
) -> ErasureReport:
    """Erase rows from every retained batch, and delete expired files that are due.

    Each partition is one commit; a repeated call continues after an interruption.

    Args:
        table: The table.
        log: The table's log.
        erasure: What to erase, and how.
        author: Who, and why.
        dry_run: Whether to only report what would be done.
        now: The time, in UTC.

    Returns:
        What was done, or would be.

    Raises:
        SchemaMismatch: The condition is not valid, or names a column that no batch has.
        InconsistentBatch: The files of a batch do not match its manifest.
    """
    from airflow_sfx.frames.predicates.sql import columns_of

    columns = columns_of(erasure.where)
    delete_after = now + erasure.grace
    seen: dict[tuple[str, str], bool] = {}
    there: set[str] = set()
    found: list[ErasedBatch] = []
    if not dry_run:
        reconcile_all(table, log, author)  # batches of other engines are searched too
    pinned = held(table, now)
    known = _batches(table, log)
    while batches := [item for item in known.retained if item not in seen]:
        matches = map_concurrently(
            lambda item: search(table, *item, erasure.where, columns), batches, _SEARCH_CONCURRENCY
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
        for name, of_partition, made in _rewritten(table, log, hits, dry_run=dry_run):
            current = known.current.get(name)
            news = made and _replace(
                table, log, of_partition, made, known, erasure, author, columns, now
            )
            done = [one for one in of_partition if dry_run or one.manifest.batch_id in news]
            found += [
                _erased(table, one, current, news.get(one.manifest.batch_id), pinned)
                for one in done
            ]
            seen |= {(name, new.batch_id): True for new in news.values()}
        # Search again: batches may have been stored, or replaced by another erasure, meanwhile.
        if not dry_run:
            known = _batches(table, log)
    left = find_orphan_files(table, known.mentioned, known.tombstones, now)
    orphans = left.batches
    if not dry_run:
        orphans = expire_orphans(
            table, log, left, author, now=now, grace=erasure.grace, since=known.since
        )
    vacuumed = vacuum(table, log, tombstones.list_tombstones(table), now, dry_run=dry_run)
    mine = {(one.partition, one.replaced_by) for one in found}
    without = sum(not there for there in seen.values())
    return ErasureReport(
        table=str(table.ref),
        dry_run=dry_run,
        searched=sum(item not in mine for item in seen),
        without=without,
        batches=tuple(found),
        orphans=orphans,
        deleted=vacuumed.deleted,
        waiting=vacuumed.waiting,
        delete_after=delete_after,
        ignored=vacuumed.ignored,
        unfinished=left.unfinished,
    )


@dataclass(frozen=True, slots=True)
class _Batches:
    """A table's batches, as partition name and batch ID.

    Args:
        since: The version of the table as of which this is so.
        current: The current batch of each partition that has one, by partition name.
        staged: The batches that are staged, and those that were discarded.
        discarded: Those of them that were discarded.
        retained: The batches that can be loaded or published: current, earlier and staged.
        mentioned: All batches that the log names.
        tombstones: All tombstones.
    """

    since: int
    current: Mapping[str, str]
    staged: Collection[tuple[str, str]]
    discarded: Collection[tuple[str, str]]
    retained: list[tuple[str, str]]
    mentioned: set[tuple[str, str]]
    tombstones: list[Tombstone]


def _batches(table: Table, log: PartitionLog) -> _Batches:
    """Return the batches as they are now."""
    since = log.look().version
    known = tombstones.list_tombstones(table, ended=True)
    instead = tombstones.versions(known)
    heads = log.all_heads()

    def of_partition(name: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        found: dict[tuple[str, str], None] = {}
        all_ids: list[tuple[str, str]] = []
        gone: set[str] = set()
        for entry in log.newest_first(name, heads[name]):
            gone.update(entry.retired)
            all_ids += named_by(table, entry)
            if entry.batch_id:
                new = instead.get((name, entry.batch_id)) if entry.batch_id in gone else None
                found.setdefault((name, new.batch_id if new else entry.batch_id))
        return [item for item in found if item[1] not in gone], all_ids

    parts = map_concurrently(of_partition, sorted(heads), table.store.concurrency)
    waiting = staged_batches(table, log, known=known)
    pins = (*waiting.waiting, *waiting.overtaken, *waiting.discarded)
    staged = [item for pin in pins for item in pin.entries]
    discarded = {item for pin in waiting.discarded for item in pin.entries}
    retained = [*(item for found, _ in parts for item in found), *staged]
    mentioned = {item for _, ids in parts for item in ids}
    current = {name: head.batch_id for name, head in heads.items() if head.batch_id}
    retained = list(dict.fromkeys(retained))
    return _Batches(since, current, set(staged), discarded, retained, mentioned, known)


def _refuse_unknown(table: Table, columns: list[str], there: set[str]) -> None:
    unknown = [name for name in columns if name not in there]
    if unknown:
        raise SchemaMismatch(
            f"no batch of {table.ref} has a column {', '.join(map(repr, unknown))}, which the"
            " condition names: nothing was erased; `sfx show` lists the columns"
        )


def _rewritten(
    table: Table, log: PartitionLog, hits: Mapping[str, list[RowMatch]], *, dry_run: bool
) -> Iterator[tuple[str, list[RowMatch], dict[str, Manifest]]]:
    """Yield the partitions with their batches, and by ID what is to replace these.

    The batches of many partitions are written together, as the calls were that wrote them.
    """
    names = list(hits)
    for start in range(0, len(names), _WRITTEN_AT_ONCE):
        some = names[start : start + _WRITTEN_AT_ONCE]
        matches = [match for name in some for match in hits[name]]
        made: dict[str, dict[str, Manifest]] = {name: {} for name in some}
        news = [] if dry_run else without(table, log, matches)
        for match, new in zip(matches, news, strict=not dry_run):
            made[new.partition][match.manifest.batch_id] = new
        for name in some:
            yield name, hits[name], made[name]


def _replace(
    table: Table,
    log: PartitionLog,
    matches: list[RowMatch],
    news: Mapping[str, Manifest],
    known: _Batches,
    erasure: Erasure,
    author: Author,
    columns: list[str],
    now: datetime,
) -> dict[str, Manifest]:
    """Expire a partition's batches in favour of those without the rows.

    Replacements of discarded batches are discarded, too. Returns the new batches by old IDs.
    Batches that another erasure replaced first are left out; their replacements are to be searched.
    """
    name = matches[0].manifest.partition
    record_rewritten(table, [(match.manifest, news[match.manifest.batch_id]) for match in matches])
    rows = sum(match.rows for match in matches)
    what = f"{counted(rows, 'row')} of {counted(len(matches), 'batch')}"
    proof = f"erased {what}, chosen by {', '.join(columns)}"
    tombstone = Tombstone(
        {name: tuple(news)},
        now,
        now + erasure.grace,
        author.producer,
        f"{proof}: {author.reason}" if author.reason else proof,
        {
            name: {
                old: Replacement(
                    new.batch_id, new.rows, new.bytes, staged=(name, old) in known.staged
                )
                for old, new in news.items()
            }
        },
        despite_pins=erasure.despite_pins,
    )
    tombstones.refuse_expired_writes(table, [(name, new.batch_id) for new in news.values()])
    done = set(retire(table, log, tombstone, since=known.since).get(name, ()))
    vain = [(name, new.batch_id) for old, new in news.items() if old not in done]
    delete_batches(table, vain, now)  # nothing can refer to them
    ended = [
        (name, new.batch_id)
        for old, new in news.items()
        if old in done and (name, old) in known.discarded
    ]
    discard(table, log, ended, author, unless_published=True)
    return {old: new for old, new in news.items() if old in done}


def _erased(
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

"""Retention: batches that nobody needs any more are retired in the ledgers first, and their files deleted after a time of grace.

Nothing else in this package deletes. Never touched are what is current, what was current a moment
ago by ``older_than``, the newest ``keep_last`` batches of a partition, what a hold holds,
what something else has pointed the metastore at, staged batches, and files that were adopted where
they lay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.validation import positive_duration, whole
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.log.ledger import Head, Ledger
from airflow_sfx.warehouse.log.metastore_sync import all_heads
from airflow_sfx.warehouse.retention.ledger_verdicts import Item
from airflow_sfx.warehouse.retention.orphan_files import (
    expire_old,
    find_orphan_files,
    mentioned_in_notes,
    named_by,
)
from airflow_sfx.warehouse.retention.vacuum import catch_up, complete, confirmed, held, vacuum
from airflow_sfx.warehouse.table import tombstones
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import Batches, Tombstone, Versions

GRACE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RetiredBatch:
    """A batch that retention is about.

    Args:
        partition: Its partition's name.
        batch_id: The batch.
        rows: Its rows.
        bytes: Its bytes.
        replaced_at: When it was current last, in UTC.
    """

    partition: str
    batch_id: str
    rows: int
    bytes: int
    replaced_at: datetime


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """What retention would do, or did.

    Args:
        table: The table as ``database.table``.
        dry_run: Whether nothing was done.
        retired: The batches that are to be retired, or were.
        pinned: How many more would be, but for a hold.
        deleted: The batches whose time of grace is over: their files are to be deleted, or were;
            partition and batch ID.
        waiting: How many retired batches are not due yet, or held by a hold meanwhile, or
            where the metastore points.
        delete_after: When the files of what is retired now may be deleted, in UTC.
        ignored: Batches that a note wants deleted and that the history has not given up: they stay,
            and somebody has forged the note, or removed a part of the history; partition and batch
            ID.
        strays: Directories with files that no history names, of writers that may be alive; those
            that are older than a day are retired like others. Partition and batch ID.
        unfinished: Objects that somebody began to write more than a day ago and did not finish:
            they are to be deleted, or were.
    """

    table: str
    dry_run: bool
    retired: tuple[RetiredBatch, ...]
    pinned: int
    deleted: tuple[tuple[str, str], ...]
    waiting: int
    delete_after: datetime
    ignored: tuple[tuple[str, str], ...] = ()
    strays: tuple[tuple[str, str], ...] = ()
    unfinished: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Bytes of what is retired now."""
        return sum(one.bytes for one in self.retired)


@dataclass(frozen=True, slots=True)
class Rule:
    """What may be retired.

    Args:
        keep_last: How many batches of a partition stay, the current one among them; 1 at least.
        older_than: For how long a batch must have been out of use.
        grace: For how long its files stay after it was retired.

    Raises:
        InvalidName: A number or a time is too small, or a time too long.
    """

    keep_last: int
    older_than: timedelta
    grace: timedelta = GRACE

    def __post_init__(self) -> None:
        if whole(self.keep_last, "keep_last") < 1:
            raise InvalidName(
                f"keep_last={self.keep_last}: the current batch always stays, so it is 1 at least"
            )
        for name, value in (("older_than", self.older_than), ("grace", self.grace)):
            positive_duration(value, name)


def retain(
    table: Table, ledger: Ledger, rule: Rule, author: Author, *, dry_run: bool, now: datetime
) -> RetentionReport:
    """Retire what the rule says, and delete what was retired long enough ago.

    Args:
        table: The table.
        ledger: Its ledgers.
        rule: What may be retired.
        author: Who and why.
        dry_run: Only tell.
        now: The time, in UTC.

    Returns:
        What was done, or would be.
    """
    if not dry_run:
        catch_up(table, ledger, author)
    known_notes = tombstones.list_tombstones(table)
    parts = _partitions(table, ledger, rule, now, tombstones.versions(known_notes))
    found = [one for part in parts.values() for one in part.out]
    pinned = held(table, now)
    if not dry_run and any(note.retired is None for note in known_notes):
        mine = {(one.partition, one.batch_id) for one in found} - pinned
        complete(table, ledger, chosen=mine, erasures=False, now=now)
        known_notes = tombstones.list_tombstones(table)
    before = [note for note in known_notes if not note.done]
    known = tombstones.refused_by(before)
    candidates = [one for one in found if (one.partition, one.batch_id) not in known]
    chosen = [one for one in candidates if (one.partition, one.batch_id) not in pinned]
    delete_after = now + rule.grace
    if chosen and not dry_run:
        note = Tombstone(
            tombstones.name_at(now),
            _by_partition(chosen),
            now,
            delete_after,
            author.producer,
            author.reason,
        )
        done = confirmed(table, ledger, tombstones.write(table, note))
        chosen = [one for one in chosen if one.batch_id in done.get(one.partition, ())]
    mentioned = {
        *mentioned_in_notes(table, tombstones.list_tombstones(table, ended=True)),
        *(item for part in parts.values() for item in part.named),
    }
    left = find_orphan_files(table, mentioned, now)
    strays = left.batches
    if not dry_run:
        heard = {name for name, part in parts.items() if part.named}
        strays = expire_old(table, ledger, left, heard, author, now=now, grace=rule.grace)
    swept = vacuum(table, ledger, before, now, dry_run=dry_run)
    return RetentionReport(
        str(table.ref),
        dry_run,
        tuple(chosen),
        len(candidates) - len(chosen),
        swept.deleted,
        swept.waiting,
        delete_after,
        swept.ignored,
        strays,
        left.unfinished,
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """What the history of a partition says.

    Args:
        out: The batches that the rule gives up: neither among the last ones nor in use a moment
            ago.
        named: All batches that it names, as partition name and batch ID.
    """

    out: list[RetiredBatch]
    named: list[Item]


def _partitions(
    table: Table, ledger: Ledger, rule: Rule, now: datetime, instead: Versions
) -> dict[str, _Part]:
    heads = all_heads(table, ledger)
    found = map_concurrently(
        lambda name: _of_partition(table, ledger, name, heads[name], rule, now, instead),
        heads,
        table.store.concurrency,
    )
    return dict(zip(heads, found, strict=True))


def _of_partition(
    table: Table,
    ledger: Ledger,
    name: str,
    head: Head,
    rule: Rule,
    now: datetime,
    instead: Versions,
) -> _Part:
    newest: dict[str, RetiredBatch | None] = {}
    named: list[Item] = []
    gone: set[str] = set()
    until = now
    for entry in ledger.newest_first(name, head):
        gone.update(entry.retired)
        named += named_by(table, entry)
        if entry.batch_id:
            new = instead.get((name, entry.batch_id)) if entry.batch_id in gone else None
            here = new or entry
            batch_id = new.batch_id if new else entry.batch_id
            if batch_id not in newest:
                ours = new is not None or table.keeps(name, entry.batch_id, entry.location)
                out = (
                    ours
                    and now - until > rule.older_than
                    and head.batch_id not in (batch_id, entry.batch_id)
                )
                newest[batch_id] = (
                    RetiredBatch(name, batch_id, here.rows, here.bytes, until) if out else None
                )
        until = entry.at
    kept = [one for one in newest if one not in gone]
    out_of_use = [last for one in kept[rule.keep_last :] if (last := newest[one]) is not None]
    return _Part(out_of_use, named)


def _by_partition(chosen: Sequence[RetiredBatch]) -> Batches:
    found: dict[str, list[str]] = {}
    for one in chosen:
        found.setdefault(one.partition, []).append(one.batch_id)
    return {name: tuple(ids) for name, ids in found.items()}

"""Retention: batches expire in the log first, and their files are deleted later.

Retention never touches the current batch, batches that were current within ``older_than``, the
newest ``keep_last`` batches of a partition, held batches, batches that another engine pointed the
metastore at, staged batches younger than ``staged_older_than``, and files that were adopted in
place. A staged batch is discarded in the log before it expires.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow_sfx.core.batch_id import moment_of
from airflow_sfx.core.errors import BatchNotFound, InconsistentBatch, InvalidName
from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.core.validation import positive_duration, whole
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.batch.staging import staged_batches
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.pins.trained import TrainedVersion
from airflow_sfx.warehouse.results import Tabular
from airflow_sfx.warehouse.retention.deletion import old_leases
from airflow_sfx.warehouse.retention.orphan_files import (
    expire_orphans,
    find_orphan_files,
    named_by,
)
from airflow_sfx.warehouse.retention.retire import reconcile_all, retire
from airflow_sfx.warehouse.retention.vacuum import held, vacuum
from airflow_sfx.warehouse.table import tombstones
from airflow_sfx.warehouse.table.manifests import Item
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import Batches, Tombstone, Versions
from airflow_sfx.warehouse.words import duration
from airflow_sfx.warehouse.write.discard import discard

GRACE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RetiredBatch:
    """A batch that retention expires.

    Args:
        partition: The partition's name.
        batch_id: The batch.
        rows: The number of rows.
        bytes: The number of bytes.
        replaced_at: When it was last current, or was discarded, in UTC; of a staged batch that was
            not discarded, when it was written.
        staged: Whether it was staged and never published.
    """

    partition: str
    batch_id: str
    rows: int
    bytes: int
    replaced_at: datetime
    staged: bool = False


@dataclass(frozen=True, slots=True)
class RetentionReport(Tabular):
    """What retention would do, or did.

    Args:
        table: The table as ``database.table``.
        dry_run: Whether nothing was done.
        retired: The batches that expire.
        pinned: The number of batches that a hold keeps from expiring.
        deleted: The batches whose grace period is over and whose files are deleted, as partition
            name and batch ID.
        waiting: The number of expired batches whose files stay: their grace period is not over, a
            hold keeps them, or the metastore points at them.
        delete_after: When the files of the batches that expire now may be deleted, in UTC.
        ignored: Batches of tombstones that were forged, as they name no commit. They stay.
            Partition name and batch ID.
        orphans: Directories with files that no log entry names, whose writers may still run. Those
            older than a day expire like other batches. Partition name and batch ID.
        unfinished: Objects that writers began more than a day ago and did not finish, which are
            deleted.
        models: The versions of models that were trained on batches that expire or are deleted, or
            on what was made from them.
        leases: The number of objects by which consumers of streams showed, before yesterday, that
            they live. They are deleted.
    """

    table: str
    dry_run: bool
    retired: tuple[RetiredBatch, ...]
    pinned: int
    deleted: tuple[tuple[str, str], ...]
    waiting: int
    delete_after: datetime
    ignored: tuple[tuple[str, str], ...] = ()
    orphans: tuple[tuple[str, str], ...] = ()
    unfinished: tuple[str, ...] = ()
    models: tuple[TrainedVersion, ...] = ()
    leases: int = 0

    @property
    def batches(self) -> tuple[Item, ...]:
        """The batches that expire or are deleted, as partition name and batch ID."""
        return (*((one.partition, one.batch_id) for one in self.retired), *self.deleted)

    @property
    def bytes(self) -> int:
        """The bytes of the batches that expire."""
        return sum(one.bytes for one in self.retired)


@dataclass(frozen=True, slots=True)
class Rule:
    """Which batches expire.

    Args:
        keep_last: The number of batches to keep of each partition, including the current one; at
            least 1.
        older_than: The minimum time since a batch was last current.
        grace: How long its files stay after it expired.
        staged_older_than: The minimum time since a staged batch was written, or None to keep
            staged batches.

    Raises:
        InvalidName: A number or a time is too small, or a time is too long.
    """

    keep_last: int
    older_than: timedelta
    grace: timedelta = GRACE
    staged_older_than: timedelta | None = None

    def __post_init__(self) -> None:
        if whole(self.keep_last, "keep_last") < 1:
            raise InvalidName(
                f"keep_last={self.keep_last} is below 1: the current batch always stays, so pass 1"
                " or more"
            )
        for name, value in (("older_than", self.older_than), ("grace", self.grace)):
            positive_duration(value, name)
        if self.staged_older_than is not None:
            positive_duration(self.staged_older_than, "staged_older_than")

    def ends(self, batch_id: str, discarded: datetime, now: datetime) -> bool:
        """Return whether a discarded batch expires."""
        return now - discarded > self.older_than or self.overdue(batch_id, now)

    def overdue(self, batch_id: str, now: datetime) -> bool:
        """Return whether a batch has been staged for too long; its ID may be ahead of the clock."""
        return (
            self.staged_older_than is not None
            and now - min(now, moment_of(batch_id)) >= self.staged_older_than
        )


def retain(
    table: Table, log: PartitionLog, rule: Rule, author: Author, *, dry_run: bool, now: datetime
) -> RetentionReport:
    """Expire the batches that the rule selects, and delete expired ones that are due.

    Args:
        table: The table.
        log: The table's log.
        rule: Which batches expire.
        author: Who, and why.
        dry_run: Whether to only report what would be done.
        now: The time, in UTC.

    Returns:
        What was done, or would be.
    """
    if not dry_run:
        reconcile_all(table, log, author)
    since = log.look().version
    known = tombstones.list_tombstones(table)
    pinned = held(table, now)
    overdue = _overdue(table, log, rule, now, known)
    if not dry_run and overdue:
        _discard(table, log, [item for item in overdue if item not in pinned], rule, author)
    parts = _partitions(table, log, rule, now, tombstones.versions(known))
    found = [one for part in parts.values() for one in part.out]
    there = {(one.partition, one.batch_id) for one in found}
    found += [
        RetiredBatch(name, one, *_figures(table, name, one), moment_of(one), staged=True)
        for name, one in overdue
        if (name, one) not in there and (dry_run or (name, one) in pinned)
    ]
    chosen = [one for one in found if (one.partition, one.batch_id) not in pinned]
    delete_after = now + rule.grace
    if chosen and not dry_run:
        batches = _by_partition(chosen)
        tombstone = Tombstone(batches, now, delete_after, author.producer, author.reason)
        done = retire(table, log, tombstone, since=since)
        chosen = [one for one in chosen if one.batch_id in done.get(one.partition, ())]
    mentioned = {item for part in parts.values() for item in part.named}
    ended = tombstones.list_tombstones(table, ended=True)
    left = find_orphan_files(table, mentioned, ended, now)
    orphans = left.batches
    if not dry_run:
        orphans = expire_orphans(table, log, left, author, now=now, grace=rule.grace, since=since)
    vacuumed = vacuum(table, log, known, now, dry_run=dry_run)
    return RetentionReport(
        str(table.ref),
        dry_run,
        tuple(chosen),
        len(found) - len(chosen),
        vacuumed.deleted,
        vacuumed.waiting,
        delete_after,
        vacuumed.ignored,
        orphans,
        left.unfinished,
        leases=old_leases(table, now, dry_run=dry_run),
    )


def _overdue(
    table: Table, log: PartitionLog, rule: Rule, now: datetime, known: Sequence[Tombstone]
) -> list[Item]:
    """Return the staged batches that have not been discarded and have waited for too long."""
    if rule.staged_older_than is None:
        return []
    found = staged_batches(table, log, known=known)
    items = [item for pin in (*found.waiting, *found.overtaken) for item in pin.entries]
    return [item for item in items if rule.overdue(item[1], now)]


def _discard(
    table: Table, log: PartitionLog, items: Sequence[Item], rule: Rule, author: Author
) -> None:
    """Discard overdue batches, except those that are published meanwhile."""
    assert rule.staged_older_than is not None
    why = f"staged for more than {duration(rule.staged_older_than)}"
    reason = f"{why}: {author.reason}" if author.reason else why
    discard(table, log, items, Author(author.producer, reason), unless_published=True)


def _figures(table: Table, name: str, batch_id: str) -> tuple[int, int]:
    """Return a batch's rows and bytes, or zeros if its manifest cannot be read."""
    try:
        manifest = table.manifest(name, batch_id)
    except (BatchNotFound, InconsistentBatch):
        return 0, 0
    return manifest.rows, manifest.bytes


@dataclass(frozen=True, slots=True)
class _Part:
    """The history of a partition, as far as retention needs it.

    Args:
        out: The batches that the rule expires.
        named: All batches that the log names, as partition name and batch ID.
    """

    out: list[RetiredBatch]
    named: list[Item]


def _partitions(
    table: Table, log: PartitionLog, rule: Rule, now: datetime, instead: Versions
) -> dict[str, _Part]:
    chains = log.chains()
    found = map_concurrently(
        lambda name: _of_partition(table, name, chains[name], rule, now, instead),
        chains,
        table.store.concurrency,
    )
    return dict(zip(chains, found, strict=True))


def _of_partition(
    table: Table,
    name: str,
    chain: Sequence[LogEntry],
    rule: Rule,
    now: datetime,
    instead: Versions,
) -> _Part:
    newest: dict[str, RetiredBatch | None] = {}
    named: list[Item] = []
    gone: set[str] = set()
    ended: dict[str, datetime] = {}
    head, until = chain[0], now
    for entry in chain:
        gone.update(entry.retired)
        named += named_by(table, entry)
        for one in entry.discarded:
            if one not in gone and one not in newest and rule.ends(one, entry.at, now):
                ended[one] = entry.at
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
    out_of_use = [
        last
        for one in kept[0 if head.dropped else rule.keep_last :]
        if (last := newest[one]) is not None
    ]
    discarded = [
        RetiredBatch(name, one, *_figures(table, name, one), at, staged=True)
        for one, at in ended.items()
    ]
    return _Part([*out_of_use, *discarded], named)


def _by_partition(chosen: Sequence[RetiredBatch]) -> Batches:
    found: dict[str, list[str]] = {}
    for one in chosen:
        found.setdefault(one.partition, []).append(one.batch_id)
    return {name: tuple(ids) for name, ids in found.items()}

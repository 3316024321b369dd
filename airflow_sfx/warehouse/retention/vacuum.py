"""Expiring batches by tombstones and log entries, and deleting their files.

Only what the log has expired is deleted: a tombstone is an object that anyone with write access to
the table's objects can forge. If a process dies, the next one completes its tombstone, as far as it
would expire the same batches itself.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum

from airflow_sfx.core.errors import BatchNotFound, InconsistentBatch
from airflow_sfx.core.log_entry import Change, LogEntry, Operation
from airflow_sfx.warehouse.batch.staging import record_staged, waiting
from airflow_sfx.warehouse.external.reconcile import heads_to_change
from airflow_sfx.warehouse.log.commit import Author, commit
from airflow_sfx.warehouse.log.metastore_sync import known_names, pointed_at
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.pins.holds import holding
from airflow_sfx.warehouse.retention.deletion import delete_batches
from airflow_sfx.warehouse.retention.log_verdicts import Item, Verdict, verdicts
from airflow_sfx.warehouse.table import tombstones
from airflow_sfx.warehouse.table.manifests import find_manifests
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import UNFINISHED_FOR, Batches, Replacement, Tombstone

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VacuumReport:
    """What a vacuum did.

    Args:
        deleted: The batches whose files are deleted, as partition name and batch ID.
        waiting: The number of batches that stay for now.
        ignored: Batches that a tombstone names and the log has not expired, as partition name and
            batch ID.
    """

    deleted: tuple[Item, ...] = ()
    waiting: int = 0
    ignored: tuple[Item, ...] = ()


def held(table: Table, now: datetime) -> set[tuple[str, str]]:
    """Return the held batches, as partition name and batch ID."""
    return {item for one in holding(table, now) for item in one.pin.batches.items()}


def confirm(table: Table, log: PartitionLog, tombstone: Tombstone) -> Batches:
    """Expire a tombstone's batches in the log.

    A rollback that did not see the tombstone either has an earlier entry, and its batch stays, or
    conflicts and is rejected.

    Args:
        table: The table.
        log: The table's log.
        tombstone: The tombstone, which is already visible to others.

    Returns:
        The expired batches by partition name. For an erasure also the unused replacements of
        batches that another erasure replaced first.
    """
    if not tombstone.replaced:
        entries = _append(
            table,
            log,
            replace(tombstone, batches=_without_staged(table, log, tombstone.batches)),
        )
        return tombstones.confirm(
            table, tombstone, {entry.partition: entry.retired for entry in entries}
        )
    mine = _first_replaced(table, tombstone)
    _append(table, log, mine)
    return tombstones.confirm(
        table, tombstone, {name: _retired(tombstone, mine, name) for name in tombstone.replaced}
    )


def _append(table: Table, log: PartitionLog, tombstone: Tombstone) -> list[LogEntry]:
    """Write the log entries that expire a tombstone's batches."""
    if not tombstone.batches:
        return []
    author = Author(tombstone.producer, tombstone.reason)
    heads = heads_to_change(table, log, tombstone.batches, author)

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        found = (
            _change(tombstone, name, heads[name], ids) for name, ids in tombstone.batches.items()
        )
        return [change for change in found if change]

    return commit(table, log, heads, plan, author)


def _first_replaced(table: Table, tombstone: Tombstone) -> Tombstone:
    """Return an erasure's tombstone with the batches that it was first to replace.

    Their replacements are staged if the replaced batches were.
    """
    mine = tombstones.first_to_replace(table, tombstone)
    for name, news in mine.items():
        for new in news.values():
            if new.staged:
                record_staged(table, table.pin({name: new.batch_id}), by=tombstone.name)
    late = sum(map(len, tombstone.replaced.values())) - sum(map(len, mine.values()))
    reason = (
        f"{tombstone.reason} ({late} of them were replaced by another erasure first, and searched"
        " again)"
        if late
        else ""
    )
    batches = {name: tuple(news) for name, news in mine.items()}
    return replace(tombstone, batches=batches, replaced=mine, reason=reason or tombstone.reason)


def _retired(tombstone: Tombstone, mine: Tombstone, name: str) -> tuple[str, ...]:
    """Return what an erasure replaced in a partition, and its unused replacements."""
    old = mine.batches.get(name, ())
    return (
        *old,
        *(new.batch_id for one, new in tombstone.replaced[name].items() if one not in old),
    )


def _without_staged(table: Table, log: PartitionLog, batches: Batches) -> Batches:
    """Leave out batches that have been staged since they were considered unfinished.

    Their writers did not see the tombstone, or will withdraw the batch.
    """
    kept = waiting(table, log, {(name, one) for name, ids in batches.items() for one in ids})
    return {
        name: tuple(one for one in ids if (name, one) not in kept) for name, ids in batches.items()
    }


def reconcile_all(table: Table, log: PartitionLog, author: Author) -> None:
    """Reconcile the changes of other engines before batches are selected."""
    heads_to_change(table, log, known_names(log, table.pointers(None)), author)


def complete(
    table: Table,
    log: PartitionLog,
    *,
    chosen: Collection[Item] = (),
    erasures: bool = True,
    despite_pins: bool = False,
    now: datetime | None = None,
) -> None:
    """Complete tombstones whose writers died before the log entries were written.

    A retention's tombstone may be forged, so it is completed only if the caller would expire all of
    its batches itself. Others are left to their writers for a day; after that, their remaining
    batches are free again.

    Args:
        table: The table.
        log: The table's log.
        chosen: The batches that the caller would expire.
        erasures: Whether to complete erasures too, whose batches are replaced.
        despite_pins: Whether erasures that were to delete held batches still do.
        now: The time, in UTC, or None for the clock's.
    """
    now = now or datetime.now(UTC)
    pending = [
        tombstone for tombstone in tombstones.list_tombstones(table) if tombstone.retired is None
    ]
    items = {item for tombstone in pending for item in _named(tombstone.batches)}
    known = verdicts(table, log, items)
    for tombstone in pending:
        if tombstone.replaced:
            if erasures and _is_erasure_of(table, tombstone, known):
                _confirm_for_writer(
                    table,
                    log,
                    replace(tombstone, despite_pins=tombstone.despite_pins and despite_pins),
                )
            continue
        mine = {
            (name, one)
            for name, one in _named(tombstone.batches)
            if _may_retire(known[name], name, one, chosen, now)
        }
        if len(mine) == len(_named(tombstone.batches)):
            _confirm_for_writer(table, log, tombstone)
        elif tombstone.at < now - UNFINISHED_FOR:
            _log.warning(
                "%s: the tombstone %s names batches that are not to expire; it is closed",
                table.ref,
                tombstone.name,
            )
            _confirm_for_writer(
                table, log, replace(tombstone, batches=_only(tombstone.batches, mine))
            )


def _may_retire(
    verdict: Verdict, name: str, batch_id: str, chosen: Collection[Item], now: datetime
) -> bool:
    return (
        (name, batch_id) in chosen
        or batch_id in verdict.retired
        or verdict.is_orphan(batch_id, now)
    )


def _is_erasure_of(table: Table, tombstone: Tombstone, known: Mapping[str, Verdict]) -> bool:
    """Return whether replacements are the replaced batches without some rows.

    Only the manifests are compared.
    """
    for name, news in tombstone.replaced.items():
        for old, new in news.items():
            if old not in known[name].retired and not _is_less(table, name, old, new):
                _log.warning(
                    "%s: the tombstone %s replaces the batch %s by %s, which is not that batch"
                    " without rows: it is ignored",
                    table.describe(name),
                    tombstone.name,
                    old,
                    new.batch_id,
                )
                return False
    return True


def _is_less(table: Table, name: str, old: str, new: Replacement) -> bool:
    try:
        before, after = table.manifest(name, old), table.manifest(name, new.batch_id)
    except (BatchNotFound, InconsistentBatch):
        return False
    return after.rows == new.rows <= before.rows and after.columns == before.columns


def _named(batches: Batches) -> list[Item]:
    return [(name, one) for name, ids in batches.items() for one in ids]


def _only(batches: Batches, wanted: Collection[Item]) -> Batches:
    left = {
        name: tuple(one for one in ids if (name, one) in wanted) for name, ids in batches.items()
    }
    return {name: ids for name, ids in left.items() if ids}


def _confirm_for_writer(table: Table, log: PartitionLog, tombstone: Tombstone) -> Batches:
    """Confirm a dead writer's tombstone, even if newer attempts of its task changed partitions."""
    return confirm(
        table,
        log,
        replace(tombstone, producer=replace(tombstone.producer, try_number=None, attempt_id=None)),
    )


def _change(tombstone: Tombstone, name: str, head: Head, ids: Sequence[str]) -> Change | None:
    """Return the log entry that expires a partition's batches.

    The current batch stays, or its replacement becomes current. If a partition has only staged
    batches, the entry has no batch; it still takes the next number, so that a publish that has not
    seen the tombstone conflicts and is planned again.
    """
    now = head.entry
    if now is None:
        if not tombstone.replaced:
            return None
        return Change(
            name, Operation.ERASE, None, retired=tuple(ids), despite_pins=tombstone.despite_pins
        )
    if tombstone.replaced and set(ids) <= set(now.retired):
        return None  # another process has just completed this tombstone
    new = tombstone.replaced.get(name, {}).get(head.batch_id or "")
    if new is not None:
        there = Change(name, Operation.ERASE, new.batch_id, now.origin, new.rows, new.bytes)
        return replace(there, retired=tuple(ids), despite_pins=tombstone.despite_pins)
    gone = tuple(one for one in ids if one != head.batch_id)
    operation = Operation.ERASE if tombstone.replaced else Operation.RETIRE
    same = Change(name, operation, now.batch_id, now.origin, now.rows, now.bytes, now.location)
    return replace(same, retired=gone, despite_pins=tombstone.despite_pins) if gone else None


def vacuum(
    table: Table,
    log: PartitionLog,
    records: Sequence[Tombstone],
    now: datetime,
    *,
    dry_run: bool,
    despite_pins: bool = False,
) -> VacuumReport:
    """Delete expired batches that are due, neither held nor in the metastore.

    Args:
        table: The table.
        log: The table's log.
        records: The tombstones.
        now: The time, in UTC.
        dry_run: Whether to only report what would be done.
        despite_pins: Whether to delete held batches if only an erasure's tombstone allows it,
            because an earlier version wrote its log entry.

    Returns:
        What was deleted, or would be.
    """
    known = [(tombstone, _named(tombstone.retired or {})) for tombstone in records]
    due_now = {
        item for tombstone, items in known if tombstone.delete_after <= now for item in items
    }
    sought = due_now | {
        (name, old)
        for tombstone, _ in known
        for name, news in tombstone.replaced.items()
        for old in news
    }
    by_partition = verdicts(table, log, sought) if due_now else {}
    unknown = {(name, one) for name, one in due_now if not by_partition[name].knows(one)}
    judge = _Judge(
        table,
        pointed_at(table, [item for _, items in known for item in items]),
        by_partition,
        held(table, now) if due_now else set(),
        waiting(table, log, unknown) if unknown else set(),
        now,
        despite_pins,
    )
    found: dict[_Outcome, list[Item]] = {outcome: [] for outcome in _Outcome}
    for tombstone, items in known:
        unused = {
            (name, new.batch_id): old
            for name, news in tombstone.replaced.items()
            for old, new in news.items()
        }
        outcomes = {item: judge.outcome(tombstone, item, unused.get(item)) for item in items}
        for item, outcome in outcomes.items():
            found[outcome].append(item)
        if not dry_run:
            due = [item for item, outcome in outcomes.items() if outcome is _Outcome.DELETE]
            delete_batches(table, due, claimed=[item for item in due if item in unused])
        if (
            not dry_run
            and tombstone.retired is not None
            and set(outcomes.values()) <= {_Outcome.DELETE}
        ):
            tombstones.finish(table, tombstone)
    if ignored := found[_Outcome.IGNORE]:
        _log.warning(
            "%s: tombstones name %d batches that have not expired in the history, such as %s of"
            " %s: they are kept; check who wrote %s",
            table.ref,
            len(ignored),
            ignored[0][1],
            table.describe(ignored[0][0]),
            table.layout.retired,
        )
    return VacuumReport(tuple(found[_Outcome.DELETE]), len(found[_Outcome.WAIT]), tuple(ignored))


class _Outcome(Enum):
    """What happens to a batch that a tombstone names."""

    DELETE = "its files are deleted"
    WAIT = "its files stay for now"
    IGNORE = "it has not expired in the history"


@dataclass(frozen=True, slots=True)
class _Judge:
    """The facts that decide whether batches are deleted.

    Args:
        table: The table.
        used: The batches that the metastore points at.
        verdicts: The log's verdicts, by partition name.
        held: The held batches.
        staged: The staged batches that no log entry names.
        now: The time, in UTC.
        despite_pins: Whether an erasure's tombstone is enough to delete held batches.
    """

    table: Table
    used: Collection[Item]
    verdicts: Mapping[str, Verdict]
    held: Collection[Item]
    staged: Collection[Item]
    now: datetime
    despite_pins: bool

    def outcome(self, tombstone: Tombstone, item: Item, old: str | None) -> _Outcome:
        """Decide about a batch; ``old`` is the batch it was to replace, for erasures."""
        if tombstone.delete_after > self.now or item in self.used:
            return _Outcome.WAIT
        name, batch_id = item
        verdict = self.verdicts[name]
        if batch_id in verdict.retired:
            noted = tombstone.despite_pins and batch_id in tombstone.replaced.get(name, ())
            despite_pins = verdict.retired[batch_id] or (noted and self.despite_pins)
            return _Outcome.WAIT if item in self.held and not despite_pins else _Outcome.DELETE
        if batch_id in verdict.named or item in self.held or item in self.staged:
            return _Outcome.IGNORE
        in_vain = old in verdict.retired and bool(find_manifests(self.table, [item]))
        return (
            _Outcome.DELETE if in_vain or verdict.is_orphan(batch_id, self.now) else _Outcome.WAIT
        )

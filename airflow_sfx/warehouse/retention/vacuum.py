"""Retiring batches: what a note names is said in the ledgers, and deleted when its time has come.

This module alone deletes, and only what the ledgers have given up: notes are objects like others,
which whoever may write the table's objects can forge. Where a process died, the next one finds its
note and goes on, as far as it would do the same itself.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum

from airflow_sfx.core.errors import BatchNotFound, InconsistentBatch, WarehouseUnavailable
from airflow_sfx.core.ledger import Change, LedgerEntry, Operation
from airflow_sfx.core.paths import CLAIM
from airflow_sfx.warehouse.batch.data_files import link_out
from airflow_sfx.warehouse.batch.staging import note_staged, waiting
from airflow_sfx.warehouse.external.reconcile import heads_to_change
from airflow_sfx.warehouse.log.commit import Author, commit
from airflow_sfx.warehouse.log.ledger import Head, Ledger
from airflow_sfx.warehouse.log.metastore_sync import known_names, pointed_at
from airflow_sfx.warehouse.pins.holds import holding
from airflow_sfx.warehouse.retention.ledger_verdicts import Fate, Item, fates
from airflow_sfx.warehouse.table import tombstones
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import UNFINISHED_FOR, Batches, Replacement, Tombstone

_log = logging.getLogger(__name__)
_WAREHOUSE_NOTES = "_sfx"
"""Where a warehouse keeps what is of no table alone."""


@dataclass(frozen=True, slots=True)
class VacuumReport:
    """What a sweep did.

    Args:
        deleted: The batches whose files are to be deleted, or were; partition and batch ID.
        waiting: How many stay for now.
        ignored: Batches that a note wants deleted and the history has not given up; partition and
            batch ID.
    """

    deleted: tuple[Item, ...] = ()
    waiting: int = 0
    ignored: tuple[Item, ...] = ()


def held(table: Table, now: datetime) -> set[tuple[str, str]]:
    """What a hold holds."""
    return {item for one in holding(table, now) for item in one.pin.batches.items()}


def confirmed(table: Table, ledger: Ledger, note: Tombstone) -> Batches:
    """Say it in the ledgers: a rollback that did not see the note comes before this entry, and its batch stays, or is refused.

    Args:
        table: The table.
        ledger: Its ledgers.
        note: What others can see already.

    Returns:
        What is retired, by partition name; for an erasure, also what was to replace batches that
        another one replaced first.
    """
    if not note.replaced:
        entries = _said(
            table, ledger, replace(note, batches=_without_staged(table, ledger, note.batches))
        )
        return tombstones.confirm(
            table, note, {entry.partition: entry.retired for entry in entries}
        )
    mine = _first(table, note)
    _said(table, ledger, mine)
    return tombstones.confirm(
        table, note, {name: _given_up(note, mine, name) for name in note.replaced}
    )


def _said(table: Table, ledger: Ledger, note: Tombstone) -> list[LedgerEntry]:
    """The ledger entries by which a note's batches are retired."""
    if not note.batches:
        return []
    author = Author(note.producer, note.reason)
    heads = heads_to_change(table, ledger, note.batches, author)

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        found = (_change(note, name, heads[name], ids) for name, ids in note.batches.items())
        return [change for change in found if change]

    return commit(table, ledger, heads, plan, author)


def _first(table: Table, note: Tombstone) -> Tombstone:
    """An erasure's note without the batches that another erasure was the first to replace; what it staged again is noted."""
    mine = tombstones.first_to_replace(table, note)
    for name, news in mine.items():
        for new in news.values():
            if new.staged:
                note_staged(table, table.pin({name: new.batch_id}), by=note.name)
    late = sum(map(len, note.replaced.values())) - sum(map(len, mine.values()))
    reason = (
        f"{note.reason} ({late} of them were replaced by another erasure first, and searched again)"
        if late
        else ""
    )
    batches = {name: tuple(news) for name, news in mine.items()}
    return replace(note, batches=batches, replaced=mine, reason=reason or note.reason)


def _given_up(note: Tombstone, mine: Tombstone, name: str) -> tuple[str, ...]:
    """What an erasure replaced in a partition, and what it would have put in the place of the rest, which nobody may use."""
    old = mine.batches.get(name, ())
    return (*old, *(new.batch_id for one, new in note.replaced[name].items() if one not in old))


def _without_staged(table: Table, ledger: Ledger, batches: Batches) -> Batches:
    """What was taken for unfinished may have been staged since: whoever did it did not see the note, or takes that back."""
    kept = waiting(table, ledger, {(name, one) for name, ids in batches.items() for one in ids})
    return {
        name: tuple(one for one in ids if (name, one) not in kept) for name, ids in batches.items()
    }


def catch_up(table: Table, ledger: Ledger, author: Author) -> None:
    """Bring the history to where things are before batches are chosen by it: with what something else did."""
    heads_to_change(table, ledger, known_names(table, ledger, table.pointers(None)), author)


def complete(
    table: Table,
    ledger: Ledger,
    *,
    chosen: Collection[Item] = (),
    erasures: bool = True,
    despite_pins: bool = False,
    now: datetime | None = None,
) -> None:
    """Speak for whoever noted and died before the ledgers said so, or has not come so far.

    A retention's note is completed only if whoever calls would give up all of its batches himself:
    it may be forged. One of which that is not so is left to its author for a day; then the rest of
    its batches are free again.

    Args:
        table: The table.
        ledger: Its ledgers.
        chosen: Batches that the caller would retire.
        erasures: Whether to complete erasures as well, whose batches are replaced.
        despite_pins: Whether those that were to delete what holds hold still do: the caller
            wants the same.
        now: The time, in UTC; None for the clock's.
    """
    now = now or datetime.now(UTC)
    open_notes = [note for note in tombstones.list_tombstones(table) if note.retired is None]
    items = {item for note in open_notes for item in _named(note.batches)}
    known = fates(table, ledger, items)
    for note in open_notes:
        if note.replaced:
            if erasures and _is_erasure_of(table, note, known):
                _confirmed_for(
                    table, ledger, replace(note, despite_pins=note.despite_pins and despite_pins)
                )
            continue
        mine = {
            (name, one)
            for name, one in _named(note.batches)
            if _may_retire(known[name], name, one, chosen, now)
        }
        if len(mine) == len(_named(note.batches)):
            _confirmed_for(table, ledger, note)
        elif note.at < now - UNFINISHED_FOR:
            _log.warning(
                "%s: the note %s names batches that nobody gives up; it is over",
                table.ref,
                note.name,
            )
            _confirmed_for(table, ledger, replace(note, batches=_only(note.batches, mine)))


def _may_retire(
    fate: Fate, name: str, batch_id: str, chosen: Collection[Item], now: datetime
) -> bool:
    return (name, batch_id) in chosen or batch_id in fate.retired or fate.is_stray(batch_id, now)


def _is_erasure_of(table: Table, note: Tombstone, known: Mapping[str, Fate]) -> bool:
    """Whether what a note puts in the place of batches are such batches without some rows, as far as the manifests tell."""
    for name, news in note.replaced.items():
        for old, new in news.items():
            if old not in known[name].retired and not _is_less(table, name, old, new):
                _log.warning(
                    "%s: the note %s replaces the batch %s by %s, which is not that batch without"
                    " rows: it is ignored",
                    table.describe(name),
                    note.name,
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


def _confirmed_for(table: Table, ledger: Ledger, note: Tombstone) -> Batches:
    """As `confirmed`, in the name of whoever noted it, of whom a later attempt may have changed the partitions meanwhile."""
    return confirmed(
        table,
        ledger,
        replace(note, producer=replace(note.producer, try_number=None, attempt_id=None)),
    )


def _change(note: Tombstone, name: str, head: Head, ids: Sequence[str]) -> Change | None:
    """What is current stays so, or what replaced it becomes current.

    A partition of which batches are staged alone has no batch before nor after, and its ledger says
    so all the same: the number is taken, and whoever publishes one of them without having seen the
    note begins again.
    """
    now = head.entry
    if now is None:
        if not note.replaced:
            return None
        return Change(
            name, Operation.ERASE, None, retired=tuple(ids), despite_pins=note.despite_pins
        )
    if note.replaced and set(ids) <= set(now.retired):
        return None  # somebody else has just said it for this note
    new = note.replaced.get(name, {}).get(head.batch_id or "")
    if new is not None:
        there = Change(name, Operation.ERASE, new.batch_id, now.origin, new.rows, new.bytes)
        return replace(there, retired=tuple(ids), despite_pins=note.despite_pins)
    gone = tuple(one for one in ids if one != head.batch_id)
    operation = Operation.ERASE if note.replaced else Operation.RETIRE
    same = Change(name, operation, now.batch_id, now.origin, now.rows, now.bytes, now.location)
    return replace(same, retired=gone, despite_pins=note.despite_pins) if gone else None


def vacuum(
    table: Table,
    ledger: Ledger,
    notes: Sequence[Tombstone],
    now: datetime,
    *,
    dry_run: bool,
    despite_pins: bool = False,
) -> VacuumReport:
    """Delete what is due: what the ledgers have given up, nothing that the metastore points at, and nothing that is held.

    Args:
        table: The table.
        ledger: Its ledgers.
        notes: The notes of what is to be deleted.
        now: The time, in UTC.
        dry_run: Only tell.
        despite_pins: Delete what holds hold also where the note of an erasure alone says so,
            as of one whose ledger entry an earlier version wrote: the caller wants the same.

    Returns:
        What was deleted, or would be.
    """
    known = [(note, _named(note.retired or {})) for note in notes]
    due_now = {item for note, items in known if note.delete_after <= now for item in items}
    sought = due_now | {
        (name, old) for note, _ in known for name, news in note.replaced.items() for old in news
    }
    by_partition = fates(table, ledger, sought) if due_now else {}
    unknown = {(name, one) for name, one in due_now if not by_partition[name].knows(one)}
    judge = _Judge(
        table,
        pointed_at(table, [item for _, items in known for item in items]),
        by_partition,
        held(table, now) if due_now else set(),
        waiting(table, ledger, unknown) if unknown else set(),
        now,
        despite_pins,
    )
    found: dict[_Outcome, list[Item]] = {outcome: [] for outcome in _Outcome}
    for note, items in known:
        unused = {
            (name, new.batch_id): old
            for name, news in note.replaced.items()
            for old, new in news.items()
        }
        outcomes = {item: judge.outcome(note, item, unused.get(item)) for item in items}
        for item, outcome in outcomes.items():
            found[outcome].append(item)
            if outcome is _Outcome.DELETE and not dry_run:
                _delete(table, *item, claimed=item in unused)
        if not dry_run and note.retired is not None and set(outcomes.values()) <= {_Outcome.DELETE}:
            tombstones.finish(table, note)
    if ignored := found[_Outcome.IGNORE]:
        _log.warning(
            "%s: notes want %d batches deleted that the history has not given up, %s of %s among"
            " them: they stay; look at who wrote %s",
            table.ref,
            len(ignored),
            ignored[0][1],
            table.describe(ignored[0][0]),
            table.layout.retired,
        )
    return VacuumReport(tuple(found[_Outcome.DELETE]), len(found[_Outcome.WAIT]), tuple(ignored))


class _Outcome(Enum):
    """What becomes of a batch that a note names."""

    DELETE = "its files are deleted"
    WAIT = "its files stay for now"
    IGNORE = "the history has not given it up"


@dataclass(frozen=True, slots=True)
class _Judge:
    """What is known when batches are to be deleted.

    Args:
        table: The table.
        used: The batches that the metastore points at.
        fates: What the ledgers say, by partition name.
        held: The batches that holds hold.
        staged: Those that wait to be published, of which no ledger says anything.
        now: The time, in UTC.
        despite_pins: Whether an erasure's note is enough to delete what holds hold.
    """

    table: Table
    used: Collection[Item]
    fates: Mapping[str, Fate]
    held: Collection[Item]
    staged: Collection[Item]
    now: datetime
    despite_pins: bool

    def outcome(self, note: Tombstone, item: Item, old: str | None) -> _Outcome:
        """What becomes of a batch of a note; ``old``: which one it was to replace, if it is an erasure's own."""
        if note.delete_after > self.now or item in self.used:
            return _Outcome.WAIT
        name, batch_id = item
        fate = self.fates[name]
        if batch_id in fate.retired:
            noted = note.despite_pins and batch_id in note.replaced.get(name, ())
            despite_pins = fate.retired[batch_id] or (noted and self.despite_pins)
            return _Outcome.WAIT if item in self.held and not despite_pins else _Outcome.DELETE
        if batch_id in fate.named or item in self.held or item in self.staged:
            return _Outcome.IGNORE
        in_vain = (
            old in fate.retired
            and self.table.store.head(self.table.layout.manifest(*item)) is not None
        )
        return _Outcome.DELETE if in_vain or fate.is_stray(batch_id, self.now) else _Outcome.WAIT


def unfinished(table: Table, now: datetime, *, dry_run: bool) -> tuple[str, ...]:
    """Delete what writers began and did not finish: of the table, and of the notes that the warehouse keeps of all tables.

    What other programs began below the table's directory is theirs.

    Args:
        table: The table.
        now: The time, in UTC: what is younger than a day may be a living writer's.
        dry_run: Only tell.

    Returns:
        The paths of the objects that it was to become.
    """
    find = table.store.unfinished if dry_run else table.store.delete_unfinished
    try:
        before = now - UNFINISHED_FOR
        return (
            *find(table.layout.root, before, table.layout.keeps),
            *find(_WAREHOUSE_NOTES, before),
        )
    except (
        WarehouseUnavailable
    ) as error:  # a right of its own, which who deletes objects need not have
        _log.warning(
            "What writers of %s began and did not finish may be left: %s", table.ref, error
        )
        return ()


def delete_claims(table: Table, claims: Sequence[Item]) -> None:
    """Delete the claims of directories that hold nothing else.

    Args:
        table: The table.
        claims: Partition names and batch IDs, as old as no living writer's.
    """
    for name, batch_id in claims:
        table.store.delete([f"{table.layout.batch_dir(name, batch_id)}/{CLAIM}"])


def _delete(table: Table, name: str, batch_id: str, *, claimed: bool) -> None:
    """The manifest first: a batch whose deletion was cut short cannot be loaded, and the next sweep deletes the rest.

    An ID that no ledger has had stays ``claimed``: somebody could take it anew, and the note would
    refuse his batch.
    """
    directory = table.layout.batch_dir(name, batch_id)
    if linked := link_out(table.store, table.layout.root, directory):
        raise InconsistentBatch(
            f"{linked} leads elsewhere by a symbolic link, which no store makes: nothing there is"
            " deleted; remove the link",
            table=str(table.ref),
            partition=name,
            batch_id=batch_id,
        )
    table.store.delete([table.layout.manifest(name, batch_id)])
    there = [info.path for info in table.store.list(directory, unfinished=True)]
    table.store.delete([path for path in there if not (claimed and path.endswith(f"/{CLAIM}"))])

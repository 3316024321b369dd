"""Retiring batches: what a note names is said in the ledgers, and deleted when its time has come.

This module alone deletes. Where a process died, the next one finds its note and goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from airflow_sfx.core.layout import CLAIM
from airflow_sfx.core.ledger import Change, LedgerEntry, Operation
from airflow_sfx.warehouse import retired
from airflow_sfx.warehouse.commit import Author, commit
from airflow_sfx.warehouse.durable_pins import holding
from airflow_sfx.warehouse.foreign import heads_to_change
from airflow_sfx.warehouse.ledger import Head, Ledger
from airflow_sfx.warehouse.opened import OpenTable
from airflow_sfx.warehouse.pointers import known_names, pointed_at
from airflow_sfx.warehouse.retired import Batches, Note
from airflow_sfx.warehouse.staged import note_staged, waiting


def held(table: OpenTable, now: datetime) -> set[tuple[str, str]]:
    """What a durable pin holds."""
    return {item for one in holding(table, now) for item in one.pin.batches.items()}


def confirmed(table: OpenTable, ledger: Ledger, note: Note) -> Batches:
    """Say it in the ledgers: a rollback that did not see the note comes before this entry, and its batch stays, or is refused.

    Args:
        table: The table.
        ledger: Its ledgers.
        note: What others can see already.

    Returns:
        What is retired, by partition name; for an erasure, also what was to replace batches that another one replaced first.
    """
    if not note.replaced:
        entries = _said(table, ledger, replace(note, batches=_without_staged(table, ledger, note.batches)))
        return retired.confirm(table, note, {entry.partition: entry.retired for entry in entries})
    mine = _first(table, note)
    _said(table, ledger, mine)
    return retired.confirm(table, note, {name: _given_up(note, mine, name) for name in note.replaced})


def _said(table: OpenTable, ledger: Ledger, note: Note) -> list[LedgerEntry]:
    """The ledger entries by which a note's batches are retired."""
    if not note.batches:
        return []
    author = Author(note.producer, note.reason)
    heads = heads_to_change(table, ledger, note.batches, author)

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        found = (_change(note, name, heads[name], ids) for name, ids in note.batches.items())
        return [change for change in found if change]

    return commit(table, ledger, heads, plan, author)


def _first(table: OpenTable, note: Note) -> Note:
    """An erasure's note without the batches that another erasure was the first to replace; what it staged again is noted."""
    mine = retired.first_to_replace(table, note)
    for name, news in mine.items():
        for new in news.values():
            if new.staged:
                note_staged(table, table.pin({name: new.batch_id}), by=note.name)
    late = sum(map(len, note.replaced.values())) - sum(map(len, mine.values()))
    reason = (
        f"{note.reason} ({late} of them were replaced by another erasure first, and searched again)" if late else ""
    )
    batches = {name: tuple(news) for name, news in mine.items()}
    return replace(note, batches=batches, replaced=mine, reason=reason or note.reason)


def _given_up(note: Note, mine: Note, name: str) -> tuple[str, ...]:
    """What an erasure replaced in a partition, and what it would have put in the place of the rest, which nobody may use."""
    old = mine.batches.get(name, ())
    return (*old, *(new.batch_id for one, new in note.replaced[name].items() if one not in old))


def _without_staged(table: OpenTable, ledger: Ledger, batches: Batches) -> Batches:
    """What was taken for unfinished may have been staged since: whoever did it did not see the note, or takes that back."""
    kept = waiting(table, ledger, {(name, one) for name, ids in batches.items() for one in ids})
    return {name: tuple(one for one in ids if (name, one) not in kept) for name, ids in batches.items()}


def catch_up(table: OpenTable, ledger: Ledger, author: Author) -> None:
    """Bring the history to where things are before batches are chosen by it: what something else did, and what others noted."""
    heads_to_change(table, ledger, known_names(table, ledger, table.pointers(None)), author)
    complete(table, ledger)


def complete(table: OpenTable, ledger: Ledger) -> None:
    """Speak for whoever noted and died before the ledgers said so, or has not come so far."""
    for note in retired.notes(table):
        if note.retired is None:
            _confirmed_for(table, ledger, note)


def _confirmed_for(table: OpenTable, ledger: Ledger, note: Note) -> Batches:
    """As `confirmed`, in the name of whoever noted it, of whom a later attempt may have changed the partitions meanwhile."""
    return confirmed(table, ledger, replace(note, producer=replace(note.producer, try_number=None, attempt_id=None)))


def _change(note: Note, name: str, head: Head, ids: Sequence[str]) -> Change | None:
    """What is current stays so, or what replaced it becomes current.

    A partition of which batches are staged alone has no batch before nor after, and its ledger says so all the same: the number
    is taken, and whoever publishes one of them without having seen the note begins again.
    """
    now = head.entry
    if now is None:
        return Change(name, Operation.ERASE, None, retired=tuple(ids)) if note.replaced else None
    if note.replaced and set(ids) <= set(now.retired):
        return None  # somebody else has just said it for this note
    new = note.replaced.get(name, {}).get(head.batch_id or "")
    if new is not None:
        return Change(name, Operation.ERASE, new.batch_id, now.origin, new.rows, new.bytes, retired=tuple(ids))
    gone = tuple(one for one in ids if one != head.batch_id)
    operation = Operation.ERASE if note.replaced else Operation.RETIRE
    same = Change(name, operation, now.batch_id, now.origin, now.rows, now.bytes, now.location, retired=gone)
    return same if gone else None


def sweep(
    table: OpenTable, ledger: Ledger, notes: Sequence[Note], now: datetime, *, dry_run: bool
) -> tuple[list[tuple[str, str]], int]:
    """Delete what is due, and nothing that the metastore points at; tells what, and how many batches stay for now."""
    deleted: list[tuple[str, str]] = []
    waiting = 0
    known = [(note, _items(table, ledger, note, dry_run=dry_run)) for note in notes]
    used = pointed_at(table, [item for _, items in known for item in items])
    for note, items in known:
        kept = set(items) if note.delete_after > now else set() if note.despite_pins else held(table, now)
        due = [item for item in items if item not in kept | used]
        waiting += len(items) - len(due)
        deleted += due
        if not dry_run:
            unused = {(name, new.batch_id) for name, news in note.replaced.items() for new in news.values()}
            for item in due:
                _delete(table, *item, claimed=item in unused)
            if len(due) == len(items):
                retired.finish(table, note)
    return deleted, waiting


def _items(table: OpenTable, ledger: Ledger, note: Note, *, dry_run: bool) -> list[tuple[str, str]]:
    """The batches of a note; before the ledgers say which of them are retired, those that may be."""
    batches = note.retired
    if batches is None:  # none of them retired is not the same as not known yet
        batches = note.batches if dry_run else _confirmed_for(table, ledger, note)
    return [(name, one) for name, ids in batches.items() for one in ids]


def _delete(table: OpenTable, name: str, batch_id: str, *, claimed: bool) -> None:
    """The manifest first: a batch whose deletion was cut short cannot be loaded, and the next sweep deletes the rest.

    An ID that no ledger has had stays ``claimed``: somebody could take it anew, and the note would refuse his batch.
    """
    directory = table.layout.batch_dir(name, batch_id)
    table.store.delete([table.layout.manifest(name, batch_id)])
    there = [info.path for info in table.store.list(directory)]
    table.store.delete([path for path in there if not (claimed and path.endswith(f"/{CLAIM}"))])

"""Retiring batches: what a note names is said in the ledgers, and deleted when its time has come.

This module alone deletes. Where a process died, the next one finds its note and goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from airflow_sfx.core.ledger import Change, Operation
from airflow_sfx.warehouse import retired
from airflow_sfx.warehouse.commit import Author, commit
from airflow_sfx.warehouse.durable_pins import holding
from airflow_sfx.warehouse.ledger import Head, Ledger
from airflow_sfx.warehouse.opened import OpenTable
from airflow_sfx.warehouse.pointers import hints
from airflow_sfx.warehouse.retired import Batches, Note


def held(table: OpenTable, now: datetime) -> set[tuple[str, str]]:
    """What a durable pin holds."""
    return {item for one in holding(table, now) for item in one.pin.batches.items()}


def confirmed(table: OpenTable, ledger: Ledger, note: Note) -> Batches:
    """Say it in the ledgers: a rollback that did not see the note comes before this entry, and its batch stays, or is refused."""
    pointers = table.pointers([table.layout.partition(name) for name in note.batches])
    heads = ledger.heads(hints(note.batches, pointers))

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        found = (_change(note, name, heads[name], ids) for name, ids in note.batches.items())
        return [change for change in found if change]

    entries = commit(table, ledger, heads, plan, Author(note.producer, note.reason))
    done = note.batches if note.replaced else {entry.partition: entry.retired for entry in entries}
    return retired.confirm(table, note, done)


def _change(note: Note, name: str, head: Head, ids: Sequence[str]) -> Change | None:
    """What is current stays so, or what replaced it becomes current."""
    if head.entry is None:
        return None
    new = note.replaced.get(name, {}).get(head.batch_id or "")
    now = head.entry
    if new is not None:
        return Change(name, Operation.ERASE, new.batch_id, now.origin, new.rows, new.bytes, retired=tuple(ids))
    gone = tuple(one for one in ids if one != head.batch_id)
    operation = Operation.ERASE if note.replaced else Operation.RETIRE
    same = Change(name, operation, now.batch_id, now.origin, now.rows, now.bytes, now.location, retired=gone)
    return same if gone else None


def sweep(
    table: OpenTable, ledger: Ledger, notes: Sequence[Note], now: datetime, *, dry_run: bool
) -> tuple[list[tuple[str, str]], int]:
    """Delete what is due; tells what, and how many batches stay for now."""
    deleted: list[tuple[str, str]] = []
    waiting = 0
    for note in notes:
        batches = note.retired
        if batches is None and not dry_run:
            batches = confirmed(table, ledger, note)  # whoever wrote the note died before the ledgers said so
        known = note.batches if batches is None else batches  # none of them retired is not the same as not known yet
        items = [(name, one) for name, ids in known.items() for one in ids]
        kept = set(items) if note.delete_after > now else set() if note.despite_pins else held(table, now)
        due = [item for item in items if item not in kept]
        waiting += len(items) - len(due)
        deleted += due
        if not dry_run:
            for item in due:
                _delete(table, *item)
            if len(due) == len(items):
                retired.finish(table, note)
    return deleted, waiting


def _delete(table: OpenTable, name: str, batch_id: str) -> None:
    """The manifest first: a batch whose deletion was cut short cannot be loaded, and the next sweep deletes the rest."""
    directory = table.layout.batch_dir(name, batch_id)
    table.store.delete([table.layout.manifest(name, batch_id)])
    table.store.delete([info.path for info in table.store.list(directory)])

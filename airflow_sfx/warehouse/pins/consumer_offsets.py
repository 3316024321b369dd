"""Which changes a consumer has taken: each once, however often it hears of it.

A change is an entry of a partition's ledger. Whoever takes one writes a note with a conditional
create; the same run may take it again, so that its retries and cleared tasks read what they read
before.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from airflow_sfx.core.errors import BatchNotFound
from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.core.paths import path_step
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.serde import Record, decode, encode
from airflow_sfx.core.validation import named, zoned
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.storage.consistency import wait_until_visible
from airflow_sfx.warehouse.log.ledger import Head, Ledger
from airflow_sfx.warehouse.log.metastore_sync import hints
from airflow_sfx.warehouse.table.table import Table


def take(
    table: Table, consumer: str, run: str, pin: BatchPin, *, newest: bool = False
) -> dict[str, str]:
    """Take the changes that made a pin's batches current.

    Args:
        table: The pin's table.
        consumer: Who takes them, the same in all its runs.
        run: In which run.
        pin: The batches.
        newest: Whether the last change to each batch is meant, and not the oldest that no run has
            taken.

    Returns:
        By partition name, the other run that has taken its change before; none for those that are
        this run's now.

    Raises:
        BatchNotFound: A batch never was current.
        InvalidName: The consumer or the run has no name: all that had none would take the same
            change.
    """
    named(consumer, "consumer")
    named(run, "run")
    ledger = Ledger(table)
    pointers = table.pointers([table.layout.partition(name) for name in pin.batches])
    heads = ledger.heads(hints(pin.batches, pointers))

    def one(item: tuple[str, str]) -> str:
        name, batch_id = item
        changes = _changes(table, ledger, name, batch_id, heads[name])
        return _take_one(table, consumer, run, changes[-1:] if newest else changes)

    runs = map_concurrently(one, pin.batches.items(), table.store.concurrency)
    return {name: other for name, other in zip(pin.batches, runs, strict=True) if other != run}


def missed(table: Table, consumer: str, since: datetime | None) -> BatchPin | None:
    """What is current and was never taken by a consumer, because no event told of it.

    Args:
        table: The table.
        consumer: Who takes.
        since: Changes from this time on; None for all.

    Returns:
        A pin of these batches; None if there are none.

    Raises:
        InvalidName: The consumer has no name, or the time no time zone.
    """
    named(consumer, "consumer")
    since = None if since is None else zoned(since, "since")
    taken = {info.path for info in table.store.list(_directory(table, consumer))}
    pointers = table.pointers(None)
    ledger = Ledger(table)
    heads = ledger.heads({name: info.sequence for name, info in pointers.items()})
    batches = {
        move.partition: move.batch_id
        for move in ledger.last_moves(heads)
        if move.batch_id
        and (since is None or move.at >= since)
        and _note(table, consumer, move) not in taken
    }
    return table.pin(batches) if batches else None


def _changes(
    table: Table, ledger: Ledger, name: str, batch_id: str, head: Head
) -> list[LedgerEntry]:
    """The changes that made a batch current, the oldest first: of one that was rolled back to there are several."""
    found: list[LedgerEntry] = []
    for entry in ledger.newest_first(name, head):
        if entry.batch_id == batch_id:
            if entry.moved:
                found.insert(0, entry)
            if entry.origin == entry.sequence:
                break
    if found:
        return found
    raise BatchNotFound(
        f"{table.describe(name)} never had the batch {batch_id}: the event that tells of it was not"
        " sent by a writer of this warehouse",
        table=str(table.ref),
        partition=name,
        batch_id=batch_id,
    )


def _take_one(table: Table, consumer: str, run: str, changes: list[LedgerEntry]) -> str:
    """The run that has one of several changes to a batch: this one, if it took one before or can take the oldest that is left.

    An event says which batch became current, and not by which change: a consumer that is late hears
    of the publish, of another batch, and of the rollback to the first, one by one, and takes them
    so.
    """
    takers = (
        map_concurrently(partial(_taker, table, consumer), changes, table.store.concurrency)
        if len(changes) > 1
        else [None]
    )
    if run in takers:
        return run
    for entry, other in zip(changes, takers, strict=True):
        taker = other or _take(table, consumer, run, entry)
        if taker == run:
            break
    return taker


def _taker(table: Table, consumer: str, entry: LedgerEntry) -> str | None:
    """The run that has taken a change; None if none has."""
    path = _note(table, consumer, entry)
    data = table.store.get(path)
    return None if data is None else decode(data, _Offset, path).run


def _take(table: Table, consumer: str, run: str, entry: LedgerEntry) -> str:
    """The run that has taken a change: this one, or another one before."""
    path = _note(table, consumer, entry)
    note = {
        "consumer": consumer,
        "run": run,
        "batch_id": entry.batch_id,
        "at": datetime.now(UTC).isoformat(),
    }
    if table.store.put_if_absent(path, encode(note).encode()):
        return run
    data = wait_until_visible(table.store, lambda: table.store.get(path))
    return decode(data, _Offset, path).run


class _Offset(Record):
    run: str


def _note(table: Table, consumer: str, entry: LedgerEntry) -> str:
    partition = path_step(entry.partition or "_table")
    return f"{_directory(table, consumer)}/{partition}/{entry.sequence:012d}.json"


def _directory(table: Table, consumer: str) -> str:
    return f"{table.layout.consumed}/{path_step(consumer)}"

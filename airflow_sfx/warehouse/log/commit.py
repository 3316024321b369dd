"""Commits: ledger entries, then the decision, then the metastore's pointers.

For one partition, the conditional create of its entry is the commit. For several partitions, the
entries are written first, without effect, and one decision object then puts all of them or none
into effect. Any process may decide against a commit whose lease is over, so a writer that died does
not block others. The metastore is updated after the ledger; any process that finds it out of sync
updates it.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from airflow_sfx.core.errors import (
    CommitConflict,
    InvalidName,
    SfxError,
    WarehouseUnavailable,
    sentence,
)
from airflow_sfx.core.io.retry import attempts
from airflow_sfx.core.ledger import Change, LedgerEntry, Operation, next_entry, time_after
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.paths import new_commit_id
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.serde import encode
from airflow_sfx.core.validation import storable_text
from airflow_sfx.metastore.base import Move, PartitionInfo
from airflow_sfx.storage.concurrency import put_all
from airflow_sfx.warehouse.log.event_facts import EventFacts
from airflow_sfx.warehouse.log.event_index import REWRITE, commit_event
from airflow_sfx.warehouse.log.events import Committed, emit
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.metastore_sync import (
    expected_location,
    needs_pointer,
    with_co_committed,
)
from airflow_sfx.warehouse.log.records import Head
from airflow_sfx.warehouse.log.run_index import run_index_entries
from airflow_sfx.warehouse.table.table import Table

LEASE_SECONDS = 3
LEASE_PARTITIONS_A_SECOND = 100
_RETRY_SECONDS = 300.0
_log = logging.getLogger(__name__)
_MAY_STILL_ARRIVE = (
    "If the request still arrives there, the change takes effect: see `sfx history`."
)

Plan = Callable[[Mapping[str, Head]], Sequence[Change]]
"""Returns the changes for given heads; called again if another writer committed first."""

Expected = Mapping[str, str | None]
"""The batch that must be current by partition name, or None for no batch."""


@dataclass(frozen=True, slots=True)
class Author:
    """The author of a commit, with the reason.

    Args:
        producer: The author.
        reason: Why, in the author's words.
        undo: The ID that the commits of one undo in several tables share, or empty.

    Raises:
        InvalidName: The reason or a part of the producer cannot be stored.
    """

    producer: Producer
    reason: str = ""
    undo: str = ""

    def __post_init__(self) -> None:
        storable_text(self.reason, "reason=")
        if not isinstance(self.producer, Producer):
            raise InvalidName(
                f"producer={self.producer!r:.80} is not a Producer: pass sfx.Producer(user=…), or"
                " leave it out"
            )
        self.producer.check()


def commit(
    table: Table,
    ledger: Ledger,
    heads: Mapping[str, Head],
    plan: Plan,
    author: Author,
    *,
    columns: Callable[[], None] | None = None,
    rewrites: bool = False,
) -> list[LedgerEntry]:
    """Commit changes of partitions, all of them or none.

    The table's columns change with them: before the entries are created, the table gets those of
    the batches that become current; after an undo, it loses those that only the undone ones had.

    Args:
        table: The table.
        ledger: Its ledgers.
        heads: The heads of the partitions as last seen, by partition name.
        plan: Returns the changes for given heads.
        author: The author, with the reason.
        columns: Gives the table the columns of the batches, before they become current; by default
            only those of rollbacks are given.
        rewrites: Whether the new batches have the rows of current ones in another form, so that the
            night does not take them for a night's work.

    Returns:
        The entries that took effect, in the order of the plan; none if the plan is empty.

    Raises:
        CommitConflict: Other writers committed first for five minutes, or the plan rejects the
            heads.
        StaleAttempt: A newer attempt of the same task instance changed a partition.
        WarehouseUnavailable: The object store or the metastore failed. The message says whether
            the ledger has the change.
    """
    began = time.monotonic()
    seen = {name: head.last for name, head in heads.items()}
    changes: Sequence[Change] = ()
    for attempt in attempts(_RETRY_SECONDS, first=0.004, longest=0.25):
        heads = ledger.settled(heads, again=attempt > 1)
        changes = plan(heads)
        if not changes:
            return []
        entries = _entries(table, changes, heads, author)
        if attempt == 1 or columns is None:
            _give_columns(table, changes, columns)
        others = _left_behind(table, ledger, heads, seen) if attempt > 1 else []
        record = partial(_record, table, entries, author, changes, REWRITE if rewrites else "")
        if _try(table, ledger, entries, others, record):
            emit(_committed(table, entries, time.monotonic() - began, attempt - 1))
            _take_columns(table, entries)
            return entries
    raise CommitConflict(
        f"other writers changed {table.describe(changes[0].partition)} first, again and again for"
        f" {_RETRY_SECONDS:.0f} s: nothing was changed; try again later",
        table=str(table.ref),
        partition=changes[0].partition,
    )


def _give_columns(
    table: Table, changes: Sequence[Change], columns: Callable[[], None] | None
) -> None:
    if columns is not None:
        columns()
        return
    back = [
        (one.partition, one.batch_id)
        for one in changes
        if one.operation is Operation.ROLLBACK and one.batch_id
    ]
    if back:
        from airflow_sfx.warehouse.log.table_columns import cover_rollback

        cover_rollback(table, back)


def _take_columns(table: Table, entries: Sequence[LedgerEntry]) -> None:
    """Take columns that only undone batches had; what fails here is left to the next store."""
    undone = [entry for entry in entries if entry.operation is Operation.ROLLBACK]
    if not undone:
        return
    from airflow_sfx.warehouse.log.table_columns import release

    try:
        release(table, undone)
    except SfxError as error:
        _log.warning(
            "%s was rolled back, but its columns stay as they are until the next store: %s",
            table.ref,
            error,
        )


def _try(
    table: Table,
    ledger: Ledger,
    entries: list[LedgerEntry],
    others: list[LedgerEntry],
    record: Callable[[], None],
) -> bool:
    """Put entries into effect and move pointers; False after a conflict.

    Args:
        table: The table.
        ledger: Its ledgers.
        entries: The entries.
        others: Entries in effect whose pointers must move, too.
        record: Writes the commit's record, and its entries in the indexes.
    """
    pointed = [entry for entry in entries if needs_pointer(entry)]
    with _moving(table, pointed) as move:
        record()
        if not _place(ledger, entries):
            return False
        if not others:
            move_pointers(table, ledger, pointed, move)
            return True
    move_pointers(table, ledger, [*pointed, *others])
    return True


def _moving(table: Table, entries: Sequence[LedgerEntry]) -> AbstractContextManager[Move | None]:
    if not entries:
        return nullcontext()
    names = [table.layout.partition(entry.partition) for entry in entries]
    return table.metastore.moving(table.ref, names)


def _left_behind(
    table: Table, ledger: Ledger, heads: Mapping[str, Head], seen: Mapping[str, int]
) -> list[LedgerEntry]:
    """Return entries of other partitions whose pointers must move, too.

    Another commit of several partitions came first, and its writer may have died before it updated
    the metastore. Moving one of its partitions alone would show half of it.
    """
    passed = [
        head.entry
        for name, head in heads.items()
        if head.entry and head.entry.sequence > seen[name]
    ]
    return [
        entry
        for entry in with_co_committed(table, ledger, passed, seen)
        if entry.partition not in heads
    ]


def _committed(
    table: Table, entries: Sequence[LedgerEntry], seconds: float, conflicts: int
) -> Committed:
    current = {entry.partition: entry.batch_id for entry in entries if entry.batch_id}
    return Committed(
        pin=table.pin(current) if current else None,
        table=str(table.ref),
        operation=entries[0].operation.value,
        partitions=len(entries),
        rows=sum(entry.rows for entry in entries),
        bytes=sum(entry.bytes for entry in entries),
        seconds=seconds,
        conflicts=conflicts,
    )


def refuse_unexpected(table: Table, heads: Mapping[str, Head], expected: Expected | None) -> None:
    """Raise an error if partitions have changed since the author saw them.

    Args:
        table: The table.
        heads: The heads of the partitions.
        expected: The batches that the author saw, or None for no expectation.

    Raises:
        CommitConflict: Another batch is current.
        InvalidName: The expectation names a partition that is not to be changed.
    """
    for name, batch_id in (expected or {}).items():
        if name not in heads:
            raise InvalidName(
                f"expected= has {table.describe(name)}, which is not to be changed: leave it out,"
                " or change it, too"
            )
        current = heads[name].batch_id
        if current != batch_id:
            raise CommitConflict(
                f"{table.describe(name)} has {_batch(current)} now, not {_batch(batch_id)}:"
                " another writer has changed it, and nothing was done. See its history and decide"
                " again",
                table=str(table.ref),
                partition=name,
                batch_id=batch_id,
            )


def _batch(batch_id: str | None) -> str:
    return f"the batch {batch_id}" if batch_id else "no batch"


def publish_change(manifest: Manifest, operation: Operation = Operation.PUBLISH) -> Change:
    """Return the change that makes a complete batch current."""
    return Change(
        manifest.partition,
        operation,
        manifest.batch_id,
        rows=manifest.rows,
        bytes=manifest.bytes,
        location=manifest.location,
        manifest=manifest,
    )


def move_pointers(
    table: Table, ledger: Ledger, entries: Sequence[LedgerEntry], move: Move | None = None
) -> None:
    """Point the metastore at the batches that entries made current, atomically.

    If the metastore cannot order writers, a slow one may overwrite a later writer's pointer.
    Therefore the ledgers are read again until they have no later entry.

    Args:
        table: The table.
        ledger: Its ledgers.
        entries: Entries in effect, of different partitions.
        move: A prepared move for the first try, or None.

    Raises:
        WarehouseUnavailable: The metastore failed; the ledger has the change, and the next
            operation completes it.
    """
    try:
        repoint = partial(table.metastore.repoint, table.ref)
        move = move or repoint
        while entries and not move([_pointer(table, entry) for entry in entries]):
            move = repoint
            moved = {entry.partition: entry.sequence for entry in entries}
            later = [head.entry for head in ledger.heads(moved).values()]
            newer = [entry for entry in later if entry and entry.sequence > moved[entry.partition]]
            entries = with_co_committed(table, ledger, newer, moved)
    except WarehouseUnavailable as error:
        names = ", ".join(entry.partition for entry in entries[:3])
        raise WarehouseUnavailable(
            f"the change of {table.ref} {names} is in the ledger, but the metastore could not be"
            f" updated: {sentence(error)} The next operation on the partition completes it, or `sfx"
            f" repair {table.ref}`",
            table=str(table.ref),
        ) from error


def _pointer(table: Table, entry: LedgerEntry) -> PartitionInfo:
    if not table.may_read(entry.location):  # other engines must not read there, either
        raise table.outside(entry.partition, entry.batch_id, entry.location)
    return PartitionInfo(
        partition=table.layout.partition(entry.partition),
        location=expected_location(table, entry),
        sequence=entry.sequence,
        batch_id=entry.batch_id,
        rows=entry.rows,
        bytes=entry.bytes,
        at=entry.at.isoformat(),
        gone=entry.dropped,
    )


def _entries(
    table: Table, changes: Sequence[Change], heads: Mapping[str, Head], author: Author
) -> list[LedgerEntry]:
    # All entries of a commit have one time, so that reads as of a time see all or none of them. It
    # is later than that of all preceding entries, whatever the clocks say, and so is the commit's
    # name, by which audits are ordered.
    latest = max(
        (one for change in changes if (one := heads[change.partition].latest)), default=None
    )
    at = time_after(datetime.now(UTC), latest)
    commit_id = new_commit_id(at, uuid.uuid4().hex)
    return [
        next_entry(
            heads[change.partition].entry,
            change,
            sequence=heads[change.partition].last + 1,
            commit=commit_id,
            group=len(changes) > 1,
            at=at,
            producer=author.producer,
            reason=author.reason,
            table=str(table.ref),
        )
        for change in changes
    ]


def _record(
    table: Table,
    entries: Sequence[LedgerEntry],
    author: Author,
    changes: Sequence[Change] = (),
    kind: str = "",
) -> None:
    """Write the commit record and its entries in the indexes, in that of events as a kind."""
    first, lease = entries[0], LEASE_SECONDS + len(entries) // LEASE_PARTITIONS_A_SECOND
    # The clock of the previous entry's writer may be ahead of this one.
    ahead = int((first.at - datetime.now(UTC)).total_seconds())
    record = {
        "commit": first.commit,
        "operation": first.operation.value,
        "at": first.at.isoformat(),
        "lease_seconds": lease - max(0, ahead),
        "wait_seconds": lease,
        "producer": author.producer.to_json(),
        "reason": author.reason,
        "changes": [
            [entry.partition, entry.sequence, entry.batch_id, entry.previous, entry.rows]
            for entry in entries
        ],
        **({"undo": author.undo} if author.undo else {}),
    }
    written = (table.layout.commit(first.commit), encode(record).encode())
    index = run_index_entries(table, first.commit, author.producer, author.undo)
    rows = [entry.rows for entry in entries]
    facts = EventFacts.of(entries, changes)
    event = commit_event(table, kind or first.operation.value, first.at, rows, first.commit, facts)
    put_all(table.store, [written, event, *index])


def _place(ledger: Ledger, entries: Sequence[LedgerEntry]) -> bool:
    """Append the entries and put them into effect; False if another writer was first."""
    if len(entries) == 1:
        return _append_alone(ledger, entries[0])
    ordered = sorted(entries, key=lambda entry: entry.partition)
    try:
        placed = ledger.append(*ordered)
    except WarehouseUnavailable:
        ledger.decide(ordered[0].commit, committed=False)
        raise
    try:
        return ledger.decide(ordered[0].commit, committed=placed)
    except WarehouseUnavailable as error:
        raise WarehouseUnavailable(f"{sentence(error)} {_MAY_STILL_ARRIVE}") from error


def _append_alone(ledger: Ledger, entry: LedgerEntry) -> bool:
    try:
        return ledger.append(entry)
    except WarehouseUnavailable as error:
        # The outcome is unknown. If our entry is there now, no other writer can replace it.
        if ledger.read(entry.partition, entry.sequence) == entry:
            return True
        raise WarehouseUnavailable(f"{sentence(error)} {_MAY_STILL_ARRIVE}") from error

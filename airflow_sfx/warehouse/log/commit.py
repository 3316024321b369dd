"""The commit: ledger entries, then the decision, then the metastore's pointers.

One partition: its entry, created where none was, is the commit. Several partitions: their entries
first, without effect, then one decision object that puts all of them into effect or none. Whoever
finds a commit without a decision may decide against it once its lease is over, so a writer that
died strands nobody. The metastore follows: it is told after the ledger, and whoever finds it behind
moves it on.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from airflow_sfx.core.errors import CommitConflict, InvalidName, WarehouseUnavailable, sentence
from airflow_sfx.core.io.retry import attempts
from airflow_sfx.core.ledger import Change, LedgerEntry, Operation, next_entry, time_after
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.paths import new_commit_id
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.serde import encode
from airflow_sfx.core.validation import storable_text
from airflow_sfx.metastore.base import Move, PartitionInfo
from airflow_sfx.storage.concurrency import put_all
from airflow_sfx.warehouse.log.events import Committed, emit
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.metastore_sync import expected_location, with_co_committed
from airflow_sfx.warehouse.log.records import Head
from airflow_sfx.warehouse.log.run_index import notes_of_run
from airflow_sfx.warehouse.table.table import Table

LEASE_SECONDS = 3
LEASE_PARTITIONS_A_SECOND = 100
_RETRY_SECONDS = 300.0
_MAY_STILL_COME = (
    "Should the request still arrive there, the change takes effect: `sfx history` tells."
)

Plan = Callable[[Mapping[str, Head]], Sequence[Change]]
"""Given the heads of the partitions, returns the changes.

It is called again after a conflict.
"""

Expected = Mapping[str, str | None]
"""By partition name, the batch that must be current for a change to be right; None for no batch."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who commits, and why.

    Args:
        producer: Who.
        reason: Why, in their words.

    Raises:
        InvalidName: The reason, or a part of the producer, cannot be kept.
    """

    producer: Producer
    reason: str = ""

    def __post_init__(self) -> None:
        storable_text(self.reason, "reason=")
        if not isinstance(self.producer, Producer):
            raise InvalidName(
                f"producer={self.producer!r:.80} is no Producer: pass sfx.Producer(user=…), or"
                " leave it out"
            )
        self.producer.check()


def commit(
    table: Table, ledger: Ledger, heads: Mapping[str, Head], plan: Plan, author: Author
) -> list[LedgerEntry]:
    """Change partitions, all of them or none.

    Args:
        table: The table.
        ledger: Its ledgers.
        heads: The heads of the partitions as last seen, by partition name.
        plan: What to change, given the heads.
        author: Who and why.

    Returns:
        The entries that took effect, in the order of the plan; none if the plan is empty.

    Raises:
        CommitConflict: Other writers' changes came first for five minutes, or the plan refuses what
            it finds.
        StaleAttempt: A newer attempt of the same task instance changed a partition.
        WarehouseUnavailable: Storage or the metastore failed. If the ledger has the change, the
            message says so.
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
        if _try(
            table,
            ledger,
            entries,
            _left_behind(table, ledger, heads, seen) if attempt > 1 else [],
            author,
        ):
            emit(_committed(table, entries, time.monotonic() - began, attempt - 1))
            return entries
    raise CommitConflict(
        f"other writers changed {table.describe(changes[0].partition)} first, again and again for"
        f" {_RETRY_SECONDS:.0f} s: nothing was changed; try again later",
        table=str(table.ref),
        partition=changes[0].partition,
    )


def _try(
    table: Table,
    ledger: Ledger,
    entries: list[LedgerEntry],
    others: list[LedgerEntry],
    author: Author,
) -> bool:
    """Put entries into effect and move pointers; return False after a conflict."""
    with table.metastore.moving(
        table.ref, [table.layout.partition(entry.partition) for entry in entries]
    ) as move:
        _record(table, entries, author)
        if not _place(ledger, entries):
            return False
        if not others:
            move_pointers(table, ledger, entries, move)
            return True
    move_pointers(table, ledger, [*entries, *others])
    return True


def _left_behind(
    table: Table, ledger: Ledger, heads: Mapping[str, Head], seen: Mapping[str, int]
) -> list[LedgerEntry]:
    """Return entries that must move as well, of earlier changes of several partitions.

    Their writer may have died before it moved them.

    To move past its entry in one partition alone would show half of it.
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
    """Reject a change of partitions that are not as its author saw them.

    The plan of the change calls it, so that no other change comes in between.

    Args:
        table: The table.
        heads: The heads of the partitions.
        expected: What its author saw; None for whoever does not say.

    Raises:
        CommitConflict: Another batch is current.
        InvalidName: A partition that is not to be changed is among those expected.
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
                " somebody has changed it meanwhile, and nothing was done; look at its history and"
                " decide again",
                table=str(table.ref),
                partition=name,
                batch_id=batch_id,
            )


def _batch(batch_id: str | None) -> str:
    return f"the batch {batch_id}" if batch_id else "no batch"


def publish_change(manifest: Manifest, operation: Operation = Operation.PUBLISH) -> Change:
    """The change that makes a complete batch current."""
    return Change(
        manifest.partition,
        operation,
        manifest.batch_id,
        rows=manifest.rows,
        bytes=manifest.bytes,
        location=manifest.location,
    )


def move_pointers(
    table: Table, ledger: Ledger, entries: Sequence[LedgerEntry], move: Move | None = None
) -> None:
    """Point the metastore at the batches that entries made current, all at one moment.

    Where the metastore cannot keep writers apart, a slow one may move a pointer back over a later
    one's; so the ledgers are looked at again, until they have nothing later.

    Args:
        table: The table.
        ledger: Its ledgers.
        entries: Entries in effect, of different partitions.
        move: What is ready to move them, once; None where nothing is.

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
            f" told: {sentence(error)} The next operation on the partition completes it, or `sfx"
            f" repair {table.ref}`",
            table=str(table.ref),
        ) from error


def _pointer(table: Table, entry: LedgerEntry) -> PartitionInfo:
    if not table.may_read(entry.location):  # nor are other engines led there
        raise table.outside(entry.partition, entry.batch_id, entry.location)
    return PartitionInfo(
        partition=table.layout.partition(entry.partition),
        location=expected_location(table, entry),
        sequence=entry.sequence,
        batch_id=entry.batch_id,
        rows=entry.rows,
        bytes=entry.bytes,
        at=entry.at.isoformat(),
    )


def _entries(
    table: Table, changes: Sequence[Change], heads: Mapping[str, Head], author: Author
) -> list[LedgerEntry]:
    # One change has one time, so that who reads the state of a time sees it whole; it is after
    # those of all changes that it follows, whatever the clocks say, and so is the commit's name, by
    # which audits are in order.
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


def _record(table: Table, entries: Sequence[LedgerEntry], author: Author) -> None:
    """Record a commit before it is tried: by time for the table, and by run."""
    first, lease = entries[0], LEASE_SECONDS + len(entries) // LEASE_PARTITIONS_A_SECOND
    # The time of an entry follows earlier ones, whose writers' clocks may be ahead.
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
            [entry.partition, entry.sequence, entry.batch_id, entry.previous] for entry in entries
        ],
    }
    noted = (table.layout.commit(first.commit), encode(record).encode())
    put_all(table.store, [noted, *notes_of_run(table, first.commit, author.producer)])


def _place(ledger: Ledger, entries: Sequence[LedgerEntry]) -> bool:
    """Append the entries and put them into effect; False if somebody else's came first."""
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
        raise WarehouseUnavailable(f"{sentence(error)} {_MAY_STILL_COME}") from error


def _append_alone(ledger: Ledger, entry: LedgerEntry) -> bool:
    try:
        return ledger.append(entry)
    except WarehouseUnavailable as error:
        # The outcome is unknown: what is there now tells, and nobody can change it any more if it
        # is ours.
        if ledger.read(entry.partition, entry.sequence) == entry:
            return True
        raise WarehouseUnavailable(f"{sentence(error)} {_MAY_STILL_COME}") from error

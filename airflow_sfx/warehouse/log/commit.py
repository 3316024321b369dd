"""Commits: one entry of the table's log, then the metastore's pointers.

Creating the entry is the commit of all of its partitions. The metastore is updated afterwards; any
process that finds it behind updates it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from airflow_sfx.core.errors import (
    CommitConflict,
    InvalidName,
    PositionConflict,
    SfxError,
    TableNotFound,
)
from airflow_sfx.core.io.retry import attempts
from airflow_sfx.core.io.timeouts import TRY_SECONDS, timeouts
from airflow_sfx.core.log_entry import Change, LogEntry, Operation, next_entry, time_after
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.paths import commit_id
from airflow_sfx.core.positions import Consumed
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.stored.log_entry import EntryHeader, Mark
from airflow_sfx.core.validation import storable_text
from airflow_sfx.metastore.base import Move, TableInfo
from airflow_sfx.storage.concurrency import put_all
from airflow_sfx.warehouse.log.compactions import refuse_half_compactions
from airflow_sfx.warehouse.log.event_facts import EventFacts
from airflow_sfx.warehouse.log.event_index import REWRITE, commit_event
from airflow_sfx.warehouse.log.events import Committed, emit
from airflow_sfx.warehouse.log.metastore_sync import (
    complete,
    crossed,
    ended_error,
    is_gone,
    move_pointers,
    needs_pointer,
    refuse_created,
    refuse_dropped,
    table_since,
    unapplied,
)
from airflow_sfx.warehouse.log.moving import Moving
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.log.run_index import run_index_entries
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.table_log import LogState
from airflow_sfx.warehouse.table.tombstones import refuse_expired_changes

_RETRY_SECONDS = 300.0
"""For how long other writers may be first, for a caller who has the time of a task."""
_NAMES_FOLLOWED = 8
"""How often a table may be renamed while one batch becomes current."""

Plan = Callable[[Mapping[str, Head]], Sequence[Change]]
"""Returns the changes for given heads; called again if another writer committed first."""

Veto = Callable[[], SfxError | None]
"""Returns why changes must not be committed any more, or None."""

More = Callable[[LogState], Collection[str]]
"""Returns the names of partitions, for a state of the table."""

Expected = Mapping[str, str | None]
"""The batch that must be current by partition name, or None for no batch."""


class Beside(Protocol):
    """What changes beside the entries of a commit, such as the table's columns."""

    def before(self, entries: Sequence[LogEntry]) -> None:
        """Change what must be changed before the entries are created; raise to refuse them.

        Called again if another writer committed first.
        """

    def after(self, entries: Sequence[LogEntry], table: Table, seen: TableInfo | None) -> None:
        """Change what changes once the entries are in effect and the pointers moved.

        Args:
            entries: The entries.
            table: The table, under the name that it has now.
            seen: The table as it was when the pointers moved, or None if that must be read.
        """


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
    log: PartitionLog,
    heads: Mapping[str, Head],
    plan: Plan,
    author: Author,
    *,
    beside: Beside | None = None,
    veto: Veto | None = None,
    more: More | None = None,
    rewrites: bool = False,
    consumed: Consumed | None = None,
) -> list[LogEntry]:
    """Commit changes of partitions, all of them or none.

    The table's columns change with them: before the entries are created, the table gets those of
    the batches that become current; after an undo, it loses those that only the undone ones had.

    Args:
        table: The table.
        log: Its log.
        heads: The heads of the partitions as last seen, by partition name.
        plan: Returns the changes for given heads.
        author: The author, with the reason.
        beside: What changes beside the entries; by default, the columns of what is undone.
        veto: Refuses the changes, given what the log has now; by default, batches of partitions
            that have none if the table was dropped.
        more: Returns further partitions that the plan is to see, given the state that the commit
            follows; by default none.
        rewrites: Whether the new batches have the rows of current ones in another form, so that the
            night does not take them for a night's work.
        consumed: The records of a stream that the commit adds, and the positions that it demands.
            With it, a commit without changes has an entry, too, and no commit is an event of the
            night: there may be one each second.

    Returns:
        The entries that took effect, in the order of the plan; none if the plan is empty.

    Raises:
        PositionConflict: The table has other positions than the commit demands.
        BatchNotFound: A new batch has expired as one that a dead writer left.
        CommitConflict: Other writers committed first for five minutes, or for as long as
            `timeouts` allow if they are those of a caller in a hurry; or the plan rejects the
            heads, or a compaction would be undone in part.
        StaleAttempt: A newer attempt of the same task instance changed a partition.
        TableNotFound: The table was dropped, or lost its name before anything changed. The message
            says what became of the batches.
        WarehouseUnavailable: The object store or the metastore failed. The message says whether
            the log has the change.
    """
    began, limit = time.monotonic(), timeouts().total
    most = _RETRY_SECONDS if limit >= TRY_SECONDS else limit
    changes: Sequence[Change] | None = None
    lacking: tuple[int, list[LogEntry]] | None = None
    with Moving(table) as moving:
        for attempt in attempts(most, first=0.004, longest=0.25):
            state = log.state if attempt == 1 else log.look()
            if more is not None:
                heads = {**dict.fromkeys(more(state), Head()), **heads}
            before, heads = heads, log.refreshed(state, heads)
            if changes is None or _last(before) != _last(heads):
                moving.end()  # others need not wait for the plan
                changes, lacking = plan(heads), None
            conflict = position_conflict(table, state, consumed) if consumed else None
            nothing = not changes and consumed is None
            if (conflict or nothing) and attempt == 1 and log.look().version != state.version:
                continue
            if conflict:
                raise conflict
            if nothing:
                return []
            refuse_dropped(table, changes, heads)
            refuse_half_compactions(table, log, state, heads, changes)
            refuse_expired_changes(table, [(one, heads[one.partition].newest) for one in changes])
            # What the metastore lacks of others later, their writers are about to move.
            lacking = lacking or unapplied(table, log, state)
            header = _header(state, changes, author, max(lacking[0], state.applied), consumed)
            entries = _entries(table, changes, heads, header)
            beside = beside or _undone_columns(table, changes)
            _prepare(table, entries, beside)
            refusal = (veto or partial(_refuse_gone, table, changes, heads, again=attempt > 1))()
            if refusal is not None:
                raise refusal
            pointed = [entry for entry in entries if needs_pointer(entry)]
            move = moving.begin(pointed)
            kind = None if consumed else REWRITE if rewrites else header.operation.value
            _record(table, entries, header, changes, kind)
            if not log.create(header, entries):
                continue
            shared, others = crossed(pointed, lacking[1])
            if shared:
                moving.end()
            now = _point(table, log, author, [*pointed, *shared], None if shared else move)
            moving.end()
            if others and attempt == 1:  # otherwise their writers are at it
                complete(now[0], log, others)
            if entries:
                emit(Committed.of(table, entries, time.monotonic() - began, attempt - 1))
            if beside is not None:
                beside.after(entries, *now)
            return entries
    name = changes[0].partition if changes else ""
    raise CommitConflict(
        f"other writers changed {table.describe(name)} first, again and again for"
        f" {most:.0f} s: nothing was changed; try again later",
        table=str(table.ref),
        partition=name,
    )


def position_conflict(table: Table, state: LogState, consumed: Consumed) -> PositionConflict | None:
    """Return an error if a table has other positions in a stream than records demand, or None.

    Args:
        table: The table.
        state: The state of the table.
        consumed: The records, and the positions that they follow.
    """
    shards = consumed.conflicts(state.positions)
    if not shards:
        return None
    have = state.positions.get(consumed.stream, {})
    shard, (after, to) = shards[0], consumed.shards[shards[0]]
    more = f" and {len(shards) - 1} more" if len(shards) > 1 else ""
    now = f"up to {have[shard]}" if shard in have else "from its start on"
    return PositionConflict(
        f"{table.ref} has consumed the shard {shard!r}{more} of {consumed.stream} {now}, and these"
        f" records are those {f'after {after}' if after else 'from the start'} up to {to}: nothing"
        " was changed; leave out the records that the table has, and store the rest",
        positions=dict(have),
        table=str(table.ref),
    )


def _undone_columns(table: Table, changes: Sequence[Change]) -> Beside | None:
    if not any(one.operation in (Operation.ROLLBACK, Operation.DROP) for one in changes):
        return None
    from airflow_sfx.warehouse.log.table_columns import UndoneColumns

    return UndoneColumns(table)


def _prepare(table: Table, entries: Sequence[LogEntry], beside: Beside | None) -> None:
    try:
        if beside is not None:
            beside.before(entries)
    except TableNotFound as error:
        raise table.name_error() from error


_Now = tuple[Table, TableInfo | None]
"""The table under its present name, and as it was when pointers moved or None."""


def _last(heads: Mapping[str, Head]) -> dict[str, int]:
    return {name: head.last for name, head in heads.items()}


def _refuse_gone(
    table: Table, changes: Sequence[Change], heads: Mapping[str, Head], *, again: bool
) -> SfxError | None:
    """Return an error for batches of partitions that have none if the table was dropped.

    The log has a dropped table's partitions without batches, so that a writer that did not see the
    drop comes here: at once, or because the drop was first.
    """
    heads_of = [heads[one.partition] for one in changes if one.batch_id]
    if any(head.batch_id is None and (again or head.entry) for head in heads_of):
        return table.name_error() if is_gone(table) else None
    return None


def _point(
    table: Table,
    log: PartitionLog,
    author: Author,
    entries: Sequence[LogEntry],
    move: Move | None = None,
) -> _Now:
    """Move pointers; follow the table if it was renamed, and end its batches if it was dropped."""
    there = table
    for _ in range(_NAMES_FOLLOWED):
        try:
            return there, move_pointers(there, log, entries, move)
        except TableNotFound:
            there = table_since(table)
            log, move = PartitionLog(there), None
        if there.is_dropped:
            with suppress(CommitConflict):  # created again: the batches are current there
                _end(there, log, entries, author, partial(refuse_created, table))
                return there, None
            there = table
    raise table.name_error()


def _end(
    table: Table, log: PartitionLog, entries: Sequence[LogEntry], author: Author, veto: Veto
) -> None:
    """End what became current in a table that had just been dropped.

    The drop has ended what came before its last look. What came later is ended here, as it would
    become current once the table is created again.

    Raises:
        TableNotFound: A batch had become current; says how it is restored.
        CommitConflict: The table was created again meanwhile.
    """
    made = {one.partition: one.batch_id for one in entries if one.moved and one.batch_id}
    if not made:
        return

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        current = [name for name, batch_id in made.items() if heads[name].batch_id == batch_id]
        return [Change(name, Operation.DROP, None) for name in current]

    heads = log.heads(made)
    late = Author(author.producer, "the table was dropped before the batch was current")
    ended = commit(table, log, heads, plan, late, veto=veto)
    raise ended_error(table, made, with_table=not ended)


def refuse_unexpected(
    table: Table, heads: Mapping[str, Head | Mark], expected: Expected | None
) -> None:
    """Raise an error if partitions have changed since the author saw them.

    Args:
        table: The table.
        heads: What is current in the partitions.
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


def _header(
    state: LogState,
    changes: Sequence[Change],
    author: Author,
    applied: int,
    consumed: Consumed | None,
) -> EntryHeader:
    # The time is later than that of all preceding entries, whatever the clocks say, and so is the
    # commit's ID, by which audits are ordered.
    at, version = time_after(datetime.now(UTC), state.at), state.version + 1
    return EntryHeader(
        version=version,
        operation=changes[0].operation if changes else Operation.CONSUME,
        at=at,
        producer=author.producer,
        reason=author.reason,
        commit=commit_id(at, version, secrets.token_hex(4)),
        partitions=len(changes),
        applied=applied,
        undo=author.undo,
        positions=consumed.advance(state.positions) if consumed else state.positions,
        consumed=consumed.ranges if consumed else {},
    )


def _entries(
    table: Table, changes: Sequence[Change], heads: Mapping[str, Head], header: EntryHeader
) -> list[LogEntry]:
    return [
        next_entry(
            heads[change.partition].entry,
            change,
            version=header.version,
            commit=header.commit,
            at=header.at,
            producer=header.producer,
            reason=header.reason,
            table=str(table.ref),
        )
        for change in changes
    ]


def _record(
    table: Table,
    entries: Sequence[LogEntry],
    header: EntryHeader,
    changes: Sequence[Change],
    kind: str | None,
) -> None:
    """Write the entries of a commit in the indexes, in that of events as a kind or not."""
    index = run_index_entries(table, header.commit, header.producer, header.undo)
    if kind is not None:
        rows = [entry.rows for entry in entries]
        facts = EventFacts.of(entries, changes)
        index.append(commit_event(table, kind, header.at, rows, header.commit, facts))
    put_all(table.store, index)

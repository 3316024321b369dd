"""Rolling partitions, or a whole table, back to a version of the table.

Everything that came after that version is undone in one commit: partitions get back the batches
that they had, and those that had none have none again. Partitions that other writers change
meanwhile are undone with the others, as the commit is planned again for the state that it follows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from airflow_sfx.core.log_entry import Change, LogEntry, Operation
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.external.reconcile import heads_to_change
from airflow_sfx.warehouse.log.commit import Author, Expected, commit, refuse_unexpected
from airflow_sfx.warehouse.log.compactions import refuse_half_compactions
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.log.resolve import heads_to_read, state_at
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.table_log import LogState
from airflow_sfx.warehouse.table.tombstones import Tombstones, read_tombstones
from airflow_sfx.warehouse.undo.rollback import back_to, granted, origin_of
from airflow_sfx.warehouse.undo.rollback_report import RollbackStep


def roll_back_to_version(
    table: Table,
    log: PartitionLog,
    partitions: Sequence[Partition] | None,
    author: Author,
    version: int,
    *,
    expected: Expected | None = None,
) -> BatchPin:
    """Undo all changes after a version, in one commit.

    Args:
        table: The table.
        log: The table's log.
        partitions: The partitions, or None for all that have changed since.
        author: Who rolls back, and why.
        version: The version.
        expected: The batches that must be current in the partitions that change, or None for no
            condition. Of a whole table, partitions that are not named must have no batch.

    Returns:
        The pin of the batches that are current now, in the partitions or in the whole table.

    Raises:
        PartitionNotFound: A named partition never existed.
        BatchNotFound: The table has not reached the version, or a batch has expired.
        InconsistentBatch: A batch's manifest or a log entry is missing.
        CommitConflict: The current batch is not the expected one.
    """
    undo = _Undo(table, log, state_at(table, log, version))
    names = None if partitions is None else [table.layout.name(one) for one in partitions]
    current: dict[str, str | None] = {}

    def due(state: LogState) -> Collection[str]:
        return state.since(version) if names is None else names

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        current.update({name: head.batch_id for name, head in heads.items()})
        steps = undo.steps(heads, read_tombstones(table))
        changes = [step.change for step in steps]
        if expected is not None:
            undo.refuse_unseen(heads, changes, expected, whole=names is None)
        return changes

    heads = heads_to_change(table, log, due(log.look()), author)
    entries = commit(table, log, heads, plan, author, more=due)
    if names is None:
        state = log.state_at(entries[0].version) if entries else log.state
        marks = state.marks().values() if state else ()
        return _pin(table, ((mark.name, mark.batch_id) for mark in marks))
    current |= {entry.partition: entry.batch_id for entry in entries}
    return _pin(table, ((name, current[name]) for name in names))


def plan_rollback_to_version(
    table: Table, log: PartitionLog, partitions: Sequence[Partition] | None, version: int
) -> list[RollbackStep]:
    """Return what `roll_back_to_version` would do, without changing anything.

    Args:
        table: The table.
        log: The table's log.
        partitions: The partitions, or None for all that have changed since.
        version: The version.

    Returns:
        One step for each named partition, in their order; of a whole table, for each one that goes
        to another batch.

    Raises:
        PartitionNotFound: A named partition never existed.
        BatchNotFound: The table has not reached the version, or a batch has expired.
        InconsistentBatch: A batch's manifest or a log entry is missing.
    """
    undo = _Undo(table, log, state_at(table, log, version))
    named = [table.layout.name(one) for one in partitions or ()]
    names = sorted(log.look().since(version)) if partitions is None else named
    heads = heads_to_read(table, log, names)
    steps = {one.change.partition: one for one in undo.steps(heads, read_tombstones(table))}
    changes = [one.change for one in steps.values()]
    refuse_half_compactions(table, log, log.state, heads, changes)
    found = []
    for name in names:
        step, now = steps.get(name), heads[name].batch_id
        if step is not None:
            found.append(RollbackStep.of(name, now, step.change.batch_id, step.made))
        elif partitions is not None:
            entry = heads[name].entry
            made = origin_of(log, name, entry) if entry else None
            found.append(RollbackStep.of(name, now, now, made))
    return found


@dataclass(frozen=True, slots=True)
class _Step:
    """The change of one partition.

    Args:
        change: The change.
        made: The entry that made the batch that is then current, or None for no batch.
    """

    change: Change
    made: LogEntry | None


@dataclass(frozen=True, slots=True)
class _Undo:
    """The undo of what came after a version.

    Args:
        table: The table.
        log: Its log.
        past: The state of the table at the version.
    """

    table: Table
    log: PartitionLog
    past: LogState

    def steps(self, heads: Mapping[str, Head], seen: Tombstones) -> list[_Step]:
        """Return the changes of the partitions that are not as they were.

        Args:
            heads: The heads of the partitions.
            seen: The tombstones.

        Raises:
            PartitionNotFound: A partition has no history.
            BatchNotFound: A batch has expired.
            InconsistentBatch: A batch's manifest is missing.
        """
        then = self.log.entries(self.past.marks(heads).values())

        def step_of(item: tuple[str, Head]) -> _Step | None:
            name, head = item
            if head.entry is None:
                raise self.table.missing(name, "has no history: it never had a batch")
            entry = then.get(name)
            made = origin_of(self.log, name, entry) if entry is not None else None
            change = back_to(name, made) if made is not None else _no_batch(name, entry)
            return _Step(change, made) if _moves(change, head.entry) else None

        found = map_concurrently(step_of, heads.items(), self.table.store.concurrency)
        steps = {one.change.partition: one for one in found if one is not None}
        changes = granted(self.table, [one.change for one in steps.values()], seen)
        return [
            _Step(change, steps[change.partition].made)
            for change in changes
            if _moves(change, heads[change.partition].entry)  # an erasure may have replaced it
        ]

    def refuse_unseen(
        self,
        heads: Mapping[str, Head],
        changes: Sequence[Change],
        expected: Expected,
        *,
        whole: bool,
    ) -> None:
        """Raise an error if partitions that change are not as the author saw them.

        What is at the version already, as after an earlier attempt of a task, is not compared.
        """
        changed = {one.partition for one in changes}
        compared = {
            name: batch_id
            for name, batch_id in expected.items()
            if name in changed or name not in heads
        }
        if not whole:
            refuse_unexpected(self.table, heads, compared)
            return
        others = self.log.state.marks([name for name in compared if name not in heads])
        refuse_unexpected(
            self.table, {**others, **heads}, {**dict.fromkeys(sorted(changed)), **compared}
        )


def _no_batch(name: str, entry: LogEntry | None) -> Change:
    """Return the change to no batch, as an entry left it, or as before the first one."""
    return Change(
        name,
        Operation.ROLLBACK,
        None,
        location=entry.location if entry else "",  # of another engine's files
        dropped=entry is not None and entry.dropped,
    )


def _moves(change: Change, entry: LogEntry | None) -> bool:
    if entry is None or change.batch_id != entry.batch_id:
        return True
    return change.batch_id is None and change.location != entry.location


def _pin(table: Table, batches: Iterable[tuple[str, str | None]]) -> BatchPin:
    return table.pin({name: batch_id for name, batch_id in sorted(batches) if batch_id})

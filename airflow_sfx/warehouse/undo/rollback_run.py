"""Rolling back everything that a DAG run, a backfill or a commit changed.

Each table is one commit; there are no commits across tables. So all tables are checked first, and a
problem in one of them stops the rollback of all.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from airflow_sfx.core.errors import (
    BatchNotFound,
    CommitConflict,
    InconsistentBatch,
    SfxError,
    counted,
    sentence,
)
from airflow_sfx.core.log_entry import Change, LogEntry, Operation
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.external.reconcile import heads_to_change
from airflow_sfx.warehouse.log.commit import Author, commit
from airflow_sfx.warehouse.log.compactions import refuse_half_compactions
from airflow_sfx.warehouse.log.metastore_sync import foreign_changes
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.log.resolve import heads_to_read
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import Tombstones, read_tombstones
from airflow_sfx.warehouse.undo.rollback import (
    back_to,
    current_origin,
    granted,
    origin_of,
    rolled_back_before,
)
from airflow_sfx.warehouse.undo.rollback_report import RollbackStep, RunRollback
from airflow_sfx.warehouse.undo.scope import Scope, TableCommits

_MAX_NAMED = 20
"""How many of the partitions that cannot be rolled back an error describes."""


def roll_back_run(
    scope: Scope,
    author: Author,
    *,
    dry_run: bool = False,
    expected: Sequence[RunRollback] | None = None,
) -> list[RunRollback]:
    """Roll back everything that one DAG run, backfill or commit changed.

    Partitions that others changed afterwards are left as they are.

    Args:
        scope: The changes to undo.
        author: Who rolls back, and why.
        dry_run: Whether to only report what would be done, and what would prevent it.
        expected: The reports of a dry run, or None for no condition.

    Returns:
        What was done to each changed table, or would be.

    Raises:
        BatchNotFound: A target batch has expired; nothing was rolled back.
        InconsistentBatch: A log or a target batch is damaged; nothing was rolled back.
        CommitConflict: The plan differs from what was expected, or would undo a compaction in part.
    """
    undoing = _Undo(scope, replace(author, undo=uuid.uuid4().hex))
    parts = [undoing.plan(one) for one in scope.tables]
    if dry_run:
        return [part.report for part in parts]
    if expected is not None:
        wanted = {one.table: one.rolled_back for one in expected}
        _refuse_other(scope, wanted, {part.report.table: part.report.rolled_back for part in parts})
    problems = [problem for part in parts for problem in part.problems]
    if problems:
        raise _refusal(scope, problems)
    done: list[RunRollback] = []
    for part in parts:
        try:
            done.append(undoing.execute(part, exactly=expected is not None))
        except SfxError as error:
            _add_done(error, done)
            raise
    return done


@dataclass(frozen=True, slots=True)
class _Plan:
    """The planned changes of a table's partitions.

    Args:
        changes: The changes.
        made: The entries that made the batches that are then current, by partition.
        taken: The partitions that an earlier attempt of the same task has already rolled back, with
            their batches.
        left: The batches that were current in those before that attempt.
        problems: Why partitions cannot be rolled back.
    """

    changes: list[Change] = field(default_factory=list)
    made: dict[str, LogEntry] = field(default_factory=dict)
    taken: dict[str, str | None] = field(default_factory=dict)
    left: dict[str, str | None] = field(default_factory=dict)
    problems: list[SfxError] = field(default_factory=list)

    @property
    def rolled_back(self) -> dict[str, str | None]:
        """The partitions that are as before the unit, with their batches."""
        return dict(
            sorted({**self.taken, **{one.partition: one.batch_id for one in self.changes}}.items())
        )


@dataclass(frozen=True, slots=True)
class _Part:
    """The plan for one table, made before any table is changed.

    Args:
        report: What would be done.
        problems: What prevents it.
        table: The table, or None if it no longer exists.
        names: The partitions that the changes are of.
        heads: The heads that the plan was made for, or None if it must be made again.
        plan: The plan.
    """

    report: RunRollback
    problems: Sequence[SfxError] = ()
    table: Table | None = None
    names: Sequence[str] = ()
    heads: Mapping[str, Head] | None = None
    plan: _Plan = field(default_factory=_Plan)


@dataclass(frozen=True, slots=True)
class _Undo:
    """The rollback of some changes.

    Args:
        scope: The changes.
        author: Who rolls them back, and why.
    """

    scope: Scope
    author: Author

    def plan(self, one: TableCommits) -> _Part:
        """Plan the rollback of a table, and find what prevents it."""
        table, attempts = one.table, self.scope.attempts
        try:
            if one.damage is not None:
                raise one.damage
            if table is None:
                report = RunRollback(str(one.ref), None, {}, {}, gone=one.gone, attempts=attempts)
                return _Part(report)
            return self._plan_of_partitions(table, self.scope.names(one))
        except InconsistentBatch as error:
            error.table = str(one.ref)
            report = RunRollback(
                str(one.ref), None, {}, {}, blocked=(str(error),), attempts=attempts
            )
            return _Part(report, [error], table)

    def _plan_of_partitions(self, table: Table, names: Sequence[str]) -> _Part:
        log = PartitionLog(table)
        heads = heads_to_read(table, log, names)
        pointers = table.pointers([table.layout.partition(name) for name in names])
        moved = foreign_changes(table, pointers, heads)
        plan = self._plan_of_heads(
            table, log, {name: head for name, head in heads.items() if name not in moved}
        )
        # External changes are reconciled before the rollback, which is then planned again.
        report = self._report(table, heads, plan)
        return _Part(report, plan.problems, table, names, None if moved else heads, plan)

    def execute(self, part: _Part, *, exactly: bool) -> RunRollback:
        """Roll back a table, exactly as planned if ``exactly``."""
        table = part.table
        if table is None:
            return part.report
        log = PartitionLog(table)
        found, seen = part.plan, part.heads or {}

        def plan(heads: Mapping[str, Head]) -> list[Change]:
            nonlocal found, seen
            if heads != part.heads:
                found = self._plan_of_heads(table, log, heads)
            seen = heads
            if found.problems:
                raise _refusal(self.scope, found.problems)
            if exactly:
                _refuse_other(
                    self.scope,
                    {part.report.table: part.report.rolled_back},
                    {part.report.table: found.rolled_back},
                )
            return found.changes

        heads = heads_to_change(table, log, part.names, self.author)
        entries = commit(table, log, heads, plan, self.author)
        report = self._report(table, seen, found)
        return replace(report, commit=entries[0].commit if entries else "")

    def _plan_of_heads(self, table: Table, log: PartitionLog, heads: Mapping[str, Head]) -> _Plan:
        plan = _Plan()

        def change_of(item: tuple[str, Head]) -> Change | None:
            name, head = item
            try:
                change, made = _before(log, name, head, self.scope)
                done = None if change else self._done(log, name, head)
                if done is not None:
                    plan.taken[name] = head.batch_id
                    plan.left[name] = done.previous
                    made = current_origin(log, name, head)
                if made is not None:
                    plan.made[name] = made
            except (BatchNotFound, InconsistentBatch) as error:
                error.table = str(table.ref)
                plan.problems.append(error)
                return None
            return change

        wanted = [
            change
            for change in map_concurrently(change_of, heads.items(), table.store.concurrency)
            if change
        ]
        plan.changes.extend(_granted(table, wanted, read_tombstones(table), plan.problems))
        if not plan.problems:
            try:
                refuse_half_compactions(table, log, log.state, heads, plan.changes)
            except CommitConflict as error:
                plan.problems.append(error)
        return plan

    def _done(self, log: PartitionLog, name: str, head: Head) -> LogEntry | None:
        """Return the rollback of these changes by an earlier attempt of the task, or None."""
        done = rolled_back_before(log, name, head, self.author)
        if done is None or not done.parent:
            return None
        before = Head(log.named(name, done.parent))
        return done if _undone_by(log, name, before, self.scope) else None

    def _report(self, table: Table, heads: Mapping[str, Head], plan: _Plan) -> RunRollback:
        done = plan.rolled_back
        there = {name: batch_id for name, batch_id in done.items() if batch_id}
        before = {name: plan.left.get(name, heads[name].batch_id) for name in done}
        left = {name: batch_id for name, batch_id in before.items() if batch_id}
        return RunRollback(
            str(table.ref),
            table.pin(there) if there else None,
            done,
            {name: one.batch_id for name, one in heads.items() if name not in done and one.entry},
            blocked=tuple(map(str, plan.problems)),
            steps=tuple(
                RollbackStep.of(name, before[name], batch_id, plan.made.get(name))
                for name, batch_id in done.items()
            ),
            attempts=self.scope.attempts,
            left=table.pin(left) if left else None,
        )


def _granted(
    table: Table, wanted: list[Change], seen: Tombstones, problems: list[SfxError]
) -> list[Change]:
    """Return the possible changes, and append the others' errors to ``problems``."""
    try:
        return granted(table, wanted, seen)
    except (BatchNotFound, InconsistentBatch):

        def alone(change: Change) -> list[Change]:
            try:
                return granted(table, [change], seen)
            except (BatchNotFound, InconsistentBatch) as error:
                problems.append(error)
                return []

        return [
            change
            for changes in map_concurrently(alone, wanted, table.store.concurrency)
            for change in changes
        ]


def _before(
    log: PartitionLog, name: str, head: Head, scope: Scope
) -> tuple[Change | None, LogEntry | None]:
    """Return the rollback to what was current before the changes, and the entry that made it.

    Without a rollback if what is current is not of the changes. Without an entry if the partition
    had no batch before.
    """
    source = _undone_by(log, name, head, scope)
    if source is None:
        return None, None
    while scope.made(source):
        if not source.previous_origin:
            before = log.named(name, source.parent) if source.parent else None
            gone = Change(
                name,
                Operation.ROLLBACK,
                None,
                location=before.location if before else "",  # of another engine's files
                dropped=before is not None and before.dropped,
            )
            return _unless_there(head, gone), None
        source = log.named(name, source.previous_origin)
    return _unless_there(head, back_to(name, source)), source


def _undone_by(log: PartitionLog, name: str, head: Head, scope: Scope) -> LogEntry | None:
    """Return the entry of the changes that what is current comes from, or None.

    That is the one that last moved the partition, such as a rollback that is itself undone, or the
    one that first published the current batch.
    """
    if head.entry is None:
        return None
    for entry in (log.last_move(name, head), origin_of(log, name, head.entry)):
        if entry is not None and scope.made(entry):
            return entry
    return None


def _unless_there(head: Head, change: Change) -> Change | None:
    return None if change.batch_id == head.batch_id else change


def _refuse_other(
    scope: Scope,
    expected: Mapping[str, Mapping[str, str | None]],
    found: Mapping[str, Mapping[str, str | None]],
) -> None:
    """Raise `CommitConflict` if the plan differs from what was expected."""
    if expected == found:
        return
    changed = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
    raise CommitConflict(
        f"{scope} was not rolled back: partitions of {', '.join(changed)} have changed since the"
        " plan was made. Plan it again",
        table=changed[0],
    )


def _refusal(scope: Scope, problems: Sequence[SfxError]) -> SfxError:
    """Return the error for changes that cannot be rolled back as a whole."""
    reasons = sorted(map(str, problems))
    more = f"; and {len(reasons) - _MAX_NAMED} more" if len(reasons) > _MAX_NAMED else ""
    message = (
        f"{scope} cannot be rolled back as a whole, and nothing was changed:"
        f" {'; '.join(reasons[:_MAX_NAMED])}{more}. Restore what is missing, or store those"
        " partitions again and roll back the rest. `sfx rollback DB.TABLE PARTITION` rolls back one"
        " partition"
    )
    first = problems[0]
    if isinstance(first, CommitConflict):  # the only one of its table, with its own remedy
        return first
    if any(isinstance(problem, InconsistentBatch) for problem in problems):
        return InconsistentBatch(
            message, problems=tuple(reasons), table=first.table, partition=first.partition
        )
    return BatchNotFound(
        message, table=first.table, partition=first.partition, batch_id=first.batch_id
    )


def _add_done(error: SfxError, done: Sequence[RunRollback]) -> None:
    """Add the tables that were already rolled back to an error."""
    before = [
        f"{one.table} ({counted(len(one.rolled_back), 'partition')})"
        for one in done
        if one.rolled_back
    ]
    if before:
        done_before = f" Already rolled back: {', '.join(before)}. Repeat the call to continue."
        error.args = (f"{sentence(error)}{done_before}",)
        if error.cli_remedy:
            error.cli_remedy += f".{done_before}"

"""Rolling back everything that a DAG run or a backfill published.

Each table is one commit; there are no commits across tables. So all tables are checked first, and a
problem in one of them stops the rollback of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from airflow_sfx.core.errors import (
    BatchNotFound,
    CommitConflict,
    ForeignChange,
    InconsistentBatch,
    SfxError,
    TableNotFound,
    sentence,
)
from airflow_sfx.core.ledger import Change, LedgerEntry, Operation
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.base import Metastore
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.external.reconcile import heads_to_change
from airflow_sfx.warehouse.log.commit import Author, commit
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.metastore_sync import foreign_changes
from airflow_sfx.warehouse.log.records import Head
from airflow_sfx.warehouse.log.resolve import heads_to_read
from airflow_sfx.warehouse.log.run_index import Unit, commits_of
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import Tombstones, read_tombstones
from airflow_sfx.warehouse.undo.rollback import back_to, granted, origin_of, rolled_back_before

_MAX_NAMED = 20
"""How many of the partitions that cannot be rolled back an error describes."""


def roll_back_run(
    store: ObjectStore,
    metastore: Metastore,
    unit: Unit,
    author: Author,
    *,
    dry_run: bool = False,
    expected: Sequence[RunRollback] | None = None,
) -> list[RunRollback]:
    """Roll back everything that one DAG run or backfill published.

    Partitions that others changed afterwards are left as they are.

    Args:
        store: The warehouse's object store.
        metastore: The warehouse's metastore.
        unit: The run or the backfill.
        author: Who rolls back, and why.
        dry_run: Whether to only report what would be done, and what would prevent it.
        expected: The reports of a dry run, or None for no condition.

    Returns:
        What was done to each changed table, or would be.

    Raises:
        BatchNotFound: The unit changed nothing in this warehouse, or a target batch has expired;
            nothing was rolled back.
        InconsistentBatch: A log or a target batch is damaged; nothing was rolled back.
        CommitConflict: The plan differs from what was expected.
    """
    commits = commits_of(store, unit)
    if not commits:
        raise BatchNotFound(
            f"{unit} has changed nothing in {store.uri}: check both names; `sfx history` shows"
            " which run wrote a batch"
        )
    undoing = _Undo(unit, author)
    parts = [undoing.plan(ref, ids, store, metastore) for ref, ids in commits.items()]
    if dry_run:
        return [part.report for part in parts]
    if expected is not None:
        wanted = {one.table: one.rolled_back for one in expected}
        _refuse_other(unit, wanted, {part.report.table: part.report.rolled_back for part in parts})
    problems = [problem for part in parts for problem in part.problems]
    if problems:
        raise _refusal(unit, problems)
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
        taken: The partitions that an earlier attempt of the same task has already rolled back, with
            their batches.
        problems: Why partitions cannot be rolled back.
    """

    changes: list[Change] = field(default_factory=list)
    taken: dict[str, str | None] = field(default_factory=dict)
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
        names: The partitions that the unit changed.
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
    """The rollback of a unit.

    Args:
        unit: The run or the backfill.
        author: Who rolls it back, and why.
    """

    unit: Unit
    author: Author

    def plan(
        self, ref: TableRef, commits: Sequence[str], store: ObjectStore, metastore: Metastore
    ) -> _Part:
        """Plan the rollback of a table, and find what prevents it."""
        try:
            table = Table.find(ref, store, metastore)
        except (TableNotFound, ForeignChange) as error:  # dropped, or made anew by another engine
            return _Part(RunRollback(str(ref), None, {}, {}, gone=str(error)))
        try:
            return self._plan_of_commits(table, commits)
        except InconsistentBatch as error:
            error.table = str(ref)
            return _Part(RunRollback(str(ref), None, {}, {}, blocked=(str(error),)), [error], table)

    def _plan_of_commits(self, table: Table, commits: Sequence[str]) -> _Part:
        ledger = Ledger(table)
        names = sorted(
            {name for found in map_concurrently(ledger.members, commits) for name in found}
        )
        pointers = table.pointers([table.layout.partition(name) for name in names])
        heads = heads_to_read(table, ledger, names, pointers)
        moved = foreign_changes(table, pointers, heads)
        plan = self._plan_of_heads(
            table, ledger, {name: head for name, head in heads.items() if name not in moved}
        )
        # External changes are reconciled before the rollback, which is then planned again.
        return _Part(
            _report(table, heads, plan), plan.problems, table, names, None if moved else heads, plan
        )

    def execute(self, part: _Part, *, exactly: bool) -> RunRollback:
        """Roll back a table, exactly as planned if ``exactly``."""
        table = part.table
        if table is None:
            return part.report
        ledger = Ledger(table)
        found, seen = part.plan, part.heads or {}

        def plan(heads: Mapping[str, Head]) -> list[Change]:
            nonlocal found, seen
            if heads != part.heads:
                found = self._plan_of_heads(table, ledger, heads)
            seen = heads
            if found.problems:
                raise _refusal(self.unit, found.problems)
            if exactly:
                _refuse_other(
                    self.unit,
                    {part.report.table: part.report.rolled_back},
                    {part.report.table: found.rolled_back},
                )
            return found.changes

        commit(
            table,
            ledger,
            heads_to_change(table, ledger, part.names, self.author),
            plan,
            self.author,
        )
        return _report(table, seen, found)

    def _plan_of_heads(self, table: Table, ledger: Ledger, heads: Mapping[str, Head]) -> _Plan:
        plan = _Plan()

        def change_of(item: tuple[str, Head]) -> Change | None:
            name, head = item
            try:
                change = _before_unit(ledger, name, head, self.unit)
                if change is None and self._taken(ledger, name, head):
                    plan.taken[name] = head.batch_id
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
        return plan

    def _taken(self, ledger: Ledger, name: str, head: Head) -> bool:
        """Return whether an earlier attempt of the task rolled the partition back."""
        done = rolled_back_before(ledger, name, head, self.author)
        if done is None or not done.previous_origin:
            return False
        return _made(self.unit, ledger.named(name, done.previous_origin))


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


def _before_unit(ledger: Ledger, name: str, head: Head, unit: Unit) -> Change | None:
    """Return the rollback to what was current before the unit's first change.

    None if the current batch is not the unit's.
    """
    if head.entry is None:
        return None
    source = origin_of(ledger, name, head.entry)
    if source is None or not _made(unit, source):
        return None
    while _made(unit, source):
        if not source.previous_origin:
            return Change(
                name, Operation.ROLLBACK, None, location=_place_before(ledger, name, source)
            )
        source = ledger.named(name, source.previous_origin)
    return back_to(name, source)


def _made(unit: Unit, entry: LedgerEntry) -> bool:
    """Return whether the unit itself made a change, and did not only reconcile it."""
    return unit.made(entry.producer) and entry.operation is not Operation.FOREIGN_CHANGE


def _place_before(ledger: Ledger, name: str, source: LedgerEntry) -> str:
    """Return the partition's location before its first batch, or an empty text."""
    return ledger.named(name, source.parent).location if source.parent else ""


def _report(table: Table, heads: Mapping[str, Head], plan: _Plan) -> RunRollback:
    done = plan.rolled_back
    kept = {name: head.batch_id for name, head in heads.items() if name not in done and head.entry}
    there = {name: batch_id for name, batch_id in done.items() if batch_id}
    blocked = tuple(map(str, plan.problems))
    return RunRollback(
        str(table.ref), table.pin(there) if there else None, done, kept, blocked=blocked
    )


def _refuse_other(
    unit: Unit,
    expected: Mapping[str, Mapping[str, str | None]],
    found: Mapping[str, Mapping[str, str | None]],
) -> None:
    """Raise `CommitConflict` if the plan differs from what was expected."""
    if expected == found:
        return
    changed = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
    raise CommitConflict(
        f"{unit} was not rolled back: partitions of {', '.join(changed)} have changed since the"
        " plan was made. Plan it again",
        table=changed[0],
    )


def _refusal(unit: Unit, problems: Sequence[SfxError]) -> SfxError:
    """Return the error for a unit that cannot be rolled back as a whole."""
    reasons = sorted(map(str, problems))
    more = f"; and {len(reasons) - _MAX_NAMED} more" if len(reasons) > _MAX_NAMED else ""
    message = (
        f"{unit} cannot be rolled back as a whole, and nothing was changed:"
        f" {'; '.join(reasons[:_MAX_NAMED])}{more}. Restore what is missing, or store those"
        " partitions again and roll back the rest. `sfx rollback DB.TABLE PARTITION` rolls back one"
        " partition"
    )
    first = problems[0]
    if any(isinstance(problem, InconsistentBatch) for problem in problems):
        return InconsistentBatch(
            message, problems=tuple(reasons), table=first.table, partition=first.partition
        )
    return BatchNotFound(
        message, table=first.table, partition=first.partition, batch_id=first.batch_id
    )


def _add_done(error: SfxError, done: Sequence[RunRollback]) -> None:
    """Add the tables that were already rolled back to an error."""
    before = [f"{one.table} ({len(one.rolled_back)} partitions)" for one in done if one.rolled_back]
    if before:
        error.args = (
            (
                f"{sentence(error)} Already rolled back: {', '.join(before)}. Repeat the call to"
                " continue."
            ),
        )


@dataclass(frozen=True, slots=True)
class RunRollback:
    """What rolling back a DAG run did to one table.

    Args:
        pin: The current batches of the partitions that were rolled back, or None if none has a
            batch.
        table: The table as ``database.table``.
        rolled_back: The partitions that were rolled back, with the batch that each has now; None
            for no batch, as before the run.
        kept: The partitions that were left as they are because they changed after the run, with
            their batches.
        gone: Why the whole table was left alone: it is no longer in the metastore, or another
            engine made it anew. Empty otherwise.
        blocked: What prevents the rollback, one sentence each; only in a dry run, as otherwise the
            call fails.
    """

    table: str
    pin: BatchPin | None
    rolled_back: dict[str, str | None]
    kept: dict[str, str | None]
    gone: str = ""
    blocked: tuple[str, ...] = ()

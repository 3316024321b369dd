"""Undo of all that a DAG run, or a backfill, published: every table is looked at before any is changed.

Each table is one commit, and there is none over several tables. So what would stop one of them is
found first, and stops all.
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
from airflow_sfx.warehouse.log.ledger import Head, Ledger
from airflow_sfx.warehouse.log.metastore_sync import foreign_changes
from airflow_sfx.warehouse.log.resolve import heads_to_read
from airflow_sfx.warehouse.log.run_index import Unit, commits_of
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import Tombstones, read_tombstones
from airflow_sfx.warehouse.undo.rollback import back_to, granted, origin_of, rolled_back_before

_NAMED = 20
"""How many of the partitions that cannot go back an error describes."""


def roll_back_run(
    store: ObjectStore,
    metastore: Metastore,
    unit: Unit,
    author: Author,
    *,
    dry_run: bool = False,
    expected: Sequence[RunRollback] | None = None,
) -> list[RunRollback]:
    """Undo everything that one DAG run, or one backfill, published; what somebody else published since stays.

    Args:
        store: The warehouse's storage.
        metastore: Its metastore.
        unit: The run or the backfill.
        author: Who and why.
        dry_run: Only tell, also what would stop it.
        expected: What a dry run has told its author; None for whoever does not say.

    Returns:
        What was done to each table that it changed, or would be.

    Raises:
        BatchNotFound: It changed nothing in this warehouse; or a batch to go to is retired, and
            nothing was undone.
        InconsistentBatch: A ledger, or a batch to go to, is damaged, and nothing was undone.
        CommitConflict: Something else would be done than was expected.
    """
    commits = commits_of(store, unit)
    if not commits:
        raise BatchNotFound(
            f"{unit} has changed nothing in {store.uri}: check both names; `sfx history` shows"
            " which run made a batch"
        )
    undoing = _Undoing(unit, author)
    parts = [undoing.look(ref, ids, store, metastore) for ref, ids in commits.items()]
    if dry_run:
        return [part.report for part in parts]
    if expected is not None:
        told = {one.table: one.rolled_back for one in expected}
        _refuse_other(unit, told, {part.report.table: part.report.rolled_back for part in parts})
    problems = [problem for part in parts for problem in part.problems]
    if problems:
        raise _refusal(unit, problems)
    done: list[RunRollback] = []
    for part in parts:
        try:
            done.append(undoing.undo(part, as_told=expected is not None))
        except SfxError as error:
            _tell_done(error, done)
            raise
    return done


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done to the partitions of a table.

    Args:
        changes: The changes.
        taken: What an earlier attempt of the same task has rolled back already, with the batch that
            each partition has.
        problems: Why partitions cannot go back.
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
    """A table as it was looked at before any was changed.

    Args:
        report: What would be done to it.
        problems: What stops that.
        table: The table; None where it is gone.
        names: The partitions that the unit changed.
        heads: Their heads, where the plan is made for them as they are.
        plan: What is to be done.
    """

    report: RunRollback
    problems: Sequence[SfxError] = ()
    table: Table | None = None
    names: Sequence[str] = ()
    heads: Mapping[str, Head] | None = None
    plan: _Plan = field(default_factory=_Plan)


@dataclass(frozen=True, slots=True)
class _Undoing:
    """The undo of a unit.

    Args:
        unit: The run or the backfill.
        author: Who undoes it, and why.
    """

    unit: Unit
    author: Author

    def look(
        self, ref: TableRef, commits: Sequence[str], store: ObjectStore, metastore: Metastore
    ) -> _Part:
        """What undoing the unit would do to a table, and what stops that."""
        try:
            table = Table.find(ref, store, metastore)
        except (
            TableNotFound,
            ForeignChange,
        ) as error:  # dropped, and perhaps made anew by something else
            return _Part(RunRollback(str(ref), None, {}, {}, gone=str(error)))
        try:
            return self._look_into(table, commits)
        except InconsistentBatch as error:
            error.table = str(ref)
            return _Part(RunRollback(str(ref), None, {}, {}, blocked=(str(error),)), [error], table)

    def _look_into(self, table: Table, commits: Sequence[str]) -> _Part:
        ledger = Ledger(table)
        names = sorted(
            {name for found in map_concurrently(ledger.members, commits) for name in found}
        )
        pointers = table.pointers([table.layout.partition(name) for name in names])
        heads = heads_to_read(table, ledger, names, pointers)
        moved = foreign_changes(table, pointers, heads)
        plan = self._plan(
            table, ledger, {name: head for name, head in heads.items() if name not in moved}
        )
        # What something else has moved is taken into the history first, and planned anew.
        return _Part(
            _report(table, heads, plan), plan.problems, table, names, None if moved else heads, plan
        )

    def undo(self, part: _Part, *, as_told: bool) -> RunRollback:
        """Undo what the unit did to a table; as it was looked at, where somebody was told of that."""
        table = part.table
        if table is None:
            return part.report
        ledger = Ledger(table)
        found, seen = part.plan, part.heads or {}

        def plan(heads: Mapping[str, Head]) -> list[Change]:
            nonlocal found, seen
            if heads != part.heads:
                found = self._plan(table, ledger, heads)
            seen = heads
            if found.problems:
                raise _refusal(self.unit, found.problems)
            if as_told:
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

    def _plan(self, table: Table, ledger: Ledger, heads: Mapping[str, Head]) -> _Plan:
        plan = _Plan()

        def undo(item: tuple[str, Head]) -> Change | None:
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
            for change in map_concurrently(undo, heads.items(), table.store.concurrency)
            if change
        ]
        plan.changes.extend(_granted(table, wanted, read_tombstones(table), plan.problems))
        return plan

    def _taken(self, ledger: Ledger, name: str, head: Head) -> bool:
        """Whether an earlier attempt of the author's task instance has done it, and died before anybody heard of it."""
        done = rolled_back_before(ledger, name, head, self.author)
        if done is None or not done.previous_origin:
            return False
        return _made(self.unit, ledger.named(name, done.previous_origin))


def _granted(
    table: Table, wanted: list[Change], seen: Tombstones, problems: list[SfxError]
) -> list[Change]:
    """The changes that can be made; to the problems, why others cannot."""
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
    """To what was current before the unit's first change, where a batch of it is current."""
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
    """Whether a change is the unit's own: what it only found in the metastore, something else had done."""
    return unit.made(entry.producer) and entry.operation is not Operation.FOREIGN_CHANGE


def _place_before(ledger: Ledger, name: str, source: LedgerEntry) -> str:
    """Where something else had put the partition before its first batch: files that are no batch; empty for nothing."""
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
    """Refuse to do something else than was expected: by table, the partitions that go back, and to what."""
    if expected == found:
        return
    changed = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
    raise CommitConflict(
        f"undoing {unit} would not do now what it would have done: somebody has changed partitions"
        f" of {', '.join(changed)} meanwhile, and nothing was done; look again",
        table=changed[0],
    )


def _refusal(unit: Unit, problems: Sequence[SfxError]) -> SfxError:
    """The error for a unit that cannot be undone as one."""
    told = sorted(map(str, problems))
    more = f"; and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    message = (
        f"{unit} cannot be undone as one, and nothing was changed:"
        f" {'; '.join(told[:_NAMED])}{more}. Restore what is missing, or store those partitions"
        " again and undo the rest then: what was changed since is left alone. `sfx rollback"
        " DB.TABLE PARTITION` goes back with one partition"
    )
    first = problems[0]
    if any(isinstance(problem, InconsistentBatch) for problem in problems):
        return InconsistentBatch(
            message, problems=tuple(told), table=first.table, partition=first.partition
        )
    return BatchNotFound(
        message, table=first.table, partition=first.partition, batch_id=first.batch_id
    )


def _tell_done(error: SfxError, done: Sequence[RunRollback]) -> None:
    """Say in an error that came in the midst which tables were rolled back before it."""
    before = [f"{one.table} ({len(one.rolled_back)} partitions)" for one in done if one.rolled_back]
    if before:
        error.args = (
            (
                f"{sentence(error)} Before that, {', '.join(before)} went back, and nothing else;"
                " the same call goes on from there."
            ),
        )


@dataclass(frozen=True, slots=True)
class RunRollback:
    """What undoing a DAG run did to one table.

    Args:
        pin: The batches that are current now, of the partitions that were rolled back and have one;
            None if none has.
        table: The table as ``database.table``.
        rolled_back: The partitions that were changed, with the batch that each has now (None: no
            batch, as before).
        kept: The partitions that somebody else has changed since, and so were left alone, with the
            batch they have.
        gone: Why the whole table was left alone: it is no longer in the metastore, or no longer
            ours. Empty where it is there.
        blocked: What keeps the run from being undone, a sentence each; told by a dry run only, as
            an undo is refused then.
    """

    table: str
    pin: BatchPin | None
    rolled_back: dict[str, str | None]
    kept: dict[str, str | None]
    gone: str = ""
    blocked: tuple[str, ...] = ()

"""`sfx rollback`: make earlier batches current, or undo a run or a commit."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.completion import complete_batch, complete_partition, complete_table
from airflow_sfx.cli.confirm import PlanOnly, Yes, approved
from airflow_sfx.cli.options import Chosen, Json, Reason, Settings, table_of
from airflow_sfx.cli.output import print_json
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.warehouse.undo.rollback_report import RollbackStep, RunRollback

if TYPE_CHECKING:
    from airflow_sfx.warehouse.pins.trained import TrainedVersion
    from airflow_sfx.warehouse.undo.scope import Attempt
    from airflow_sfx.warehouse.warehouse import Warehouse

_SHOWN = 20
_NONE = "no batch"


def register(app: typer.Typer) -> None:
    """Add the command to an app."""
    app.command()(rollback)


def rollback(
    context: typer.Context,
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="DB.TABLE",
            help="The table; omit with --run or --backfill.",
            show_default=False,
            autocompletion=complete_table,
        ),
    ] = None,
    partition: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PARTITION",
            help=(
                "Partitions to roll back; required if the table has partition keys, except with"
                " --to-version."
            ),
            autocompletion=complete_partition,
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="BATCH",
            help="Batch to make current (default: the previous one).",
            autocompletion=complete_batch,
        ),
    ] = None,
    to_version: Annotated[
        int | None,
        typer.Option(
            "--to-version",
            metavar="N",
            help=(
                "Undo all that came after this version of the table, as `sfx history` lists them,"
                " in the partitions, or without partitions in the whole table."
            ),
        ),
    ] = None,
    run: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--run", metavar="DAG_ID RUN_ID", help="Undo what a DAG run published, in all tables."
        ),
    ] = None,
    backfill: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--backfill",
            metavar="DAG_ID BACKFILL_ID",
            help="Undo what the runs of a backfill published, in all tables.",
        ),
    ] = None,
    commit: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--commit",
            metavar="DB.TABLE COMMIT",
            help=(
                "Undo all that a commit changed, as `sfx audit` lists it; the commit of an undo"
                " undoes the undo, in all tables."
            ),
        ),
    ] = None,
    last_attempt: Annotated[
        bool,
        typer.Option(
            "--last-attempt",
            help=(
                "With --run or --backfill: undo only what the last attempt changed, if tasks were"
                " cleared and ran again."
            ),
        ),
    ] = False,
    reason: Reason = "",
    dry_run: PlanOnly = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make earlier batches current again.

    No data is read, written or deleted. The history records the rollback. Undo it with --to
    BATCH, or with --commit as a whole; repeating it goes back one more batch.
    """
    settings: Settings = context.obj
    units = [one for one in (run, backfill, commit) if one is not None]
    if units:
        if any(one is not None for one in (table, to, to_version)) or len(units) > 1:
            raise typer.BadParameter(
                "--run, --backfill and --commit undo a whole run, backfill or commit: use one of"
                " them, without tables, partitions, --to or --to-version"
            )
        if commit is not None and last_attempt:
            raise typer.BadParameter("a commit has no attempts: omit --last-attempt")
        undo = _undo_of(settings, run, backfill, commit, last_attempt)
        _rollback_unit(settings.warehouse, undo, reason, dry_run=dry_run, yes=yes, as_json=as_json)
        return
    if table is None or last_attempt:
        raise typer.BadParameter(
            "name a table and its partitions, a run with --run DAG_ID RUN_ID, a backfill with"
            " --backfill DAG_ID BACKFILL_ID, or a commit with --commit DB.TABLE COMMIT;"
            " --last-attempt is for a run or a backfill"
        )
    chosen = settings.table(table, partition)
    dropped = chosen.opened.is_dropped
    whole = chosen.partitions is None and to_version is not None
    if chosen.partitions is None and chosen.keyed and not (dropped or whole):
        raise typer.BadParameter(f"{chosen.ref} is partitioned: name the partitions to roll back")
    values = chosen.partitions if dropped or whole else _values(chosen)
    steps = settings.warehouse.plan_rollback(*chosen.names, values, to=to, to_version=to_version)
    now = {step.partition: step.previous for step in steps}
    goal = {step.partition: step.batch_id for step in steps}
    left = _left(chosen, steps)
    plan = RunRollback(
        str(chosen.ref), None, goal, {}, steps=tuple(steps), left=left, models=steps.models
    )
    if approved(
        f"Restore {chosen.ref}?" if dropped else "Roll back?",
        lambda: [plan],
        lambda plan: _show_plan(chosen, plan[0], _dropped(chosen) if dropped else ""),
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    ):
        expected = None if dropped else now
        done = settings.warehouse.rollback(
            *chosen.names, values, to=to, to_version=to_version, reason=reason, expected=expected
        )
        _report(chosen, done, now, steps.models, as_json=as_json)
        if yes:  # otherwise the plan has shown it
            _show_affected(settings.warehouse, [plan], err=True)


def _report(
    chosen: Chosen,
    done: BatchPin,
    before: Mapping[str, str | None],
    models: Sequence[TrainedVersion],
    *,
    as_json: bool,
) -> None:
    if as_json:
        print_json({**json.loads(done.to_json()), "models": models})
        return
    for name, previous in before.items():
        batch = done.batches.get(name, _NONE)
        output.say(f"{chosen.ref} {name}".rstrip() + f": {previous or _NONE} → {batch}")


def _dropped(chosen: Chosen) -> str:
    """Return when, by whom and why a table was dropped."""
    (newest,) = chosen.warehouse.history(*chosen.names, limit=1)
    who = output.who(newest.producer) or "unknown"
    why = f": {newest.reason}" if newest.reason else ""
    return f"{chosen.ref} was dropped {output.moment(newest.at)} by {who}{why}"


def _values(chosen: Chosen) -> list[tuple[str, ...]] | None:
    """Return each named partition's values once, or None for a table without keys."""
    if not chosen.keyed:
        return None
    wanted = chosen.opened.wanted(chosen.partitions) or [Partition()]
    return [partition.values for partition in wanted]


def _left(chosen: Chosen, steps: Sequence[RollbackStep]) -> BatchPin | None:
    """Return the pin of the batches that partitions leave, or None if they leave none."""
    left = {one.partition: one.previous for one in steps if one.previous != one.batch_id}
    batches = {name: batch for name, batch in left.items() if batch}
    return chosen.opened.pin(batches) if batches else None


def _show_plan(chosen: Chosen, plan: RunRollback, before: str) -> None:
    _show_steps(plan.table, plan.steps, before)
    _show_affected(chosen.warehouse, [plan])


def _show_affected(
    warehouse: Warehouse, reports: Sequence[RunRollback], *, err: bool = False
) -> None:
    """Print what becomes stale by a rollback, and the models that were trained on what it ends."""
    ended = [report.left for report in reports if report.left is not None]
    found = [
        (str(one.pin.ref), name, batch)
        for one in warehouse.stale_after(*ended)
        for name, batch in one.pin.entries
    ]
    output.models(
        dict.fromkeys(one for report in reports for one in report.models), "this", err=err
    )
    if not found:
        return
    count = output.counted(len(found), "batch")
    output.say(f"becomes stale, as it was made from this: {count}", err=err)
    for table, name, batch in found[:_SHOWN]:
        output.say(f"  {table} {name}".rstrip() + f"  {batch}", err=err)
    if len(found) > _SHOWN:
        output.say(f"  and {output.counted(len(found) - _SHOWN, 'more batch')}", err=err)


def _show_steps(table: str, steps: Sequence[RollbackStep], before: str = "") -> None:
    """Print from which batch to which each partition goes, after a line about the table."""
    if before:
        output.say(before)
    for step in steps[:_SHOWN]:
        output.say(f"{table} {step.partition}".rstrip())
        output.say(f"  from  {step.previous or _NONE}")
        output.say(f"  to    {_target(step)}")
    if len(steps) > _SHOWN:
        rest = steps[_SHOWN:]
        emptied = sum(step.batch_id is None for step in rest)
        more = f"and {output.counted(len(rest), 'more partition')}"
        output.say(f"{more}, {emptied:,} of them to no batch" if emptied else more)


def _target(step: RollbackStep) -> str:
    """Return the batch that a partition goes to, with its time and producer."""
    if step.batch_id is None or step.producer is None:
        return _NONE
    return output.batch(step.batch_id, step.rows, step.at, step.producer, done="published")


@dataclass(frozen=True, slots=True)
class _Undo:
    """An undo of a run, a backfill or a commit.

    Args:
        name: What is undone, for the question and the title.
        last: How to undo its last attempt alone, as an option; empty if that is chosen.
        call: Undoes it; called with the reason and whether to only report.
    """

    name: str
    last: str
    call: Callable[[str, bool], list[RunRollback]]


def _undo_of(
    settings: Settings,
    run: tuple[str, str] | None,
    backfill: tuple[str, str] | None,
    commit: tuple[str, str] | None,
    last_attempt: bool,
) -> _Undo:
    warehouse = settings.warehouse
    if commit is not None:
        ref = table_of(commit[0])
        return _Undo(
            f"the commit {commit[1]} of {ref}",
            "",
            lambda reason, dry_run: warehouse.rollback_commit(
                ref.database, ref.table, commit[1], reason=reason, dry_run=dry_run
            ),
        )
    attempt: Attempt = "last" if last_attempt else "all"
    which, last = ("the last attempt of ", "") if last_attempt else ("", "--last-attempt")
    if run is not None:
        return _Undo(
            f"{which}the run {run[1]} of {run[0]}",
            last,
            lambda reason, dry_run: warehouse.rollback_run(
                dag_id=run[0], run_id=run[1], attempt=attempt, reason=reason, dry_run=dry_run
            ),
        )
    dag_id, number = backfill or ("", "")

    def undo_backfill(reason: str, dry_run: bool) -> list[RunRollback]:
        # Airflow, which is imported to look up the runs, sends logs to stdout
        with redirect_stdout(sys.stderr):
            return warehouse.rollback_backfill(
                dag_id=dag_id, backfill_id=number, attempt=attempt, reason=reason, dry_run=dry_run
            )

    return _Undo(f"{which}the backfill {number} of {dag_id}", last, undo_backfill)


def _rollback_unit(
    warehouse: Warehouse, undo: _Undo, reason: str, *, dry_run: bool, yes: bool, as_json: bool
) -> None:
    if not approved(
        f"Undo everything that {undo.name} changed?",
        lambda: undo.call("", True),
        lambda plan: _show_unit(warehouse, undo, plan),
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    ):
        return
    reports = undo.call(reason, False)
    if yes:  # otherwise the plan has shown it
        _show_affected(warehouse, reports, err=True)
    if as_json:
        print_json(reports)
        return
    rows = [
        (report.table, step.partition, step.batch_id or "no batch, as before", "rolled back")
        for report in reports
        for step in report.steps
    ] + [
        (report.table, name, batch, "unchanged: changed since, or already undone")
        for report in reports
        for name, batch in report.kept.items()
    ]
    rows += [(report.table, "", "", f"skipped: {report.gone}") for report in reports if report.gone]
    output.table(undo.name, ("table", "partition", "current batch", "result"), rows)
    done = next((report for report in reports if report.commit), None)
    if done is not None:
        output.say(f"undo it with: sfx rollback --commit {done.table} {done.commit}", err=True)


def _show_unit(warehouse: Warehouse, undo: _Undo, reports: Sequence[RunRollback]) -> None:
    """Print which partitions roll back to which batch or stay, and what prevents the undo."""
    for report in reports:
        names = [name or "the table" for name in report.rolled_back]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        if names:
            output.say(f"{report.table}: rolls back: {', '.join(names[:_SHOWN])}{more}")
            _show_steps(report.table, report.steps)
        lines = []
        if report.kept:
            kept = output.counted(len(report.kept), "partition")
            lines.append(f"changed since, or already undone: {kept}")
        lines += [f"skipped: {report.gone}"] if report.gone else []
        lines += [f"cannot be undone: {why}" for why in report.blocked]
        for line in lines:
            output.say(f"{report.table}: {line}")
    _show_affected(warehouse, reports)
    attempts = max((report.attempts for report in reports), default=1)
    if attempts > 1 and undo.last:
        output.say(
            f"It ran {attempts} times: this goes back to before the first. {undo.last} undoes only"
            " the last time."
        )

"""Commands that remove data: retain and erase.

Both print a plan and change nothing without ``--apply``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.confirm import Yes, approved
from airflow_sfx.cli.options import (
    DryRun,
    Grace,
    Json,
    KeepLast,
    OlderThan,
    Reason,
    Settings,
    TableArgument,
    duration,
)
from airflow_sfx.cli.output import print_json, waiting
from airflow_sfx.warehouse.words import WHOLE

if TYPE_CHECKING:
    from airflow_sfx.warehouse.retention.erasure import ErasureReport
    from airflow_sfx.warehouse.retention.expire import RetentionReport
    from airflow_sfx.warehouse.retention.policies import PolicyReport

Report = TypeVar("Report")


_SHOWN = 50


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    for command in (retain, policies, erase):
        app.command()(command)


def retain(
    context: typer.Context,
    table: Annotated[
        str | None,
        typer.Argument(metavar="DB.TABLE", help="The table (default: all, by their policies)."),
    ] = None,
    keep_last: KeepLast = None,
    older_than: OlderThan = None,
    staged_older_than: Annotated[
        str | None,
        typer.Option(
            "--staged-older-than",
            metavar="TIME",
            help="How long ago a staged batch must have been written: 30d (default: keep them).",
        ),
    ] = None,
    grace: Grace = "1d",
    policy: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN", help="Set the policy of these tables, such as 'shop.*', instead."
        ),
    ] = None,
    end: Annotated[bool, typer.Option("--end", help="End the policy instead.")] = False,
    dry_run: DryRun = True,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Expire old batches, and delete their files after a grace period.

    Current, adopted and held batches are kept, and staged ones without --staged-older-than. Also
    deletes orphan files that are more than a day old. Without --apply, nothing is changed. Without
    a table, all tables are retained by their policies.
    """
    settings: Settings = context.obj
    if end and policy is None:
        raise typer.BadParameter("--end needs --policy, which names the policy to end")
    if policy is not None and (table is not None or not dry_run):
        raise typer.BadParameter(
            "--policy only stores a rule: omit the table and --apply, and run `sfx retain` next"
        )
    if end:
        ended = settings.warehouse.end_retention(policy or "", reason=reason)
        output.say(f"the policy {ended.pattern} has ended")
        return
    if table is None and policy is None:
        if keep_last is not None or older_than is not None:
            raise typer.BadParameter("--keep-last and --older-than need a table or --policy")
        _retain_all(settings, reason, dry_run=dry_run, yes=yes, as_json=as_json)
        return
    if keep_last is None or older_than is None:
        raise typer.BadParameter("pass both --keep-last and --older-than")
    age, grace_period = duration(older_than), duration(grace)
    staged_age = None if staged_older_than is None else duration(staged_older_than)
    if policy is not None:
        made = settings.warehouse.set_retention(
            policy,
            keep_last=keep_last,
            older_than=age,
            staged_older_than=staged_age,
            grace=grace_period,
            reason=reason,
        )
        if as_json:
            print_json(made)
        else:
            output.say(f"the policy {made.pattern} is set: `sfx retain` shows what it would do")
        return
    assert table is not None
    chosen = settings.table(table)

    def run(dry: bool) -> RetentionReport:
        with waiting(f"reading the history of {chosen.ref}"):
            return settings.warehouse.retain(
                *chosen.names,
                keep_last=keep_last,
                older_than=age,
                staged_older_than=staged_age,
                grace=grace_period,
                reason=reason,
                dry_run=dry,
            )

    _carry_out(
        run,
        f"Expire and delete these batches of {chosen.ref}?",
        has_work=_has_work,
        show=_show_plan,
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    )


def _retain_all(
    settings: Settings, reason: str, *, dry_run: bool, yes: bool, as_json: bool
) -> None:
    def run(dry: bool) -> list[PolicyReport]:
        with waiting("reading the histories of all tables"):
            return settings.warehouse.retain_all(reason=reason, dry_run=dry)

    reports = _carry_out(
        run,
        "Expire and delete these batches?",
        has_work=_any_has_work,
        show=_show_policies,
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    )
    if any(one.problem for one in reports):
        raise typer.Exit(1)


def _any_has_work(plan: list[PolicyReport]) -> bool:
    return any(one.report is not None and _has_work(one.report) for one in plan)


def _show_policies(reports: list[PolicyReport]) -> None:
    rows = []
    for one in reports:
        done = one.report
        counts = (
            (len(done.retired), output.size(done.bytes), len(done.deleted), done.waiting)
            if done
            else (None, None, None, None)
        )
        held = done.pinned if done else None
        rows.append((one.table, one.pattern or "(none)", *counts, held, one.problem))
    headings = ("table", "policy", "expire", "size", "delete", "waiting", "held", "problem")
    right = headings[2:7]
    output.table("retention by policies", headings, rows, right=right, below=("problem",))
    affected = dict.fromkeys(model for one in reports if one.report for model in one.report.models)
    output.models(affected, "batches that expire or are deleted")


def policies(context: typer.Context, as_json: Json = False) -> None:
    """List the retention policies, the most specific first."""
    settings: Settings = context.obj
    found = settings.warehouse.policies()
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one.pattern,
            one.rule.keep_last,
            _days(one.rule.older_than),
            _days(one.rule.staged_older_than),
            _days(one.rule.grace),
            output.moment(one.at),
            output.who(one.producer),
            one.reason,
        )
        for one in found
        if one.rule is not None
    ]
    headings = ("tables", "keep", "older than", "staged", "grace", "since (UTC)", "who", "why")
    output.table("retention policies", headings, rows, right=("keep",), below=("who", "why"))


def _days(span: timedelta | None) -> str | None:
    return None if span is None else f"{span / timedelta(days=1):g}d"


def erase(
    context: typer.Context,
    table: TableArgument,
    where: Annotated[
        str,
        typer.Option(
            "--where", metavar="CONDITION", help='Rows to erase, such as "client_id = 42".'
        ),
    ],
    grace: Grace = "1d",
    despite_pins: Annotated[
        bool, typer.Option("--despite-pins", help="Also delete batches that are held.")
    ] = False,
    downstream: Annotated[
        bool,
        typer.Option("--downstream", help="Also from tables made from batches with such rows."),
    ] = False,
    dry_run: DryRun = True,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Erase rows from all batches: current, earlier and staged.

    Batches with such rows are replaced and expire; a later call deletes their files after the grace
    period. Exits with 1 while files with such rows remain. Without --apply, nothing is changed.
    """
    settings: Settings = context.obj
    grace_period = duration(grace)
    chosen = settings.table(table)

    def run(dry: bool) -> ErasureReport:
        with waiting(f"searching {chosen.ref}"):
            return settings.warehouse.erase(
                *chosen.names,
                where=where,
                grace=grace_period,
                despite_pins=despite_pins,
                downstream=downstream,
                reason=reason,
                dry_run=dry,
            )

    report = _carry_out(
        run,
        f"Erase these rows of {chosen.ref} permanently?",
        has_work=_has_rows,
        show=_show_all_erasures,
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    )
    if not dry_run and any(_remains(one) for one in _erasures(report)):
        raise typer.Exit(1)


def _erasures(report: ErasureReport) -> list[ErasureReport]:
    """Return the reports of downstream tables, and the table's own."""
    return [*(one.report for one in report.downstream if one.report is not None), report]


def _remains(report: ErasureReport) -> bool:
    return bool(report.waiting or report.orphans or any(one.outside for one in report.batches))


def _show_all_erasures(report: ErasureReport) -> None:
    for one in report.downstream:
        made = f"{one.table}: {output.counted(len(one.batches), 'batch')} made from such batches"
        if one.report is not None:
            output.say(made)
            _show_erasure(one.report)
        if one.report is None or one.missing:
            some = "some have " if one.report else ""
            why = one.problem or (
                f"{some}no column {', '.join(one.missing)}: decide whether they have derived values"
            )
            named = ", ".join(f"{name} {batch}".strip() for name, batch in one.batches[:_SHOWN])
            output.say(f"{made} ({named}), {why}", err=True)
    _show_erasure(report)
    output.models(report.models, "batches with such rows")


def _carry_out(
    run: Callable[[bool], Report],
    question: str,
    *,
    has_work: Callable[[Report], bool],
    show: Callable[[Report], None],
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> Report:
    """Run, dry unless that was approved in advance or when asked; print and return the report."""
    report = run(dry_run or not yes)
    if not dry_run and not yes and has_work(report):
        approved(question, lambda: report, show, dry_run=False, yes=False, as_json=as_json)
        report = run(False)
    if as_json:
        print_json(report)
        return report
    show(report)
    if dry_run or not has_work(report):
        nothing, more = "There is nothing to do", "Nothing was done: add --apply to do it"
        output.say(more if has_work(report) else nothing)
    return report


def _has_work(plan: RetentionReport) -> bool:
    return bool(plan.retired or plan.deleted or plan.orphans or plan.unfinished or plan.leases)


def _has_rows(plan: ErasureReport) -> bool:
    """Return whether there are rows to erase, or files of them to delete."""
    return any(
        one.batches or one.deleted or one.waiting or one.orphans or one.unfinished
        for one in _erasures(plan)
    )


def _say_ignored(report: RetentionReport | ErasureReport) -> None:
    for name, batch_id in report.ignored[:_SHOWN]:
        place = f"{report.table} {name}".rstrip()
        message = "not deleted: its tombstone names no commit"
        output.say(f"batch {batch_id} of {place} {message}", err=True)


def _say_unfinished(report: RetentionReport | ErasureReport) -> None:
    if report.unfinished:
        would = "would be " if report.dry_run else ""
        unfinished = output.counted(len(report.unfinished), "unfinished object")
        output.say(f"{unfinished} {would}deleted")


def _show_plan(report: RetentionReport) -> None:
    rows = [
        (
            one.partition or WHOLE,
            one.batch_id,
            one.rows,
            output.size(one.bytes),
            output.moment(one.replaced_at),
            "staged" if one.staged else None,
        )
        for one in report.retired[:_SHOWN]
    ]
    if rows:
        output.table(
            report.table, ("partition", "batch", "rows", "size", "replaced at (UTC)", "state"), rows
        )
    if len(report.retired) > _SHOWN:
        output.say(f"and {len(report.retired) - _SHOWN} more")
    would = "would be " if report.dry_run else ""
    expired, deleted, waiting = (
        output.counted(n, "batch")
        for n in (len(report.retired), len(report.deleted), report.waiting)
    )
    output.say(
        f"{report.table}: {expired} ({output.size(report.bytes)}) {would}expired; {deleted} expired"
        f" earlier {would}deleted; {waiting} expired earlier and not yet due, or held;"
        f" {report.pinned} kept by a hold"
    )
    output.models(report.models, "batches that expire or are deleted")
    _say_unfinished(report)
    if report.leases:
        output.say(f"{output.counted(report.leases, 'old lease object')} {would}deleted")
    for name, batch_id in report.orphans[:_SHOWN]:
        place = f"{report.table} {name}".rstrip()
        output.say(f"orphan directory {batch_id} of {place}: expires when it is a day old")
    _say_ignored(report)
    if report.retired and not report.dry_run:
        output.say(
            f"Their files are deleted by the next `sfx retain` after"
            f" {output.moment(report.delete_after)} UTC"
        )


def _show_erasure(report: ErasureReport) -> None:
    rows = [
        (
            one.partition or WHOLE,
            one.batch_id,
            one.erased,
            one.rows,
            one.replaced_by,
            ", ".join(
                word for word, true in (("current", one.current), ("held", one.pinned)) if true
            ),
        )
        for one in report.batches[:_SHOWN]
    ]
    if rows:
        output.table(
            report.table,
            ("partition", "batch", "rows to erase", "of", "replaced by", "state"),
            rows,
        )
    if len(report.batches) > _SHOWN:
        output.say(f"and {len(report.batches) - _SHOWN} more")
    would = "would be " if report.dry_run else ""
    searched, held, deleted, waiting = (
        output.counted(n, "batch")
        for n in (report.searched, len(report.batches), len(report.deleted), report.waiting)
    )
    output.say(
        f"{report.table}: {searched} searched; {output.counted(report.erased, 'row')} of {held}"
        f" {would}erased; {deleted} {would}deleted; {waiting} not yet due, or held"
    )
    if report.without:
        output.say(
            f"{output.counted(report.without, 'batch')} without a column of the condition: its"
            " values count as null"
        )
    for place in sorted({one.outside for one in report.batches if one.outside}):
        output.say(f"not deleted: the adopted files in {place}; their owner deletes them", err=True)
    for name, batch_id in report.orphans[:_SHOWN]:
        place = f"{report.table} {name}".rstrip()
        output.say(f"not searched: the orphan directory {batch_id} of {place}", err=True)
    _say_unfinished(report)
    _say_ignored(report)
    if report.waiting and not report.dry_run:
        output.say(
            "Files with such rows remain: repeat the command after the grace period, or when the"
            " hold has ended"
        )

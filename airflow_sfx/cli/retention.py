"""The commands that give up data on purpose: retain and erase. Both only tell what they would do, unless told --apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.options import Json, Reason, Settings, TableArgument, Yes, duration
from airflow_sfx.cli.output import ask, print_json, waiting

if TYPE_CHECKING:
    from airflow_sfx.warehouse.retention.erasure import ErasureReport
    from airflow_sfx.warehouse.retention.expire import RetentionReport

_SHOWN = 50

DryRun = Annotated[
    bool, typer.Option("--dry-run/--apply", help="Only tell what would be done, or do it.")
]
Grace = Annotated[
    str,
    typer.Option(
        "--grace",
        metavar="TIME",
        help="For how long the files of what is retired stay: 12h, 7d, 0d.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (retain, erase):
        app.command()(command)


def retain(
    context: typer.Context,
    table: TableArgument,
    keep_last: Annotated[
        int,
        typer.Option(
            "--keep-last",
            metavar="N",
            min=1,
            help="How many batches of each partition stay, the current one too.",
        ),
    ],
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than",
            metavar="TIME",
            help="For how long a batch must be out of use: 90d, 12w, 36h.",
        ),
    ],
    grace: Grace = "1d",
    dry_run: DryRun = True,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Retire old batches, and delete the files of those that were retired long enough ago.

    What is current, staged, adopted or held by a hold stays, whatever its age. Also deletes
    what dead writers left more than a day ago. Without --apply, nothing is done.
    """
    settings: Settings = context.obj
    rule = {
        "keep_last": keep_last,
        "older_than": duration(older_than),
        "grace": duration(grace),
        "reason": reason,
    }
    chosen = settings.table(table)

    def run(*, dry: bool) -> RetentionReport:
        with waiting(f"looking at {chosen.ref}"):
            return settings.warehouse.retain(*chosen.names, **rule, dry_run=dry)  # type: ignore[arg-type]

    report = run(dry=dry_run or not yes)
    if not dry_run and not yes and _has_work(report):
        plan = report
        ask(
            f"Retire and delete these batches of {chosen.ref}?",
            yes=yes,
            shown=lambda: _show_plan(plan, asking=True),
        )
        report = run(dry=False)
    if as_json:
        print_json(report)
    else:
        _show_plan(report)


def erase(
    context: typer.Context,
    table: TableArgument,
    where: Annotated[
        str,
        typer.Option("--where", metavar="CONDITION", help='Which rows, as in "client_id = 42".'),
    ],
    grace: Grace = "1d",
    despite_pins: Annotated[
        bool, typer.Option("--despite-pins", help="Delete also what holds hold.")
    ] = False,
    dry_run: DryRun = True,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Erase rows from every batch that is retained: current, earlier and staged.

    The batches that held them are replaced, retired, and deleted by a call after their time of
    grace; exits with 1 while files with such rows are left. Without --apply, nothing is done.
    """
    settings: Settings = context.obj
    options = {
        "where": where,
        "grace": duration(grace),
        "despite_pins": despite_pins,
        "reason": reason,
    }
    chosen = settings.table(table)

    def run(*, dry: bool) -> ErasureReport:
        with waiting(f"searching {chosen.ref}"):
            return settings.warehouse.erase(*chosen.names, **options, dry_run=dry)  # type: ignore[arg-type]

    report = run(dry=dry_run or not yes)
    if not dry_run and not yes and _has_rows(report):
        plan = report
        ask(
            f"Erase these rows of {chosen.ref} for good?",
            yes=yes,
            shown=lambda: _show_erasure(plan, asking=True),
        )
        report = run(dry=False)
    if as_json:
        print_json(report)
    else:
        _show_erasure(report)
    if not dry_run and (
        report.waiting or report.strays or any(one.outside for one in report.batches)
    ):
        raise typer.Exit(1)


def _has_work(plan: RetentionReport) -> bool:
    return bool(plan.retired or plan.deleted or plan.strays or plan.unfinished)


def _has_rows(plan: ErasureReport) -> bool:
    """Whether there is anything to erase, or left of what was erased."""
    return bool(plan.batches or plan.deleted or plan.waiting or plan.strays or plan.unfinished)


def _say_what_next(*, work: bool, asking: bool) -> None:
    """What to say below a plan: nothing more where the user is asked next, since they have said --apply."""
    if not work:
        output.say("There is nothing to do")
    elif not asking:
        output.say("Nothing was done: add --apply to do it")


def _say_ignored(report: RetentionReport | ErasureReport) -> None:
    for name, batch_id in report.ignored[:_SHOWN]:
        place = f"{report.table} {name}".rstrip()
        told = (
            "not deleted, a note wants it and the history has not given it up: the batch"
            f" {batch_id} of {place}"
        )
        output.say(told, err=True)


def _say_unfinished(report: RetentionReport | ErasureReport) -> None:
    if report.unfinished:
        would = "would be " if report.dry_run else ""
        began = output.counted(len(report.unfinished), "object")
        output.say(f"{began} that a writer began and did not finish {would}deleted")


def _show_plan(report: RetentionReport, *, asking: bool = False) -> None:
    rows = [
        (
            one.partition or "(whole table)",
            one.batch_id,
            one.rows,
            output.size(one.bytes),
            output.moment(one.replaced_at),
        )
        for one in report.retired[:_SHOWN]
    ]
    if rows:
        output.table(report.table, ("partition", "batch", "rows", "size", "in use until"), rows)
    if len(report.retired) > _SHOWN:
        output.say(f"and {len(report.retired) - _SHOWN} more")
    would = "would be " if report.dry_run else ""
    retired, deleted, waiting = (
        output.counted(n, "batch")
        for n in (len(report.retired), len(report.deleted), report.waiting)
    )
    output.say(
        f"{report.table}: {retired} ({output.size(report.bytes)}) {would}retired; {deleted} retired"
        f" before {would}deleted; {waiting} retired before and not due yet, or pinned;"
        f" {report.pinned} kept for a hold"
    )
    _say_unfinished(report)
    for name, batch_id in report.strays[:_SHOWN]:
        place = f"{report.table} {name}".rstrip()
        output.say(
            "left by a writer, no history names it, and retired once it is old: the directory"
            f" {batch_id} of {place}"
        )
    _say_ignored(report)
    if report.dry_run:
        _say_what_next(work=_has_work(report), asking=asking)
    elif report.retired:
        output.say(
            f"Their files may be deleted from {output.moment(report.delete_after)} on, by the next"
            " `sfx retain`"
        )


def _show_erasure(report: ErasureReport, *, asking: bool = False) -> None:
    rows = [
        (
            one.partition or "(whole table)",
            one.batch_id,
            one.erased,
            one.rows,
            one.replaced_by,
            ", ".join(
                word for word, said in (("current", one.current), ("pinned", one.pinned)) if said
            ),
        )
        for one in report.batches[:_SHOWN]
    ]
    if rows:
        output.table(
            report.table, ("partition", "batch", "rows to erase", "of", "replaced by", ""), rows
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
        f" {would}erased; {deleted} {would}deleted; {waiting} not due yet, or pinned"
    )
    if report.without:
        output.say(
            f"{output.counted(report.without, 'batch')} without all of the condition's columns:"
            " null there"
        )
    for place in sorted({one.outside for one in report.batches if one.outside}):
        output.say(f"left for their owner to delete: the adopted files in {place}", err=True)
    for name, batch_id in report.strays[:_SHOWN]:
        place = f"{report.table} {name}".rstrip()
        output.say(
            f"not searched, no history names it: the directory {batch_id} of {place}", err=True
        )
    _say_unfinished(report)
    _say_ignored(report)
    if report.dry_run:
        _say_what_next(work=_has_rows(report), asking=asking)
    elif report.waiting:
        output.say(
            "Files with such rows are left: repeat the command when the time of grace, or the pin,"
            " is over"
        )

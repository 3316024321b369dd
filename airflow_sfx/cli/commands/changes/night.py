"""`sfx night`: what needs attention after a night, in all tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.options import Json, Settings, moment_of
from airflow_sfx.cli.output import print_json, waiting
from airflow_sfx.warehouse.words import WHOLE

if TYPE_CHECKING:
    from airflow_sfx.warehouse.night.report import NightItem, NightReport

_SEE = {
    "refused": "sfx show {table}",
    "staged": "sfx show {table}",
    "foreign change": "sfx audit {table}",
    "stale": "sfx stale {table}",
    "late": "sfx history {table} --limit 5",
    "unusual values": "sfx metrics {table}",
    "warned": "sfx check {table}",
}
"""The command that shows more, by concern; for others, the commit or the history."""


def register(app: typer.Typer) -> None:
    """Add the command to an app."""
    app.command()(night)


def night(
    context: typer.Context,
    since: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="Beginning of the night: 10m, 12h or 2d ago, 2016-11-01, or 2016-11-01T12:00Z.",
        ),
    ] = "24h",
    full: Annotated[
        bool | None,
        typer.Option(
            "--full/--no-full",
            help=(
                "Look for stale batches, changes by other engines and unusual values, too, in all"
                " tables (default: in warehouses of up to 100 tables)."
            ),
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List what needs attention: refused, late, unusual, warned, stale, rolled back or staged.

    Exits with 1 if anything does.
    """
    settings: Settings = context.obj
    with waiting("looking at the night"):
        report = settings.warehouse.night(moment_of(since), full=full)
    if as_json:
        print_json(report)
    else:
        _print(report)
    if report.needs_attention:
        raise typer.Exit(1)


def _print(report: NightReport) -> None:
    published = f"{report.changed:,} of {output.counted(report.tables, 'table')} published"
    title = f"since {output.moment(report.since)} UTC: {published}"
    rows = [
        (
            item.concern.value,
            _tables(item),
            _place(item),
            item.batch_id,
            output.moment(item.at),
            output.who(item.producer) if item.producer else None,
            item.detail,
            _see(item),
        )
        for item in report.items
    ]
    if rows:
        headings = ("what", "table", "partition", "batch", "at (UTC)", "who", "detail", "see")
        output.table(title, headings, rows, below=("detail", "see"))
    else:
        output.say(f"{title}; nothing needs attention")
    for one in report.unreadable:
        output.say(f"cannot look at {one.table}: {one.message}", err=True)
    if not report.full:
        output.say(
            "stale batches, changes by other engines, and unusual values that the index does not"
            " show were not looked for: add --full",
            err=True,
        )


def _tables(item: NightItem) -> str:
    others = item.tables - 1
    return f"{item.table} and {output.counted(others, 'other table')}" if others else item.table


def _place(item: NightItem) -> str | None:
    if item.partition is not None:
        return item.partition or WHOLE
    return output.counted(item.partitions, "partition") if item.partitions else None


def _see(item: NightItem) -> str:
    """Return the command that shows more."""
    command = _SEE.get(item.concern.value)
    if command is None:
        command = (
            f"sfx history {{table}} {item.partition}".rstrip()
            if item.partition is not None
            else f"sfx audit {{table}} --commit {item.commit}"
        )
    return command.replace("{table}", item.table)

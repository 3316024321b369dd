"""`sfx changes`: the versions of a table after one of them, and those that come."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.follow import new_versions
from airflow_sfx.cli.options import Chosen, Follow, Json, Settings, TableArgument
from airflow_sfx.cli.output import print_json
from airflow_sfx.warehouse.words import WHOLE

if TYPE_CHECKING:
    from airflow_sfx.warehouse.history.changes import TableVersion


def register(app: typer.Typer) -> None:
    """Add the command to an app."""
    app.command()(changes)


def changes(
    context: typer.Context,
    table: TableArgument,
    since: Annotated[
        int,
        typer.Option(
            metavar="N", help="Begin after this version, the last one that was read (0: with all)."
        ),
    ] = 0,
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="List the oldest N versions only (default: all)."),
    ] = None,
    follow: Follow = False,
    as_json: Json = False,
) -> None:
    """List the versions of a table after one of them, oldest first: a feed for consumers.

    With --follow and --json, each version is one line of JSON.
    """
    settings: Settings = context.obj
    chosen = settings.table(table)
    if follow:
        if limit is not None:
            raise typer.BadParameter("--follow has no end: omit --limit")
        _follow(chosen, since, as_json=as_json)
        return
    found = settings.warehouse.changes(*chosen.names, since=since, limit=limit)
    if as_json:
        print_json(found)
        return
    headings = ("version", "change", "partition", "batch", "at (UTC)", "who", "why")
    output.table(
        f"changes of {chosen.ref} after version {since:,}",
        headings,
        [_cells(one) for one in found],
        right=("version",),
        below=("who", "why"),
        none=f"{chosen.ref} has no changes after version {since:,}",
    )


def _follow(chosen: Chosen, since: int, *, as_json: bool) -> None:
    with suppress(KeyboardInterrupt):
        for one in new_versions(chosen.warehouse, *chosen.names, since):
            if as_json:
                print_json(one, indent=None)
            else:
                output.say("  ".join(str(cell) for cell in _cells(one) if cell))
            sys.stdout.flush()


def _cells(one: TableVersion) -> tuple[object, ...]:
    batches = {change.batch_id for change in one.changes}
    count = len(one.changes)
    return (
        one.version,
        output.operation(one.operation),
        (one.changes[0].partition or WHOLE) if count == 1 else output.counted(count, "partition"),
        next(iter(batches)) if len(batches) == 1 else output.counted(len(batches), "batch"),
        output.moment(one.at),
        output.who(one.producer),
        output.why(one.changes[0]) if count == 1 else one.reason,
    )

"""The command that makes one batch of the windows of a stream."""

from __future__ import annotations

from typing import Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.completion import complete_partition
from airflow_sfx.cli.confirm import PlanOnly
from airflow_sfx.cli.options import Json, Reason, Settings, TableArgument
from airflow_sfx.cli.output import print_json

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the command to an app."""
    app.command()(compact)


def compact(
    context: typer.Context,
    table: TableArgument,
    partition: Annotated[
        str,
        typer.Argument(
            metavar="PARTITION",
            help="The first partition values, such as 20161101/13 (default: the whole table).",
            autocompletion=complete_partition,
        ),
    ] = "",
    reason: Reason = "",
    dry_run: PlanOnly = False,
    as_json: Json = False,
) -> None:
    """Make one batch of a stream's windows, such as those of an hour or a day.

    Readers see all windows, or the batch. Deletes nothing: sfx rollback --commit undoes it.
    """
    settings: Settings = context.obj
    chosen = settings.table(table)
    pin = settings.warehouse.compact(*chosen.names, partition, reason=reason, dry_run=dry_run)
    if as_json:
        print_json(pin)
        return
    if not pin.entries:
        output.say(f"{pin.ref}: no windows to compact")
        return
    what = "window to compact" if dry_run else "compacted batch"
    for name, batch_id in pin.entries[:_SHOWN]:
        output.say(f"{pin.ref} {name}: {what} {batch_id}")
    if len(pin.entries) > _SHOWN:
        output.say(f"and {output.counted(len(pin.entries) - _SHOWN, 'more partition')}")

"""Commands that drop or rename a column in all current batches."""

from __future__ import annotations

from typing import Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.options import Json, Reason, Settings, TableArgument, Yes
from airflow_sfx.cli.output import ask, print_json
from airflow_sfx.core.pin import BatchPin

_Column = Annotated[str, typer.Argument(metavar="COLUMN", help="The column.")]


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    for command in (drop_column, rename_column):
        app.command()(command)


def drop_column(
    context: typer.Context,
    table: TableArgument,
    column: _Column,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Drop a column: writes the current batches again without it.

    Deletes nothing. `sfx rollback` brings the batches with the column back.
    """
    settings: Settings = context.obj
    chosen = settings.table(table)
    ask(f"Write the current batches of {chosen.ref} again without {column}?", yes=yes)
    pin = settings.warehouse.drop_column(*chosen.names, column, reason=reason)
    _report(pin, f"dropped the column {column}", as_json=as_json)


def rename_column(
    context: typer.Context,
    table: TableArgument,
    column: _Column,
    to: Annotated[str, typer.Argument(metavar="NAME", help="Its new name.")],
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Rename a column: writes the current batches again under the new name.

    Deletes nothing. Rename the column back to undo it, or use `sfx rollback`.
    """
    settings: Settings = context.obj
    chosen = settings.table(table)
    ask(f"Write the current batches of {chosen.ref} again with {column} as {to}?", yes=yes)
    pin = settings.warehouse.rename_column(*chosen.names, column, to, reason=reason)
    _report(pin, f"renamed the column {column} to {to}", as_json=as_json)


def _report(pin: BatchPin, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(pin)
        return
    written = output.counted(len(pin.batches), "new batch")
    output.say(f"{pin.ref}: {what}, {written}")

"""Commands that drop or rename a column in all current batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.completion import complete_column
from airflow_sfx.cli.confirm import PlanOnly, Yes, approved
from airflow_sfx.cli.options import Json, Reason, Settings, TableArgument
from airflow_sfx.cli.output import print_json
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef

_SHOWN = 20
_Column = Annotated[
    str,
    typer.Argument(metavar="COLUMN", help="The column.", autocompletion=complete_column),
]


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    for command in (drop_column, rename_column):
        app.command()(command)


def drop_column(
    context: typer.Context,
    table: TableArgument,
    column: _Column,
    reason: Reason = "",
    dry_run: PlanOnly = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Drop a column: writes the current batches again without it.

    Deletes nothing. `sfx rollback` brings the batches with the column back.
    """
    settings: Settings = context.obj
    chosen = settings.table(table)
    change = partial(settings.warehouse.drop_column, *chosen.names, column)
    how = f"without {column}"
    if _approved(chosen.ref, how, change, dry_run=dry_run, yes=yes, as_json=as_json):
        _report(change(reason=reason), f"dropped the column {column}", as_json=as_json)


def rename_column(
    context: typer.Context,
    table: TableArgument,
    column: _Column,
    to: Annotated[str, typer.Argument(metavar="NAME", help="Its new name.")],
    reason: Reason = "",
    dry_run: PlanOnly = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Rename a column: writes the current batches again under the new name.

    Deletes nothing. Rename the column back to undo it, or use `sfx rollback`.
    """
    settings: Settings = context.obj
    chosen = settings.table(table)
    change = partial(settings.warehouse.rename_column, *chosen.names, column, to)
    how = f"with {column} as {to}"
    if _approved(chosen.ref, how, change, dry_run=dry_run, yes=yes, as_json=as_json):
        _report(change(reason=reason), f"renamed the column {column} to {to}", as_json=as_json)


def _approved(
    ref: TableRef,
    how: str,
    change: Callable[..., BatchPin],
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> bool:
    return approved(
        f"Write the current batches of {ref} again {how}?",
        lambda: change(dry_run=True),
        lambda plan: _show(plan, how),
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    )


def _show(plan: BatchPin, how: str) -> None:
    for name, batch_id in plan.entries[:_SHOWN]:
        output.say(f"{plan.ref} {name}".rstrip() + f": {batch_id} is written again {how}")
    if len(plan.entries) > _SHOWN:
        output.say(f"and {output.counted(len(plan.entries) - _SHOWN, 'more partition')}")
    if not plan.entries:
        output.say(f"{plan.ref}: no current batch has the column; the table is then {how}")


def _report(pin: BatchPin, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(pin)
        return
    written = output.counted(len(pin.batches), "new batch")
    output.say(f"{pin.ref}: {what}, {written}")

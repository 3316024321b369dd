"""Commands that end partitions, tables and names: drop, rename."""

from __future__ import annotations

from typing import Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.options import Chosen, Json, Reason, Settings, TableArgument, Yes, table_of
from airflow_sfx.cli.output import ask, print_json
from airflow_sfx.core.errors import PartitionNotFound

_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    for command in (drop, rename):
        app.command()(command)


def drop(
    context: typer.Context,
    table: TableArgument,
    partition: Annotated[
        list[str] | None,
        typer.Argument(metavar="PARTITION", help="Partitions to drop (default: the whole table)."),
    ] = None,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Drop partitions, or a table, and show what was made from them.

    No file is deleted. The history records the drop, and sfx rollback undoes it until sfx retain
    expires the batches.
    """
    settings: Settings = context.obj
    chosen = settings.table(table, partition)
    count = output.counted(len(partition or ()), "partition")
    what = f"{count} of {chosen.ref}" if partition else f"the table {chosen.ref}"
    if partition and len(partition) == 1:
        what = f"{chosen.ref} {partition[0]}"
    ask(f"Drop {what}?", yes=yes, shown=lambda: _show(chosen))
    done = settings.warehouse.drop(*chosen.names, chosen.partitions, reason=reason)
    if as_json:
        print_json(done)
        return
    undo = " ".join(["sfx rollback", str(chosen.ref), *(partition or ())])
    batches = output.counted(len(done.entries), "batch")
    output.say(f"dropped {what} ({batches}); undo with: {undo}")


def rename(
    context: typer.Context,
    table: TableArgument,
    to: Annotated[str, typer.Argument(metavar="DB.TABLE", help="The new name.")],
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Rename a table; its files, batches and history stay where they are.

    Pins of the old name are still valid. DAGs and queries must use the new name.
    """
    settings: Settings = context.obj
    old, new = table_of(table), table_of(to)
    question = f"Rename {old} to {new}? DAGs, asset schedules and queries that name it must change."
    ask(question, yes=yes)
    done = settings.warehouse.rename(
        old.database, old.table, new.database, new.table, reason=reason
    )
    if as_json:
        print_json({"table": str(done), "was": str(old)})
    else:
        output.say(f"{old} is called {done} now; undo with: sfx rename {done} {old}")


def _show(chosen: Chosen) -> None:
    """Print what is dropped, and what was made from it."""
    try:
        pin = chosen.current()
    except PartitionNotFound as error:
        output.say(str(error), err=True)
        return
    for name, batch_id in pin.entries[:_SHOWN]:
        output.say(f"{chosen.ref} {name}".rstrip() + f": {batch_id}", err=True)
    if len(pin.entries) > _SHOWN:
        output.say(f"and {len(pin.entries) - _SHOWN} more partitions", err=True)
    below = sorted({str(one.pin) for one in chosen.warehouse.readers(pin, any_depth=True)})
    for made in below[:_SHOWN]:
        output.say(f"made from it, and stale afterwards: {made}", err=True)
    if len(below) > _SHOWN:
        output.say(f"and {len(below) - _SHOWN} more downstream batches", err=True)

"""Commands for holds: hold, holds, release."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.options import (
    Batch,
    Json,
    Partitions,
    Reason,
    Settings,
    TableArgument,
    moment_of,
    relative,
)
from airflow_sfx.cli.output import print_json
from airflow_sfx.core.errors import InvalidName

Name = Annotated[
    str, typer.Option("--name", metavar="NAME", help="Name of the hold, such as 'annual report'.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    for command in (hold, holds, release):
        app.command()(command)


def hold(
    context: typer.Context,
    table: TableArgument,
    name: Name,
    partition: Partitions = None,
    batch: Batch = None,
    until: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="When the hold ends: 2027-01-01, or 90d from now (default: never)."
        ),
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Hold batches under a name, so that they do not expire."""
    settings: Settings = context.obj
    chosen = settings.table(table, partition)
    pin = chosen.current() if batch is None else chosen.pinned(batch)
    held = settings.warehouse.hold(pin, name, until=_end(until), reason=reason)
    if held.pin != pin:
        raise InvalidName(
            f"{name!r} has held other batches of these partitions since {output.moment(held.at)}:"
            " release that hold first, or choose another name"
        )
    if as_json:
        print_json(held)
        return
    end = output.moment(held.until) if held.until else "released"
    output.say(
        f"{name} holds {output.counted(len(pin.batches), 'batch')} of {chosen.ref} until {end}"
    )


def holds(
    context: typer.Context,
    table: Annotated[
        str | None, typer.Argument(metavar="DB.TABLE", help="The table (default: all).")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the holds of a table, or of all tables."""
    settings: Settings = context.obj
    names = (None, None) if table is None else settings.table(table).names
    found = settings.warehouse.holding(*names)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            str(one.pin.ref),
            one.name,
            ", ".join(f"{name} {batch}".strip() for name, batch in one.pin.entries[:3]),
            len(one.pin.batches),
            output.moment(one.at),
            output.moment(one.until) if one.until else "released",
            output.who(one.producer),
            one.reason,
        )
        for one in found
    ]
    headings = ("table", "name", "batches", "total", "since (UTC)", "until (UTC)", "who", "why")
    output.table("holds", headings, rows, right=("total",), below=("who", "why"))


def release(context: typer.Context, table: TableArgument, name: Name, reason: Reason = "") -> None:
    """Release a hold, so that its batches may expire."""
    settings: Settings = context.obj
    chosen = settings.table(table)
    if settings.warehouse.release(*chosen.names, name, reason=reason) is None:
        raise InvalidName(
            f"{chosen.ref} has no hold {name!r}: `sfx holds {chosen.ref}` lists its holds"
        )
    output.say(f"released the hold {name} of {chosen.ref}")


def _end(text: str | None) -> datetime | None:
    """Return when a hold ends, from a time or a duration from now."""
    if text is not None and (after := relative(text)) is not None:
        return datetime.now(UTC) + after
    return moment_of(text, durations="for how long: 36h, 90d")

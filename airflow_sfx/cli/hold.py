"""The commands that keep batches from retention, and end that: hold, holds, release."""

from __future__ import annotations

import re
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
    duration,
    moment_of,
)
from airflow_sfx.cli.output import print_json
from airflow_sfx.core.errors import InvalidName

Name = Annotated[
    str, typer.Option("--name", metavar="NAME", help="Whose: a report, a lawsuit, a model.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
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
        typer.Option(metavar="TIME", help="Until then: 2027-01-01, or for 90d; else for ever."),
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Hold batches by a name: retention leaves them alone until the time is over, or they are released."""
    settings: Settings = context.obj
    chosen = settings.table(table, partition)
    pin = chosen.current() if batch is None else chosen.pinned(batch)
    held = settings.warehouse.hold(pin, name, until=_end(until), reason=reason)
    if held.pin != pin:
        raise InvalidName(
            f"{name!r} holds other batches of these partitions since {output.moment(held.at)}:"
            " release it first, or take another name"
        )
    if as_json:
        print_json(held)
        return
    end = output.moment(held.until) if held.until else "it is released"
    output.say(
        f"{name} holds {output.counted(len(pin.batches), 'batch')} of {chosen.ref} until {end}"
    )


def holds(context: typer.Context, table: TableArgument, as_json: Json = False) -> None:
    """List what is held, by whom and until when."""
    settings: Settings = context.obj
    chosen = settings.table(table)
    found = settings.warehouse.holding(*chosen.names)
    if as_json:
        print_json(found)
        return
    rows = [
        (
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
    headings = ("name", "batches", "in all", "since", "until", "who", "why")
    output.table(str(chosen.ref), headings, rows, right=("in all",), below=("who", "why"))


def release(context: typer.Context, table: TableArgument, name: Name, reason: Reason = "") -> None:
    """End what a name holds: retention may give the batches up, unless another name holds them."""
    settings: Settings = context.obj
    chosen = settings.table(table)
    if settings.warehouse.release(*chosen.names, name, reason=reason) is None:
        raise InvalidName(
            f"{name!r} holds nothing of {chosen.ref}: `sfx holds {chosen.ref}` lists who does"
        )
    output.say(f"{name} holds nothing of {chosen.ref} any more")


def _end(text: str | None) -> datetime | None:
    """When a hold ends: a time, or how long from now."""
    if text is not None and re.fullmatch(r"\d{1,6}[hdw]", text):
        return datetime.now(UTC) + duration(text)
    return moment_of(text, lengths="for how long: 36h, 90d")

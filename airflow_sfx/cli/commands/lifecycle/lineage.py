"""Commands that follow what was made from which batch: readers, stale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.completion import complete_batch
from airflow_sfx.cli.options import Json, Partitions, Settings, TableArgument, table_of
from airflow_sfx.cli.output import print_json, waiting
from airflow_sfx.warehouse.words import WHOLE

if TYPE_CHECKING:
    from airflow_sfx.warehouse.pins.stale import StaleBatch


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    for command in (readers, stale):
        app.command()(command)


def readers(
    context: typer.Context,
    table: TableArgument,
    partition: Partitions = None,
    batch: Annotated[
        str,
        typer.Option(
            "--batch",
            metavar="ID",
            help="Batch ID, current or previous.",
            autocompletion=complete_batch,
        ),
    ] = "current",
    any_depth: Annotated[
        bool, typer.Option("--all", help="Also list what was made from those batches, and so on.")
    ] = False,
    only_stale: Annotated[
        bool,
        typer.Option("--stale", help="Only list stale batches; exit with 1 if there are any."),
    ] = False,
    as_json: Json = False,
) -> None:
    """List downstream batches, newest first: those made from these batches."""
    settings: Settings = context.obj
    chosen = settings.table(table, partition)
    pin = chosen.pinned(batch)
    stale = {
        (one.table, one.partition, one.batch_id): one
        for one in (settings.warehouse.stale() if any_depth or only_stale else ())
    }
    found = [
        (one, [entry for entry in one.pin.entries if (str(one.pin.ref), *entry) in stale])
        for one in settings.warehouse.readers(pin, any_depth=any_depth)
    ]
    if only_stale:
        found = [(one, entries) for one, entries in found if entries]
    if as_json:
        members = ("pin", "at", "producer")
        print_json(
            [
                {**{name: getattr(one, name) for name in members}, "stale": dict(entries)}
                for one, entries in found
            ]
        )
    else:
        rows = [
            (
                str(one.pin.ref),
                name or WHOLE,
                batch_id,
                output.moment(one.at),
                output.who(one.producer),
                stale_input(stale.get((str(one.pin.ref), name, batch_id))),
            )
            for one, entries in found
            for name, batch_id in (entries if only_stale else one.pin.entries)
        ]
        kind = "stale downstream" if only_stale else "downstream"
        if rows:
            headings = ("table", "partition", "batch", "at (UTC)", "who", "stale")
            output.table(f"{kind} batches of {pin}", headings, rows, below=("who", "stale"))
        else:
            output.say(f"no {kind} batches of {pin}")
    if only_stale and found:
        raise typer.Exit(1)


def stale(
    context: typer.Context,
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="[DB | DB.TABLE]",
            help="A database or a table (default: all).",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List stale batches: current ones whose inputs are no longer current.

    Exits with 1 if there are any.
    """
    settings: Settings = context.obj
    names: tuple[str, ...] = ()
    if table is not None:
        ref = table_of(table) if "." in table else None
        names = (ref.database, ref.table) if ref else (table,)
    with waiting("following the inputs of current batches"):
        found = settings.warehouse.stale(*names)
    if as_json:
        print_json(found)
    elif found:
        rows = [
            (
                one.table,
                one.partition or WHOLE,
                one.batch_id,
                stale_input(one),
                output.moment(one.since),
                output.who(one.producer),
                one.reason,
                ", ".join(map(str, one.path)),
            )
            for one in found
        ]
        headings = ("table", "partition", "batch", "input", "since (UTC)", "who", "why", "through")
        output.table("stale batches", headings, rows, below=("input", "who", "why", "through"))
    else:
        output.say("no stale batches")
    if found:
        raise typer.Exit(1)


def stale_input(one: StaleBatch | None) -> str | None:
    """Return the input that makes a batch stale and why: ``DB.TABLE 1@ID rolled back``."""
    return None if one is None else f"{one.input} {one.cause.value}"

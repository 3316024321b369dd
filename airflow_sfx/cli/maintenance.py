"""The commands that change what is current: publish, repair, adopt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.options import (
    Json,
    Reason,
    Settings,
    TableArgument,
    Values,
    Yes,
    key_of,
    table_of,
    values_of,
)
from airflow_sfx.cli.output import ask, counting, print_json
from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.errors import BatchNotFound
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (publish, repair, adopt):
        app.command()(command)


def publish(
    context: typer.Context,
    table: TableArgument,
    batch: Annotated[str, typer.Argument(metavar="BATCH", help="The staged batch's ID.")],
    force: Annotated[
        bool, typer.Option("--force", help="Even over a batch that was written later.")
    ] = False,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make a staged batch current in all its partitions."""
    settings: Settings = context.obj
    chosen = settings.table(table)
    state = settings.warehouse.show(*chosen.names)
    staged = [entry for pin in state.staged for entry in pin.entries]
    names = {name: found for name, found in staged if found == check_batch_id(batch)}
    if not names:
        raise BatchNotFound(
            f"{chosen.ref} has no staged batch {batch}; staged:"
            f" {', '.join(sorted({found for _, found in staged})) or 'none'}",
            table=str(chosen.ref),
            batch_id=batch,
        )
    places = ", ".join(sorted(names)) if chosen.keyed else "the whole table"
    ask(f"Publish {batch} of {chosen.ref} in {places}?", yes=yes)
    done = settings.warehouse.publish(
        BatchPin.of(chosen.ref, state.location, names), reason=reason, force=force
    )
    if as_json:
        print_json(done)
    else:
        output.say(f"{chosen.ref}: {batch} is current in {places}")


def repair(
    context: typer.Context,
    table: TableArgument,
    adopted_from: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIRECTORY",
            help="That batches were adopted from, where the metastore has lost it.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Complete what a writer that died left half done.

    Exits with 1 where something is left that needs a person. Deletes nothing.
    """
    settings: Settings = context.obj
    ref = table_of(table)
    with counting(f"looking at {ref}") as progress:
        found = settings.warehouse.repair(
            ref.database, ref.table, adopted_from=adopted_from or (), progress=progress
        )
    if as_json:
        print_json(found)
    elif found:
        rows = [
            (one.partition or "(whole table)", one.found, one.done or "left as it is")
            for one in found
        ]
        output.table(f"{ref}", ("partition", "found", "done"), rows)
    else:
        output.say(f"{ref}: nothing to repair")
    if any(not one.done for one in found):
        raise typer.Exit(1)


def adopt(
    context: typer.Context,
    table: TableArgument,
    directory: Annotated[
        str | None,
        typer.Argument(
            metavar="DIRECTORY",
            help="Of Parquet files, a path or a URI; else what the metastore has.",
        ),
    ] = None,
    partition: Annotated[
        list[str] | None,
        typer.Option(
            "--partition", metavar="PARTITION", help="Of what the metastore has; may be repeated."
        ),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="NAME[:TYPE]", help="A partition key; may be repeated."),
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Take over files as they lie: a directory, or what the metastore has and the history has not.

    Without a directory: a Hive or Glue table that something else made, or the partitions of one of
    ours that something else has changed.
    """
    settings: Settings = context.obj
    ref = table_of(table)
    keys = {one.name: one.type for one in map(key_of, key or ())}
    if len(keys) < len(key or ()):
        raise typer.BadParameter("a partition key is named twice with --key")
    if directory is not None and partition:
        raise typer.BadParameter(
            "--partition is of what the metastore has: leave out the directory"
        )
    if directory is None and keys:
        raise typer.BadParameter(
            "--key is of a directory: the metastore knows the keys of its table"
        )
    place = (
        directory
        if directory is None or "://" in directory
        else str(Path(directory).expanduser().absolute())
    )
    wanted = _partitions(settings, ref, partition) if partition else None
    with counting(f"reading the files of {ref}") as progress:
        pin = settings.warehouse.adopt(
            ref.database,
            ref.table,
            place,
            partitions=wanted,
            partition_keys=keys or None,
            reason=reason,
            progress=progress,
        )
    if as_json:
        print_json(pin)
    else:
        output.say(
            f"{ref}: {output.counted(len(pin.entries), 'partition')} adopted as batch"
            f" {pin.batch_id}"
        )


def _partitions(settings: Settings, ref: TableRef, names: Sequence[str]) -> list[Values]:
    info = settings.warehouse.metastore.get_table(ref)
    return [values_of(name, [key.name for key in info.keys] if info else []) for name in names]

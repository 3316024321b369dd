"""Commands that repair and adopt tables."""

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
    key_of,
    table_of,
    values_of,
)
from airflow_sfx.cli.output import counting, print_json
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.words import WHOLE


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    for command in (repair, adopt):
        app.command()(command)


def repair(
    context: typer.Context,
    table: TableArgument,
    adopted_from: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIRECTORY",
            help="Directory of adopted batches, for a table that the metastore lost; repeatable.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Complete unfinished commits, and restore a lost table.

    Recreates a table that the metastore has lost. Deletes nothing. Exits with 1 if a problem
    remains that needs a decision.
    """
    settings: Settings = context.obj
    ref = table_of(table)
    with counting(f"checking {ref}") as progress:
        found = settings.warehouse.repair(
            ref.database, ref.table, adopted_from=adopted_from or (), progress=progress
        )
    if as_json:
        print_json(found)
    elif found:
        rows = [(one.partition or WHOLE, one.found, one.done or "not repaired") for one in found]
        output.table(f"{ref}", ("partition", "problem", "repair"), rows)
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
            help="Path or URI of Parquet files (default: where the metastore points).",
        ),
    ] = None,
    partition: Annotated[
        list[str] | None,
        typer.Option(
            "--partition",
            metavar="PARTITION",
            help="Partition that another engine changed; repeatable.",
        ),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key", metavar="NAME[:TYPE]", help="Partition key of the directory; repeatable."
        ),
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Adopt Parquet files, a table, or changes by other engines.

    Without a directory, adopts a Hive or Glue table of another engine, or partitions of a managed
    table that another engine has changed. No files are copied or moved.
    """
    settings: Settings = context.obj
    ref = table_of(table)
    keys = {one.name: one.type for one in map(key_of, key or ())}
    if len(keys) < len(key or ()):
        raise typer.BadParameter("a partition key is named twice with --key")
    if directory is not None and partition:
        raise typer.BadParameter(
            "--partition names partitions of the metastore: omit the directory"
        )
    if directory is None and keys:
        raise typer.BadParameter(
            "--key describes a directory: without one, the metastore has the keys"
        )
    place = (
        directory
        if directory is None or "://" in directory
        else str(Path(directory).expanduser().absolute())
    )
    wanted = _values_of_all(settings, ref, partition) if partition else None
    warehouse = settings.warehouse if directory is None else settings.new_warehouse
    with counting(f"reading the files of {ref}") as progress:
        pin = warehouse.adopt(
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
            f"{ref}: adopted {output.counted(len(pin.entries), 'partition')} as batch"
            f" {pin.batch_id}"
        )


def _values_of_all(settings: Settings, ref: TableRef, names: Sequence[str]) -> list[Values]:
    info = settings.warehouse.metastore.get_table(ref)
    return [values_of(name, [key.name for key in info.keys] if info else []) for name in names]

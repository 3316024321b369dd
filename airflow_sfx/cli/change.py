"""The commands that change what is current: publish, rollback, repair, adopt."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from airflow_sfx.cli import render
from airflow_sfx.cli.arguments import Json, Partitions, Reason, Settings, Table, table_of, values_of
from airflow_sfx.core.pin import BatchPin

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (publish, rollback, repair, adopt):
        app.command()(command)


def publish(
    context: typer.Context,
    table: Table,
    batch: Annotated[str, typer.Argument(metavar="BATCH", help="The staged batch's ID.")],
    force: Annotated[bool, typer.Option("--force", help="Even over a batch that was written later.")] = False,
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Make a staged batch current, in all partitions that it has."""
    settings: Settings = context.obj
    ref = table_of(table)
    state = settings.warehouse.show(ref.database, ref.table)
    names = {name: batch for waiting in state.staged for name, found in waiting.entries if found == batch}
    if not names:
        staged = ", ".join(sorted({found for waiting in state.staged for _, found in waiting.entries})) or "none"
        typer.echo(f"{ref} has no staged batch {batch}; staged: {staged}", err=True)
        raise typer.Exit(1)
    _ask(f"Publish {batch} in {len(names)} partition(s) of {ref}?", yes=yes)
    settings.warehouse.publish(BatchPin.of(ref, state.location, names), reason=reason, force=force)
    typer.echo(f"{ref}: {batch} is current in {', '.join(sorted(names)) or 'the table'}")


def rollback(
    context: typer.Context,
    table: Annotated[str | None, typer.Argument(metavar="[DB.TABLE]", help="The table; absent with --run.")] = None,
    partition: Partitions = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="BATCH", help="The batch to go to; else the one before.")
    ] = None,
    run: Annotated[
        tuple[str, str] | None, typer.Option("--run", metavar="DAG_ID RUN_ID", help="Undo what a DAG run published.")
    ] = None,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make earlier batches current again. No data are read, written or deleted."""
    settings: Settings = context.obj
    if run is not None:
        if table is not None:
            raise typer.BadParameter("--run undoes a whole run, in all tables: leave the table and partitions out")
        _rollback_run(settings, run, reason, yes=yes, as_json=as_json)
        return
    if table is None:
        raise typer.BadParameter("name a table and its partitions, or a run with --run DAG_ID RUN_ID")
    ref = table_of(table)
    values = values_of(partition)
    now = settings.warehouse.pin(ref.database, ref.table, values)
    if values is None and now.entries[0][0]:
        raise typer.BadParameter(f"{ref} is partitioned: name the partitions to roll back")
    for name, batch in now.entries:
        typer.echo(f"{ref} {name}: {batch} is current; goes to {to or 'the batch before'}", err=True)
    _ask("Roll back?", yes=yes)
    done = settings.warehouse.rollback(ref.database, ref.table, values, to=to, reason=reason, expected=now)
    if as_json:
        render.as_json(done)
    else:
        for name, batch in done.entries:
            typer.echo(f"{ref} {name}: {now.batches[name]} → {batch}")


def repair(context: typer.Context, table: Table, as_json: Json = False) -> None:
    """Complete what a writer that died left half done, and tell what only a person can mend."""
    settings: Settings = context.obj
    ref = table_of(table)
    with _waiting(f"looking at {ref}"):
        found = settings.warehouse.repair(ref.database, ref.table)
    if as_json:
        render.as_json(found)
    elif found:
        render.table(
            f"{ref}", ("partition", "found", "done"), [(r.partition, r.found, r.done or "left as it is") for r in found]
        )
    else:
        typer.echo(f"{ref}: nothing to repair")


def adopt(
    context: typer.Context,
    table: Table,
    directory: Annotated[str, typer.Argument(metavar="DIRECTORY", help="Of Parquet files; a path or a URI.")],
    key: Annotated[
        list[str] | None, typer.Option("--key", metavar="NAME[:TYPE]", help="A partition key; may be repeated.")
    ] = None,
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Take over a directory of Parquet files as it lies, as the table's first batches."""
    settings: Settings = context.obj
    ref = table_of(table)
    keys = {name: kind or "string" for name, _, kind in (text.partition(":") for text in key or ())}
    place = directory if "://" in directory else str(Path(directory).absolute())
    with _waiting(f"reading {place}"):
        pin = settings.warehouse.adopt(ref.database, ref.table, place, partition_keys=keys or None, reason=reason)
    if as_json:
        render.as_json(pin)
    else:
        typer.echo(f"{ref}: {len(pin.entries)} partition(s) adopted as batch {pin.batch_id}")


def _rollback_run(settings: Settings, run: tuple[str, str], reason: str, *, yes: bool, as_json: bool) -> None:
    dag_id, run_id = run
    _ask(f"Undo everything that the run {run_id} of {dag_id} published?", yes=yes)
    reports = settings.warehouse.rollback_run(dag_id=dag_id, run_id=run_id, reason=reason)
    if as_json:
        render.as_json(reports)
        return
    rows = [
        (report.table, name, batch or "no batch, as before", "rolled back")
        for report in reports
        for name, batch in report.rolled_back.items()
    ] + [
        (report.table, name, batch, "kept: changed by somebody else since, or undone already")
        for report in reports
        for name, batch in report.kept.items()
    ]
    render.table(f"{dag_id} {run_id}", ("table", "partition", "batch now", ""), rows)


def _ask(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} There is no terminal to ask on: pass --yes")
    typer.confirm(question, abort=True)


class _waiting:  # used as a statement
    """A sign of life on the terminal while something takes long."""

    def __init__(self, what: str) -> None:
        from rich.console import Console

        self._status = Console(stderr=True).status(what) if sys.stderr.isatty() else None

    def __enter__(self) -> None:
        if self._status:
            self._status.start()

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

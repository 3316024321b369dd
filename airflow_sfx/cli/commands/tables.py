"""Commands that read tables: tables, show, history, head."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.commands.lifecycle.lineage import stale_input
from airflow_sfx.cli.commands.staged import show_staged
from airflow_sfx.cli.follow import last_version, new_versions
from airflow_sfx.cli.options import (
    AsOf,
    Batch,
    Chosen,
    Follow,
    Json,
    Partitions,
    Settings,
    TableArgument,
    Values,
    Version,
    moment_of,
)
from airflow_sfx.cli.output import print_json, waiting
from airflow_sfx.core.errors import ForeignChange, InconsistentBatch
from airflow_sfx.core.partition import Partition
from airflow_sfx.warehouse.words import WHOLE

if TYPE_CHECKING:
    from airflow_sfx.core.table import TableRef
    from airflow_sfx.warehouse.history.describe import TableState


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    for command in (tables, show, history, head):
        app.command()(command)


def tables(context: typer.Context, as_json: Json = False) -> None:
    """List the tables with their partitions, rows and size.

    Exits with 1 if a table is damaged; the others are complete.
    """
    settings: Settings = context.obj
    with waiting(f"listing the tables of {settings.warehouse.uri}"):
        states, others, damaged = _states(settings)
        stale, unknown = _stale(settings)
    if not states and not others and not damaged:  # the URI may be mistyped
        store = settings.warehouse.store
        output.say(f"the warehouse {store.uri}{store.named_by} has no tables", err=True)
    if as_json:
        found = [{**_summary(one), "stale": stale[f"{one.database}.{one.table}"]} for one in states]
        found += [
            {"database": ref.database, "table": ref.table, "error": error}
            for ref, error in damaged.items()
        ]
        print_json(found)
    else:
        _print_tables(settings.warehouse.uri, states, stale, list(damaged))
        if others:
            output.say(f"tables of other engines or warehouses: {', '.join(map(str, others))}")
    for ref, error in damaged.items():
        output.say(f"cannot read {ref}: {error}", err=True)
    if unknown:
        output.say(f"cannot look for stale batches: {unknown}", err=True)
    if damaged or unknown:
        raise typer.Exit(1)


def _print_tables(
    title: str, states: Sequence[TableState], stale: Counter[str], damaged: Sequence[TableRef]
) -> None:
    rows: list[tuple[object, ...]] = [
        (
            f"{state.database}.{state.table}",
            output.number(len(state.partitions)),
            output.number(state.rows),
            output.size(state.bytes),
            output.moment(state.changed_at),
            len(state.staged) or None,
            stale[f"{state.database}.{state.table}"] or None,
        )
        for state in states
    ]
    rows += [(str(ref), "damaged", None, None, None, None, None) for ref in damaged]
    headings = ("table", "partitions", "rows", "size", "changed (UTC)", "staged", "stale")
    right = ("partitions", "rows", "size", "staged", "stale")
    if rows:
        output.table(title, headings, rows, right=right)


def show(context: typer.Context, table: TableArgument, as_json: Json = False) -> None:
    """Show the columns, current batches and staged batches of a table."""
    settings: Settings = context.obj
    chosen = settings.table(table)
    state = settings.warehouse.show(*chosen.names)
    stale = {one.partition: one for one in settings.warehouse.stale(*chosen.names)}
    if as_json:
        staged = settings.warehouse.staged(*chosen.names)
        print_json({**_members(state), "stale": list(stale.values()), "staged_batches": staged})
        return
    keys = [
        (one.name, one.type, f"partition key, {one.kind.description}".rstrip(", "))
        for one in state.keys
    ]
    columns = [(column.name, column.type, column.kind.description) for column in state.columns]
    output.table(
        f"{chosen.ref} at {state.location}", ("column", "type", "meaning"), [*columns, *keys]
    )
    rows = [
        (
            p.partition or WHOLE,
            p.batch_id,
            output.number(p.rows),
            output.size(p.bytes),
            output.moment(p.at),
            stale_input(stale.get(p.partition)),
        )
        for p in state.partitions
    ]
    typer.echo()
    output.table(
        "current batches",
        ("partition", "batch", "rows", "size", "since (UTC)", "stale"),
        rows,
        right=("rows", "size"),
        below=("stale",),
    )
    if state.staged or state.overtaken:
        typer.echo()
        show_staged("staged batches, not published", settings.warehouse.staged(*chosen.names))


def history(
    context: typer.Context,
    table: TableArgument,
    partition: Partitions = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of changes.")] = 100,
    every: Annotated[bool, typer.Option("--all", help="List all changes, however many.")] = False,
    follow: Follow = False,
    as_json: Json = False,
) -> None:
    """List the changes of a table, newest first."""
    settings: Settings = context.obj
    chosen = settings.table(table, partition)
    if follow:
        _follow(chosen, as_json=as_json)
        return
    most = None if every else limit
    wanted: list[list[Values] | None] = [[values] for values in chosen.partitions or ()]
    entries = [
        entry
        for values in wanted or [None]
        for entry in settings.warehouse.history(*chosen.names, values, limit=most)
    ]
    found = sorted(entries, key=lambda entry: entry.at, reverse=True)[:most]
    if as_json:
        print_json(found)
        return
    rows = [
        (
            e.partition or WHOLE,
            e.version,
            output.operation(e.operation),
            e.batch_id,
            e.previous,
            output.moment(e.at),
            output.who(e.producer),
            output.why(e),
        )
        for e in found
    ]
    headings = ("partition", "version", "change", "batch", "previous", "at (UTC)", "who", "why")
    output.table(
        f"history of {chosen.ref}",
        headings,
        rows,
        right=("version",),
        below=("who", "why"),
        none=f"{chosen.ref} has no changes",
    )


def _follow(chosen: Chosen, *, as_json: bool) -> None:
    """Print a line for each change from now on."""
    layout = chosen.opened.layout
    names = {layout.name(Partition(values)) for values in chosen.partitions or ()}
    with suppress(KeyboardInterrupt):
        since = last_version(chosen.warehouse, *chosen.names)
        output.say(f"waiting for changes of {chosen.ref}; Ctrl-C ends it", err=True)
        found = new_versions(chosen.warehouse, *chosen.names, since)
        entries = (entry for version in found for entry in version.changes)
        for entry in entries:
            if names and entry.partition not in names:
                continue
            if as_json:
                print_json(entry, indent=None)
            else:
                what = (
                    output.moment(entry.at),
                    entry.partition or WHOLE,
                    output.operation(entry.operation),
                    f"{entry.previous or 'no batch'} → {entry.batch_id or 'no batch'}",
                    output.who(entry.producer),
                    entry.reason,
                )
                output.say("  ".join(str(part) for part in what if part))
            sys.stdout.flush()


def head(
    context: typer.Context,
    table: TableArgument,
    partition: Partitions = None,
    batch: Batch = None,
    as_of: AsOf = None,
    version: Version = None,
    rows: Annotated[int, typer.Option("--rows", "-n", min=1, help="Number of rows.")] = 10,
    as_json: Json = False,
) -> None:
    """Print the first rows of a table or of partitions."""
    settings: Settings = context.obj
    at = moment_of(as_of)
    chosen = settings.table(table, partition)
    pieces = settings.warehouse.load_dataframe(
        *chosen.names,
        chosen.partitions,
        batch_id=batch,
        as_of=at,
        version=version,
        as_="arrow",
        batches=True,
    )
    from airflow_sfx.warehouse.diff.rows import row_of

    found: list[dict[str, Any]] = []
    for piece in pieces:
        found += [
            dict(row_of(piece, number)) for number in range(min(len(piece), rows - len(found)))
        ]
        if len(found) >= rows:
            break
    if as_json:
        print_json(found)
    elif found:
        cells = [["NULL" if value is None else value for value in row.values()] for row in found]
        output.table(f"{chosen.ref}", list(found[0]), cells)
    else:
        output.say(f"{chosen.ref}: no rows", err=True)


def _states(
    settings: Settings,
) -> tuple[list[TableState], list[TableRef], dict[TableRef, str]]:
    """Return this warehouse's tables, those of other engines, and the errors of damaged ones."""
    states, others, damaged = [], [], {}
    for ref in settings.warehouse.tables():
        try:
            states.append(settings.warehouse.show(ref.database, ref.table))
        except ForeignChange:
            others.append(ref)
        except InconsistentBatch as error:
            damaged[ref] = str(error)
    return states, others, damaged


def _stale(settings: Settings) -> tuple[Counter[str], str]:
    """Return the number of stale batches by table, and why they are unknown."""
    try:
        return Counter(one.table for one in settings.warehouse.stale()), ""
    except InconsistentBatch as error:
        return Counter(), str(error)


def _summary(state: TableState) -> dict[str, object]:
    return {
        "database": state.database,
        "table": state.table,
        "location": state.location,
        "partitions": len(state.partitions),
        "rows": state.rows,
        "bytes": state.bytes,
        "changed_at": state.changed_at,
        "staged": len(state.staged),
    }


def _members(state: TableState) -> dict[str, object]:
    return {one.name: getattr(state, one.name) for one in fields(state)}

"""The commands that look: tables, show, history, pin, diff, verify, head."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

import typer

from airflow_sfx.cli import render
from airflow_sfx.cli.arguments import Json, Partitions, Settings, Table, table_of, values_of
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef

Batch = Annotated[str | None, typer.Option("--batch", help="A batch ID; else the current batch.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (tables, show, history, pin, diff, verify, head):
        app.command()(command)


def tables(context: typer.Context, as_json: Json = False) -> None:
    """List all tables with their partitions, rows and size."""
    settings: Settings = context.obj
    states = [settings.warehouse.show(ref.database, ref.table) for ref in settings.warehouse.tables()]
    if as_json:
        render.as_json(
            [
                {
                    "database": state.database,
                    "table": state.table,
                    "location": state.location,
                    "partitions": len(state.partitions),
                    "rows": state.rows,
                    "bytes": state.bytes,
                    "changed_at": max((p.at for p in state.partitions if p.at), default=None),
                    "staged": len(state.staged),
                }
                for state in states
            ]
        )
        return
    rows = [
        (
            f"{state.database}.{state.table}",
            render.number(len(state.partitions)),
            render.number(state.rows),
            render.size(state.bytes),
            render.moment(max((p.at for p in state.partitions if p.at), default=None)),
            len(state.staged) or None,
        )
        for state in states
    ]
    headings = ("table", "partitions", "rows", "size", "changed (UTC)", "staged")
    render.table(settings.warehouse.uri, headings, rows, right=("partitions", "rows", "size", "staged"))


def show(context: typer.Context, table: Table, as_json: Json = False) -> None:
    """Show a table: columns, partitions with their current batches, and what is staged."""
    settings: Settings = context.obj
    ref = table_of(table)
    state = settings.warehouse.show(ref.database, ref.table)
    if as_json:
        render.as_json(state)
        return
    keys = [(column.name, column.type, "partition key") for column in state.keys]
    columns = [(column.name, column.type, None) for column in state.columns]
    render.table(f"{ref} at {state.location}", ("column", "type", ""), [*columns, *keys])
    rows = [
        (p.partition, p.batch_id, render.number(p.rows), render.size(p.bytes), render.moment(p.at))
        for p in state.partitions
    ]
    render.table("current", ("partition", "batch", "rows", "size", "since (UTC)"), rows, right=("rows", "size"))
    if state.staged:
        staged = [(name, batch) for waiting in state.staged for name, batch in waiting.entries]
        render.table("staged, not published", ("partition", "batch"), staged)


def history(
    context: typer.Context,
    table: Table,
    partition: Partitions = None,
    limit: Annotated[int, typer.Option(help="How many entries at the most; 0 for all.")] = 100,
    as_json: Json = False,
) -> None:
    """List the changes of partitions, or of the whole table, newest first."""
    settings: Settings = context.obj
    ref = table_of(table)
    most = limit or None
    wanted: list[list[tuple[str, ...]] | None] = [[values] for values in values_of(partition) or ()]
    found = [
        entry
        for values in wanted or [None]
        for entry in settings.warehouse.history(ref.database, ref.table, values, limit=most)
    ]
    if as_json:
        render.as_json(found)
        return
    rows = [
        (
            e.partition,
            e.sequence,
            e.operation.value,
            e.batch_id,
            e.previous,
            render.moment(e.at),
            render.who(e.producer),
            e.reason,
        )
        for e in found
    ]
    headings = ("partition", "no", "change", "batch", "before", "at (UTC)", "who", "why")
    render.table(f"history of {ref}", headings, rows, right=("no",))


def pin(context: typer.Context, table: Table, partition: Partitions = None) -> None:
    """Print the pin of what is current now, as JSON."""
    settings: Settings = context.obj
    ref = table_of(table)
    typer.echo(settings.warehouse.pin(ref.database, ref.table, values_of(partition)).to_json())


def diff(
    context: typer.Context,
    table: Table,
    partition: Annotated[str, typer.Argument(metavar="PARTITION")],
    before: Annotated[str, typer.Argument(metavar="BATCH", help="A batch ID, current or previous.")] = "previous",
    after: Annotated[str, typer.Argument(metavar="BATCH", help="A batch ID, current or previous.")] = "current",
    key: Annotated[list[str] | None, typer.Option(help="A column that tells rows apart; may be repeated.")] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 if they differ.")] = False,
    as_json: Json = False,
) -> None:
    """Compare two batches of a partition: columns, counts, bounds and rows."""
    settings: Settings = context.obj
    ref = table_of(table)
    pins = [_named(settings, ref, partition, batch) for batch in (before, after)]
    found = settings.warehouse.diff(*pins, keys=key or ())
    if as_json:
        render.as_json({**{f: getattr(found, f) for f in found.__dataclass_fields__}, "identical": found.identical})
    else:
        rows = [
            (c.name, c.type_before, c.type_after, *_bounds(c.before), *_bounds(c.after), c.changed)
            for c in found.columns
        ]
        headings = (
            "column",
            "type",
            "type after",
            "nulls",
            "min",
            "max",
            "nulls after",
            "min after",
            "max after",
            "changed",
        )
        render.table(f"{ref} {partition}: {pins[0].batch_id} → {pins[1].batch_id}", headings, rows)
        counts = f"rows {found.rows_before:,} → {found.rows_after:,}: {found.added:,} added, {found.removed:,} removed"
        typer.echo(f"{counts}, {found.changed:,} changed" if key else counts)
    if exit_code and not found.identical:
        raise typer.Exit(1)


def verify(
    context: typer.Context, table: Table, partition: Partitions = None, batch: Batch = None, as_json: Json = False
) -> None:
    """Read every file of the current batches, and compare size, checksum and rows with the manifests."""
    settings: Settings = context.obj
    ref = table_of(table)
    names = partition or []
    if batch:
        found = settings.warehouse.verify(_named(settings, ref, names[0] if names else "", batch))
    else:
        found = settings.warehouse.verify(settings.warehouse.pin(ref.database, ref.table, values_of(partition)))
    if as_json:
        render.as_json(found)
    else:
        typer.echo(
            f"{ref}: {found.files:,} files, {found.rows:,} rows, {render.size(found.bytes)}: as they were written"
        )


def head(
    context: typer.Context,
    table: Table,
    partition: Partitions = None,
    batch: Batch = None,
    as_of: Annotated[str | None, typer.Option(help="A time with a zone, as 2016-11-01T12:00+00:00.")] = None,
    rows: Annotated[int, typer.Option("--rows", "-n", help="How many rows.")] = 10,
    as_json: Json = False,
) -> None:
    """Print the first rows of a table or of partitions."""
    settings: Settings = context.obj
    ref = table_of(table)
    pieces = settings.warehouse.load_dataframe(
        ref.database,
        ref.table,
        values_of(partition),
        batch_id=batch,
        as_of=datetime.fromisoformat(as_of) if as_of else None,
        as_="arrow",
        batches=True,
    )
    piece = next(iter(pieces), None)
    if piece is None:
        typer.echo(f"{ref}: no rows", err=True)
        return
    first = piece.slice(0, rows)
    if as_json:
        typer.echo(json.dumps(first.to_pylist(), indent=2, default=str, ensure_ascii=False))
    else:
        render.table(f"{ref}", first.column_names, [list(row.values()) for row in first.to_pylist()])


def _bounds(statistics: object) -> tuple[object, object, object]:
    return tuple(getattr(statistics, name, None) for name in ("null_count", "minimum", "maximum"))  # type: ignore[return-value]


def _named(settings: Settings, ref: TableRef, partition: str, batch: str) -> BatchPin:
    """A pin of one batch that is called by its ID, ``current`` or ``previous``."""
    values = values_of([partition]) if partition else None
    now = settings.warehouse.pin(ref.database, ref.table, values)
    if batch == "current":
        return now
    if batch == "previous":
        entries = settings.warehouse.history(ref.database, ref.table, values, limit=1)
        batch = next((entry.previous for entry in entries if entry.previous), None) or "previous"
    return BatchPin.of(now.ref, now.location, {now.entries[0][0]: batch})

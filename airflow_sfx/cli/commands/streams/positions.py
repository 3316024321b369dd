"""The commands `sfx stream positions`, `lag` and `dead-letters`."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.commands.streams.choices import (
    EndpointUrl,
    Kafka,
    KafkaConfig,
    Stream,
    source_of,
)
from airflow_sfx.cli.options import Json, Settings, TableArgument, moment_of, table_of

_SHOWN = 60


def positions(context: typer.Context, table: TableArgument, as_json: Json = False) -> None:
    """List the last record of each shard that a table has."""
    settings: Settings = context.obj
    ref = table_of(table)
    found = settings.warehouse.stream_positions(ref.database, ref.table)
    if as_json:
        output.print_json(found)
        return
    rows = [
        (stream, shard, at)
        for stream, shards in sorted(found.items())
        for shard, at in sorted(shards.items())
    ]
    output.table(
        f"positions of {ref}",
        ["stream", "shard", "position"],
        rows,
        none=f"{ref} has consumed no stream",
    )


def lag(
    context: typer.Context,
    table: TableArgument,
    stream: Stream,
    endpoint_url: EndpointUrl = "",
    kafka: Kafka = "",
    kafka_config: KafkaConfig = None,
    as_json: Json = False,
) -> None:
    """Show how far a table is behind a stream: the oldest record of each shard that it lacks."""
    from airflow_sfx.streams.lag import stream_lag

    settings: Settings = context.obj
    ref = table_of(table)
    with source_of(stream, endpoint_url, kafka, kafka_config) as source:
        known = settings.warehouse.stream_positions(ref.database, ref.table)
        found = stream_lag(source, known.get(source.stream, {}))
    if as_json:
        output.print_json({"behind_seconds": found.behind.total_seconds(), "lag": found})
        return
    output.table(
        f"{ref} is {found.behind.total_seconds():.0f} s behind {found.stream}",
        ["shard", "position", "oldest record that it lacks"],
        [(one.shard, one.position, one.oldest) for one in found.shards],
    )


def dead_letters(
    context: typer.Context,
    table: TableArgument,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Those that failed since then.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most records to print, newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """List the records that failed on their way into a table, newest first."""
    from airflow_sfx.streams.applying.dead_letters import dead_letters_of

    settings: Settings = context.obj
    dead = dead_letters_of(table_of(table))
    moment = moment_of(since)
    rows = _rows(settings, dead.database, dead.table, moment)
    rows.sort(key=lambda one: (one["at"], one["arrived"]), reverse=True)
    if as_json:
        output.print_json([{**one, "data": _text(one["data"])} for one in rows[:limit]])
        return
    columns = ["shard", "sequence", "arrived", "attempts", "error", "data"]
    cells = [[*(one[name] for name in columns[:-1]), _text(one["data"])[:_SHOWN]] for one in rows]
    title = f"{output.counted(len(rows), 'dead letter')} in {dead}"
    none = f"no dead letters in {dead}"
    output.table(
        title, columns, cells[:limit], right=["attempts"], below=["error", "data"], none=none
    )


def _rows(settings: Settings, database: str, table: str, since: Any) -> list[dict[str, Any]]:
    from airflow_sfx.core.errors import PartitionNotFound, TableNotFound

    names = ["stream", "shard", "sequence", "key", "arrived", "data", "error", "attempts", "at"]
    filters = [] if since is None else [("at", ">=", since)]
    try:
        found = settings.warehouse.load_dataframe(
            database, table, columns=names, filters=filters, as_="arrow"
        )
    except (TableNotFound, PartitionNotFound):
        return []
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def _text(data: bytes) -> str:
    """Return what was sent; in base64 if it is not text."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"base64:{base64.b64encode(data).decode()}"

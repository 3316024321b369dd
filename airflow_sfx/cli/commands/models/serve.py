"""The command serve: the web server of a model or a function."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.options import Settings, table_of


def register(app: typer.Typer) -> None:
    """Add the command to an app."""
    app.command()(serve)


def serve(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="NAME@ALIAS, which is followed, NAME/VERSION, the path of a model's zip, or"
            " MODULE:FUNCTION, a portable function.",
        ),
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen on; the default is this machine only.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for a free one.")
    ] = 8000,
    shadow: Annotated[
        str | None,
        typer.Option(
            metavar="ALIAS",
            help="Another alias, whose version also answers, but not to clients: see /metrics.",
        ),
    ] = None,
    log: Annotated[
        str | None,
        typer.Option(
            metavar="DB.TABLE", help="Table to write samples of rows and predictions into, by hour."
        ),
    ] = None,
    log_rows: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Rows of such a sample, by hour and version.")
    ] = 10_000,
    log_seconds: Annotated[
        float, typer.Option(min=1, help="How often the sample of this hour is written, in seconds.")
    ] = 300.0,
    max_bytes: Annotated[int, typer.Option(min=1, help="Largest body of a request, in bytes.")] = 8
    << 20,
    max_rows: Annotated[int, typer.Option(min=1, help="Most rows of a request.")] = 10_000,
    timeout: Annotated[
        float, typer.Option(min=0.01, help="Longest time for a request, in seconds.")
    ] = 30.0,
    trust: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Package whose code a model without a portable scorer may run: sklearn, code.",
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Public key that each version must be signed with."),
    ] = None,
) -> None:
    """Serve a model or a function: /predict, /healthz, /readyz, /metadata, /metrics, /openapi.json.

    There is no authentication: every program that reaches the address can query it.
    """
    from airflow_sfx._default import VARIABLE
    from airflow_sfx.serving import server
    from airflow_sfx.serving.web.limits import Limits

    settings: Settings = context.obj
    wanted = server.Settings(
        model,
        host,
        port,
        shadow,
        table_of(log) if log else None,
        log_rows,
        log_seconds,
        Limits(max_bytes, max_rows, timeout),
        trust or (),
        key,
    )
    if settings.uri:  # also for the aggregates of a function, which are of the default warehouse
        os.environ[VARIABLE] = settings.uri
    if not server.is_loopback(host):
        output.say(f"{host} is open to other machines, without authentication", err=True)
    server.serve(wanted, lambda: settings.warehouse, lambda text: output.say(text, err=True))

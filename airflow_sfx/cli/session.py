"""The command session: the process behind the R package."""

from __future__ import annotations

from typing import Annotated

import typer

from airflow_sfx.cli.options import Settings


def register(app: typer.Typer) -> None:
    """Add the command to an app."""
    app.command(hidden=True)(session)


def session(
    context: typer.Context,
    directory: Annotated[
        str, typer.Argument(metavar="DIRECTORY", help="A directory that only you can write to.")
    ],
) -> None:
    """Answer the requests of the R package, which starts this command itself."""
    from airflow_sfx.session.server import run

    settings: Settings = context.obj
    run(directory, lambda: settings.new_warehouse)

"""The commands `sfx stream …`."""

from __future__ import annotations

import typer

from airflow_sfx.cli.commands.streams.positions import dead_letters, lag, positions
from airflow_sfx.cli.commands.streams.run import replay, run

app = typer.Typer(
    help="Bring streams into tables: consumers, positions, dead letters.", no_args_is_help=True
)
for _command in (run, positions, lag, replay):
    app.command()(_command)
app.command("dead-letters")(dead_letters)


def register(parent: typer.Typer) -> None:
    """Add the commands to an app."""
    parent.add_typer(app, name="stream")

"""The ``sfx`` command: its options, and what becomes of errors.

Exit status: 0 done, 1 refused or found something wrong, 2 wrong usage. Heavy packages are imported by the commands that
need them, so that ``sfx --help`` answers at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from airflow_sfx._version import __version__
from airflow_sfx.cli import change, read
from airflow_sfx.cli.arguments import Settings
from airflow_sfx.core.errors import SfxError

app = typer.Typer(
    name="sfx",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Look at, compare, check and undo the batches of a warehouse.",
)
read.register(app)
change.register(app)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"airflow_sfx {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    warehouse: Annotated[
        str | None,
        typer.Option(
            "--warehouse",
            "-w",
            envvar="SFX_WAREHOUSE",
            help="The warehouse's URI, as embedded:///path; else the one in ~/.sfx/warehouse.",
        ),
    ] = None,
    version: Annotated[  # the callback has acted on it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj = Settings(warehouse)


def run() -> None:
    """Run the command with this process's arguments, and end the process."""
    try:
        app()
    except SfxError as error:
        typer.secho(f"{type(error).__name__}: {error}", fg="red" if sys.stderr.isatty() else None, err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)

"""The commands that start and end the services of a local stack."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.cli.options import Json
from airflow_sfx.cli.output import print_json

Directory = Annotated[
    Path,
    typer.Option(
        "--dir", metavar="FOLDER", help="Where data, settings and logs are kept.", file_okay=False
    ),
]
_DEFAULT = Path("~/.sfx/stack")

_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Run a real S3 server and a real Hive Metastore on this machine, without root and Docker.",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(_app, name="stack")


@_app.command()
def up(
    directory: Directory = _DEFAULT,
    s3_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Where the S3 server listens.")
    ] = None,
    metastore_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Where the metastore listens.")
    ] = None,
) -> None:
    """Start the services and print the environment to use them: eval "$(sfx stack up)".

    Both servers listen on 127.0.0.1 only. The metastore asks for no login: do not run it on a
    machine that you share.
    """
    from airflow_sfx import stack

    running = stack.up(
        directory,
        s3_port=s3_port,
        metastore_port=metastore_port,
        tell=lambda text: output.say(text, err=True),
    )
    for name, value in running.environment().items():
        typer.echo(f"export {name}={shlex.quote(value)}")
    output.say(f"the stack in {running.directory} is up", err=True)


@_app.command()
def down(directory: Directory = _DEFAULT) -> None:
    """End the services; their data stay."""
    from airflow_sfx import stack

    ended = stack.down(directory)
    output.say(f"ended: {', '.join(ended)}" if ended else "nothing was running", err=True)


@_app.command()
def status(directory: Directory = _DEFAULT, as_json: Json = False) -> None:
    """Tell whether the services run and answer; exit status 1 if one does not."""
    from airflow_sfx import stack

    found = stack.status(directory)
    if as_json:
        print_json([asdict(one) for one in found])
    elif not found:
        where = "" if directory == _DEFAULT else f" --dir {shlex.quote(str(directory))}"
        output.say(
            f"no stack was ever started in {directory.expanduser()}: `sfx stack up{where}`"
            " starts one",
            err=True,
        )
    else:
        rows = [[one.name, one.pid, one.port, "ready" if one.ready else "down"] for one in found]
        output.table(
            str(directory), ["service", "pid", "port", "state"], rows, right=("pid", "port")
        )
    if not found or not all(one.ready for one in found):
        raise typer.Exit(1)

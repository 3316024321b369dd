"""Commands of the local stack: up, down, status."""

from __future__ import annotations

import shlex
import sys
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
        "--dir", metavar="FOLDER", help="Directory of data, settings and logs.", file_okay=False
    ),
]
S3Port = Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the S3 server.")]
MetastorePort = Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the metastore.")]
_DEFAULT = Path("~/.sfx/stack")

_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Run an S3 server and a Hive Metastore on this machine.",
)


def register(app: typer.Typer) -> None:
    """Add the commands to an app."""
    app.add_typer(_app, name="stack")


@_app.command()
def up(
    directory: Directory = _DEFAULT,
    s3_port: S3Port = None,
    metastore_port: MetastorePort = None,
) -> None:
    """Start the services and print their environment: eval "$(sfx stack up)".

    Both listen on 127.0.0.1 only. The metastore has no authentication: do not run it on a shared
    machine.
    """
    from airflow_sfx import stack

    running = stack.up(
        directory,
        s3_port=s3_port,
        metastore_port=metastore_port,
        report=lambda text: output.say(text, err=True),
    )
    for name, value in running.environment().items():
        typer.echo(f"export {name}={shlex.quote(value)}")
    output.say(f"the stack in {running.directory} is running", err=True)


@_app.command()
def run(
    directory: Directory = _DEFAULT,
    s3_port: S3Port = None,
    metastore_port: MetastorePort = None,
    credentials: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="AWS credentials file to write the keys to.", dir_okay=False
        ),
    ] = None,
) -> None:
    """Run the services until Ctrl-C or SIGTERM, as a container or a service manager does.

    Exits with an error if one of them ends.
    """
    import signal

    from airflow_sfx import stack

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    stack.run(
        directory,
        s3_port=s3_port,
        metastore_port=metastore_port,
        credentials=credentials,
        report=lambda text: output.say(text, err=True),
    )


@_app.command()
def down(directory: Directory = _DEFAULT) -> None:
    """Stop the services; their data is kept."""
    from airflow_sfx import stack

    stopped = stack.down(directory)
    output.say(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running", err=True)


@_app.command()
def status(directory: Directory = _DEFAULT, as_json: Json = False) -> None:
    """Show whether the services run and respond.

    Exits with 1 if one does not.
    """
    from airflow_sfx import stack

    found = stack.status(directory)
    if as_json:
        print_json([asdict(one) for one in found])
    elif not found:
        where = "" if directory == _DEFAULT else f" --dir {shlex.quote(str(directory))}"
        output.say(
            f"no stack exists in {directory.expanduser()}: `sfx stack up{where}` starts one",
            err=True,
        )
    else:
        rows = [[one.name, one.pid, one.port, "ready" if one.ready else "down"] for one in found]
        output.table(
            str(directory), ["service", "pid", "port", "state"], rows, right=("pid", "port")
        )
    if not found or not all(one.ready for one in found):
        raise typer.Exit(1)

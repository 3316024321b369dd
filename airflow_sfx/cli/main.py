"""The `sfx` command: its global options and its error handling.

Exit status: 0 success, 1 refused or problems found, 2 wrong usage. Heavy packages are imported by
the commands that need them, to keep ``sfx --help`` fast.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from airflow_sfx._version import __version__
from airflow_sfx.cli import session
from airflow_sfx.cli.commands import (
    batches,
    columns,
    components,
    hold,
    job,
    maintenance,
    quality,
    retention,
    sql,
    stack,
    staged,
    tables,
    workbench,
)
from airflow_sfx.cli.commands.changes import audit, changes, night, rollback
from airflow_sfx.cli.commands.lifecycle import announce, compact, ends, lineage
from airflow_sfx.cli.commands.models import model, serve
from airflow_sfx.cli.commands.streams import stream as streams
from airflow_sfx.cli.options import Settings
from airflow_sfx.cli.output import VisibleFormatter, clean, visible
from airflow_sfx.cli.starter import init
from airflow_sfx.core.errors import SfxError


class _Group(TyperGroup):
    """The command group, which prints expected errors on one line."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Parse the options before the command."""
        with _errors_on_one_line(), _visible_usage_errors():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _errors_on_one_line():
            with _visible_usage_errors():
                done = super().invoke(ctx)
            sys.stdout.flush()  # report a full disk here, not at the end of the process
            return done


@contextmanager
def _errors_on_one_line() -> Iterator[None]:
    try:
        yield
    except SfxError as error:
        colour = "red" if sys.stderr.isatty() else None
        typer.secho(f"{type(error).__name__}: {clean(error.cli_message)}", fg=colour, err=True)
        raise typer.Exit(1) from error
    except BrokenPipeError:  # the reader closed the pipe, as `head` does
        _discard_output()
        raise typer.Exit(0) from None
    except OSError as error:  # of the output; a warehouse raises errors of its own
        _discard_output()
        typer.echo(f"{type(error).__name__}: {clean(error)}", err=True)
        raise typer.Exit(1) from error


def _discard_output() -> None:
    """Discard buffered output, which would raise an error at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _visible_usage_errors() -> Iterator[None]:
    """Escape invisible characters in usage errors, which quote arguments."""
    try:
        yield
    except Exception as found:
        error: Any = found  # of click, or of typer's private copy of it
        if hasattr(error, "show") and hasattr(error, "message"):
            error.message = visible(error.message)
        raise


app = typer.Typer(
    name="sfx",
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help starts faster
    help="Inspect, compare, verify and undo the batches of a warehouse.",
)
_FAMILIES = (
    tables,
    night,
    audit,
    changes,
    batches,
    lineage,
    rollback,
    staged,
    columns,
    compact,
    ends,
    announce,
    maintenance,
    quality,
    model,
    hold,
    retention,
    sql,
    components,
    serve,
    streams,
    job,
    workbench,
    session,
    stack,
    init,
)
for _commands in _FAMILIES:
    _commands.register(app)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"sfx {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    warehouse: Annotated[
        str | None,
        typer.Option(
            "--warehouse",
            "-w",
            metavar="URI",
            envvar="SFX_WAREHOUSE",
            help=(
                "URI of the warehouse, such as embedded:///path (default: the connection"
                " sfx_default if AIRFLOW_CONN_SFX_DEFAULT is set, else ~/.sfx/warehouse)."
            ),
        ),
    ] = None,
    version: Annotated[  # handled by the callback
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    # SFX_WAREHOUSE is read by `connect`, which names it in messages
    named = context.get_parameter_source("warehouse")
    context.obj = Settings(warehouse if named and named.name == "COMMANDLINE" else None)


def run() -> None:
    """Run the command with the arguments of this process, and exit."""
    # a stream that was closed before the start is None: discard its output
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # names may have characters that the terminal cannot encode
            stream.reconfigure(errors="backslashreplace")
    warnings = logging.StreamHandler()
    warnings.setFormatter(VisibleFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[warnings])
    app()

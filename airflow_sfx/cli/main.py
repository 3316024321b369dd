"""The ``sfx`` command: its options, and what becomes of errors.

Exit status: 0 done, 1 refused or found something wrong, 2 wrong usage. Heavy packages are imported
by the commands that need them, so that ``sfx --help`` answers at once.
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
from airflow_sfx.cli import audit, batches, hold, maintenance, retention, rollback, stack, tables
from airflow_sfx.cli.options import Settings
from airflow_sfx.cli.output import VisibleFormatter, clean, visible
from airflow_sfx.core.errors import SfxError


class _Group(TyperGroup):
    """The commands, with errors that are meant for the user said in one line."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Read the options before the command."""
        with _told_in_a_line(), _shown_wrong_usage():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        with _told_in_a_line():
            with _shown_wrong_usage():
                done = super().invoke(ctx)
            sys.stdout.flush()  # else a full disk is met when the process ends
            return done


@contextmanager
def _told_in_a_line() -> Iterator[None]:
    try:
        yield
    except SfxError as error:
        colour = "red" if sys.stderr.isatty() else None
        typer.secho(f"{type(error).__name__}: {clean(error)}", fg=colour, err=True)
        raise typer.Exit(1) from error
    except BrokenPipeError:  # the reader closed the pipe, as `head` does
        _write_no_more()
        raise typer.Exit(0) from None
    except OSError as error:  # of the output: those of a warehouse are errors of its own
        _write_no_more()
        typer.echo(f"{type(error).__name__}: {clean(error)}", err=True)
        raise typer.Exit(1) from error


def _write_no_more() -> None:
    """Let what has not been written go, instead of an error when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _shown_wrong_usage() -> Iterator[None]:
    """What was typed wrongly is repeated in characters that are seen: it may be a script's, made of others' names."""
    try:
        yield
    except Exception as found:
        error: Any = found  # of click, or of typer's own copy of it, which has no public name
        if hasattr(error, "show") and hasattr(error, "message"):
            error.message = visible(error.message)
        raise


app = typer.Typer(
    name="sfx",
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help, which is there at once
    help="Look at, compare, check and undo the batches of a warehouse.",
)
for _commands in (tables, audit, batches, rollback, maintenance, hold, retention, stack):
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
                "The warehouse, as embedded:///path; else AIRFLOW_CONN_SFX_DEFAULT, else"
                " ~/.sfx/warehouse."
            ),
        ),
    ] = None,
    version: Annotated[  # the callback has acted on it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj = Settings(warehouse or None)


def run() -> None:
    """Run the command with this process's arguments, and end the process."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115  stdout was closed: discard the output
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a name that the terminal has no letters for
    warnings = logging.StreamHandler()
    warnings.setFormatter(VisibleFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[warnings])
    app()

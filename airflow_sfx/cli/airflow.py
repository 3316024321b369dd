"""``airflow sfx …``: the same commands, beside those of Airflow."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand


def get_commands() -> list[CLICommand]:
    """The command, in the form that Airflow asks its providers for."""
    from airflow.cli.cli_config import ActionCommand, Arg, lazy_load_command

    rest = Arg(  # type: ignore[no-untyped-call]
        ("arguments",),
        nargs=argparse.REMAINDER,
        help="As of the command sfx: airflow sfx -- --help",
    )
    run = lazy_load_command("airflow_sfx.cli.airflow.run")
    return [
        ActionCommand(
            name="sfx",
            help="Look at, compare, check and undo the batches of a warehouse",
            func=run,
            args=(rest,),
        )
    ]


def run(given: argparse.Namespace) -> None:
    """Run the command with the arguments that Airflow has left over."""
    from airflow_sfx.cli.main import app

    arguments = given.arguments[1:] if given.arguments[:1] == ["--"] else given.arguments
    app(arguments, prog_name="airflow sfx")

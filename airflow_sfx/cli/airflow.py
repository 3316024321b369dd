"""`airflow sfx`: the same commands, as a command of Airflow."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.cli.cli_config import CLICommand


def get_commands() -> list[CLICommand]:
    """Return the command in the form that Airflow expects of a provider."""
    from airflow.cli.cli_config import ActionCommand, Arg, lazy_load_command

    rest = Arg(  # type: ignore[no-untyped-call]
        ("arguments",),
        nargs=argparse.REMAINDER,
        help="Arguments of the sfx command; see: airflow sfx -- --help",
    )
    run = lazy_load_command("airflow_sfx.cli.airflow.run")
    return [
        ActionCommand(
            name="sfx",
            help="Inspect, compare, verify and undo the batches of a warehouse",
            func=run,
            args=(rest,),
        )
    ]


def run(given: argparse.Namespace) -> None:
    """Run the command with the remaining arguments of Airflow's command line."""
    from airflow_sfx.cli.main import app

    arguments = given.arguments[1:] if given.arguments[:1] == ["--"] else given.arguments
    app(arguments, prog_name="airflow sfx")

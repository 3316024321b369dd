"""The plan of a change, and the question whether to make it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Annotated, TypeVar

import typer

from airflow_sfx.cli.output import print_json, say, visible

Plan = TypeVar("Plan")

PlanOnly = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan, and change nothing; --json: as JSON.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def approved(
    question: str,
    plan: Callable[[], Plan],
    show: Callable[[Plan], None],
    *,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    confirm_by: str = "--yes",
) -> bool:
    """Print the plan of a change, and return whether to make the change.

    With ``--yes``, the change is made without a plan. On a terminal, the plan and the question go
    to stderr, so that stdout has the result alone. Elsewhere, the plan is the result.

    Args:
        question: The question that the user is asked.
        plan: Makes the plan, without changing anything.
        show: Prints the plan.
        dry_run: Whether the user asked for the plan only.
        yes: Whether the user has confirmed already.
        as_json: Whether to print the plan as JSON.
        confirm_by: The options that confirm the change without a terminal.

    Raises:
        typer.Exit: There is no terminal to ask on; the plan was printed.
        typer.Abort: The user declined.
    """
    if yes and not dry_run:
        return True
    made = plan()
    if not dry_run and sys.stdin.isatty():
        with redirect_stdout(sys.stderr):
            show(made)
        typer.confirm(visible(question), abort=True, err=True)
        return True
    if as_json:
        print_json(made)
    else:
        show(made)
    if not dry_run:
        say(f"no terminal to ask {question!r}: pass {confirm_by} to confirm", err=True)
        raise typer.Exit(2)
    say("nothing was changed: this was a dry run", err=True)
    return False

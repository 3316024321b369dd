"""What needs a terminal: asking, and signs of life while something takes long. Both use stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from airflow_sfx.cli.visible import visible


def ask(question: str, *, yes: bool, shown: Callable[[], None] = lambda: None) -> None:
    """Go on only if the user says so.

    Args:
        question: What to ask.
        yes: Whether they have said so already.
        shown: Shows what it is about.

    Raises:
        typer.BadParameter: There is nobody to ask.
        typer.Abort: They said no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"there is no terminal to ask on, {question!r}: pass --yes to do it without asking")
    shown()
    typer.confirm(visible(question), abort=True, err=True)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show that something is under way, on a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(escape(visible(what))):
        yield


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far something has come, on a terminal; gives a function that is told how much of how much is done."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), *Progress.get_default_columns()[1:2], MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(escape(visible(what)), total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)

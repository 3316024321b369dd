"""The command ``sfx init``."""

from __future__ import annotations

import shlex
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from airflow_sfx.cli import output
from airflow_sfx.core.errors import InvalidName

_NAMES = ("nightly_revenue", "test_nightly_revenue")


def register(app: typer.Typer) -> None:
    """Add the command to an app."""
    app.command()(init)


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder of the DAG files; created if missing.")
    ] = Path(),
) -> None:
    """Write a DAG and its test to start from, and print how to run them.

    Never overwrites a file.
    """
    place = folder.expanduser().absolute()
    texts = {
        place / f"{name}.py": files(__package__).joinpath(f"{name}.txt").read_text()
        for name in _NAMES
    }
    for path in texts:
        if path.exists() or path.is_symlink():
            raise InvalidName(f"{path} exists already: name another folder, or move the file")
    for path, text in texts.items():
        _write(path, text)
        output.say(f"wrote {path}")
    here = shlex.quote(str(place))
    lines = (
        f"export AIRFLOW_HOME={here}/.airflow AIRFLOW__CORE__DAGS_FOLDER={here}",
        "export AIRFLOW__CORE__LOAD_EXAMPLES=False",
        f"export SFX_WAREHOUSE={shlex.quote(f'embedded://{place}/.warehouse')}",
        "airflow db migrate",
        f"python -m pytest {here}",
        "airflow dags test nightly_revenue 2026-10-31",
        "sfx history shop.revenue",
    )
    typer.echo("\nRun it:\n")
    for line in lines:
        output.say(f"    {line}")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x") as file:  # never over a file that another program has just made
            file.write(text)
    except (OSError, ValueError) as error:  # a null character is a ValueError
        raise InvalidName(
            f"{path} cannot be written ({error}): name a folder that you may write to"
        ) from error

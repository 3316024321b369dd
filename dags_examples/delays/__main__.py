"""A model that gets worse, on Airflow: ``make demo MODEL=1``.

An Airflow in the folder ``.demo-model`` trains and promotes a model of late departures; then the
weather of the night is delivered again, and is wrong. docs/tutorial-models.md explains each step.
With ``--ui`` (``make demo MODEL=1 UI=1``) Airflow keeps running until Ctrl-C.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

import airflow_sfx as sfx
from airflow_sfx.models.pin import ModelPin
from dags_examples.delays import nights, runs, training
from dags_examples.demo import REPO, console, fresh_home, timed, wait_for_people
from dags_examples.local import demo_folder
from dags_examples.local_airflow import LocalAirflow, local_airflow

HOME = REPO / ".demo-model"
WAREHOUSE = f"embedded://{HOME / 'warehouse'}"
MODEL = "delays"


def main(arguments: Sequence[str]) -> int:
    """Run the story, and print what it found.

    Args:
        arguments: ``--ui`` to explore it in the browser afterwards.

    Returns:
        The exit status: 0 when everything worked.
    """
    if not fresh_home(HOME):
        return 1
    began = time.monotonic()
    for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "SFX_"))]:
        del os.environ[name]
    os.environ["SFX_WAREHOUSE"] = WAREHOUSE
    runs.copy_dags(HOME / "dags")
    try:
        with local_airflow(HOME / "airflow", HOME / "dags", dict(os.environ)) as airflow:
            run_story(airflow)
            demo_folder.record(HOME)
            if "--ui" in arguments:
                wait_for_people(airflow, on_stack=False)
    except RuntimeError as error:
        console.print("[bold red]✗[/] the demo failed:\n")
        console.print(str(error), markup=False, soft_wrap=True)
        return 1
    show_next()
    console.print(f"\n[bold green]Done[/] in {time.monotonic() - began:.0f} s.")
    return 0


def run_story(airflow: LocalAirflow) -> None:
    """Run both nights, find out what happened, and undo it."""
    warehouse = sfx.connect()
    with timed("January and six nights of features are stored"):
        nights.load_history(warehouse)
    airflow.ready(runs.DAG)
    with timed(f"{nights.NIGHT}: a model is trained, passes its gate and is promoted"):
        runs.good_night(airflow)
    first = sfx.models.resolve(f"{MODEL}@production")
    with timed("its weather comes again, but is that of the night before: promoted, and an alarm"):
        run_id = runs.wrong_night(airflow)
    second = sfx.models.resolve(f"{MODEL}@production")
    show_versions()
    show_diff(first, second)
    with timed("both versions are trained again with the data and the code of each other"):
        why = sfx.models.explain_change(first, second, "auc_january", seeds=[0], trust=["code"])
    shares = ", ".join(f"{one.cause} {one.share:+.3f}" for one in why.shares)
    console.print(f"  auc_january changed by {why.change:+.3f}: {shares}\n")
    with timed("that run is undone as one, data and model"):
        undone = sfx.rollback_run(
            dag_id=runs.DAG, run_id=run_id, reason="the weather of the night before"
        )
    console.print(f"  {', '.join(one.table for one in undone)}\n")
    show_history(first)


def show_versions() -> None:
    """Print the versions and their metrics."""
    table = Table("version", "aliases", "auc", "auc_january", "why", title="Versions of the model")
    for one in sfx.models.versions(MODEL):
        metrics = (f"{one.metrics[name]:.3f}" for name in ("auc", "auc_january"))
        table.add_row(one.pin.version, ", ".join(one.aliases), *metrics, one.reason)
    console.print(table)


def show_diff(first: ModelPin, second: ModelPin) -> None:
    """Print what differs between two versions."""
    found = sfx.models.diff(first, second, keys=[*training.KEY, "origin"])
    table = Table("part", "what", "before", "after", title="What differs between the versions")
    for one in found.data:
        for name in one.partitions.changed:
            batches = (pin.batches[name] for pin in (one.before, one.after) if pin)
            table.add_row("data", f"{one.role} {name}", *batches)
            changed = f"{one.changed} rows, in {', '.join(one.columns)}"
            table.add_row("", "", "", f"other values in {changed}")
    for part, changes in (("params", found.params), ("coefficients", found.terms[:3])):
        for change in changes:
            table.add_row(part, change.name, f"{change.before:.4g}", f"{change.after:.4g}")
    console.print(table)


def show_history(first: ModelPin) -> None:
    """Print what happened to production."""
    table = Table("what", "version", "why", title=f"What happened to {MODEL}@production")
    for entry in sfx.models.history(MODEL):
        mark = " (the first)" if entry.batch_id == first.version else ""
        table.add_row(entry.operation.value, f"{entry.batch_id}{mark}", entry.reason)
    console.print(table)


def show_next() -> None:
    """Print commands to try next in a shell."""
    sfx_ = shlex.quote(str(Path(sys.executable).parent / "sfx"))
    console.print("\nCommands to try next; docs/tutorial-models.md explains each step:\n")
    for line in (
        f"export SFX_WAREHOUSE={shlex.quote(WAREHOUSE)}",
        f"{sfx_} model show {MODEL}@production --card",
        f"{sfx_} model history {MODEL}",
        f"{sfx_} model reproduce {MODEL}@production --trust code",
    ):
        console.print(f"  {line}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

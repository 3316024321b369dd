"""``make demo``: three nights of real flights, with corrections and an undo.

One night is corrected, and one mistaken correction is undone.

All files are in the folder ``.demo`` of the repository, which each run creates anew: an Airflow
(scheduler, triggerer, DAG processor, API server and PostgreSQL, all from Python packages) and a
warehouse of files. A folder that was used since the last run is kept: it is moved aside. With
``--stack`` (``make demo STACK=1``) the warehouse is on an S3 server and a Hive Metastore, which are
started from Python packages and keep running. With ``--ui`` (``make demo UI=1``) Airflow keeps
running until Ctrl-C, so that you can explore it in the browser.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import airflow_sfx as sfx
from airflow_sfx.stack import down, up
from dags_examples.local import demo_folder
from dags_examples.local_airflow import PASSWORD, USER, LocalAirflow, local_airflow

REPO = Path(__file__).resolve().parent.parent
HOME = REPO / ".demo"
DAGS = (
    "nightly_flights",
    "carrier_league",
    "correct_flights",
    "approved_prices",
    "late_weather",
    "undo",
)
FILES = {"SFX_WAREHOUSE": f"embedded://{HOME / 'warehouse'}"}
STACK = HOME / "stack"
NIGHTS = ("2013-01-01", "2013-01-02", "2013-01-03")
TABLES = ("flights", "weather", "flights_weather", "carrier_delays")
MISTAKE = "UA 1000 minutes late"
"""The name of the correction that is undone."""

console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=110)


def main(arguments: Sequence[str]) -> int:
    """Run the demo.

    Args:
        arguments: ``--stack`` for a warehouse on S3 and a Hive Metastore, ``--ui`` to explore it in
            the browser afterwards.

    Returns:
        The exit status: 0 when everything worked.
    """
    on_stack = "--stack" in arguments
    began = time.monotonic()
    if not fresh_home(HOME):
        return 1
    for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "SFX_"))]:
        del os.environ[name]
    os.environ.update(start_stack() if on_stack else FILES)
    copy_dags()
    try:
        with started_airflow() as airflow:
            run_nights(airflow)
            show_history()
            show_inputs(NIGHTS[1])
            show_delays("UA")
            if "--ui" in arguments:
                demo_folder.record(HOME)  # what people do from here on is theirs
                wait_for_people(airflow, on_stack=on_stack)
    except RuntimeError as error:
        console.print("[bold red]✗[/] the demo failed:\n")
        console.print(str(error), markup=False, soft_wrap=True)
        return 1
    if "--ui" not in arguments:
        demo_folder.record(HOME)
    show_next(on_stack=on_stack)
    console.print(f"\n[bold green]Done[/] in {time.monotonic() - began:.0f} s.")
    return 0


def fresh_home(folder: Path) -> bool:
    """Create the folder of a demo, and return whether no other demo uses it."""
    try:
        demo_folder.check_unused(folder)
    except RuntimeError as error:
        console.print(f"[bold red]✗[/] {escape(str(error))}", soft_wrap=True)
        return False
    down(folder / STACK.name)
    if (moved := demo_folder.recreate(folder)) is not None:
        console.print(
            f"[yellow]![/] {folder.name} was used since the last demo: it is kept as"
            f" {escape(str(moved))}\n",
            soft_wrap=True,
        )
    return True


def wait_for_people(airflow: LocalAirflow, *, on_stack: bool) -> None:
    """Print where the page is, and return at Ctrl-C.

    The keys of the stack are in no file; a command prints them.
    """
    lines = (
        f"{airflow.url}/plugin/batch-history",
        f"user {USER}, password {PASSWORD}",
        f". {shlex.quote(str(airflow.home / 'environment'))}"
        "  # points airflow and sfx of another shell here",
        *([keys_of_stack()] if on_stack else []),
    )
    console.print(
        "\nAirflow keeps running; the histories of all batches are under Browse, Batch history:\n"
    )
    for line in lines:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print("\nCtrl-C ends it.")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


def start_stack() -> Mapping[str, str]:
    """Start the S3 server and the Hive Metastore.

    Returns:
        The environment that names them.
    """
    with timed("S3 and the Hive Metastore start"):
        return up(STACK).environment()


def copy_dags() -> None:
    """Copy the examples that need only Airflow into the demo's DAG folder."""
    (HOME / "dags").mkdir()
    for name in (*DAGS, "flights_of_2013"):
        shutil.copy(REPO / "dags_examples" / f"{name}.py", HOME / "dags")
    shutil.copy(REPO / "dags_examples" / ".airflowignore", HOME / "dags")


@contextlib.contextmanager
def started_airflow() -> Iterator[LocalAirflow]:
    """Run the demo's Airflow until the block ends."""
    with contextlib.ExitStack() as stack:
        with timed("Airflow starts: scheduler, triggerer, DAG processor, API server"):
            running = stack.enter_context(
                local_airflow(HOME / "airflow", HOME / "dags", dict(os.environ))
            )
            running.ready("nightly_flights")
        yield running


def run_nights(airflow: LocalAirflow) -> None:
    """Run three nights, a late correction, and a mistaken one that is undone."""
    runs = {
        night: run_night(airflow, night, "the nightly ETL runs on the scheduler")
        for night in NIGHTS
    }
    corrected, mistaken = NIGHTS[1], NIGHTS[2]
    backfill(
        airflow,
        corrected,
        runs[corrected],
        "a late correction, by a backfill: UA was 10 minutes later",
        {"UA": 10},
    )
    wrong = {"correction": {"UA": 1000}}
    run_id = run_night(
        airflow,
        f"{mistaken}T12:00:00Z",
        "a mistaken correction: 1,000 minutes instead of 10",
        conf=wrong,
    )
    undone = sfx.rollback_run(
        dag_id="nightly_flights", run_id=run_id, reason="the correction was wrong"
    )
    tables = ", ".join(one.table for one in undone)
    console.print(f"[green]✓[/] {mistaken}: that run is undone as one, in {tables}\n")


def run_night(
    airflow: LocalAirflow, night: str, what: str, *, conf: Mapping[str, object] | None = None
) -> str:
    """Run the DAG for one logical date and return the run's ID."""
    with timed(f"{night[:10]}: {what}"):
        return airflow.succeed("nightly_flights", night, conf=conf)


def backfill(
    airflow: LocalAirflow, night: str, run_id: str, what: str, correction: Mapping[str, int]
) -> None:
    """Rerun a night by a backfill that corrects a carrier's delays."""
    again = (
        "--reprocess-behavior",
        "completed",
        "--dag-run-conf",
        json.dumps({"correction": correction}),
    )
    with timed(f"{night}: {what}"):
        span = ("--from-date", night, "--to-date", night)
        airflow.command("backfill", "create", "--dag-id", "nightly_flights", *span, *again)
        airflow.succeeded("nightly_flights", run_id)


@contextlib.contextmanager
def timed(what: str) -> Iterator[None]:
    """Show progress, and the seconds it took."""
    began = time.monotonic()
    with console.status(f"{what} …"):
        yield
    console.print(f"[green]✓[/] {what} [dim]{time.monotonic() - began:.0f} s[/]")


def show_history() -> None:
    """Print the history of each night's partition of the last table."""
    table = Table(
        "partition",
        "version",
        "what",
        "batch",
        "before",
        "why",
        title="What happened to nyc.carrier_delays",
    )
    for night in NIGHTS:
        for entry in sfx.history("nyc", "carrier_delays", [partition(night)]):
            number, what = str(entry.version), entry.operation.value
            table.add_row(
                entry.partition,
                number,
                what,
                entry.batch_id or "–",
                entry.previous or "–",
                entry.reason,
            )
        table.add_section()
    console.print(table)


def show_inputs(night: str) -> None:
    """Print which batches each task of a night read and wrote.

    The first run and the corrected run are both shown.
    """
    table = Table(
        "task", "wrote", "from exactly", title=f"Which batches each task of {night} read and wrote"
    )
    for name in TABLES:
        current = sfx.pin("nyc", name, [partition(night)])
        for entry in sfx.history("nyc", name, [partition(night)]):
            batch = replace(current, entries=((entry.partition, entry.batch_id or ""),))
            (manifest,) = sfx.manifests(batch)
            inputs = "\n".join(f"{pin.table}@{pin.batch_id}" for pin in manifest.inputs)
            table.add_row(
                manifest.producer.task_id or "",
                f"{name}@{manifest.batch_id}",
                inputs or "the source",
            )
        table.add_section()
    console.print(table)


def show_delays(carrier: str) -> None:
    """Print one carrier's numbers in every batch, and mark the current ones."""
    table = Table(
        "night",
        "batch",
        "flights",
        "cancelled",
        "mean delay",
        "",
        title=f"{carrier}, before and after",
    )
    for night in NIGHTS:
        entries = sfx.history("nyc", "carrier_delays", [partition(night)])
        current = entries[0].batch_id
        for batch_id in sorted({entry.batch_id for entry in entries if entry.batch_id}):
            delays = sfx.load_dataframe(
                "nyc", "carrier_delays", [partition(night)], batch_id=batch_id
            )
            row = delays.set_index("carrier").loc[carrier]
            numbers = (
                f"{row['flights']:.0f}",
                f"{row['cancelled']:.0f}",
                f"{row['mean_delay']:.1f} min",
            )
            table.add_row(night, batch_id, *numbers, "current" if batch_id == current else "")
        table.add_section()
    console.print(table)


def show_next(*, on_stack: bool) -> None:
    """Print commands to try next in a shell; they contain no keys of the stack."""
    python, sfx_ = (str(Path(sys.executable).parent / name) for name in ("python", "sfx"))
    load = "sfx.load_dataframe('nyc', 'carrier_delays', ['20130102'])"
    look = f"import airflow_sfx as sfx; print({load})"
    lines = (
        *(
            []
            if on_stack
            else [f"export {name}={shlex.quote(text)}" for name, text in FILES.items()]
        ),
        *([keys_of_stack()] if on_stack else []),
        f"{shlex.quote(sfx_)} history nyc.carrier_delays 20130102",
        f"{shlex.quote(sfx_)} diff nyc.flights 20130102",
        f'{shlex.quote(python)} -c "{look}"',
        f"{shlex.quote(python)} -m dags_examples.local_airflow .demo/airflow .demo/dags",
    )
    console.print(
        "\nCommands to try next in this folder (the last one restarts this Airflow with its UI):\n"
    )
    for line in lines:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print("\nA model that gets worse, and why: make demo MODEL=1 (docs/tutorial-models.md)")
    if on_stack:
        console.print("\nS3 and the Hive Metastore keep running; this stops them:\n")
        console.print(f"  {stack_command('down')}", markup=False, soft_wrap=True)


def keys_of_stack() -> str:
    """Return the command that gives a shell access to the stack."""
    return f'eval "$({stack_command("up")})"'


def stack_command(what: str) -> str:
    """Return a command of the stack, for a shell."""
    sfx_ = shlex.quote(str(Path(sys.executable).parent / "sfx"))
    return f"{sfx_} stack {what} --dir {shlex.quote(str(STACK))}"


def partition(night: str) -> str:
    """Return the partition of a logical date: ``20130101`` for ``2013-01-01``."""
    return night.replace("-", "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

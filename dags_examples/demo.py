"""``make demo``: three nights of real flights through Airflow; one is corrected, one correction is undone.

Everything lies in the folder ``.demo`` of the repository, which each run makes anew: an Airflow of its own (SQLite)
and a warehouse of files. No service is needed. With ``--stack`` (``make demo STACK=1``) the warehouse is S3 and a Hive
Metastore, real ones that are started from Python packages and go on running.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

import airflow_sfx as sfx
from airflow_sfx.stack import down, up

REPO = Path(__file__).resolve().parent.parent
HOME = REPO / ".demo"
LOG = HOME / "airflow.log"
SETTINGS = {
    "AIRFLOW_HOME": str(HOME / "airflow"),
    "AIRFLOW__CORE__DAGS_FOLDER": str(REPO / "dags_examples"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
}
FILES = {"SFX_WAREHOUSE": f"embedded://{HOME / 'warehouse'}"}
STACK = HOME / "stack"
NIGHTS = ("2013-01-01", "2013-01-02", "2013-01-03")
TABLES = ("flights", "weather", "flights_weather", "carrier_delays")
TAIL_LINES = 40
LONGEST_SECONDS = 300

console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=110)


def main(arguments: Sequence[str]) -> int:
    """Run the demo.

    Args:
        arguments: ``--stack`` for a warehouse on S3 and a Hive Metastore.

    Returns:
        The exit status: 0 when everything worked.
    """
    on_stack = "--stack" in arguments
    began = time.monotonic()
    down(STACK)
    shutil.rmtree(HOME, ignore_errors=True)
    (HOME / "airflow").mkdir(parents=True)
    console.print(f"Airflow's own log goes to {LOG.relative_to(REPO)}\n")
    for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "SFX_"))]:
        del os.environ[name]
    os.environ.update(SETTINGS | (start_stack() if on_stack else FILES))
    airflow("Airflow sets up its database", "db", "migrate")
    for night in NIGHTS:
        run_night(night, "the nightly ETL runs through Airflow")
    corrected, mistaken = NIGHTS[1], NIGHTS[2]
    run_night(corrected, "a late correction: UA was 10 minutes later", {"UA": 10})
    run_night(mistaken, "a mistaken correction: 1,000 minutes instead of 10", {"UA": 1000})
    undo_last_run(mistaken)
    show_history()
    show_inputs(corrected)
    show_delays("UA")
    show_next(on_stack=on_stack)
    console.print(f"\n[bold green]Done[/] in {time.monotonic() - began:.0f} s.")
    return 0


def start_stack() -> Mapping[str, str]:
    """Start the S3 server and the Hive Metastore.

    Returns:
        The environment that names them.
    """
    began = time.monotonic()
    with console.status("S3 and the Hive Metastore start …"):
        running = up(STACK)
    console.print(f"[green]✓[/] S3 and the Hive Metastore started [dim]{time.monotonic() - began:.0f} s[/]")
    return running.environment()


def airflow(what: str, *arguments: str) -> None:
    """Run an ``airflow`` command in the demo's own environment; end the demo if it fails.

    Args:
        what: What happens, for people.
        arguments: The command's arguments.
    """
    command = [sys.executable, "-P", "-m", "airflow", *arguments]
    began = time.monotonic()
    with LOG.open("ab") as log, console.status(f"{what} …"):
        done = subprocess.run(
            command,
            cwd=REPO,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    if done.returncode != 0:
        console.print(f"[bold red]✗[/] {what}: [bold]airflow {shlex.join(arguments)}[/] failed. The log ends with:\n")
        tail = LOG.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        console.print("\n".join(tail), markup=False, soft_wrap=True)
        sys.exit(1)
    console.print(f"[green]✓[/] {what} [dim]{time.monotonic() - began:.0f} s[/]")


def run_night(night: str, what: str, correction: Mapping[str, int] | None = None) -> None:
    """Run the DAG for one logical date, perhaps with a correction."""
    conf = ["--conf", json.dumps({"correction": correction})] if correction else []
    airflow(f"{night}: {what}", "dags", "test", *conf, "nightly_flights", night)


def undo_last_run(night: str) -> None:
    """Roll back everything that the newest run wrote into a night's partitions, in all tables, as one."""
    run = sfx.history("nyc", "carrier_delays", [partition(night)], limit=1)[0].producer
    undone = sfx.rollback_run(dag_id=run.dag_id or "", run_id=run.run_id or "", reason="the correction was wrong")
    console.print(f"[green]✓[/] {night}: that run is undone as one, in {', '.join(one.table for one in undone)}\n")


def show_history() -> None:
    """Print what happened to each night's partition of the last table."""
    table = Table("partition", "#", "what", "batch", "before", "why", title="What happened to nyc.carrier_delays")
    for night in NIGHTS:
        for entry in sfx.history("nyc", "carrier_delays", [partition(night)]):
            number, what = str(entry.sequence), entry.operation.value
            table.add_row(entry.partition, number, what, entry.batch_id or "–", entry.previous or "–", entry.reason)
        table.add_section()
    console.print(table)


def show_inputs(night: str) -> None:
    """Print exactly which batches each task read, for the first and the corrected run of a night."""
    table = Table("task", "wrote", "from exactly", title=f"Which batches each task of {night} read and wrote")
    for name in TABLES:
        current = sfx.pin("nyc", name, [partition(night)])
        for entry in sfx.history("nyc", name, [partition(night)]):
            batch = replace(current, entries=((entry.partition, entry.batch_id or ""),))
            (manifest,) = sfx.manifests(batch)
            inputs = "\n".join(f"{pin.table}@{pin.batch_id}" for pin in manifest.inputs)
            table.add_row(manifest.producer.task_id or "", f"{name}@{manifest.batch_id}", inputs or "the source")
        table.add_section()
    console.print(table)


def show_delays(carrier: str) -> None:
    """Print one carrier's numbers in every batch that there was; the current ones are marked."""
    table = Table("night", "batch", "flights", "cancelled", "mean delay", "", title=f"{carrier}, before and after")
    for night in NIGHTS:
        entries = sfx.history("nyc", "carrier_delays", [partition(night)])
        current = entries[0].batch_id
        for batch_id in sorted({entry.batch_id for entry in entries if entry.batch_id}):
            delays = sfx.load_dataframe("nyc", "carrier_delays", [partition(night)], batch_id=batch_id)
            row = delays.set_index("carrier").loc[carrier]
            numbers = (f"{row['flights']:.0f}", f"{row['cancelled']:.0f}", f"{row['mean_delay']:.1f} min")
            table.add_row(night, batch_id, *numbers, "current" if batch_id == current else "")
        table.add_section()
    console.print(table)


def show_next(*, on_stack: bool) -> None:
    """Print what to try next, to be copied into a shell; the keys of the stack are not among it."""
    python, airflow_, sfx_ = (str(Path(sys.executable).parent / name) for name in ("python", "airflow", "sfx"))
    look = "import airflow_sfx as sfx; print(sfx.load_dataframe('nyc', 'carrier_delays', ['20130102']))"
    stack = f"{shlex.quote(sfx_)} stack {{}} --dir {shlex.quote(str(STACK))}"
    lines = (
        *(f"export {name}={shlex.quote(text)}" for name, text in (SETTINGS if on_stack else SETTINGS | FILES).items()),
        *([f'eval "$({stack.format("up")})"'] if on_stack else []),
        f"{shlex.quote(sfx_)} history nyc.carrier_delays 20130102",
        f"{shlex.quote(sfx_)} diff nyc.flights 20130102",
        f'{shlex.quote(python)} -c "{look}"',
        f"{shlex.quote(airflow_)} dags test nightly_flights 2013-01-04",
        f"{shlex.quote(airflow_)} standalone",
    )
    console.print("\nWhat to try next (the last one is Airflow with its UI on http://localhost:8080):\n")
    for line in lines:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    if on_stack:
        console.print("\nS3 and the Hive Metastore go on running; this ends them:\n")
        console.print(f"  {stack.format('down')}", markup=False, soft_wrap=True)


def partition(night: str) -> str:
    """The partition of a logical date: ``20130101`` for ``2013-01-01``."""
    return night.replace("-", "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The shop in the browser: ``make demo SHOP=1``.

An Airflow in the folder ``.demo-shop`` loads ten nights, of which two are bad, and keeps running
until Ctrl-C: README.md beside this file continues from there.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import time
from pathlib import Path

from rich.table import Table

import airflow_sfx as sfx
from dags_examples.demo import REPO, console, fresh_home, timed
from dags_examples.local import demo_folder
from dags_examples.local_airflow import PASSWORD, USER, LocalAirflow, local_airflow
from dags_examples.shop import nights

HOME = REPO / ".demo-shop"


def main() -> int:
    """Run the ten nights, and wait for Ctrl-C.

    Returns:
        The exit status: 0 when everything worked.
    """
    if not fresh_home(HOME):
        return 1
    began = time.monotonic()
    nights.deliver(HOME)
    outside = {
        name: text for name, text in os.environ.items() if not name.startswith(("AIRFLOW_", "SFX_"))
    }
    try:
        with local_airflow(
            HOME / "airflow", nights.DAGS, outside | nights.settings(HOME)
        ) as airflow:
            with timed("ten nights are loaded, of which a check refuses one"):
                nights.load_nights(airflow)
            with timed("the tenth night is delivered again, with prices in cents"):
                run_id = nights.load_cents(airflow)
            show_casts(sfx.connect(airflow.environment["SFX_WAREHOUSE"]))
            show_next(airflow, run_id, time.monotonic() - began)
            demo_folder.record(HOME)
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    except RuntimeError as error:
        console.print("[bold red]✗[/] the shop failed:\n")
        console.print(str(error), markup=False, soft_wrap=True)
        return 1
    return 0


def show_next(airflow: LocalAirflow, run_id: str, seconds: float) -> None:
    """Print how long it took, and where to go on."""
    console.print(
        f"\nTen nights in {seconds:.0f} s, at a load average of {os.getloadavg()[0]:.1f} on"
        f" {os.cpu_count()} cores.\n\nThe bad morning begins at"
        f" {airflow.url}/plugin/batch-history (user {USER}, password {PASSWORD}), or in another"
        " shell in this folder:\n",
        soft_wrap=True,
    )
    for line in (
        f". {shlex.quote(str(Path(sys.executable).with_name('activate')))}",
        f". {shlex.quote(str(HOME / 'airflow' / 'environment'))}",
        f"export SFX_AIRFLOW_URL={airflow.url} RUN_ID={shlex.quote(run_id)}",
        "sfx night --since 60m",
    ):
        console.print(f"  {line}", markup=False, soft_wrap=True)
    console.print("\ndags_examples/shop/README.md continues. Ctrl-C ends it.")
    sys.stdout.flush()


def show_casts(warehouse: sfx.Warehouse) -> None:
    """Print which columns of which nights pandas read as other types than the tables have."""
    table = Table("night", "column", "in the CSV", "in the table", title="Numbers as they came")
    for name in ("orders", "items", "sales"):
        pin = warehouse.pin("shop", name)
        types = {one.name: one.type for one in warehouse.show("shop", name).columns}
        for manifest in warehouse.manifests(pin):
            for column, kind in manifest.fit.casts.items():
                table.add_row(manifest.partition, f"{name}.{column}", kind, types[column])
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())

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

from dags_examples import demo_folder
from dags_examples.demo import REPO, console, fresh_home, timed
from dags_examples.local_airflow import PASSWORD, USER, local_airflow
from dags_examples.shop import nights

HOME = REPO / ".demo-shop"


def main() -> int:
    """Run the ten nights, and wait for Ctrl-C.

    Returns:
        The exit status: 0 when everything worked.
    """
    if not fresh_home(HOME):
        return 1
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
            with timed("two nights are delivered again, one of them with prices in cents"):
                run_id = nights.load_again(airflow)
            demo_folder.record(HOME)
            console.print("\nThe bad morning begins:\n")
            for line in (
                f"{airflow.url}/plugin/batch-history",
                f"user {USER}, password {PASSWORD}",
                f". {shlex.quote(str(HOME / 'airflow' / 'environment'))}",
                f"export SFX_AIRFLOW_URL={airflow.url} RUN_ID={shlex.quote(run_id)}",
                "sfx night --since 60m",
            ):
                console.print(f"  {line}", markup=False, soft_wrap=True)
            console.print("\nCtrl-C ends it.")
            sys.stdout.flush()
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    except RuntimeError as error:
        console.print("[bold red]✗[/] the shop failed:\n")
        console.print(str(error), markup=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Ten nights of the shop on an Airflow: what the example and its test run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dags_examples.shop.csvs import AGAIN, CENTS, CSVS, NIGHTS, REFUSED, write_csvs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dags_examples.local_airflow import LocalAirflow

NIGHTLY, REPORT = "nightly_shop", "daily_report"
DAGS = Path(__file__).parent
SECONDS = 600.0


def settings(home: Path) -> Mapping[str, str]:
    """Return the variables that the DAGs need, for an Airflow in a folder."""
    return {"SFX_WAREHOUSE": f"embedded://{home / 'warehouse'}", CSVS: str(home / "csvs")}


def deliver(home: Path) -> None:
    """Write the CSVs of all nights to the folder that `settings` names."""
    write_csvs(home / "csvs")


def load_nights(airflow: LocalAirflow) -> None:
    """Load the first delivery of ten nights by a backfill; a check refuses one of them."""
    airflow.ready(NIGHTLY, REPORT)
    span = ("--from-date", NIGHTS[0], "--to-date", NIGHTS[-1], "--max-active-runs", "4")
    airflow.command("backfill", "create", "--dag-id", NIGHTLY, *span)
    states = _ended(airflow, NIGHTLY, len(NIGHTS))
    refused = [night for night, state in states.items() if state == "failed"]
    if refused != [REFUSED]:
        raise RuntimeError(f"the nights {refused} failed, not {REFUSED}: see {airflow.log}")
    _ended(airflow, REPORT, len(NIGHTS) - 1)


def load_again(airflow: LocalAirflow) -> str:
    """Load the second deliveries: one is right, one has cents where euros are meant.

    Returns:
        The ID of the run that loaded the cents.
    """
    for night in (REFUSED, CENTS):
        run_id = airflow.succeed(NIGHTLY, f"{night}T12:00:00Z", conf={"delivery": AGAIN})
    _ended(airflow, REPORT, len(NIGHTS) + 1)
    return run_id


def partition(night: str) -> str:
    """Return the partition of a night: ``20261109`` for ``2026-11-09``."""
    return night.replace("-", "")


def _ended(airflow: LocalAirflow, dag_id: str, runs: int) -> dict[str, str]:
    """Wait until a DAG has had a number of runs, and return the state of each night's run."""
    states: dict[str, str] = {}

    def ended() -> bool:
        found = airflow.get(f"dags/{dag_id}/dagRuns", limit=100)["dag_runs"]
        states.update({str(run["logical_date"])[:10]: run["state"] for run in found})
        return len([run for run in found if run["state"] in ("success", "failed")]) == runs

    airflow.until(ended, f"{runs} runs of {dag_id} have ended", seconds=SECONDS)
    return states

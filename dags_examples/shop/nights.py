"""Ten nights of the shop on an Airflow: what the example and its test run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dags_examples.local_airflow import FINISHED
from dags_examples.shop.csvs import CENTS, CSVS, NIGHTS, REFUSED, write_delivery

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
    """Write the first CSVs of all nights to the folder that `settings` names."""
    for night in NIGHTS:
        write_delivery(home / "csvs", night)


def load_nights(airflow: LocalAirflow) -> None:
    """Load the first delivery of ten nights by a backfill; a check refuses one of them."""
    airflow.ready(NIGHTLY, REPORT)
    span = ("--from-date", NIGHTS[0], "--to-date", NIGHTS[-1], "--max-active-runs", "4")
    airflow.command("backfill", "create", "--dag-id", NIGHTLY, *span)
    _wait(airflow, NIGHTLY, len(NIGHTS))
    refused = [night for night, run in _by_night(airflow).items() if run["state"] == "failed"]
    if refused != [REFUSED]:
        raise RuntimeError(f"the nights {refused} failed, not {REFUSED}: see {airflow.log}")
    _wait(airflow, REPORT, len(NIGHTS) - 1)


def load_cents(airflow: LocalAirflow) -> str:
    """Load the second delivery of the last night, with cents where euros are meant.

    Returns:
        The ID of the run. It ran twice.
    """
    write_delivery(Path(airflow.environment[CSVS]), CENTS)
    return run_again(airflow, CENTS)


def run_again(airflow: LocalAirflow, night: str) -> str:
    """Clear a night's orders and sales, and wait until they and the report are made again.

    Returns:
        The ID of the run.
    """
    reports = _ended(airflow, REPORT)
    run_id = str(_by_night(airflow)[night]["dag_run_id"])
    airflow.clear(NIGHTLY, run_id, ["orders"], downstream=True)
    airflow.succeeded(NIGHTLY, run_id)
    _wait(airflow, REPORT, reports + 1)
    return run_id


def partition(night: str) -> str:
    """Return the partition of a night: ``20261109`` for ``2026-11-09``."""
    return night.replace("-", "")


def _runs(airflow: LocalAirflow, dag_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = airflow.get(f"dags/{dag_id}/dagRuns", limit=100)["dag_runs"]
    return found


def _by_night(airflow: LocalAirflow) -> dict[str, dict[str, Any]]:
    return {run["logical_date"][:10]: run for run in _runs(airflow, NIGHTLY)}


def _ended(airflow: LocalAirflow, dag_id: str) -> int:
    return len([run for run in _runs(airflow, dag_id) if run["state"] in FINISHED])


def _wait(airflow: LocalAirflow, dag_id: str, runs: int) -> None:
    """Wait until a number of runs of a DAG have ended."""
    what = f"{runs} runs of {dag_id} have ended"
    airflow.until(lambda: _ended(airflow, dag_id) >= runs, what, seconds=SECONDS)

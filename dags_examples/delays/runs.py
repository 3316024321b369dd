"""The runs of the delay model on an Airflow: what the demo and its test do."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dags_examples.delays.nights import BEFORE, NIGHT

if TYPE_CHECKING:
    from dags_examples.local_airflow import LocalAirflow

DAG = "delay_model"
EXAMPLES = Path(__file__).parents[1]


def copy_dags(folder: Path) -> None:
    """Copy the DAG, and what it imports, into an empty DAG folder."""
    (folder / "delays").mkdir(parents=True)
    for name in (f"{DAG}.py", "flights_of_2013.py", ".airflowignore", "delays/training.py"):
        shutil.copy(EXAMPLES / name, folder / name)


def good_night(airflow: LocalAirflow) -> str:
    """Train, promote and score with the weather as it was, and return the run's ID."""
    return airflow.succeed(DAG, NIGHT)


def wrong_night(airflow: LocalAirflow) -> str:
    """Run the night again with the weather of the night before, and another parameter.

    Returns:
        The run's ID. All of its tasks succeeded but the alarm.

    Raises:
        RuntimeError: The alarm was not given, or another task failed.
    """
    run_id = airflow.trigger(DAG, f"{NIGHT}T12:00:00Z", conf={"weather_of": BEFORE, "C": 0.5})
    airflow.finish(DAG, run_id)
    failed = failed_tasks(airflow, run_id)
    if failed != ["alarm"]:
        raise RuntimeError(f"of {run_id}, {failed} failed, not the alarm alone: see {airflow.log}")
    return run_id


def failed_tasks(airflow: LocalAirflow, run_id: str) -> Sequence[str]:
    """Return the tasks of a run that failed."""
    tasks = airflow.tasks(DAG, run_id)
    return sorted(one["task_id"] for one in tasks if one["state"] in ("failed", "upstream_failed"))

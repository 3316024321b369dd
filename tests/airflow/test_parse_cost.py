"""The cost of the package in a DAG file, measured by imports, not by a clock."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "pandas",
    "polars",
    "pyarrow",
    "numpy",
    "obstore",
    "boto3",
    "pyspark",
    "rich",
    "typer",
    "tenacity",
    "fastapi",
    "hmsclient",
}
BESIDE = (
    "import json, sys; from airflow.sdk import DAG, dag, task, Param; task.python; "
    "before = set(sys.modules); "
)
TELL = "; print(json.dumps([sorted(before), sorted(set(sys.modules) - before)]))"


def imported(airflow, statement):
    done = subprocess.run(
        [sys.executable, "-P", "-c", BESIDE + statement + TELL],
        env=airflow.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    before, more = json.loads(done.stdout.splitlines()[-1])
    return set(before), set(more)


@pytest.mark.parametrize(
    "statement",
    [
        "task.batch",
        "import airflow_sfx.decorators.batch",
        "task.model; from airflow_sfx.operators import PromoteModelOperator, ScoreBatchOperator;"
        " from airflow_sfx.assets import model_asset",
        "import airflow_sfx.hooks.sfx, airflow_sfx.hooks.task_context",
        "import airflow_sfx.plugin.plugin as plugin; plugin.SfxPlugin.on_load()",
        "from airflow_sfx.checks import not_null, rows_between, unique",
    ],
)
def test_a_dag_file_imports_nothing_heavy(airflow, statement):
    before, more = imported(airflow, statement)
    assert not HEAVY & (more - before)


def test_the_example_dag_parses_without_loading_a_library_of_frames(airflow):
    path = airflow.dags / "nightly_flights.py"
    before, more = imported(
        airflow,
        f"import runpy; sys.path.append({str(path.parent)!r}); runpy.run_path({str(path)!r})",
    )
    assert not HEAVY & (more - before)
    ours = {name for name in more if name.startswith("airflow_sfx")}
    assert not {
        name for name in ours if name.startswith(("airflow_sfx.frames", "airflow_sfx.storage"))
    }
    # Rooms are not counted: their `__init__.py` are empty, and how many there are is no cost.
    modules = {name for name in ours if not any(other.startswith(name + ".") for other in ours)}
    assert len(modules) < 25, sorted(modules)

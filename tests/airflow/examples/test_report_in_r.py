"""The example in R, as a task of a plain BashOperator."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

import airflow_sfx as sfx
from tests.r.conftest import install

REPO = Path(__file__).resolve().parents[3]


@pytest.fixture
def flights(airflow) -> sfx.BatchPin:
    """A day of flights, and the script that the DAGs run."""
    shutil.copy(REPO / "dags_examples/jobs/report.R", airflow.dags / "jobs")
    rows = pd.DataFrame(
        {
            "carrier": ["UA", "UA", "UA", "AA"],
            "distance": [100, 200, 300, 400],
            "dep_delay": [1.0, 2.0, None, 9.0],
        }
    )
    return airflow.warehouse.store_dataframe(
        rows, "nyc", "flights", ["20140101"], partition_keys=["date"], evolve="any"
    )


def check_report(found: pd.DataFrame) -> None:
    assert found["carrier"].tolist() == ["AA", "UA"]
    assert found["delay"].tolist() == [9.0, 1.5]
    assert found["per_mile"].round(9).tolist()[1] == 0.01


def test_a_script_in_r_reads_a_pin_and_is_recorded_as_the_task(
    airflow, flights: sfx.BatchPin
) -> None:
    install(Path(airflow.environment["R_LIBS"]))
    run = airflow.succeed("report_in_r", conf={"day": "20140101"})
    pin = airflow.warehouse.pin("nyc", "report_in_r", ["20140101"])
    assert sfx.BatchPin.from_json(run.xcoms["report"]) == pin
    assert run.xcoms["slowest"] == "AA"
    check_report(airflow.warehouse.load_dataframe(pin))
    producer = airflow.warehouse.history("nyc", "report_in_r", ["20140101"])[0].producer
    assert (producer.dag_id, producer.run_id, producer.task_id, producer.try_number) == (
        "report_in_r",
        run.run_id,
        "report",
        1,
    )
    (manifest,) = airflow.warehouse.manifests(pin)
    assert manifest.inputs == (flights,)


def test_the_script_runs_in_a_container_with_r(
    airflow, flights: sfx.BatchPin, lab_image: str
) -> None:
    conf = {"day": "20140101", "image": lab_image}
    run = airflow.succeed("report_in_a_container", conf=conf)
    pin = airflow.warehouse.pin("nyc", "report_in_a_container", ["20140101"])
    check_report(airflow.warehouse.load_dataframe(pin))
    (manifest,) = airflow.warehouse.manifests(pin)
    assert manifest.inputs == (flights,)
    assert (manifest.producer.run_id, manifest.producer.image) == (run.run_id, lab_image)

"""The example in R, as a task of a plain BashOperator."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

import airflow_sfx as sfx
from tests.r.conftest import install

REPO = Path(__file__).resolve().parents[3]


def test_a_script_in_r_reads_a_pin_and_is_recorded_as_the_task(airflow) -> None:
    install(Path(airflow.environment["R_LIBS"]))
    shutil.copy(REPO / "dags_examples/jobs/report.R", airflow.dags / "jobs")
    flights = pd.DataFrame(
        {
            "carrier": ["UA", "UA", "UA", "AA"],
            "distance": [100, 200, 300, 400],
            "dep_delay": [1.0, 2.0, None, 9.0],
        }
    )
    read = airflow.warehouse.store_dataframe(
        flights, "nyc", "flights", ["20140101"], partition_keys=["date"], evolve="any"
    )
    run = airflow.succeed("report_in_r", conf={"day": "20140101"})
    pin = airflow.warehouse.pin("nyc", "report_in_r", ["20140101"])
    assert sfx.BatchPin.from_json(run.xcoms["report"]) == pin
    assert run.xcoms["slowest"] == "AA"
    found = airflow.warehouse.load_dataframe(pin)
    assert found["carrier"].tolist() == ["AA", "UA"]
    assert found["delay"].tolist() == [9.0, 1.5]
    assert found["per_mile"].round(9).tolist()[1] == 0.01
    producer = airflow.warehouse.history("nyc", "report_in_r", ["20140101"])[0].producer
    assert (producer.dag_id, producer.run_id, producer.task_id, producer.try_number) == (
        "report_in_r",
        run.run_id,
        "report",
        1,
    )
    (manifest,) = airflow.warehouse.manifests(pin)
    assert manifest.inputs == (read,)

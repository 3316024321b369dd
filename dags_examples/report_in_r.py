"""An R script as a task: it reads exactly the pinned batch, and its XCom is the pin of its own.

The worker needs R with the package `sfx`, see docs/r.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Param, dag, task

from airflow_sfx.operators import PinBatchesOperator

SCRIPT = Path(__file__).parent / "jobs/report.R"


@dag(
    schedule=None,
    params={"day": Param("20130101", type="string", description="The partition of nyc.flights")},
    tags=["sfx", "example"],
)
def report_in_r():
    """Fit how delays grow with the distance, in R, and read the result in Python."""
    flights = PinBatchesOperator(
        task_id="flights", table="nyc.flights", partitions=["{{ params.day }}"]
    )
    report = BashOperator(
        task_id="report",
        bash_command=f"Rscript {SCRIPT}",
        env={
            "FLIGHTS": "{{ ti.xcom_pull(task_ids='flights').to_json() }}",
            "DAY": "{{ params.day }}",
            "SFX_BIN": str(Path(sys.executable).parent / "sfx"),
        },
        append_env=True,
    )

    @task
    def slowest(pin: str) -> str:
        import airflow_sfx as sfx

        found = sfx.load_dataframe(sfx.BatchPin.from_json(pin))
        return str(found.sort_values("delay")["carrier"].iloc[-1])

    flights >> report
    slowest(report.output)


report_in_r()

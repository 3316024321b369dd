"""An R script as a task: it reads exactly the pinned batch, and its XCom is the pin of its own.

In the first DAG it is a process of the worker, which needs R with the package `sfx`, see docs/r.md;
in the second one it runs in a container, whose image has them, and the worker needs Docker.
"""

from __future__ import annotations

import sys
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import Param, dag, task

from airflow_sfx.operators import ContainerBatchOperator, PinBatchesOperator

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


@dag(
    schedule=None,
    params={
        "day": Param("20130101", type="string", description="The partition of nyc.flights"),
        "image": Param("sfx-lab:latest", type="string", description="`make images` builds it"),
    },
    tags=["sfx", "example"],
)
def report_in_a_container():
    """Run the same script in a container with R, which writes nyc.report_in_a_container."""
    flights = PinBatchesOperator(
        task_id="flights", table="nyc.flights", partitions=["{{ params.day }}"]
    )
    ContainerBatchOperator(
        task_id="report",
        table="nyc.report_in_a_container",
        partitions=["{{ params.day }}"],
        partition_keys=["date"],
        inputs={"flights": flights.output},
        image="{{ params.image }}",
        command=["Rscript", "/jobs/report.R"],
        runner_options={"volumes": [f"{SCRIPT.parent}:/jobs:ro"]},
        memory="1g",
    )


report_in_r()
report_in_a_container()

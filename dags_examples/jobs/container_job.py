"""A function and a command that run in containers, each on exactly the pinned batch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk import Param, dag, task

from airflow_sfx.operators import ContainerBatchOperator, PinBatchesOperator

if TYPE_CHECKING:
    import pandas as pd

JOBS = Path(__file__).parent


@dag(
    schedule=None,
    params={
        "day": Param("20130101", type="string", description="The partition of nyc.flights"),
        "image": Param("sfx-core:latest", type="string", description="`make images` builds it"),
    },
    tags=["sfx", "example"],
)
def container_job():
    """Count late flights of carriers and flights to destinations; needs a Docker daemon."""
    flights = PinBatchesOperator(
        task_id="flights", table="nyc.flights", partitions=["{{ params.day }}"]
    )

    @task.batch_container(
        table="nyc.late_carriers",
        partitions=["{{ params.day }}"],
        partition_keys=["date"],
        image="{{ params.image }}",
        memory="auto",
    )
    def late_carriers(flights: pd.DataFrame, minutes: int) -> pd.DataFrame:
        late = flights[flights["dep_delay"] >= minutes]
        return late.groupby("carrier", as_index=False).agg(flights=("flight", "count"))

    late_carriers(flights.output, minutes=15)

    ContainerBatchOperator(
        task_id="destinations",
        table="nyc.destinations",
        partitions=["{{ params.day }}"],
        partition_keys=["date"],
        inputs={"flights": flights.output},
        parameters={"least": 10},
        image="{{ params.image }}",
        command=["python", "/jobs/destinations.py"],
        runner_options={"volumes": [f"{JOBS}:/jobs:ro"]},
        memory="1g",
    )


container_job()

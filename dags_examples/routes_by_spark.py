"""A Spark job between two pins: it reads exactly the pinned batch, and what it wrote is published if it succeeds."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import Param, dag

from airflow_sfx.operators import PinBatchesOperator, SparkBatchOperator


@dag(
    schedule=None,
    params={"day": Param("20130101", type="string", description="The partition of nyc.flights")},
    tags=["sfx", "example"],
)
def routes_by_spark():
    """Needs a connection `spark_local` of the type spark, such as `spark://local[2]`, and the extra `spark`."""
    flights = PinBatchesOperator(
        task_id="flights", table="nyc.flights", partitions=["{{ params.day }}"]
    )
    SparkBatchOperator(
        task_id="routes",
        table="nyc.routes",
        partitions=["{{ params.day }}"],
        partition_keys=["date"],
        inputs={"flights": flights.output},
        application=str(Path(__file__).parent / "jobs" / "routes.py"),
        conn_id="spark_local",
    )


routes_by_spark()

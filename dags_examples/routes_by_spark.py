"""A Spark job that reads exactly the pinned batch.

Its output is published if the job succeeds.
"""

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
    """Count routes by Spark; needs the extra `spark` and a connection `spark_local`.

    The connection's type is spark, and its host is for example `spark://local[2]`.
    """
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

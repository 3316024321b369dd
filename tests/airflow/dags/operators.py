"""DAGs that the tests of the operators run."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk import Param, dag, task

import airflow_sfx as sfx
from airflow_sfx.operators import (
    CompactOperator,
    PinBatchesOperator,
    PublishBatchOperator,
    RetainBatchesOperator,
    RollbackBatchOperator,
    SparkBatchOperator,
    StoreBatchOperator,
    VerifyBatchOperator,
)

if TYPE_CHECKING:
    import pandas as pd

JOBS = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]) / "jobs"


def frame_of(*numbers):
    import pandas as pd

    return pd.DataFrame({"n": numbers})


def total_of(frame: pd.DataFrame, factor: int):
    return frame_of(int(frame["n"].sum()) * factor)


@dag(schedule=None)
def given_up():
    """Two nights, the first without a pin, and a staged batch: listed, expired, deleted."""
    first, second, staged = (
        StoreBatchOperator(
            task_id=f"store_{number}",
            python_callable=frame_of,
            op_args=[number],
            table="kept.numbers",
            partitions=[],
            publish=number != 3,
        )
        for number in (1, 2, 3)
    )
    rule = {
        "table": "kept.numbers",
        "keep_last": 1,
        "older_than": timedelta(0),
        "staged_older_than": timedelta(0),
        "grace": timedelta(0),
    }
    told = RetainBatchesOperator(task_id="told", **rule)
    retired = RetainBatchesOperator(
        task_id="retired", **rule, dry_run=False, reason="by {{ dag.dag_id }}"
    )
    deleted = RetainBatchesOperator(task_id="deleted", **rule, dry_run=False)
    first >> second >> staged >> told >> retired >> deleted


given_up()


@dag(schedule=None)
def windows():
    """Two windows of a stream become one batch."""

    @task
    def consume():
        for after, to in (("", "1"), ("1", "2")):
            consumed = sfx.Consumed("kinesis:clicks", {"0": (after, to)})
            frame = frame_of(int(to)).assign(day="20130101")
            sfx.store_window(frame, "streamed", "numbers", consumed=consumed, partition_by=["day"])

    compact = CompactOperator(
        task_id="compact",
        table="streamed.numbers",
        partitions=["{{ ds_nodash }}"],
        reason="the day {{ ds }} is over",
    )
    consume() >> compact


windows()


@dag(schedule=None)
def classic():
    """Stage, verify and publish; the partition moves on; what was pinned before is read."""
    write = StoreBatchOperator(
        task_id="write",
        python_callable=frame_of,
        op_args=[1, 2, 3],
        table="classic.numbers",
        partitions=["{{ ds_nodash }}"],
        partition_keys=["day"],
        publish=False,
        reason="night of {{ ds }}",
    )
    verify = VerifyBatchOperator(task_id="verify", pin=write.output)
    publish = PublishBatchOperator(task_id="publish", pin=verify.output, reason="verified {{ ds }}")
    pin = PinBatchesOperator(task_id="pin", table="classic.numbers", partitions=["{{ ds_nodash }}"])

    @task
    def move_on():
        sfx.store_dataframe(frame_of(-1), "classic", "numbers", ["20130101"])

    total = StoreBatchOperator(
        task_id="total",
        python_callable=total_of,
        op_kwargs={"frame": pin.output, "factor": 10},
        table="classic.total",
    )
    publish >> pin >> move_on() >> total


@dag(schedule=None, params={"to": Param("", type="string")})
def undo():
    RollbackBatchOperator(
        task_id="undo",
        table="classic.numbers",
        partitions=["20130101"],
        to="{{ params.to }}",
        reason="asked for",
    )


@dag(
    schedule=None,
    params={
        "dag": Param("", type="string"),
        "run": Param("", type="string"),
        "attempt": Param("all", type="string"),
    },
)
def undo_run():
    RollbackBatchOperator(
        task_id="undo",
        dag_id="{{ params.dag }}",
        run_id="{{ params.run }}",
        attempt="{{ params.attempt }}",
        reason="a bad run",
    )


@dag(schedule=None, params={"version": Param(1, type=["integer", "string"])})
def undo_since():
    RollbackBatchOperator(
        task_id="undo", table="since.items", to_version="{{ params.version }}", reason="a bad day"
    )


@dag(schedule=None, params={"write": Param(True, type="boolean")})
def spark_job():
    """Pinned input, a real spark-submit, output published only when the job has succeeded."""

    @task.batch(table="spark.items", partitions=["20130101"], partition_keys=["day"])
    def items() -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame({"item": ["hat", "shoe", "hat"]})

    source = items()

    @task
    def move_on(pin):
        sfx.store_dataframe(sfx.load_dataframe(pin).head(0), pin.database, pin.table, ["20130101"])

    count = SparkBatchOperator(
        task_id="count",
        table="spark.counts",
        partitions=["20130101"],
        partition_keys=["day"],
        inputs={"items": source},
        application=str(JOBS / "count_items.py"),
        application_args=["{{ params.write }}"],
        conn_id="spark_tried",
        reason="counted by Spark",
    )
    move_on(source) >> count


@dag(schedule=None, params={"jar": Param("", type="string")})
def spark_job_in_a_cluster():
    """Run the driver in the cluster, where Spark accepts no Python file, but a runner of one."""
    SparkBatchOperator(
        task_id="count",
        table="spark.tried",
        partitions=[],
        application="{{ params.jar }}",
        java_class="org.apache.spark.deploy.PythonRunner",
        application_args=[str(JOBS / "write_on_second_try.py"), "", "{{ ti.try_number }}"],
        driver_memory="512m",
        conn_id="spark_cluster",
        retries=1,
        retry_delay=timedelta(seconds=0),
    )


classic()
undo()
undo_run()
undo_since()
spark_job()
spark_job_in_a_cluster()

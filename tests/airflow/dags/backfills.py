"""A DAG that the tests backfill: two tables a day."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from airflow.sdk import Param, dag, task

from airflow_sfx.operators import RollbackBatchOperator

if TYPE_CHECKING:
    import pandas as pd


@dag(
    schedule="@daily",
    start_date=datetime(2013, 1, 1),
    end_date=datetime(2013, 3, 1),
    catchup=False,
    max_active_runs=3,
)
def backfilled():
    @task.batch(table="backfilled.items", partition_keys=["day"])
    def items(run_id: str, ti) -> pd.DataFrame:
        import pandas as pd

        # A rerun with other rows makes a new batch.
        return pd.DataFrame({"run": [f"{run_id}, try {ti.try_number}"]})

    @task.batch(table="backfilled.totals", partition_keys=["day"])
    def totals(items: pd.DataFrame) -> pd.DataFrame:
        return items.assign(rows=len(items))

    totals(items())


@dag(schedule=None, params={"number": Param("", type="string")})
def undo_backfilled():
    RollbackBatchOperator(
        task_id="undo", dag_id="backfilled", backfill_id="{{ params.number }}", reason="by a task"
    )


backfilled()
undo_backfilled()

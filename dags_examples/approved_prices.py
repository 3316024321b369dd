"""Write, audit, publish: a person approves a batch before readers see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import dag, task

from airflow_sfx.checks import not_null, rows_between, unique
from airflow_sfx.operators import PublishBatchOperator, VerifyBatchOperator

if TYPE_CHECKING:
    import pandas as pd


@dag(schedule=None, tags=["sfx", "example"])
def approved_prices():
    """Publish after *Approve*; after *Reject* the batch stays staged for inspection."""

    @task.batch(
        table="shop.prices",
        partitions=["20161031"],
        checks=[rows_between(1, 1_000), not_null("item", "price"), unique("item")],
        publish=False,
    )
    def prices() -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame({"item": ["hat", "shoe"], "price": [12.5, 80.0]})

    staged = prices()
    verified = VerifyBatchOperator(task_id="verify", pin=staged)
    approval = ApprovalOperator(
        task_id="approve",
        subject="Publish the prices of {{ ti.xcom_pull(task_ids='prices') }}?",
        body="All checks have passed. The batch is not current before you approve.",
    )
    publish = PublishBatchOperator(
        task_id="publish", pin=verified.output, reason="approved by a person"
    )
    verified >> approval >> publish


approved_prices()

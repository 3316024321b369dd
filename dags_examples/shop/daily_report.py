"""The shop's daily report: a DAG that starts when the sales of a night are published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import PartitionedAssetTimetable, dag, get_current_context, task

import airflow_sfx as sfx
from airflow_sfx.assets import batch_asset, pins_from_events

if TYPE_CHECKING:
    import pandas as pd


@dag(schedule=PartitionedAssetTimetable(assets=batch_asset("shop.sales")), tags=["sfx", "example"])
def daily_report():
    """Report the revenue of a night by country, from exactly the batch that started the run."""

    @task
    def anchor() -> sfx.BatchPin:
        return pins_from_events(get_current_context(), "shop.sales")

    @task.batch(table="shop.report", partition_keys=["day"], reason="the night was published")
    def report(sales: pd.DataFrame) -> pd.DataFrame:
        revenue = sales.groupby("country", as_index=False)[["quantity", "revenue"]].sum()
        return revenue.assign(share=revenue["revenue"] / revenue["revenue"].sum())

    report(anchor())


daily_report()

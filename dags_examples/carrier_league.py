"""A DAG of another team that runs once per publish of `nightly_flights`.

Each run gets exactly the batch that started it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import PartitionedAssetTimetable, dag, task

import airflow_sfx as sfx
from airflow_sfx.assets import batch_asset, pins_from_events

if TYPE_CHECKING:
    import pandas as pd


@dag(
    schedule=PartitionedAssetTimetable(assets=batch_asset("nyc.carrier_delays")),
    tags=["sfx", "example"],
)
def carrier_league():
    """Rank the carriers of a night by delay, in the partition of the event."""

    @task
    def anchor(**context) -> sfx.BatchPin:
        """Return the batch of the event; a later correction starts its own run."""
        return pins_from_events(context, "nyc.carrier_delays")

    @task.batch(table="league.carriers", partition_keys=["date"], reason="the night was published")
    def league(delays: pd.DataFrame) -> pd.DataFrame:
        ranked = delays.sort_values("mean_delay", ignore_index=True)
        return ranked.assign(rank=ranked.index + 1)[["rank", "carrier", "mean_delay"]]

    league(anchor())


carrier_league()

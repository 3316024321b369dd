"""A DAG of another team, anchored to `nightly_flights`: each publish of a night starts it on exactly that batch."""

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
    """The carriers of a night, ordered by how late they were. The partition is the event's."""

    @task
    def anchor(**context) -> sfx.BatchPin:
        """The batch that the event is about: a correction that comes later starts a run of its own."""
        return pins_from_events(context, "nyc.carrier_delays")

    @task.batch(table="league.carriers", partition_keys=["date"], reason="the night was published")
    def league(delays: pd.DataFrame) -> pd.DataFrame:
        ranked = delays.sort_values("mean_delay", ignore_index=True)
        return ranked.assign(rank=ranked.index + 1)[["rank", "carrier", "mean_delay"]]

    league(anchor())


carrier_league()

"""Wait in the triggerer for weather that arrives late.

No worker is occupied meanwhile, and the next task gets exactly the batch that arrived.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import dag, task

from airflow_sfx.sensors import BatchConsistencySensor, BatchPartitionSensor

if TYPE_CHECKING:
    import pandas as pd


@dag(
    schedule="@daily",
    start_date=datetime(2013, 1, 1),
    catchup=False,
    tags=["sfx", "example"],
    # Airflow fails a task that its trigger resumes before the scheduler has noted that it waits
    # (apache/airflow#71580), so a sensor in the triggerer needs a second attempt.
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
)
def late_weather():
    """Store the night's wind as soon as `nyc.weather` has a batch of it."""
    arrived = BatchPartitionSensor(
        task_id="arrived",
        table="nyc.weather",
        poke_interval=2,
        timeout=timedelta(hours=12).total_seconds(),
    )
    whole = BatchConsistencySensor(task_id="whole", pin=arrived.output, poke_interval=2)

    @task.batch(table="nyc.wind", partition_keys=["date"])
    def wind(weather: pd.DataFrame) -> pd.DataFrame:
        return weather.groupby("origin", as_index=False).agg(mean_wind=("wind_speed", "mean"))

    wind(whole.output)


late_weather()

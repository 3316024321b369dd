"""Five hundred sensors, in a file of their own: each task parses the whole of its file."""

from __future__ import annotations

from airflow.sdk import dag

from airflow_sfx.sensors import BatchPartitionSensor


@dag(schedule=None)
def many_waiting():
    for number in range(500):
        BatchPartitionSensor(
            task_id=f"wait_{number}",
            table="many.items",
            partitions=[f"p{number:03d}"],
            poke_interval=2,
            timeout=900,
            start_from_trigger=True,
            end_from_trigger=True,
        )


many_waiting()

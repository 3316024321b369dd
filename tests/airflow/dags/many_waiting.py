"""A DAG of many runs, in its own file.

Each task parses its whole file, and the triggerer copies the DAG for each trigger.
"""

from __future__ import annotations

from airflow.sdk import dag

from airflow_sfx.sensors import BatchPartitionSensor


@dag(schedule=None, max_active_runs=50)
def many_waiting():
    """Wait with ten sensors per run, whose conf has its group of partitions."""
    for number in range(10):
        BatchPartitionSensor(
            task_id=f"wait_{number}",
            table="many.items",
            partitions=["{{ dag_run.conf['group'] }}-" + str(number)],
            poke_interval=2,
            timeout=900,
            start_from_trigger=True,
            end_from_trigger=True,
        )


many_waiting()

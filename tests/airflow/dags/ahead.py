"""The modules of a task's process before the task runs."""

import sys

from airflow.sdk import dag, task

HAS = "airflow_sfx.warehouse.write.store" in sys.modules


@dag(schedule=None)
def loaded_ahead():
    @task
    def tell() -> bool:
        return HAS

    tell()


loaded_ahead()

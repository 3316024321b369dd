"""One function three ways: a day's features in batch, from a server, and from a stream.

The three tables have the same values to the bit, before and after the windows of the stream are
compacted. `python -m streaming` in this folder does the same without Airflow; docs/streams.md
explains it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from airflow.sdk import dag, task

from airflow_sfx.operators import CompactOperator

if TYPE_CHECKING:
    import pandas as pd

    from airflow_sfx import BatchPin


@dag(schedule=None, start_date=datetime(2013, 1, 2), catchup=False, tags=["sfx", "example"])
def flights_three_ways():
    """Compute the delay features of a day's flights in three ways, and compare them."""

    @task
    def history(ds: str) -> BatchPin:
        """Store the flights of the day before, whose mean delay is the usual one."""
        from streaming import ways

        return ways.store_history(ways.day_before(ds))

    @task.batch(table="ways.in_batch", partition_by=["day"])
    def in_batch(ds: str) -> pd.DataFrame:
        from streaming import ways

        return ways.in_batch(ds)

    @task.batch(table="ways.served", partition_by=["day"])
    def served(ds: str) -> pd.DataFrame:
        from streaming import ways

        return ways.served(ds)

    @task
    def streamed(ds: str) -> int:
        from streaming import ways

        return ways.streamed(ds)

    @task
    def compared(ds: str) -> None:
        from streaming import ways

        print(ways.compared(ds))  # noqa: T201  the task's log shows it

    compact = CompactOperator(
        task_id="compact", table="ways.streamed", partitions=["{{ ds_nodash }}"], reason="day over"
    )
    history() >> [in_batch(), served(), streamed()] >> compared() >> compact
    compact >> compared.override(task_id="compared_compacted")()


flights_three_ways()

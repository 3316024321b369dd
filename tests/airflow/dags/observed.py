"""A DAG whose metrics and lineage are tested.

It stores a batch, reads it in a plain task, and stores a batch made from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import dag, task

import airflow_sfx as sfx

if TYPE_CHECKING:
    import pandas as pd


@dag(schedule=None)
def observed():
    @task.batch(table="observed.items", partitions=["p"])
    def items() -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame({"n": [1, 2, 3]})

    @task
    def plain(pin):
        sfx.load_dataframe(pin)
        return pin

    @task.batch(table="observed.total", partitions=["p"])
    def total(items: pd.DataFrame) -> pd.DataFrame:
        return items.sum().to_frame().T

    total(plain(items()))


observed()

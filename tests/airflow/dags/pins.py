"""DAGs that the tests of holds run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Param, dag, task

import airflow_sfx as sfx
from airflow_sfx.operators import PinBatchesOperator

if TYPE_CHECKING:
    import pandas as pd


@dag(schedule=None, params={"repin": Param(False, type="boolean")})
def pinning():
    """One pin of each kind, after the partition has moved on."""

    @task
    def move_on():
        import pandas as pd

        sfx.store_dataframe(pd.DataFrame({"n": [3]}), "pinning", "numbers", ["x"])

    @task
    def seen(pin):
        print("the task reads", pin.batch_id)

    pins = {
        at: PinBatchesOperator(
            task_id=at,
            table="pinning.numbers",
            partitions=["x"],
            at=at,
            repin="{{ params.repin }}",
            reason="for the tests",
        )
        for at in ("current", "start", "as_of_logical_date")
    }
    move_on() >> list(pins.values())
    seen(pins["current"].output)


@dag(schedule=None)
def pin_set():
    """Two tables pinned by one task, each pin used on its own."""
    pins = PinBatchesOperator(
        task_id="pins",
        tables={"left": "pin_set.a", "right": "pin_set.b"},
        partitions=["{{ ds_nodash }}"],
    )

    @task.batch(table="pin_set.sum")
    def add(left: pd.DataFrame, right: pd.DataFrame, both: dict[str, pd.DataFrame]) -> pd.DataFrame:
        assert left.equals(both["left"])
        return left + both["right"]

    add(pins.output["left"], pins.output["right"], pins.output)


pinning()
pin_set()

"""Correct several days at once.

A task stages each day, and one publish makes all of them current.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import Param, dag, task

from airflow_sfx.checks import rows_like_before
from airflow_sfx.operators import PinBatchesOperator, PublishBatchOperator

if TYPE_CHECKING:
    import pandas as pd


@dag(
    schedule=None,
    params={
        "first": Param("2013-01-01", type="string", format="date", description="The first day"),
        "last": Param("2013-01-03", type="string", format="date", description="The last day"),
        "carrier": Param(
            "UA", type="string", description="The carrier whose departures were wrong"
        ),
        "minutes": Param(10, type="integer", description="What to add to their delays"),
    },
    tags=["sfx", "example"],
)
def correct_flights():
    """Publish the corrections of all days atomically, so that they can be undone as one.

    `sfx rollback --run correct_flights RUN_ID` or the DAG `undo` undoes them.
    """

    @task
    def days(params: dict) -> list[str]:
        first, last = date.fromisoformat(params["first"]), date.fromisoformat(params["last"])
        return [f"{first + timedelta(days=n):%Y%m%d}" for n in range((last - first).days + 1)]

    @task.batch(
        table="nyc.flights",
        partitions=["{{ task.op_kwargs.before.entries[0][0] }}"],
        checks=[rows_like_before(0.9, 1.1)],
        reason="late correction of {{ params.carrier }}",
        publish=False,
    )
    def corrected(before, params: dict) -> pd.DataFrame:
        """Return the day's departures, corrected.

        ``before`` is a pin; the task writes the pinned partition.
        """
        import airflow_sfx as sfx

        departures = sfx.load_dataframe(before)
        departures.loc[departures["carrier"] == params["carrier"], "dep_delay"] += params["minutes"]
        return departures

    pins = PinBatchesOperator.partial(task_id="before", table="nyc.flights").expand(
        partitions=days().map(lambda day: [day])
    )
    staged = corrected.expand(before=pins.output)
    PublishBatchOperator(
        task_id="publish", pin=staged, reason="late correction of {{ params.carrier }}"
    )


correct_flights()

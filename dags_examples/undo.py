"""Undo a run with a form.

*Trigger* asks for the run and the reason, and the history names the user.
"""

from __future__ import annotations

from airflow.sdk import Param, dag, task

import airflow_sfx as sfx
from airflow_sfx.operators import RollbackBatchOperator


@dag(
    schedule=None,
    params={
        "dag_id": Param("nightly_flights", type="string", title="DAG"),
        "run_id": Param(
            "", type="string", title="Run", description="All that it published is undone, as one"
        ),
        "reason": Param("", type="string", minLength=3, title="Why", description="For the history"),
    },
    render_template_as_native_obj=False,
    tags=["sfx", "example"],
)
def undo():
    """Undo a run; batches that other runs have published since stay current."""
    undone = RollbackBatchOperator(
        task_id="undo",
        dag_id="{{ params.dag_id }}",
        run_id="{{ params.run_id }}",
        reason="{{ params.reason }}",
    )

    @task
    def report(pins: list[sfx.BatchPin]) -> None:
        for pin in pins:
            print(f"current now: {pin}")  # noqa: T201

    report(undone.output)


undo()

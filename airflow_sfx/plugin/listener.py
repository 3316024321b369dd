"""What the scheduler tells: the backfill that a run belongs to, which no task is told otherwise.

The scheduler knows a run's backfill and tasks do not; its run configuration reaches them. So the number is put there when
the run starts, with the scheduler's own write of the run.
"""

from __future__ import annotations

from typing import Any

from airflow.listeners import hookimpl

from airflow_sfx.hooks.context import BACKFILL


@hookimpl
def on_dag_run_running(dag_run: Any) -> None:
    """Note the backfill in the run's configuration.

    Args:
        dag_run: The run, as the scheduler has it.
    """
    number = getattr(dag_run, "backfill_id", None)
    conf = getattr(dag_run, "conf", None) or {}
    if number is not None and conf.get(BACKFILL) != number:
        dag_run.conf = {**conf, BACKFILL: number}

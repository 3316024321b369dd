"""The runs of a backfill, found by its number."""

from __future__ import annotations

from airflow_sfx.hooks.airflow_internals import runs_of_backfill
from airflow_sfx.hooks.task_context import current_producer_or_none


def backfill_runs(dag_id: str, backfill_id: str) -> list[str]:
    """Look up the runs of a backfill in Airflow's database, except in a task.

    Args:
        dag_id: The DAG.
        backfill_id: The backfill's number or name.

    Returns:
        The run IDs; empty for a name, in a task, and without a database. The history then has the
        backfill, unless ``[sfx] backfill_conf`` was off when it ran.

    Example:
        >>> backfill_runs("nightly", "march again")
        []
    """
    numbered = isinstance(backfill_id, str) and backfill_id.isdecimal()
    if not numbered or current_producer_or_none() is not None:
        return []
    return runs_of_backfill(dag_id, int(backfill_id))

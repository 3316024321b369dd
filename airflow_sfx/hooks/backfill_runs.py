"""Which runs a backfill has made, as Airflow's database knows."""

from __future__ import annotations

import importlib.util
import logging

_log = logging.getLogger(__name__)


def backfill_runs(dag_id: str, backfill_id: str) -> list[str]:
    """Look up the runs of a backfill that is given by its number.

    Args:
        dag_id: The DAG.
        backfill_id: The backfill's number or name.

    Returns:
        The run IDs that Airflow's database has; empty for a name, and where there is no database.

    Example:
        >>> backfill_runs("nightly", "march again")
        []
    """
    numbered = isinstance(backfill_id, str) and backfill_id.isdecimal()
    if not numbered or importlib.util.find_spec("airflow") is None:
        return []
    return _runs_in_database(dag_id, int(backfill_id))


def _runs_in_database(dag_id: str, number: int) -> list[str]:
    """The runs of a backfill, where Airflow's database can be asked, as beside its own command line.

    Args:
        dag_id: The DAG.
        number: The backfill's number in Airflow.

    Returns:
        The IDs of its runs; none where there is no such backfill, or nothing to ask, as in a task:
        the history has the number of each backfill, too.
    """
    from airflow_sfx.hooks.task_context import current_producer_or_none

    if current_producer_or_none() is not None:
        return []
    from airflow.models.backfill import Backfill, BackfillDagRun
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select
    from sqlalchemy.exc import SQLAlchemyError

    query = (
        select(DagRun.run_id)
        .join(BackfillDagRun, BackfillDagRun.dag_run_id == DagRun.id)
        .join(Backfill, Backfill.id == BackfillDagRun.backfill_id)
        .where(Backfill.id == number, Backfill.dag_id == dag_id)
    )
    try:
        with create_session() as session:
            return [str(run_id) for run_id in session.scalars(query)]
    except SQLAlchemyError as error:
        _log.warning(
            "Airflow's database does not tell the runs of the backfill %d, so the history does: %s",
            number,
            error,
        )
        return []

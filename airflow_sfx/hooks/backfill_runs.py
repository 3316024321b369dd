"""Which runs a backfill has made, as Airflow's database knows."""

from __future__ import annotations

import logging

_log = logging.getLogger(__name__)


def runs_of_backfill(dag_id: str, number: int) -> list[str]:
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

"""Which runs a backfill has made: Airflow's database knows, and tells no task."""

from __future__ import annotations

from airflow_sfx.core.errors import BatchNotFound


def runs_of_backfill(dag_id: str, number: int) -> list[str]:
    """The runs of a backfill, where Airflow's database can be reached, as from its own command line.

    Args:
        dag_id: The DAG.
        number: The backfill's number in Airflow.

    Returns:
        The IDs of its runs.

    Raises:
        BatchNotFound: The DAG has no such backfill.
    """
    from airflow.models.backfill import Backfill, BackfillDagRun
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    query = (
        select(DagRun.run_id)
        .join(BackfillDagRun, BackfillDagRun.dag_run_id == DagRun.id)
        .join(Backfill, Backfill.id == BackfillDagRun.backfill_id)
        .where(Backfill.id == number, Backfill.dag_id == dag_id)
    )
    with create_session() as session:
        found = [str(run_id) for run_id in session.scalars(query)]
    if not found:
        raise BatchNotFound(
            f"the DAG {dag_id} has no backfill {number} with runs: `airflow backfill list {dag_id}` lists its backfills"
        )
    return found

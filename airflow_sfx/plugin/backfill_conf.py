"""What the scheduler tells a run of a backfill: which backfill it is of, for the history. Airflow itself tells no task.

It goes into the run's configuration when the run begins. Not by one of Airflow's listeners: where
any plugin has one, Airflow refuses DAG files with tasks that end in the triggerer.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow_sfx.hooks.task_context import TOLD_BACKFILL
from airflow_sfx.plugin.process import is_scheduler

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun
    from sqlalchemy import Connection

_log = logging.getLogger(__name__)


def register() -> None:
    """Tell runs from now on, if this process is the scheduler; nothing is imported in others."""
    if not is_scheduler():
        return
    from airflow.models.dagrun import DagRun
    from sqlalchemy import event

    if not event.contains(DagRun, "before_update", _tell):
        event.listen(DagRun, "before_update", _tell)


def _tell(mapper: Any, connection: Connection, run: DagRun) -> None:
    """Called when a run is about to be written, within the scheduler's transaction."""
    if run.backfill_id is None or run.state != "running":
        return
    before = (run.conf or {}).get(TOLD_BACKFILL)
    if isinstance(before, dict) and before.get("id") == str(run.backfill_id):
        return
    try:
        from airflow.models.backfill import Backfill
        from sqlalchemy import select

        with (
            connection.begin_nested()
        ):  # PostgreSQL gives up a transaction of which a statement has failed
            behavior = connection.scalar(
                select(Backfill.reprocess_behavior).where(Backfill.id == run.backfill_id)
            )
        run.conf = {
            **(run.conf or {}),
            TOLD_BACKFILL: {"id": str(run.backfill_id), "reprocess": behavior},
        }
    except Exception:  # the run goes on without: its history then lacks the backfill's number
        _log.exception("The run %s is not told which backfill it is of", run.run_id)

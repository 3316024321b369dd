"""Who writes: the one place that finds out, for the public calls, opened warehouses, hooks and operators alike.

In a task it is what Airflow's context says. In a process that a task has started it is what the
variables ``AIRFLOW_CTX_*`` say, and elsewhere the user. Airflow is asked only where it is loaded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from airflow_sfx.core.producer import Producer

BACKFILL = "sfx_backfill_id"
"""The member of a run's configuration by which a backfill names itself."""
TOLD_BACKFILL = "sfx_backfill"
"""The member in which the scheduler tells the run which backfill it is of: Airflow itself does not tell tasks."""


def producer_of(context: Mapping[str, Any]) -> Producer:
    """The producer of what a task writes.

    Args:
        context: The task's context, as Airflow passes it to ``execute``.

    Returns:
        The task instance, the run, the person who triggered it (else the process's user), host and
        versions.
    """
    from airflow_sfx.warehouse.current_producer import current_producer

    ti, run = context["ti"], context.get("dag_run")
    index = getattr(ti, "map_index", None)
    here = current_producer({})
    run_type, conf = _text(getattr(run, "run_type", None)), getattr(run, "conf", None) or {}
    told = conf.get(TOLD_BACKFILL) if run_type == "backfill" else None
    backfill = told if isinstance(told, Mapping) else {}
    return replace(
        here,
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=-1 if index is None else index,
        try_number=ti.try_number,
        attempt_id=_text(getattr(ti, "id", None)),
        logical_date=_in_utc(getattr(run, "logical_date", None)),
        partition_key=getattr(run, "partition_key", None),
        run_type=run_type,
        backfill_id=_text(conf.get(BACKFILL) or backfill.get("id")),
        reprocess=_text(backfill.get("reprocess")),
        dag_version=_text(getattr(ti, "dag_version_id", None)),
        user=getattr(run, "triggering_user_name", None) or here.user,
    )


def current_producer_or_none() -> Producer | None:
    """The producer of the task that runs in this process.

    Returns:
        The producer; None outside of a task.
    """
    if "airflow.sdk" not in sys.modules:
        return None
    from airflow.sdk import get_current_context

    try:
        context = get_current_context()
    except RuntimeError:
        return None
    return producer_of(context)


def current_producer() -> Producer:
    """The producer of the task that runs in this process, else of the task that has started it, else of the user.

    Returns:
        The producer.
    """
    from airflow_sfx.warehouse.current_producer import current_producer as of_the_process

    return current_producer_or_none() or of_the_process(os.environ)


def _in_utc(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def _text(value: object) -> str | None:
    """An identifier or an enumeration's value as text."""
    return None if value is None else str(getattr(value, "value", value))

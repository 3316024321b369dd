"""The producer that the history records, for calls, hooks and operators alike.

In a task, Airflow's context names it; in a process that a task started, the variables
``AIRFLOW_CTX_*`` do; elsewhere it is the user. Airflow is asked only if it is already loaded.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from airflow_sfx.core.producer import Producer
from airflow_sfx.hooks.airflow_internals import RUN_BACKFILL

BACKFILL_NAME = "sfx_backfill_id"
"""The member of a run's configuration by which a backfill names itself."""


def producer_of(context: Mapping[str, Any]) -> Producer:
    """Return the producer of what a task writes.

    Args:
        context: The task's context, as Airflow passes it to ``execute``.

    Returns:
        The task instance, its run, the user who triggered it (or else the process's user), the host
        and the versions.
    """
    from airflow_sfx.warehouse.current_producer import current_producer

    ti, run = context["ti"], context.get("dag_run")
    index = getattr(ti, "map_index", None)
    here = current_producer({})
    run_type, conf = _text(getattr(run, "run_type", None)), getattr(run, "conf", None) or {}
    written = conf.get(RUN_BACKFILL) if run_type == "backfill" else None
    backfill = written if isinstance(written, Mapping) else {}
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
        backfill_id=_text(conf.get(BACKFILL_NAME) or backfill.get("id")),
        reprocess=_text(backfill.get("reprocess")),
        dag_version=_text(getattr(ti, "dag_version_id", None)),
        user=getattr(run, "triggering_user_name", None) or here.user,
    )


def current_producer_or_none() -> Producer | None:
    """Return the producer of the task in this process, or None outside of tasks."""
    if "airflow.sdk" not in sys.modules:
        return None
    from airflow.sdk import get_current_context

    try:
        context = get_current_context()
    except RuntimeError:
        return None
    return producer_of(context)


def current_producer() -> Producer:
    """Return the producer of the task or the user that this process belongs to.

    Returns:
        The running task, else the task that started this process, else its user.
    """
    from airflow_sfx.warehouse.current_producer import current_producer as of_the_process

    return current_producer_or_none() or of_the_process(os.environ)


def _in_utc(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def _text(value: object) -> str | None:
    """Return an identifier, or the value of an enumeration, as text."""
    return None if value is None else str(getattr(value, "value", value))

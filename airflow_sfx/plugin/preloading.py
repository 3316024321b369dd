"""Loads ahead, in the scheduler, what each task that stores or loads a batch needs.

The tasks of a local executor are forks of the scheduler's process and begin with what it has: 50 ms less for each. It is plain
Python without threads of its own; pyarrow and pandas are left to the tasks, which may want to set them up first.
"""

from __future__ import annotations

import logging

from airflow_sfx.plugin.process import is_scheduler

_log = logging.getLogger(__name__)


def preload() -> None:
    """Load it, if this process is the scheduler; nothing is imported in others."""
    if not is_scheduler():
        return
    try:
        from airflow_sfx.api import loading, storing  # noqa: F401
        from airflow_sfx.metastore import hive  # noqa: F401
        from airflow_sfx.storage import s3  # noqa: F401
        from airflow_sfx.warehouse import store  # noqa: F401
    except ImportError:  # the task that needs it will fail with it
        _log.exception("What tasks of airflow_sfx need cannot be loaded ahead")

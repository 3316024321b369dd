"""Which of Airflow's processes this is."""

from __future__ import annotations

import sys

_SCHEDULER = "scheduler"
"""The subcommand, which Airflow's standalone starts as a process of its own, too."""


def is_scheduler() -> bool:
    """Whether this process runs the scheduler, of which the tasks of a local executor are forks.

    Returns:
        Whether it does.
    """
    return sys.argv[1:2] == [_SCHEDULER]

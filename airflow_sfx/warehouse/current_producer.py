"""The producer of the current process, from Airflow's variables for a task."""

from __future__ import annotations

import getpass
import platform
import socket
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from airflow_sfx.core.producer import Producer

ATTEMPT = "SFX_ATTEMPT_ID"
"""The environment variable that names the attempt of a job in its process or container."""

_BACKFILL = "backfill"
_PACKAGES = {
    "airflow-sfx": "airflow_sfx",
    "apache-airflow": "airflow",
    "pandas": "pandas",
    "polars": "polars",
    "pyarrow": "pyarrow",
}
"""Packages whose versions are recorded, with their modules."""


def current_producer(environment: Mapping[str, str]) -> Producer:
    """Return the producer of what this process writes.

    In an Airflow task, the ``AIRFLOW_CTX_*`` variables name the task instance. Airflow sets them
    for operators and functions alike. A job's runner sets them, too, and `ATTEMPT`.

    Args:
        environment: The process's environment variables.

    Returns:
        The producer.

    Example:
        >>> current_producer({"AIRFLOW_CTX_DAG_ID": "nightly"}).dag_id
        'nightly'
    """

    def variable(name: str) -> str | None:
        return environment.get(f"AIRFLOW_CTX_{name}") or None

    attempt, index = variable("TRY_NUMBER"), variable("MAP_INDEX")
    run_id = variable("DAG_RUN_ID")
    return Producer(
        dag_id=variable("DAG_ID"),
        run_id=run_id,
        task_id=variable("TASK_ID"),
        map_index=int(index) if index else -1,
        try_number=int(attempt) if attempt else None,
        attempt_id=environment.get(ATTEMPT) or None,
        logical_date=variable("LOGICAL_DATE"),
        # Runs that a backfill created, not runs that it ran again.
        run_type=_BACKFILL if run_id and run_id.startswith(f"{_BACKFILL}__") else None,
        user=_user(),
        host=_host(),
        packages=_packages(),
    )


@cache
def _user() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return None


@cache
def _host() -> str:
    return socket.gethostname()


@cache
def _packages() -> Mapping[str, str]:
    found = {"python": platform.python_version()}
    for name, module in _PACKAGES.items():
        loaded = vars(sys.modules[module]).get("__version__") if module in sys.modules else None
        try:
            found[name] = str(loaded or version(name))  # looking it up takes a millisecond
        except PackageNotFoundError:
            continue
    return found

"""The workbenches of the API server, from the variables of its process."""

from __future__ import annotations

import os
from functools import cache

from airflow_sfx.workbench.errors import WorkbenchNotFound
from airflow_sfx.workbench.workbenches import Workbenches

SWITCH = "SFX_WORKBENCH_RUNNER"
"""The variable without which the page starts nothing: a Docker daemon alone does not allow it."""

_NAME = "SFX_WORKBENCH_NAME"
_OWN_NAME = "airflow"
"""The installation's name by default.

It is not that of the command: there, an owner is a user of the system, who may be another person
than Airflow's user of that name.
"""

MISSING = (
    f"Workbenches are not set up: set {SWITCH} to docker or ecs for Airflow's API server, and"
    " SFX_WORKBENCH_IMAGES to the images that are allowed."
)


def are_set_up() -> bool:
    """Return whether the administrator allows workbenches on the page."""
    return SWITCH in os.environ


def workbenches() -> Workbenches:
    """Return the workbenches of this process.

    Raises:
        WorkbenchNotFound: They are not set up.
        InvalidName: A variable is not valid.
    """
    if not are_set_up():
        raise WorkbenchNotFound(MISSING)
    return _opened()


@cache
def _opened() -> Workbenches:
    return Workbenches.from_environment({_NAME: _OWN_NAME, **os.environ})

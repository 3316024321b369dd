"""The errors of workbenches.

A daemon that cannot be reached is `RunnerUnavailable`, as for jobs.
"""

from __future__ import annotations

from airflow_sfx.core.errors import SfxError


class WorkbenchRefused(SfxError):
    """A workbench is above a limit, of an image that is not allowed, or of another person."""


class WorkbenchNotFound(SfxError, LookupError):
    """There is no workbench of that ID: it was stopped, or never started."""

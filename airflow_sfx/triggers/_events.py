"""Errors in the events of triggers, which cross to the task as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.triggers.base import TriggerEvent

from airflow_sfx.core.errors import ERRORS, SfxError


def failure(error: SfxError) -> TriggerEvent:
    """Return the event of a trigger that failed for good."""
    name = next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in ERRORS)
    return TriggerEvent({"status": "error", "error": name, "message": str(error)})


def error_of(event: Mapping[str, Any]) -> SfxError:
    """Return the error of an event, of the class that it had.

    Example:
        >>> from airflow_sfx.core.errors import WarehouseUnavailable
        >>> error_of(failure(WarehouseUnavailable("the server is down")).payload)
        WarehouseUnavailable('the server is down')
    """
    return ERRORS.get(str(event.get("error")), SfxError)(str(event["message"]))

"""Errors that cross a trigger's event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from airflow_sfx.core.errors import SfxError

if TYPE_CHECKING:
    pass


def failure(error: SfxError) -> TriggerEvent:
    """The event of a trigger that met an error that no waiting mends."""
    return TriggerEvent({"status": "error", "error": type(error).__name__, "message": str(error)})


def error_of(event: Mapping[str, Any]) -> SfxError:
    """The error that an event tells, of the class that it was.

    Example:
        >>> from airflow_sfx.core.errors import WarehouseUnavailable
        >>> error_of(failure(WarehouseUnavailable("it is away")).payload)
        WarehouseUnavailable('it is away')
    """
    kinds = [SfxError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    named = next((kind for kind in kinds if kind.__name__ == event.get("error")), SfxError)
    return named(str(event["message"]))

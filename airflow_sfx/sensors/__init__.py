"""The sensors, each loaded when it is first named.

Example:
    >>> from airflow_sfx.sensors import BatchPartitionSensor
    >>> BatchPartitionSensor.__name__
    'BatchPartitionSensor'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_sfx.sensors.batches import BatchConsistencySensor, BatchPartitionSensor

__all__ = ["BatchConsistencySensor", "BatchPartitionSensor"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.batches"), name)

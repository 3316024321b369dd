"""The sensors, each loaded when it is first named.

Example:
    >>> from airflow_sfx.sensors import BatchPartitionSensor
    >>> BatchPartitionSensor.__name__
    'BatchPartitionSensor'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_sfx._lazy import from_homes

if TYPE_CHECKING:
    from airflow_sfx.sensors.consistency import BatchConsistencySensor
    from airflow_sfx.sensors.partition import BatchPartitionSensor

__all__ = ["BatchConsistencySensor", "BatchPartitionSensor"]

__getattr__ = from_homes(
    __name__,
    {
        f"{__name__}.consistency": ["BatchConsistencySensor"],
        f"{__name__}.partition": ["BatchPartitionSensor"],
    },
)

"""What waits in the triggerer: asynchronous, resumable, thousands at a time; each loaded when it is first named.

Example:
    >>> from airflow_sfx.triggers import BatchPartitionTrigger
    >>> BatchPartitionTrigger("sales.sold_items", ["20161031"]).serialize()[1]["partitions"]
    ['20161031']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_sfx._lazy import from_homes

if TYPE_CHECKING:
    from airflow_sfx.triggers.consistency import BatchConsistencyTrigger
    from airflow_sfx.triggers.partition import BatchPartitionTrigger

__all__ = ["BatchConsistencyTrigger", "BatchPartitionTrigger"]

__getattr__ = from_homes(
    __name__,
    {
        f"{__name__}.consistency": ["BatchConsistencyTrigger"],
        f"{__name__}.partition": ["BatchPartitionTrigger"],
    },
)

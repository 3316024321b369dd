"""What waits in the triggerer: asynchronous, resumable, thousands at a time; each loaded when it is first named.

Example:
    >>> from airflow_sfx.triggers import BatchPartitionTrigger
    >>> BatchPartitionTrigger("sales.sold_items", ["20161031"]).serialize()[1]["partitions"]
    ['20161031']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_sfx.triggers.batches import BatchConsistencyTrigger, BatchPartitionTrigger

__all__ = ["BatchConsistencyTrigger", "BatchPartitionTrigger"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.batches"), name)

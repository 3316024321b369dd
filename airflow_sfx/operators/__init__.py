"""The operators, each loaded when it is first named.

Example:
    >>> from airflow_sfx.operators import RollbackBatchOperator
    >>> RollbackBatchOperator.__name__
    'RollbackBatchOperator'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_sfx.operators.batches import (
        PublishBatchOperator,
        RollbackBatchOperator,
        VerifyBatchOperator,
    )
    from airflow_sfx.operators.pins import PinBatchesOperator
    from airflow_sfx.operators.retain import RetainBatchesOperator
    from airflow_sfx.operators.spark import SparkBatchOperator
    from airflow_sfx.operators.sql import SqlToBatchOperator
    from airflow_sfx.operators.store import StoreBatchOperator

_HOMES = {
    "PinBatchesOperator": "pins",
    "PublishBatchOperator": "batches",
    "RetainBatchesOperator": "retain",
    "RollbackBatchOperator": "batches",
    "SparkBatchOperator": "spark",
    "SqlToBatchOperator": "sql",
    "StoreBatchOperator": "store",
    "VerifyBatchOperator": "batches",
}

__all__ = [
    "PinBatchesOperator",
    "PublishBatchOperator",
    "RetainBatchesOperator",
    "RollbackBatchOperator",
    "SparkBatchOperator",
    "SqlToBatchOperator",
    "StoreBatchOperator",
    "VerifyBatchOperator",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)

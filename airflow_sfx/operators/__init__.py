"""The operators, each loaded when it is first named.

Example:
    >>> from airflow_sfx.operators import RollbackBatchOperator
    >>> RollbackBatchOperator.__name__
    'RollbackBatchOperator'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_sfx.core.lazily import from_homes

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
    f"{__name__}.batches": ("PublishBatchOperator", "RollbackBatchOperator", "VerifyBatchOperator"),
    f"{__name__}.pins": ("PinBatchesOperator",),
    f"{__name__}.retain": ("RetainBatchesOperator",),
    f"{__name__}.spark": ("SparkBatchOperator",),
    f"{__name__}.sql": ("SqlToBatchOperator",),
    f"{__name__}.store": ("StoreBatchOperator",),
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

__getattr__ = from_homes(__name__, _HOMES)

"""The operators, each loaded when it is first named.

Example:
    >>> from airflow_sfx.operators import RollbackBatchOperator
    >>> RollbackBatchOperator.__name__
    'RollbackBatchOperator'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_sfx._lazy import from_homes

if TYPE_CHECKING:
    from airflow_sfx.operators.pin import PinBatchesOperator
    from airflow_sfx.operators.publish import PublishBatchOperator
    from airflow_sfx.operators.retain import RetainBatchesOperator
    from airflow_sfx.operators.rollback import RollbackBatchOperator
    from airflow_sfx.operators.spark import SparkBatchOperator
    from airflow_sfx.operators.sql import SqlToBatchOperator
    from airflow_sfx.operators.store import StoreBatchOperator
    from airflow_sfx.operators.verify import VerifyBatchOperator

_HOMES = {
    f"{__name__}.publish": ("PublishBatchOperator",),
    f"{__name__}.rollback": ("RollbackBatchOperator",),
    f"{__name__}.verify": ("VerifyBatchOperator",),
    f"{__name__}.pin": ("PinBatchesOperator",),
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

"""Safe, undoable, reproducible nightly ETL on S3 and Hive Metastore.

Every change of a partition goes to a new inner directory, its batch; the metastore's pointer moves; the history stays.

Example:
    >>> import os, tempfile
    >>> import airflow_sfx as sfx
    >>> import pandas as pd
    >>> os.environ["SFX_WAREHOUSE"] = f"embedded://{tempfile.mkdtemp()}"
    >>> warehouse = sfx.connect()
    >>> good = sfx.store_dataframe(pd.DataFrame({"n": [1, 2]}), "sales", "sold_items", ["20161031"])
    >>> oops = sfx.store_dataframe(pd.DataFrame({"n": [-9, 2]}), "sales", "sold_items", ["20161031"])

The example of each call goes on from here, every one by itself: `oops` is current, and `good` is what was before.

Names are loaded on first use: importing the package imports neither pandas, pyarrow nor Airflow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from airflow_sfx._version import __version__

if TYPE_CHECKING:
    from airflow_sfx import checks
    from airflow_sfx.api import (
        adopt,
        audit,
        connect,
        diff,
        durable_pins,
        erase,
        history,
        hold,
        load_dataframe,
        manifests,
        pin,
        pin_durably,
        pinned_table_sql,
        publish,
        release,
        repair,
        retain,
        rollback,
        rollback_backfill,
        rollback_run,
        show,
        store_dataframe,
        tables,
        verify,
    )
    from airflow_sfx.core.errors import (
        BatchNotFound,
        CheckFailed,
        CommitConflict,
        ForeignChange,
        InconsistentBatch,
        InvalidName,
        PartitionNotFound,
        SchemaMismatch,
        SfxError,
        StaleAttempt,
        TableNotFound,
        WarehouseUnavailable,
    )
    from airflow_sfx.core.ledger import LedgerEntry
    from airflow_sfx.core.manifest import Manifest
    from airflow_sfx.core.pin import BatchPin
    from airflow_sfx.core.producer import Producer
    from airflow_sfx.core.table import TableRef
    from airflow_sfx.warehouse.durable_pins import DurablePin
    from airflow_sfx.warehouse.warehouse import Warehouse

_HOMES = {
    "airflow_sfx.api": (
        "adopt",
        "audit",
        "connect",
        "diff",
        "durable_pins",
        "erase",
        "history",
        "hold",
        "load_dataframe",
        "manifests",
        "pin",
        "pin_durably",
        "pinned_table_sql",
        "publish",
        "release",
        "repair",
        "retain",
        "rollback",
        "rollback_backfill",
        "rollback_run",
        "show",
        "store_dataframe",
        "tables",
        "verify",
    ),
    "airflow_sfx.core.errors": (
        "BatchNotFound",
        "CheckFailed",
        "CommitConflict",
        "ForeignChange",
        "InconsistentBatch",
        "InvalidName",
        "PartitionNotFound",
        "SchemaMismatch",
        "SfxError",
        "StaleAttempt",
        "TableNotFound",
        "WarehouseUnavailable",
    ),
    "airflow_sfx.core.ledger": ("LedgerEntry",),
    "airflow_sfx.core.manifest": ("Manifest",),
    "airflow_sfx.core.pin": ("BatchPin",),
    "airflow_sfx.core.producer": ("Producer",),
    "airflow_sfx.core.table": ("TableRef",),
    "airflow_sfx.warehouse.durable_pins": ("DurablePin",),
    "airflow_sfx.warehouse.warehouse": ("Warehouse",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "BatchNotFound",
    "BatchPin",
    "CheckFailed",
    "CommitConflict",
    "DurablePin",
    "ForeignChange",
    "InconsistentBatch",
    "InvalidName",
    "LedgerEntry",
    "Manifest",
    "PartitionNotFound",
    "Producer",
    "SchemaMismatch",
    "SfxError",
    "StaleAttempt",
    "TableNotFound",
    "TableRef",
    "Warehouse",
    "WarehouseUnavailable",
    "__version__",
    "adopt",
    "audit",
    "checks",
    "connect",
    "diff",
    "durable_pins",
    "erase",
    "history",
    "hold",
    "load_dataframe",
    "manifests",
    "pin",
    "pin_durably",
    "pinned_table_sql",
    "publish",
    "release",
    "repair",
    "retain",
    "rollback",
    "rollback_backfill",
    "rollback_run",
    "show",
    "store_dataframe",
    "tables",
    "verify",
]


def __getattr__(name: str) -> object:
    if name == "checks":
        return importlib.import_module("airflow_sfx.checks")
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'airflow_sfx' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

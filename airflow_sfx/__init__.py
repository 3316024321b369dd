"""Safe, undoable, reproducible nightly ETL on S3 and Hive Metastore.

Every change of a partition goes to a new inner directory, its batch; the metastore's pointer moves;
the history stays.

Example:
    >>> import os, tempfile
    >>> import airflow_sfx as sfx
    >>> import pandas as pd
    >>> os.environ["SFX_WAREHOUSE"] = f"embedded://{tempfile.mkdtemp()}"
    >>> warehouse = sfx.connect()
    >>> good = sfx.store_dataframe(pd.DataFrame({"n": [1, 2]}), "sales", "sold_items", ["20161031"])
    >>> oops = sfx.store_dataframe(pd.DataFrame({"n": [-9, 2]}), "sales", "sold_items", ["20161031"])

The example of each call goes on from here, every one by itself: `oops` is current, and `good` is
what was before.

Names are loaded on first use: importing the package imports neither pandas, pyarrow nor Airflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_sfx._lazy import from_homes
from airflow_sfx._version import __version__

if TYPE_CHECKING:
    from airflow_sfx import checks
    from airflow_sfx.api.comparing import diff, verify
    from airflow_sfx.api.connecting import connect
    from airflow_sfx.api.holding import durable_pins, hold, pin_durably, release
    from airflow_sfx.api.keeping import erase, retain
    from airflow_sfx.api.loading import load_dataframe, manifests, pin, pinned_table_sql
    from airflow_sfx.api.looking import audit, history, show, tables
    from airflow_sfx.api.mending import adopt, repair
    from airflow_sfx.api.storing import publish, store_dataframe
    from airflow_sfx.api.undoing import rollback, rollback_backfill, rollback_run
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
    from airflow_sfx.warehouse.pins.holds import DurablePin
    from airflow_sfx.warehouse.warehouse import Warehouse

_HOMES = {
    "airflow_sfx.api.comparing": (
        "diff",
        "verify",
    ),
    "airflow_sfx.api.connecting": ("connect",),
    "airflow_sfx.api.holding": (
        "durable_pins",
        "hold",
        "pin_durably",
        "release",
    ),
    "airflow_sfx.api.keeping": (
        "erase",
        "retain",
    ),
    "airflow_sfx.api.loading": (
        "load_dataframe",
        "manifests",
        "pin",
        "pinned_table_sql",
    ),
    "airflow_sfx.api.looking": (
        "audit",
        "history",
        "show",
        "tables",
    ),
    "airflow_sfx.api.mending": (
        "adopt",
        "repair",
    ),
    "airflow_sfx.api.storing": (
        "publish",
        "store_dataframe",
    ),
    "airflow_sfx.api.undoing": (
        "rollback",
        "rollback_backfill",
        "rollback_run",
    ),
    "airflow_sfx.checks": (),
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
    "airflow_sfx.warehouse.pins.holds": ("DurablePin",),
    "airflow_sfx.warehouse.warehouse": ("Warehouse",),
}

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

__getattr__ = from_homes(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted(__all__)

"""The default warehouse, whose bound methods are the functions of the package."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from functools import lru_cache

from airflow_sfx.core.producer import Producer
from airflow_sfx.hooks.backfill_runs import backfill_runs
from airflow_sfx.hooks.task_context import current_producer
from airflow_sfx.models.registry import ModelRegistry
from airflow_sfx.warehouse import connect as _connect
from airflow_sfx.warehouse.connection import Connection
from airflow_sfx.warehouse.warehouse import Warehouse

VARIABLE = "SFX_WAREHOUSE"
"""The environment variable that names the warehouse."""
CONNECTION = "AIRFLOW_CONN_SFX_DEFAULT"
"""The environment variable that defines Airflow's connection ``sfx_default``."""

_NOTHING_SET = f"the default, as {VARIABLE} and the Airflow connection sfx_default are not set"


def connect(uri: str | None = None, *, producer: Callable[[], Producer] | None = None) -> Warehouse:
    """Open a warehouse.

    Args:
        uri: ``embedded:///path``, with ``?layout=hive`` for partition directories named
            ``key=value``; ``hive://host:9083?location=s3://bucket/prefix``, with further hosts
            after commas; or ``glue://region?location=s3://bucket/prefix``. None opens the default
            warehouse: the one that the environment variable ``SFX_WAREHOUSE`` names, else the
            Airflow connection ``sfx_default`` (in a process that runs Airflow or has
            ``AIRFLOW_CONN_SFX_DEFAULT``), else ``embedded://~/.sfx/warehouse``.
        producer: A function that returns who writes, called once for each change. None records the
            running Airflow task, else the task that started this process, else its user.

    Returns:
        The warehouse.

    Raises:
        InvalidName: The URI does not name a warehouse.
        WarehouseUnavailable: The warehouse cannot be opened.

    Example:
        >>> sfx.connect(f"embedded://{tempfile.mkdtemp()}").tables()
        []
    """
    if uri is not None:
        return connect_named(uri, "", producer)
    named = os.environ.get(VARIABLE)
    if not named and _knows_connections():
        from airflow_sfx.hooks.sfx import default_warehouse

        found = default_warehouse(producer)
        if found is not None:
            return found
    default, source = (named, VARIABLE) if named else (_connect.DEFAULT_URI, _NOTHING_SET)
    if producer is None:
        return _opened(default, source, os.path.expanduser("~"))
    return connect_named(default, source, producer)


def connect_named(
    uri: str, source: str, producer: Callable[[], Producer] | None = None
) -> Warehouse:
    """Open a warehouse as `connect` does, with what names it for messages.

    Args:
        uri: The URI.
        source: What names it, such as ``--warehouse``; empty for nothing.
        producer: As for `connect`.

    Returns:
        The warehouse.

    Raises:
        InvalidName: The URI does not name a warehouse.
        WarehouseUnavailable: The warehouse cannot be opened.
    """
    return _connect.connect(
        uri,
        producer=current_producer if producer is None else producer,
        source=source,
        backfill_runs=backfill_runs,
    )


def warehouse_of(sfx_conn_id: str | None) -> Warehouse:
    """Open the warehouse of an Airflow connection.

    Args:
        sfx_conn_id: The connection, or None for the default warehouse.

    Returns:
        The warehouse.

    Raises:
        WarehouseUnavailable: The connection does not exist, or the warehouse cannot be opened.
        InvalidName: The connection does not name a warehouse.
    """
    if sfx_conn_id is None:
        return connect()
    from airflow_sfx.hooks.sfx import SfxHook

    return SfxHook(sfx_conn_id).get_conn()


def _knows_connections() -> bool:
    """Return whether this process runs Airflow, or defines Airflow's ``sfx_default``."""
    return "airflow.sdk" in sys.modules or (
        CONNECTION in os.environ and importlib.util.find_spec("airflow") is not None
    )


@lru_cache(maxsize=8)
def _opened(uri: str, source: str, home: str) -> Warehouse:
    """Open a warehouse once for each home, which a URI may begin with."""
    return connect_named(uri, source)


def _current() -> Connection:
    """Return the connection of the default warehouse, which the environment sets."""
    return connect().connection


default = Warehouse(_current)
models = ModelRegistry(default)

adopt = default.adopt
aggregate = default.aggregate
audit = default.audit
changes = default.changes
check = default.check
compact = default.compact
declared_checks = default.declared_checks
diff = default.diff
end_retention = default.end_retention
discard = default.discard
drop = default.drop
drop_column = default.drop_column
holds = default.holds
erase = default.erase
history = default.history
hold = default.hold
load_dataframe = default.load_dataframe
manifests = default.manifests
metrics = default.metrics
night = default.night
pin = default.pin
pin_and_hold = default.pin_and_hold
pinned_table_sql = default.pinned_table_sql
plan_rollback = default.plan_rollback
policies = default.policies
publish = default.publish
release = default.release
rename = default.rename
rename_column = default.rename_column
repair = default.repair
retain = default.retain
retain_all = default.retain_all
rollback = default.rollback
rollback_backfill = default.rollback_backfill
rollback_commit = default.rollback_commit
rollback_run = default.rollback_run
set_checks = default.set_checks
set_retention = default.set_retention
show = default.show
stale = default.stale
sql = default.sql
sql_pins = default.sql_pins
store_dataframe = default.store_dataframe
store_window = default.store_window
stream_positions = default.stream_positions
staged = default.staged
tables = default.tables
verify = default.verify

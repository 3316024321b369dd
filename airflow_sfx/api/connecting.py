"""Which warehouse a call is on: the one that it names, the environment or Airflow names, or the default one."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from functools import lru_cache

from airflow_sfx.core.producer import Producer
from airflow_sfx.warehouse import connect as _connect
from airflow_sfx.warehouse.warehouse import Warehouse

VARIABLE = "SFX_WAREHOUSE"


"""The environment variable that names the warehouse."""


CONNECTION = "AIRFLOW_CONN_SFX_DEFAULT"


"""The environment variable by which Airflow knows the connection ``sfx_default``, also where Airflow is not running."""


def connect(uri: str | None = None, *, producer: Callable[[], Producer] | None = None) -> Warehouse:
    """Open a warehouse.

    Args:
        uri: ``embedded:///path``, with ``?layout=hive`` for partition directories named ``key=value``;
            ``hive://host:9083?location=s3://bucket/prefix``, further hosts after a comma;
            ``glue://region?location=s3://bucket/prefix``; None for the default one: what ``SFX_WAREHOUSE`` names, else,
            in a process that runs Airflow or has ``AIRFLOW_CONN_SFX_DEFAULT``, the connection ``sfx_default``, else ``embedded://~/.sfx/warehouse``.
        producer: Gives who writes, asked once a change; from the process's environment where it is absent.

    Returns:
        The warehouse.

    Raises:
        InvalidName: The URI names no warehouse that is known here.
        WarehouseUnavailable: It cannot be opened.

    Example:
        >>> sfx.connect(f"embedded://{tempfile.mkdtemp()}").tables()
        []
    """
    if uri is not None:
        return _connect.connect(uri, producer=producer)
    named = os.environ.get(VARIABLE)
    if named:
        return _opened(named) if producer is None else _connect.connect(named, producer=producer)
    if "airflow.sdk" in sys.modules or (CONNECTION in os.environ and importlib.util.find_spec("airflow") is not None):
        from airflow_sfx.hooks.sfx import default_warehouse

        found = default_warehouse()
        if found is not None:
            return found
    return _opened(_connect.DEFAULT_URI)


@lru_cache(maxsize=8)
def _opened(uri: str) -> Warehouse:
    return _connect.connect(uri)


def warehouse_of(given: Warehouse | str | None) -> Warehouse:
    """The warehouse of a call's ``warehouse=``."""
    if isinstance(given, Warehouse):
        return given
    return connect() if given is None else _opened(given)


def producer_of(given: Producer | None) -> Producer | None:
    """In an Airflow task, the task instance as Airflow's context describes it, which says more than the variables."""
    if given is None and "airflow.sdk" in sys.modules:
        from airflow_sfx.hooks.context import current_producer_or_none

        return current_producer_or_none()
    return given

"""Which warehouse a call is on: the one that it names, the environment or Airflow names, or the default one."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from functools import lru_cache

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.producer import Producer
from airflow_sfx.hooks.task_context import current_producer
from airflow_sfx.warehouse import connect as _connect
from airflow_sfx.warehouse.warehouse import Warehouse

VARIABLE = "SFX_WAREHOUSE"
"""The environment variable that names the warehouse."""
CONNECTION = "AIRFLOW_CONN_SFX_DEFAULT"
"""The environment variable by which Airflow knows the connection ``sfx_default``, also where Airflow is not running."""


def connect(uri: str | None = None, *, producer: Callable[[], Producer] | None = None) -> Warehouse:
    """Open a warehouse.

    Args:
        uri: ``embedded:///path``, with ``?layout=hive`` for partition directories named
            ``key=value``; ``hive://host:9083?location=s3://bucket/prefix``, further hosts after a
            comma; ``glue://region?location=s3://bucket/prefix``; None for the default one: what
            ``SFX_WAREHOUSE`` names, else, in a process that runs Airflow or has
            ``AIRFLOW_CONN_SFX_DEFAULT``, the connection ``sfx_default``, else
            ``embedded://~/.sfx/warehouse``.
        producer: Gives who writes, asked once a change; where it is absent, the Airflow task that
            runs in this process, or that started it, or its user.

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
        return _connect.connect(uri, producer=current_producer if producer is None else producer)
    named = os.environ.get(VARIABLE)
    if not named and _knows_connections():
        from airflow_sfx.hooks.sfx import default_warehouse

        found = default_warehouse(producer)
        if found is not None:
            return found
    default = named or _connect.DEFAULT_URI
    return _opened(default) if producer is None else _connect.connect(default, producer=producer)


def _knows_connections() -> bool:
    """Whether this process runs Airflow, or was given the connection that Airflow would look for."""
    return "airflow.sdk" in sys.modules or (
        CONNECTION in os.environ and importlib.util.find_spec("airflow") is not None
    )


@lru_cache(maxsize=8)
def _opened(uri: str) -> Warehouse:
    return _connect.connect(uri, producer=current_producer)


def warehouse_of(given: Warehouse | str | None) -> Warehouse:
    """The warehouse of a call's ``warehouse=``."""
    if isinstance(given, Warehouse):
        return given
    if given is None:
        return connect()
    if not isinstance(given, str):
        raise InvalidName(
            f"warehouse={given!r:.80} is no warehouse: pass its URI, or what sfx.connect() gives"
        )
    return _opened(given)

"""The open warehouses of a triggerer: one per connection, shared by all triggers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from airflow_sfx._default import warehouse_of

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse

_opened: dict[str | None, Warehouse] = {}
_lock = threading.Lock()


def opened_warehouse(sfx_conn_id: str | None) -> Warehouse:
    """Return the warehouse of a connection, opened once per process.

    It blocks: call it in a thread.

    Args:
        sfx_conn_id: The connection, or None for the default warehouse.

    Returns:
        The warehouse.

    Raises:
        WarehouseUnavailable: There is no such connection, or the warehouse cannot be opened.
        InvalidName: The connection does not name a warehouse.
    """
    with _lock:
        if sfx_conn_id not in _opened:
            _opened[sfx_conn_id] = warehouse_of(sfx_conn_id)
        return _opened[sfx_conn_id]


def forget(sfx_conn_id: str | None) -> None:
    """Drop a warehouse that failed; the next use reads the connection again."""
    with _lock:
        _opened.pop(sfx_conn_id, None)

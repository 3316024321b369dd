"""Following a table: new versions, as they become effective."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.warehouse.results import Rows

if TYPE_CHECKING:
    from airflow_sfx.warehouse.history.changes import TableVersion
    from airflow_sfx.warehouse.warehouse import Warehouse

SECONDS = 2.0
"""The pause between two looks at the table."""


def last_version(warehouse: Warehouse, db: str, table: str) -> int:
    """Return the version that a table has now, or 0 if it has none."""
    return max((entry.version for entry in warehouse.history(db, table, limit=1)), default=0)


def new_versions(warehouse: Warehouse, db: str, table: str, since: int) -> Iterator[TableVersion]:
    """Yield the versions of a table after one, oldest first, as they come; without an end.

    Args:
        warehouse: The warehouse; while it cannot be reached, versions are yielded later.
        db: The database.
        table: The table.
        since: The version.
    """
    while True:
        try:
            found = warehouse.changes(db, table, since=since)
        except WarehouseUnavailable:
            found = Rows()
        for one in found:
            yield one
            since = one.version
        time.sleep(SECONDS)

"""Following a table's history: new changes, as they become effective."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import WarehouseUnavailable

if TYPE_CHECKING:
    from airflow_sfx.core.log_entry import LogEntry
    from airflow_sfx.warehouse.warehouse import Warehouse

SECONDS = 2.0
"""The pause between two looks at the history."""
_LATE = timedelta(hours=1)
"""How far the clock of a writer may be behind: older changes are not new."""


def new_changes(
    warehouse: Warehouse, db: str, table: str, partitions: Collection[str] | None
) -> Iterator[LogEntry]:
    """Return the changes from now on, oldest first, as they come.

    Args:
        warehouse: The warehouse; while it cannot be reached, changes are yielded later.
        db: The database.
        table: The table.
        partitions: The names of partitions, or None for all.

    Returns:
        An iterator without an end. The history until now has been read when this returns.
    """
    began = datetime.now(UTC)

    def recent() -> list[LogEntry]:
        since = max(began, datetime.now(UTC) - _LATE) - _LATE
        report = warehouse.audit(db, table, since=since, foreign=False, files=False)
        found = [one for one in report.entries if partitions is None or one.partition in partitions]
        return found[::-1]

    seen = {(one.partition, one.version) for one in recent()}

    def later() -> Iterator[LogEntry]:
        while True:
            time.sleep(SECONDS)
            try:
                found = recent()
            except WarehouseUnavailable:
                continue
            for entry in found:
                if (entry.partition, entry.version) not in seen:
                    seen.add((entry.partition, entry.version))
                    yield entry

    return later()

"""Tables as they were a moment ago: somebody who turns pages does not make the metastore list a table again each time."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import airflow_sfx as sfx
from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.overview import TableOverview
from airflow_sfx.warehouse.warehouse import Warehouse

TIMES, SECONDS = 5, 5.0
"""How old a table on the page may be: so many times as long as it took to look at it, and no more than so many seconds."""

MOST = 64
"""How many tables are remembered."""


@dataclass(slots=True)
class Snapshots:
    """The warehouse of the API server, and its tables as they were a moment ago."""

    _warehouse: Warehouse | None = None
    _found: dict[TableRef, tuple[float, TableOverview]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def warehouse(self) -> Warehouse:
        """The default warehouse of this process, opened once.

        Raises:
            WarehouseUnavailable: It cannot be opened.
            InvalidName: The connection names no warehouse.
        """
        with self._lock:
            if self._warehouse is None:
                self._warehouse = sfx.connect()
            return self._warehouse

    def table(self, db: str, table: str) -> TableOverview:
        """A table at a glance, a few seconds old at the most.

        Raises:
            TableNotFound: There is no such table.
            WarehouseUnavailable: The warehouse cannot be reached.
        """
        ref = TableRef(db, table)
        with self._lock:
            until, found = self._found.get(ref, (0.0, None))
        began = time.monotonic()
        if found is not None and began < until:
            return found
        try:
            found = self.warehouse().overview(ref.database, ref.table)
        except WarehouseUnavailable:
            self._warehouse = None  # the connection may be mended meanwhile
            raise
        with self._lock:
            while len(self._found) >= MOST:
                self._found.pop(next(iter(self._found)))
            took = time.monotonic() - began
            self._found[ref] = (began + took + min(TIMES * took, SECONDS), found)
        return found

    def forget(self, db: str, table: str) -> None:
        """Look at a table anew next time: it was changed."""
        with self._lock:
            self._found.pop(TableRef(db, table), None)

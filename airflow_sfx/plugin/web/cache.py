"""A cache of table overviews, so that paging does not list a table each time."""

from __future__ import annotations

import logging
import threading
import time
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial

import airflow_sfx as sfx
from airflow_sfx.core.errors import SfxError
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.history.overview import TableOverview, partition_names
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.warehouse import Warehouse

TIMES, SECONDS = 20, 15.0
"""How long an overview is fresh: a multiple of its read time, and a limit.

For as long again it is still shown, while a thread refreshes it. Reading 10,000 partitions takes
half a second of the processor, so at most a twentieth of the time is spent on it.
"""

MAX_TABLES = 64
"""Number of cached tables."""

LOCKS = 16
"""Number of tables read at a time."""


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Cached:
    """A cached overview, with monotonic times until it is fresh and shown."""

    overview: TableOverview
    fresh: float
    shown: float


@dataclass(slots=True)
class TableCache:
    """The warehouse of the API server, and a cache of its tables."""

    _warehouse: Warehouse | None = None
    _cached: dict[TableRef, _Cached] = field(default_factory=dict)
    _refreshing: set[TableRef] = field(default_factory=set)
    _read_locks: list[threading.Lock] = field(
        default_factory=lambda: [threading.Lock() for _ in range(LOCKS)]
    )
    _invalidations: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def warehouse(self) -> Warehouse:
        """Return the default warehouse of this process, connected once.

        Raises:
            WarehouseUnavailable: The connection failed.
            InvalidName: The connection does not name a warehouse.
        """
        with self._lock:
            found = self._warehouse
            if found is None:
                found = self._warehouse = sfx.connect()
            return found

    def open(self, db: str, table: str) -> Table:
        """Open a table, without its partitions.

        Raises:
            TableNotFound: The table does not exist.
            WarehouseUnavailable: The warehouse cannot be reached.
        """
        warehouse = self.warehouse()
        return Table.find(TableRef(db, table), warehouse.store, warehouse.metastore)

    def partition(self, db: str, table: str, name: str) -> TableOverview:
        """Read the overview of one partition, uncached.

        Raises:
            TableNotFound: The table does not exist.
            InvalidName: The name is not one of a partition of this table.
            WarehouseUnavailable: The warehouse cannot be reached.
        """
        opened = self.open(db, table)
        return TableOverview.of(opened, [opened.layout.partition(name)])

    def names(self, db: str, table: str) -> tuple[Table, list[str]]:
        """Open a table and list its partition names, without their states.

        Raises:
            TableNotFound: The table does not exist.
            WarehouseUnavailable: The warehouse cannot be reached.
        """
        opened = self.open(db, table)
        return opened, partition_names(opened)

    def table(self, db: str, table: str) -> TableOverview:
        """Return the overview of a table, which may be up to 30 seconds old.

        Raises:
            TableNotFound: The table does not exist.
            WarehouseUnavailable: The warehouse cannot be reached.
        """
        ref = TableRef(db, table)
        return self._from_cache(ref) or self._read_once(ref)

    def _from_cache(self, ref: TableRef) -> TableOverview | None:
        now = time.monotonic()
        with self._lock:
            cached = self._cached.get(ref)
            if cached is None or now > cached.shown:
                return None
            refresh = now > cached.fresh and ref not in self._refreshing
            if refresh:
                self._refreshing.add(ref)
        if refresh:
            # the context has the short timeouts of the page's requests
            work = partial(copy_context().run, self._refresh, ref)
            threading.Thread(target=work, name="sfx-table-cache", daemon=True).start()
        return cached.overview

    def _refresh(self, ref: TableRef) -> None:
        try:
            with self._read_lock(ref):  # requests that come after `shown` wait for this
                self._read(ref)
        except Exception as error:  # the next request reads the table, and reports the error
            _log.info(
                "Cannot refresh the overview of %s: %s",
                ref,
                error,
                exc_info=not isinstance(error, SfxError),
            )
            self.forget(ref)
        finally:
            with self._lock:
                self._refreshing.discard(ref)

    def _read_lock(self, ref: TableRef) -> threading.Lock:
        return self._read_locks[hash(ref) % LOCKS]

    def _read_once(self, ref: TableRef) -> TableOverview:
        with self._read_lock(ref):  # a page sends several requests at once
            return self._from_cache(ref) or self._read(ref)

    def _read(self, ref: TableRef) -> TableOverview:
        began = time.monotonic()
        with self._lock:
            invalidations = self._invalidations
        found = self.warehouse().overview(ref.database, ref.table)
        now = time.monotonic()
        span = min(TIMES * (now - began), SECONDS)
        with self._lock:
            if invalidations == self._invalidations:  # else it may have changed meanwhile
                while len(self._cached) >= MAX_TABLES:
                    self._cached.pop(next(iter(self._cached)))
                self._cached[ref] = _Cached(found, now + span, now + 2 * span)
        return found

    def forget(self, ref: TableRef) -> None:
        """Remove a table from the cache after a change."""
        with self._lock:
            self._invalidations += 1
            self._cached.pop(ref, None)

    @property
    def invalidations(self) -> int:
        """How many changes the page has made."""
        return self._invalidations

    def reopen(self) -> None:
        """Connect again on the next request: the connection may be corrected.

        Takes no lock: its holder may wait for a server, and this runs in the event loop.
        """
        self._warehouse = None


snapshots = TableCache()
"""The cache of this process."""

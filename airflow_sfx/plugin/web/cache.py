"""Tables as they were a moment ago: somebody who turns pages does not make the metastore list a table again each time."""

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
"""For how long a table on the page is taken as it was: so many times as long as it took to look at it, and no more than so many
seconds. For as long again it is still shown, and looked at anew meanwhile. A look at 10,000
partitions takes half a second, which other answers have to share: one in twenty at the most is to
meet it.
"""

MOST = 64
"""How many tables are remembered."""

LOOKS = 16
"""How many tables are looked at side by side."""


_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A table as it was, fresh until one time and shown until another, by the clock of this process."""

    overview: TableOverview
    fresh: float
    shown: float


@dataclass(slots=True)
class TableCache:
    """The warehouse of the API server, and its tables as they were a moment ago."""

    _warehouse: Warehouse | None = None
    _found: dict[TableRef, _Seen] = field(default_factory=dict)
    _renewing: set[TableRef] = field(default_factory=set)
    _looking: list[threading.Lock] = field(
        default_factory=lambda: [threading.Lock() for _ in range(LOOKS)]
    )
    _forgot: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def warehouse(self) -> Warehouse:
        """The default warehouse of this process, opened once.

        Raises:
            WarehouseUnavailable: It cannot be opened.
            InvalidName: The connection names no warehouse.
        """
        with self._lock:
            found = self._warehouse
            if found is None:
                found = self._warehouse = sfx.connect()
            return found

    def open(self, db: str, table: str) -> Table:
        """A table, without a look at its partitions.

        Raises:
            TableNotFound: There is no such table.
            WarehouseUnavailable: The warehouse cannot be reached.
        """
        warehouse = self.warehouse()
        return Table.find(TableRef(db, table), warehouse.store, warehouse.metastore)

    def partition(self, db: str, table: str, name: str) -> TableOverview:
        """One partition at a glance, as it is this moment.

        Raises:
            TableNotFound: There is no such table.
            InvalidName: The name is none of a partition of this table.
            WarehouseUnavailable: The warehouse cannot be reached.
        """
        opened = self.open(db, table)
        return TableOverview.of(opened, [opened.layout.partition(name)])

    def names(self, db: str, table: str) -> tuple[Table, list[str]]:
        """A table and the names of its partitions, without a look at all of them.

        Raises:
            TableNotFound: There is no such table.
            WarehouseUnavailable: The warehouse cannot be reached.
        """
        opened = self.open(db, table)
        return opened, partition_names(opened)

    def table(self, db: str, table: str) -> TableOverview:
        """A table at a glance, a few seconds old at the most.

        Raises:
            TableNotFound: There is no such table.
            WarehouseUnavailable: The warehouse cannot be reached.
        """
        ref = TableRef(db, table)
        return self._remembered(ref) or self._looked_at(ref)

    def _remembered(self, ref: TableRef) -> TableOverview | None:
        now = time.monotonic()
        with self._lock:
            seen = self._found.get(ref)
            if seen is None or now > seen.shown:
                return None
            renew = now > seen.fresh and ref not in self._renewing
            if renew:
                self._renewing.add(ref)
        if renew:
            work = partial(
                copy_context().run, self._renew, ref
            )  # the page has little patience with servers
            threading.Thread(target=work, name="sfx-snapshot", daemon=True).start()
        return seen.overview

    def _renew(self, ref: TableRef) -> None:
        try:
            with self._looking[
                hash(ref) % LOOKS
            ]:  # whoever comes after it was shown for the last time waits for this
                self._look(ref)
        except Exception as error:  # whoever asks next meets it
            _log.info(
                "%s could not be looked at anew: %s",
                ref,
                error,
                exc_info=not isinstance(error, SfxError),
            )
            self.forget(ref)
        finally:
            with self._lock:
                self._renewing.discard(ref)

    def _looked_at(self, ref: TableRef) -> TableOverview:
        with self._looking[
            hash(ref) % LOOKS
        ]:  # a page asks for several things at once, and the table is looked at once
            return self._remembered(ref) or self._look(ref)

    def _look(self, ref: TableRef) -> TableOverview:
        began = time.monotonic()
        with self._lock:
            forgot = self._forgot
        found = self.warehouse().overview(ref.database, ref.table)
        now = time.monotonic()
        span = min(TIMES * (now - began), SECONDS)
        with self._lock:
            if forgot == self._forgot:  # else something was changed while this was looked at
                while len(self._found) >= MOST:
                    self._found.pop(next(iter(self._found)))
                self._found[ref] = _Seen(found, now + span, now + 2 * span)
        return found

    def forget(self, ref: TableRef) -> None:
        """Look at a table anew next time: it was changed."""
        with self._lock:
            self._forgot += 1
            self._found.pop(ref, None)

    def reopen(self) -> None:
        """Open the warehouse anew next time: it could not be reached, and its connection may be mended meanwhile.

        Without the lock: who holds it may wait for a server, and this is called where all requests
        come by.
        """
        self._warehouse = None

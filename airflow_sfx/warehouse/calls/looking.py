"""Tables, histories and audits."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.core.validation import switches, whole
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.run_index import Unit
from airflow_sfx.warehouse.table.table import Table

if TYPE_CHECKING:
    from airflow_sfx.warehouse.history.audit import AuditReport
    from airflow_sfx.warehouse.history.describe import TableState
    from airflow_sfx.warehouse.history.history import HistoryPage
    from airflow_sfx.warehouse.history.overview import TableOverview
    from airflow_sfx.warehouse.pins.lineage import DownstreamBatch
from airflow_sfx.warehouse.calls.base import Calls, a_pin

_log = logging.getLogger(__name__)


class Looking(Calls):
    """Tables, histories and audits."""

    def tables(self) -> list[TableRef]:
        """All tables, sorted. Those that a catalog calls by a name that no call takes are left out, with a warning.

        Returns:
            The tables, those that something else made among them.

        Example:
            >>> [str(table) for table in warehouse.tables()]
            ['sales.sold_items']
        """
        found, left_out = [], []
        for database in self.metastore.databases():
            for table in self.metastore.tables(database):
                try:
                    found.append(TableRef(database, table))
                except InvalidName:
                    left_out.append(f"{database}.{table}")
        if left_out:
            _log.warning(
                "%d tables are left out, as their names have more than letters, digits, underscores"
                " and hyphens: %s",
                len(left_out),
                ", ".join(map(repr, left_out[:8])),
            )
        return found

    def show(self, db: str, table: str) -> TableState:
        """A table as it is now: columns, partitions, and what is staged.

        Args:
            db: The database.
            table: The table.

        Returns:
            Its state.

        Raises:
            TableNotFound: There is no such table.

        Example:
            >>> [one.batch_id == oops.batch_id for one in warehouse.show("sales", "sold_items").partitions]
            [True]
        """
        from airflow_sfx.warehouse.history.describe import table_state

        opened = self._open(db, table)
        return table_state(opened, Ledger(opened))

    def overview(
        self, db: str, table: str, partitions: Sequence[object] | None = None
    ) -> TableOverview:
        """Partitions of a table at one moment, and, on asking, what state each is in.

        Args:
            db: The database.
            table: The table.
            partitions: Which partitions; None for all.

        Returns:
            The table at a glance.

        Raises:
            TableNotFound: There is no such table.
            ForeignChange: Something else made it, and it was not adopted.

        Example:
            >>> [one.state.value for one in warehouse.overview("sales", "sold_items").partitions(["20161031"])]
            ['current']
        """
        from airflow_sfx.warehouse.history.overview import TableOverview

        opened = self._open(db, table)
        return TableOverview.of(opened, opened.wanted(partitions))

    def history(
        self,
        db: str,
        table: str,
        partition: Sequence[object] | None = None,
        *,
        limit: int | None = 100,
    ) -> list[LedgerEntry]:
        """The changes of one partition, newest first; or, with no partition named, of the whole table.

        Args:
            db: The database.
            table: The table.
            partition: The partition's values; None for all partitions, by time.
            limit: How many entries at the most; None for all.

        Returns:
            The entries.

        Raises:
            TableNotFound: There is no such table.
            PartitionNotFound: There never was such a partition.
            InvalidName: The limit is no whole number, or below zero.

        Example:
            >>> [(entry.sequence, entry.operation.value) for entry in warehouse.history("sales", "sold_items", ["20161031"])]
            [(2, 'publish'), (1, 'publish')]
        """
        from airflow_sfx.warehouse.history.history import partition_history, table_history

        if limit is not None and whole(limit, "limit") < 0:
            raise InvalidName(
                f"limit={limit} is below zero: pass how many entries at the most, or None for all"
            )
        opened = self._open(db, table)
        wanted = opened.wanted(partition, "partition")
        if wanted is None:
            return table_history(opened, Ledger(opened), limit)
        return partition_history(opened, Ledger(opened), _one(wanted, opened), limit)

    def history_page(
        self,
        db: str,
        table: str,
        partition: Sequence[object] | None = None,
        *,
        limit: int = 100,
        before: int | None = None,
    ) -> HistoryPage:
        """A part of a partition's changes, newest first, with what has become of their batches since.

        Args:
            db: The database.
            table: The table.
            partition: The partition's values; None only for a table without partitions.
            limit: How many entries at the most.
            before: Only entries with a lower number: the last one's of the page before; None for
                the newest.

        Returns:
            The entries; which of their batches are retired, and what took the place of those of
            which rows were erased.

        Raises:
            TableNotFound: There is no such table.
            PartitionNotFound: There never was such a partition.

        Example:
            >>> page = warehouse.history_page("sales", "sold_items", ["20161031"], limit=1)
            >>> page.entries[0].batch_id == page.current == oops.batch_id, page.more
            (True, True)
        """
        from airflow_sfx.warehouse.history.history import history_page

        whole(limit, "limit")
        for name, number in (("limit", limit), ("before", before)):
            if number is not None:
                whole(number, name)
        opened = self._open(db, table)
        return history_page(
            opened, Ledger(opened), _one(opened.wanted(partition) or [], opened), limit, before
        )

    def audit(
        self,
        db: str,
        table: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        actor: str | None = None,
        dag_id: str | None = None,
        run_id: str | None = None,
        limit: int | None = None,
        foreign: bool = True,
        files: bool | None = None,
    ) -> AuditReport:
        """What changed in a table during a time, by whom; and what something else did to it.

        Args:
            db: The database.
            table: The table.
            since: From this time on, with a time zone; None for the beginning.
            until: Before this time, with a time zone; None for now.
            actor: Changes of this user only.
            dag_id: Changes of this DAG only.
            run_id: Changes of this DAG run only.
            limit: How many changes, the newest; None for all.
            foreign: Whether to look for what something else did, too: that takes a look at all
                partitions.
            files: Whether to compare the files of the current batches with what was written, too;
                None for tables of up to 1,000 partitions.

        Returns:
            The changes, newest first, and the partitions that something else has moved or written.

        Raises:
            TableNotFound: There is no such table.
            InvalidName: A time has no time zone, or the limit is no number from 1 on.

        Example:
            >>> [entry.batch_id for entry in warehouse.audit("sales", "sold_items").entries] == [oops.batch_id, good.batch_id]
            True
        """
        from airflow_sfx.warehouse.history.audit import AuditFilter, audit_table

        switches(foreign=foreign, **({} if files is None else {"files": files}))
        opened = self._open(db, table)
        wanted = AuditFilter(since, until, actor, dag_id, run_id, limit)
        return audit_table(opened, Ledger(opened), wanted, foreign=foreign, files=files)

    def audit_run(self, *, dag_id: str, run_id: str) -> list[AuditReport]:
        """What one DAG run changed, across all tables.

        Args:
            dag_id: The DAG.
            run_id: The DAG run.

        Returns:
            The changes that took effect, a table at a time; none where it changed nothing. A table
            that is gone or damaged has none, and says why in ``untold``.

        Example:
            >>> warehouse.audit_run(dag_id="nightly", run_id="manual__1")
            []
        """
        from airflow_sfx.warehouse.history.audit import audit_unit

        return audit_unit(self.store, self.metastore, Unit(dag_id, run_id))

    def readers(self, pin: BatchPin) -> list[DownstreamBatch]:
        """Who read batches: what was stored with them among its inputs, as tasks do by themselves.

        Args:
            pin: The batches.

        Returns:
            What was made from any of them, newest first, each once.

        Raises:
            InvalidName: It is not a pin.

        Example:
            >>> total = warehouse.store_dataframe(pd.DataFrame({"n": [3]}), "sales", "totals", inputs=[good])
            >>> [one.pin == total for one in warehouse.readers(good)]
            [True]
        """
        from airflow_sfx.warehouse.pins.lineage import downstream_of

        return downstream_of(self.store, a_pin(pin))


def _one(partitions: Sequence[Partition], table: Table) -> str:
    if len(partitions) != 1:
        raise InvalidName(
            f"{len(partitions)} partitions of {table.ref} were named: a history is of one"
            " partition, or of all"
        )
    return table.layout.name(partitions[0])

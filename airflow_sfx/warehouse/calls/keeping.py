"""Gives batches up: retention and erasure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.validation import switches
from airflow_sfx.warehouse.log.ledger import Ledger

if TYPE_CHECKING:
    from airflow_sfx.warehouse.retention.erasure import ErasureReport
    from airflow_sfx.warehouse.retention.expire import RetentionReport
from airflow_sfx.warehouse.calls.base import Calls


class Keeping(Calls):
    """Gives batches up: retention and erasure."""

    def retain(
        self,
        db: str,
        table: str,
        *,
        keep_last: int,
        older_than: timedelta,
        grace: timedelta = timedelta(days=1),
        dry_run: bool = True,
        reason: str = "",
        producer: Producer | None = None,
    ) -> RetentionReport:
        """Retire batches that nobody needs any more, and delete the files of those that were retired long enough ago.

        A retired batch cannot be pinned durably, published or rolled back to; what has pinned it
        before keeps it. Its files are deleted by a call after its time of grace. Nothing else in
        this package deletes.

        Args:
            db: The database.
            table: The table.
            keep_last: How many batches of each partition stay, the current one among them.
            older_than: Since when a batch must have been out of use, at the least.
            grace: For how long the files of a retired batch stay: longer than any task may go on
                reading a pin that it does not hold durably.
            dry_run: Only tell what would be done.
            reason: Why, for the history.
            producer: Who; the process's own identity when absent.

        Returns:
            What would be done, or was.

        Raises:
            TableNotFound: There is no such table.
            InvalidName: ``keep_last`` or a time is too small, or ``dry_run`` is no bool.

        Example:
            >>> from datetime import timedelta
            >>> plan = warehouse.retain("sales", "sold_items", keep_last=1, older_than=timedelta(0))
            >>> [one.batch_id == good.batch_id for one in plan.retired], plan.dry_run
            ([True], True)
        """
        from airflow_sfx.warehouse.retention.expire import Rule, retain

        switches(dry_run=dry_run)
        opened = self._open(db, table)
        rule, author = Rule(keep_last, older_than, grace), self._author(producer, reason)
        return retain(opened, Ledger(opened), rule, author, dry_run=dry_run, now=datetime.now(UTC))

    def erase(
        self,
        db: str,
        table: str,
        *,
        where: str,
        grace: timedelta = timedelta(days=1),
        despite_pins: bool = False,
        dry_run: bool = True,
        reason: str = "",
        producer: Producer | None = None,
    ) -> ErasureReport:
        """Erase a person's rows from every batch that the table retains: current, earlier and staged.

        Each batch that holds such rows is replaced by one without them: what was current stays
        current, and a rollback goes to what replaced a batch. The old ones are retired, and deleted
        by a call after their time of grace. A durable pin keeps its batches until it is over. The
        history says how many rows were erased, chosen by which columns; the values of the condition
        are kept nowhere.

        Args:
            db: The database.
            table: The table.
            where: Which rows, as a condition of SQL: ``client_id = 42``. Comparisons, IN, BETWEEN
                and IS NULL of columns and literals, with AND, OR and NOT.
            grace: For how long the files that hold the rows stay, for tasks that are reading them.
            despite_pins: Delete also what durable pins hold.
            dry_run: Only tell what would be done.
            reason: Why, for the history: the number of a request, and no name.
            producer: Who; the process's own identity when absent.

        Returns:
            What would be done, or was.

        Raises:
            TableNotFound: There is no such table.
            SchemaMismatch: The condition is not understood, or names a column that no batch has.
            InvalidName: The time of grace is below zero, or an argument is of another kind.

        Example:
            >>> report = warehouse.erase("sales", "sold_items", where="n = -9", dry_run=False, reason="request 17")
            >>> report.erased, warehouse.load_dataframe("sales", "sold_items")["n"].tolist()
            (1, [2])
        """
        from airflow_sfx.warehouse.retention.erasure import Erasure, erase

        switches(despite_pins=despite_pins, dry_run=dry_run)
        if not isinstance(where, str):
            raise InvalidName(
                f"where={where!r:.80} is not text: pass a condition of SQL, as in where='client_id"
                " = 42'"
            )
        opened = self._open(db, table)
        author = self._author(producer, reason)
        erasure = Erasure(where, grace, despite_pins)
        return erase(
            opened, Ledger(opened), erasure, author, dry_run=dry_run, now=datetime.now(UTC)
        )

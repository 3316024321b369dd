"""Rolls back: partitions, runs, backfills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.validation import by_partition, listed, switches
from airflow_sfx.warehouse.calls.base import Calls
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.run_index import Unit

if TYPE_CHECKING:
    from airflow_sfx.warehouse.undo.rollback_run import RunRollback


class Undoing(Calls):
    """Rolls back: partitions, runs, backfills."""

    def rollback(
        self,
        db: str,
        table: str,
        partitions: Sequence[object] | None = None,
        *,
        to: str | None = None,
        reason: str = "",
        expected: BatchPin | Mapping[str, str | None] | None = None,
        producer: Producer | None = None,
    ) -> BatchPin:
        """Make an earlier batch current again; no data are read or written, and nothing is lost.

        The next attempt of a task takes what the one before has rolled back, and nobody has changed
        since, as done.

        Args:
            db: The database.
            table: The table.
            partitions: Which partitions; None only for a table without.
            to: The batch ID to go to; None for the batch before. A second call goes one further
                back.
            reason: Why, for the history.
            expected: What must be current for the rollback to be right: a pin, or batches by
                partition name, None for no batch.
            producer: Who; the process's own identity when absent.

        Returns:
            The pin of what is current now.

        Raises:
            TableNotFound: There is no such table.
            PartitionNotFound: A partition has no batch.
            BatchNotFound: There is no batch before, or the partition never had ``to``.
            CommitConflict: Something else than ``expected`` is current.
            InvalidName: ``to`` is no batch ID, or ``expected`` is not by partition.

        Example:
            >>> warehouse.rollback("sales", "sold_items", ["20161031"], reason="nobody sells minus nine") == good
            True
        """
        from airflow_sfx.warehouse.undo.rollback import roll_back

        seen = expected.batches if isinstance(expected, BatchPin) else by_partition(expected)
        opened = self._open(db, table)
        wanted = opened.wanted(partitions)
        if wanted is None:
            raise InvalidName(
                f"rollback of {opened.ref} names no partition: pass partitions=, such as"
                " ['20161031']"
            )
        author = self._author(producer, reason)
        return roll_back(opened, Ledger(opened), wanted, author, to=to, expected=seen)

    def rollback_run(
        self,
        *,
        dag_id: str,
        run_id: str,
        reason: str = "",
        producer: Producer | None = None,
        dry_run: bool = False,
        expected: Sequence[RunRollback] | None = None,
    ) -> list[RunRollback]:
        """Undo everything that one DAG run published. Partitions that somebody has changed since stay as they are.

        Args:
            dag_id: The DAG.
            run_id: The DAG run.
            reason: Why, for the history.
            producer: Who; the process's own identity when absent.
            dry_run: Only tell what would be done, and what would keep it from being done.
            expected: What a dry run has told: the partitions that go back, and to what.

        Returns:
            What was done, or would be, a table at a time. A table that is gone is left alone, and
            says why.

        Raises:
            BatchNotFound: The run changed nothing in this warehouse; or a batch to go to is
                retired, and nothing was undone.
            InconsistentBatch: A table's history, or a batch to go to, is damaged, and nothing was
                undone.
            CommitConflict: Something else would be done than ``expected``.
            InvalidName: ``dry_run`` is no bool.

        Example:
            >>> night = sfx.Producer(dag_id="nightly", run_id="manual__1", task_id="load", try_number=1)
            >>> pin = warehouse.store_dataframe(pd.DataFrame({"n": [7]}), "sales", "sold_items", ["20161031"], producer=night)
            >>> [one.pin == oops for one in warehouse.rollback_run(dag_id="nightly", run_id="manual__1")]
            [True]
        """
        return self._undo(
            Unit(dag_id, run_id), reason, producer, dry_run=dry_run, expected=expected
        )

    def rollback_backfill(
        self,
        *,
        dag_id: str,
        backfill_id: str,
        run_ids: Sequence[str] = (),
        reason: str = "",
        producer: Producer | None = None,
        dry_run: bool = False,
    ) -> list[RunRollback]:
        """Undo everything that the runs of one backfill published; what nightly runs published since stays as it is.

        Args:
            dag_id: The DAG.
            backfill_id: The backfill: how its runs have named it, or, with ``run_ids``, its number.
            run_ids: Its runs; none where they have named it.
            reason: Why, for the history.
            producer: Who; the process's own identity when absent.
            dry_run: Only tell what would be done, and what would keep it from being done.

        Returns:
            What was done, or would be, a table at a time. A table that is gone is left alone, and
            says why.

        Raises:
            BatchNotFound: The backfill changed nothing in this warehouse; or a batch to go to is
                retired, and nothing was undone.
            InconsistentBatch: A table's history, or a batch to go to, is damaged, and nothing was
                undone.

        Example:
            >>> run = sfx.Producer(dag_id="nightly", run_id="b1", task_id="load", try_number=1, backfill_id="october")
            >>> pin = warehouse.store_dataframe(pd.DataFrame({"n": [7]}), "sales", "sold_items", ["20161031"], producer=run)
            >>> [one.pin == oops for one in warehouse.rollback_backfill(dag_id="nightly", backfill_id="october")]
            [True]
        """
        unit = Unit(dag_id, backfill_id=backfill_id, run_ids=listed(run_ids, "run_ids"))
        return self._undo(unit, reason, producer, dry_run=dry_run)

    def _undo(
        self,
        unit: Unit,
        reason: str,
        producer: Producer | None,
        *,
        dry_run: bool,
        expected: Sequence[RunRollback] | None = None,
    ) -> list[RunRollback]:
        from airflow_sfx.warehouse.undo.rollback_run import roll_back_run

        switches(dry_run=dry_run)
        author = self._author(
            producer, f"undo of {unit}" if isinstance(reason, str) and not reason else reason
        )
        return roll_back_run(
            self.store, self.metastore, unit, author, dry_run=dry_run, expected=expected
        )

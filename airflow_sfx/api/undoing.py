"""Rolls back: partitions, runs, backfills."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from airflow_sfx.api.connecting import warehouse_of
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from airflow_sfx.warehouse.undo.rollback_run import RunRollback


def rollback(
    db: str,
    table: str,
    partitions: Sequence[object] | None = None,
    *,
    to: str | None = None,
    reason: str = "",
    expected: BatchPin | Mapping[str, str | None] | None = None,
    producer: Producer | None = None,
    warehouse: Warehouse | str | None = None,
) -> BatchPin:
    """Make an earlier batch current again; no data are read or written, and nothing is lost.

    The next attempt of a task takes what the one before has rolled back, and nobody has changed
    since, as done.

    Args:
        db: The database.
        table: The table.
        partitions: Which partitions; None only for a table without.
        to: The batch ID to go to; None for the batch before. A second call goes one further back.
        reason: Why, for the history.
        expected: What must be current for the rollback to be right: a pin, or batches by partition
            name, None for no batch.
        producer: Who; the process's own identity when absent.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The pin of what is current now.

    Raises:
        TableNotFound: There is no such table.
        PartitionNotFound: A partition has no batch.
        BatchNotFound: There is no batch before, or the partition never had ``to``.
        CommitConflict: Something else than ``expected`` is current.
        InvalidName: ``to`` is no batch ID, or ``expected`` is not by partition.

    Example:
        >>> sfx.rollback("sales", "sold_items", ["20161031"], reason="nobody sells minus nine") == good
        True
    """
    return warehouse_of(warehouse).rollback(
        db, table, partitions, to=to, reason=reason, expected=expected, producer=producer
    )


def rollback_run(
    *,
    dag_id: str,
    run_id: str,
    reason: str = "",
    producer: Producer | None = None,
    dry_run: bool = False,
    expected: Sequence[RunRollback] | None = None,
    warehouse: Warehouse | str | None = None,
) -> list[RunRollback]:
    """Undo everything that one DAG run published. Partitions that somebody has changed since stay as they are.

    Args:
        dag_id: The DAG.
        run_id: The DAG run.
        reason: Why, for the history.
        producer: Who; the process's own identity when absent.
        dry_run: Only tell what would be done, and what would keep it from being done.
        expected: What a dry run has told: the partitions that go back, and to what.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        What was done, or would be, a table at a time. A table that is gone is left alone, and says
        why.

    Raises:
        BatchNotFound: The run changed nothing in this warehouse; or a batch to go to is retired,
            and nothing was undone.
        InconsistentBatch: A table's history, or a batch to go to, is damaged, and nothing was
            undone.
        CommitConflict: Something else would be done than ``expected``.
        InvalidName: ``dry_run`` is no bool.

    Example:
        >>> night = sfx.Producer(dag_id="nightly", run_id="manual__1", task_id="load", try_number=1)
        >>> pin = sfx.store_dataframe(pd.DataFrame({"n": [7]}), "sales", "sold_items", ["20161031"], producer=night)
        >>> [one.pin == oops for one in sfx.rollback_run(dag_id="nightly", run_id="manual__1")]
        [True]
    """
    return warehouse_of(warehouse).rollback_run(
        dag_id=dag_id,
        run_id=run_id,
        reason=reason,
        producer=producer,
        dry_run=dry_run,
        expected=expected,
    )


def rollback_backfill(
    *,
    dag_id: str,
    backfill_id: str,
    reason: str = "",
    producer: Producer | None = None,
    dry_run: bool = False,
    warehouse: Warehouse | str | None = None,
) -> list[RunRollback]:
    """Undo everything that the runs of one backfill published; what nightly runs published since stays as it is.

    Args:
        dag_id: The DAG.
        backfill_id: The backfill's number in Airflow; or the name that the runs' configuration gave
            it, ``{"sfx_backfill_id": "march again"}``.
        reason: Why, for the history.
        producer: Who; the process's own identity when absent.
        dry_run: Only tell what would be done, and what would keep it from being done.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        What was done, or would be, a table at a time. A table that is gone is left alone, and says
        why.

    Raises:
        BatchNotFound: The backfill changed nothing in this warehouse; or a batch to go to is
            retired, and nothing was undone.
        InconsistentBatch: A table's history, or a batch to go to, is damaged, and nothing was
            undone.

    Example:
        >>> run = sfx.Producer(dag_id="nightly", run_id="b1", task_id="load", try_number=1, backfill_id="october")
        >>> pin = sfx.store_dataframe(pd.DataFrame({"n": [7]}), "sales", "sold_items", ["20161031"], producer=run)
        >>> [one.pin == oops for one in sfx.rollback_backfill(dag_id="nightly", backfill_id="october")]
        [True]
    """
    return warehouse_of(warehouse).rollback_backfill(
        dag_id=dag_id,
        backfill_id=backfill_id,
        run_ids=backfill_runs(dag_id, backfill_id),
        reason=reason,
        producer=producer,
        dry_run=dry_run,
    )


def backfill_runs(dag_id: str, backfill_id: str) -> list[str]:
    """The runs of a backfill that is given by its number, from Airflow's database; none where the history has to tell.

    Args:
        dag_id: The DAG.
        backfill_id: The backfill's number or name.

    Returns:
        The runs' IDs.

    Raises:
        BatchNotFound: The DAG has no backfill of that number with runs.

    Example:
        >>> backfill_runs("nightly", "march again")
        []
    """
    if not backfill_id.isdecimal() or importlib.util.find_spec("airflow") is None:
        return []
    from airflow_sfx.hooks.backfill_runs import runs_of_backfill

    return runs_of_backfill(dag_id, int(backfill_id))

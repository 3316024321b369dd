"""The public calls: those of `Warehouse`, on the warehouse that the call, the environment or Airflow names."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse import connect as _connect
from airflow_sfx.warehouse.reports import AuditReport, Repair, RunRollback, TableState, VerifyReport
from airflow_sfx.warehouse.warehouse import As, Check, Evolve, Keys, Warehouse

if TYPE_CHECKING:
    from airflow_sfx.warehouse.diff import BatchDiff
    from airflow_sfx.warehouse.durable_pins import DurablePin
    from airflow_sfx.warehouse.erasure import ErasureReport
    from airflow_sfx.warehouse.progress import Progress
    from airflow_sfx.warehouse.retention import RetentionReport

VARIABLE = "SFX_WAREHOUSE"
"""The environment variable that names the warehouse."""

CONNECTION = "AIRFLOW_CONN_SFX_DEFAULT"
"""The environment variable by which Airflow knows the connection ``sfx_default``, also where Airflow is not running."""


def connect(uri: str | None = None, *, producer: Callable[[], Producer] | None = None) -> Warehouse:
    """Open a warehouse.

    Args:
        uri: ``embedded:///path``, with ``?layout=hive`` for partition directories named ``key=value``;
            ``hive://host:9083?location=s3://bucket/prefix``, further hosts after a comma;
            ``glue://region?location=s3://bucket/prefix``; None for the default one: what ``SFX_WAREHOUSE`` names, else,
            in a process that runs Airflow or has ``AIRFLOW_CONN_SFX_DEFAULT``, the connection ``sfx_default``, else ``embedded://~/.sfx/warehouse``.
        producer: Gives who writes, asked once a change; from the process's environment where it is absent.

    Returns:
        The warehouse.

    Raises:
        InvalidName: The URI names no warehouse that is known here.
        WarehouseUnavailable: It cannot be opened.

    Example:
        >>> sfx.connect(f"embedded://{tempfile.mkdtemp()}").tables()
        []
    """
    if uri is not None:
        return _connect.connect(uri, producer=producer)
    named = os.environ.get(VARIABLE)
    if named:
        return _opened(named) if producer is None else _connect.connect(named, producer=producer)
    if "airflow.sdk" in sys.modules or (CONNECTION in os.environ and importlib.util.find_spec("airflow") is not None):
        from airflow_sfx.hooks.sfx import default_warehouse

        found = default_warehouse()
        if found is not None:
            return found
    return _opened(_connect.DEFAULT_URI)


@lru_cache(maxsize=8)
def _opened(uri: str) -> Warehouse:
    return _connect.connect(uri)


def _warehouse(given: Warehouse | str | None) -> Warehouse:
    if isinstance(given, Warehouse):
        return given
    return connect() if given is None else _opened(given)


def _producer(given: Producer | None) -> Producer | None:
    """In an Airflow task, the task instance as Airflow's context describes it, which says more than the variables."""
    if given is None and "airflow.sdk" in sys.modules:
        from airflow_sfx.hooks.context import current_producer_or_none

        return current_producer_or_none()
    return given


def store_dataframe(
    df: object,
    dest_db: str,
    dest_table: str,
    partitions: Sequence[object] | None = None,
    *,
    partition_by: Sequence[str] | None = None,
    partition_keys: Keys | None = None,
    publish: bool = True,
    reason: str = "",
    inputs: Iterable[BatchPin] = (),
    checks: Iterable[Check] = (),
    evolve: Evolve = "safe",
    producer: Producer | None = None,
    warehouse: Warehouse | str | None = None,
) -> BatchPin:
    """Write a frame as a new batch and make it current. What was there before stays, and can be rolled back to.

    Args:
        df: A pandas, polars or Spark DataFrame, a pyarrow Table or RecordBatchReader, or an iterator of these.
        dest_db: The database.
        dest_table: The table; made if it is absent.
        partitions: The values of the partition to write, one a key; None for a table without partitions.
        partition_by: Columns of the frame that say to which partition a row belongs; many partitions, one batch ID.
        partition_keys: Names of a new table's keys, or names with Hive types; one key is called ``partition`` when
            nobody names it.
        publish: False stages the batch: complete, but not current until `publish`.
        reason: Why, for the history.
        inputs: The pins that the frame was made from, for the manifest.
        checks: What the frame must pass to be published; see `airflow_sfx.checks`.
        evolve: ``safe`` allows added columns and safe widening, ``any`` every change, ``none`` none.
        producer: Who writes; the process's own identity when absent.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The pin of exactly what was written.

    Raises:
        InvalidName: A name or a partition value breaks a rule; nothing was written.
        SchemaMismatch: The frame cannot be stored, or does not fit the table; nothing was written.
        CheckFailed: A check failed; the batch is staged and the partition is as it was.
        StaleAttempt: A newer attempt of this task instance has changed the partition.
        CommitConflict: Others changed the partition first, for minutes.
        WarehouseUnavailable: Storage or metastore failed.

    Example:
        >>> quiet = pd.DataFrame({"n": [3]})
        >>> pin = sfx.store_dataframe(quiet, "sales", "sold_items", ["20161101"], reason="a quiet day")
        >>> list(pin.batches)
        ['20161101']
    """
    return _warehouse(warehouse).store_dataframe(
        df,
        dest_db,
        dest_table,
        partitions,
        partition_by=partition_by,
        partition_keys=partition_keys,
        publish=publish,
        reason=reason,
        inputs=inputs,
        checks=checks,
        evolve=evolve,
        producer=_producer(producer),
    )


def load_dataframe(
    src_db: str | BatchPin,
    src_table: str | None = None,
    partitions: Sequence[object] | None = None,
    *,
    batch_id: str | None = None,
    as_of: datetime | None = None,
    columns: Sequence[str] | None = None,
    filters: object = None,
    as_: As = "pandas",
    batches: bool = False,
    warehouse: Warehouse | str | None = None,
) -> Any:
    """Read batches whole: the current ones, or exactly those that a pin, an ID or a time names.

    Args:
        src_db: The database, or a pin.
        src_table: The table; absent with a pin.
        partitions: Which partitions; None for all.
        batch_id: The batch to read of each named partition.
        as_of: The time, with a time zone, whose current batches are read.
        columns: The columns to read, in this order; None for all.
        filters: Rows to keep: a `pyarrow.compute.Expression`, or tuples such as ``[("price", ">", 3)]``.
        as_: ``pandas``, ``polars``, ``arrow`` or ``spark`` (read by the executors of the active session).
        batches: True gives an iterator of frames, for data larger than memory; one without rows where there are none.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The frame as it was stored. A read of the whole table has the partition keys as columns too.

    Raises:
        TableNotFound: There is no such table.
        PartitionNotFound: A partition is not there.
        BatchNotFound: A batch is not there.
        InconsistentBatch: Stored objects are not what the manifest says.

    Example:
        >>> sfx.load_dataframe("sales", "sold_items", ["20161031"])["n"].tolist()
        [-9, 2]
        >>> sfx.load_dataframe(good)["n"].tolist()
        [1, 2]
    """
    return _warehouse(warehouse).load_dataframe(
        src_db,
        src_table,
        partitions,
        batch_id=batch_id,
        as_of=as_of,
        columns=columns,
        filters=filters,
        as_=as_,
        batches=batches,
    )


def publish(
    pin: BatchPin,
    *,
    reason: str = "",
    force: bool = False,
    producer: Producer | None = None,
    warehouse: Warehouse | str | None = None,
) -> BatchPin:
    """Make staged batches current, all of them at one moment.

    Args:
        pin: What a store with ``publish=False`` returned.
        reason: Why, for the history.
        force: Publish even where a batch that was written later is current.
        producer: Who; the process's own identity when absent.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The pin.

    Raises:
        BatchNotFound: There is no such batch.
        InconsistentBatch: A batch was never completed.
        CommitConflict: A batch that was written later is current.
        InvalidName: The pin is of another warehouse.

    Example:
        >>> staged = sfx.store_dataframe(pd.DataFrame({"n": [3]}), "sales", "sold_items", ["20161101"], publish=False)
        >>> sfx.publish(staged, reason="looked at") == sfx.pin("sales", "sold_items", ["20161101"])
        True
    """
    return _warehouse(warehouse).publish(pin, reason=reason, force=force, producer=_producer(producer))


def pin(
    db: str,
    table: str,
    partitions: Sequence[object] | None = None,
    *,
    as_of: datetime | None = None,
    warehouse: Warehouse | str | None = None,
) -> BatchPin:
    """Pin what is current now, or was at a time.

    Args:
        db: The database.
        table: The table.
        partitions: Which partitions; None for all.
        as_of: The time, with a time zone; None for now.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The pin.

    Raises:
        TableNotFound: There is no such table.
        PartitionNotFound: A partition has no batch, or no partition has one.

    Example:
        >>> sfx.pin("sales", "sold_items", ["20161031"]) == oops
        True
    """
    return _warehouse(warehouse).pin(db, table, partitions, as_of=as_of)


def hold(
    pin: BatchPin,
    name: str,
    *,
    until: datetime | None = None,
    renew: bool = False,
    reason: str = "",
    producer: Producer | None = None,
    warehouse: Warehouse | str | None = None,
) -> DurablePin:
    """Write a pin down beside its table, so that it outlives XCom and retention leaves its batches alone.

    A name's first pin of some partitions stays its pin: a second call gives the first one's, unless it renews.

    Args:
        pin: The pin.
        name: Whose it is, such as a report's name.
        until: Until when retention leaves the batches alone, with a time zone; None for ever.
        renew: Write this one down even where the name has one.
        reason: Why, for whoever looks.
        producer: Who; the process's own identity when absent.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The durable pin that counts.

    Raises:
        InvalidName: The pin is of another warehouse, the name is empty, or the time has no time zone.

    Example:
        >>> sfx.hold(good, "annual accounts").pin == sfx.hold(oops, "annual accounts").pin == good
        True
    """
    return _warehouse(warehouse).hold(pin, name, until=until, renew=renew, reason=reason, producer=producer)


def pin_durably(
    db: str,
    table: str,
    partitions: Sequence[object] | None = None,
    *,
    name: str,
    as_of: datetime | None = None,
    until: datetime | None = None,
    renew: bool = False,
    reason: str = "",
    producer: Producer | None = None,
    warehouse: Warehouse | str | None = None,
) -> DurablePin:
    """What a name has pinned already; else pin what is current, or was at a time, and write it down.

    Args:
        db: The database.
        table: The table.
        partitions: Which partitions; None for all. Where the name has pinned other ones, these are pinned anew.
        name: Whose pin it is.
        as_of: The time, with a time zone; None for now.
        until: Until when retention leaves the batches alone, with a time zone; None for ever.
        renew: Pin anew in any case.
        reason: Why, for whoever looks.
        producer: Who; the process's own identity when absent.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The durable pin that counts.

    Raises:
        TableNotFound: There is no such table.
        PartitionNotFound: A partition has no batch, or no partition has one.
        InvalidName: The name is empty, or a time has no time zone.

    Example:
        >>> sfx.pin_durably("sales", "sold_items", name="october report").pin == oops
        True
    """
    return _warehouse(warehouse).pin_durably(
        db, table, partitions, name=name, as_of=as_of, until=until, renew=renew, reason=reason, producer=producer
    )


def durable_pins(
    db: str, table: str, name: str | None = None, *, warehouse: Warehouse | str | None = None
) -> list[DurablePin]:
    """What is pinned durably in a table: by whom, since when, until when.

    Args:
        db: The database.
        table: The table.
        name: Whose pin; None for everybody's.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The pins, oldest first; of one name only the one that counts, or none.

    Raises:
        TableNotFound: There is no such table.

    Example:
        >>> held = sfx.hold(good, "annual accounts", reason="signed by the auditor")
        >>> sfx.durable_pins("sales", "sold_items") == [held]
        True
    """
    return _warehouse(warehouse).durable_pins(db, table, name)


def release(
    db: str,
    table: str,
    name: str,
    *,
    reason: str = "",
    producer: Producer | None = None,
    warehouse: Warehouse | str | None = None,
) -> DurablePin | None:
    """End what a name holds durably, before its time: retention may give the batches up, unless another name holds them.

    Args:
        db: The database.
        table: The table.
        name: Whose pins.
        reason: Why, for whoever looks.
        producer: Who; the process's own identity when absent.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        What says so, the name's newest pin; None where it holds nothing.

    Raises:
        TableNotFound: There is no such table.

    Example:
        >>> held = sfx.hold(good, "annual accounts")
        >>> released = sfx.release("sales", "sold_items", "annual accounts", reason="the ten years are over")
        >>> warehouse.holding("sales", "sold_items")
        []
    """
    return _warehouse(warehouse).release(db, table, name, reason=reason, producer=_producer(producer))


def history(
    db: str,
    table: str,
    partition: Sequence[object] | None = None,
    *,
    limit: int | None = 100,
    warehouse: Warehouse | str | None = None,
) -> list[LedgerEntry]:
    """The changes of one partition, newest first; or, with no partition named, of the whole table.

    Args:
        db: The database.
        table: The table.
        partition: The partition's values; None for all partitions, by time.
        limit: How many entries at the most; None for all.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The entries.

    Raises:
        TableNotFound: There is no such table.
        PartitionNotFound: There never was such a partition.

    Example:
        >>> [(entry.sequence, entry.operation.value) for entry in sfx.history("sales", "sold_items", ["20161031"])]
        [(2, 'publish'), (1, 'publish')]
    """
    return _warehouse(warehouse).history(db, table, partition, limit=limit)


def audit(
    db: str,
    table: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    actor: str | None = None,
    dag_id: str | None = None,
    run_id: str | None = None,
    files: bool | None = None,
    warehouse: Warehouse | str | None = None,
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
        files: Whether to compare the files of the current batches with what was written, too; None for tables of up to
            1,000 partitions.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The changes, newest first, and the partitions that something else has moved or written.

    Raises:
        TableNotFound: There is no such table.
        InvalidName: A time has no time zone.

    Example:
        >>> [entry.batch_id for entry in sfx.audit("sales", "sold_items").entries] == [oops.batch_id, good.batch_id]
        True
    """
    return _warehouse(warehouse).audit(
        db, table, since=since, until=until, actor=actor, dag_id=dag_id, run_id=run_id, files=files
    )


def rollback(
    db: str,
    table: str,
    partitions: Sequence[object] | None = None,
    *,
    to: str | None = None,
    reason: str = "",
    expected: BatchPin | None = None,
    producer: Producer | None = None,
    warehouse: Warehouse | str | None = None,
) -> BatchPin:
    """Make an earlier batch current again; no data are read or written, and nothing is lost.

    Args:
        db: The database.
        table: The table.
        partitions: Which partitions; None only for a table without.
        to: The batch ID to go to; None for the batch before. A second call goes one further back.
        reason: Why, for the history.
        expected: What must be current for the rollback to be right.
        producer: Who; the process's own identity when absent.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The pin of what is current now.

    Raises:
        TableNotFound: There is no such table.
        PartitionNotFound: A partition has no batch.
        BatchNotFound: There is no batch before, or the partition never had ``to``.
        CommitConflict: Something else than ``expected`` is current.

    Example:
        >>> sfx.rollback("sales", "sold_items", ["20161031"], reason="nobody sells minus nine") == good
        True
    """
    return _warehouse(warehouse).rollback(
        db, table, partitions, to=to, reason=reason, expected=expected, producer=_producer(producer)
    )


def rollback_run(
    *,
    dag_id: str,
    run_id: str,
    reason: str = "",
    producer: Producer | None = None,
    warehouse: Warehouse | str | None = None,
) -> list[RunRollback]:
    """Undo everything that one DAG run published. Partitions that somebody has changed since stay as they are.

    Args:
        dag_id: The DAG.
        run_id: The DAG run.
        reason: Why, for the history.
        producer: Who; the process's own identity when absent.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        What was done, a table at a time.

    Raises:
        BatchNotFound: The run changed nothing in this warehouse.

    Example:
        >>> night = sfx.Producer(dag_id="nightly", run_id="manual__1", task_id="load", try_number=1)
        >>> pin = sfx.store_dataframe(pd.DataFrame({"n": [7]}), "sales", "sold_items", ["20161031"], producer=night)
        >>> [one.pin == oops for one in sfx.rollback_run(dag_id="nightly", run_id="manual__1")]
        [True]
    """
    return _warehouse(warehouse).rollback_run(dag_id=dag_id, run_id=run_id, reason=reason, producer=_producer(producer))


def rollback_backfill(
    *,
    dag_id: str,
    backfill_id: str,
    reason: str = "",
    producer: Producer | None = None,
    warehouse: Warehouse | str | None = None,
) -> list[RunRollback]:
    """Undo everything that the runs of one backfill published; what nightly runs published since stays as it is.

    Args:
        dag_id: The DAG.
        backfill_id: The backfill's number in Airflow; or the name that the runs' configuration gave it,
            ``{"sfx_backfill_id": "march again"}``.
        reason: Why, for the history.
        producer: Who; the process's own identity when absent.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        What was done, a table at a time.

    Raises:
        BatchNotFound: The backfill changed nothing in this warehouse.

    Example:
        >>> run = sfx.Producer(dag_id="nightly", run_id="b1", task_id="load", try_number=1, backfill_id="october")
        >>> pin = sfx.store_dataframe(pd.DataFrame({"n": [7]}), "sales", "sold_items", ["20161031"], producer=run)
        >>> [one.pin == oops for one in sfx.rollback_backfill(dag_id="nightly", backfill_id="october")]
        [True]
    """
    return _warehouse(warehouse).rollback_backfill(
        dag_id=dag_id,
        backfill_id=backfill_id,
        run_ids=backfill_runs(dag_id, backfill_id),
        reason=reason,
        producer=_producer(producer),
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
    from airflow_sfx.hooks.backfills import runs_of_backfill

    return runs_of_backfill(dag_id, int(backfill_id))


def retain(
    db: str,
    table: str,
    *,
    keep_last: int,
    older_than: timedelta,
    grace: timedelta = timedelta(days=1),
    dry_run: bool = True,
    reason: str = "",
    producer: Producer | None = None,
    warehouse: Warehouse | str | None = None,
) -> RetentionReport:
    """Retire batches that nobody needs any more, and delete the files of those that were retired long enough ago.

    What is current, staged, adopted, or held by a durable pin stays. A retired batch cannot be pinned durably, published or
    rolled back to. Its files are deleted by a call after its time of grace.

    Args:
        db: The database.
        table: The table.
        keep_last: How many batches of each partition stay, the current one among them.
        older_than: For how long a batch must have been out of use.
        grace: For how long the files of a retired batch stay: longer than any task may go on reading a pin that it does
            not hold durably.
        dry_run: Only tell what would be done.
        reason: Why, for the history.
        producer: Who; the process's own identity when absent.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        What would be done, or was.

    Raises:
        TableNotFound: There is no such table.
        InvalidName: ``keep_last`` or a time is too small.

    Example:
        >>> from datetime import timedelta
        >>> plan = sfx.retain("sales", "sold_items", keep_last=1, older_than=timedelta(0))
        >>> [one.batch_id == good.batch_id for one in plan.retired], plan.dry_run
        ([True], True)
    """
    return _warehouse(warehouse).retain(
        db,
        table,
        keep_last=keep_last,
        older_than=older_than,
        grace=grace,
        dry_run=dry_run,
        reason=reason,
        producer=_producer(producer),
    )


def erase(
    db: str,
    table: str,
    *,
    where: str,
    grace: timedelta = timedelta(days=1),
    despite_pins: bool = False,
    dry_run: bool = True,
    reason: str = "",
    producer: Producer | None = None,
    warehouse: Warehouse | str | None = None,
) -> ErasureReport:
    """Erase a person's rows from every batch that the table retains: current, earlier and staged.

    Args:
        db: The database.
        table: The table.
        where: Which rows, as a condition of SQL: comparisons, IN, BETWEEN and IS NULL of columns and literals, with AND, OR
            and NOT.
        grace: For how long the files that hold the rows stay, for tasks that are reading them.
        despite_pins: Delete also what durable pins hold.
        dry_run: Only tell what would be done.
        reason: Why, for the history: the number of a request, and no name.
        producer: Who; the process's own identity when absent.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        What would be done, or was.

    Raises:
        TableNotFound: There is no such table.
        SchemaMismatch: The condition is not understood, or names a column that no batch has.
        InvalidName: The time of grace is below zero.

    Example:
        >>> report = sfx.erase("sales", "sold_items", where="n = -9", dry_run=False, reason="request 17")
        >>> report.erased, sfx.load_dataframe("sales", "sold_items")["n"].tolist()
        (1, [2])
    """
    return _warehouse(warehouse).erase(
        db,
        table,
        where=where,
        grace=grace,
        despite_pins=despite_pins,
        dry_run=dry_run,
        reason=reason,
        producer=_producer(producer),
    )


def diff(
    before: BatchPin,
    after: BatchPin,
    *,
    keys: Sequence[str] = (),
    warehouse: Warehouse | str | None = None,
) -> BatchDiff:
    """Compare what two pins hold: columns, rows, each column's values, and, by key, the rows.

    Args:
        before: The one pin.
        after: The other, of the same or of another table.
        keys: Columns that tell rows apart; without them rows are compared as a whole.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The differences.

    Raises:
        SchemaMismatch: A key is not a column of both.

    Example:
        >>> found = sfx.diff(good, oops)
        >>> found.identical, found.added, found.removed
        (False, 1, 1)
    """
    return _warehouse(warehouse).diff(before, after, keys=keys)


def verify(
    pin: BatchPin,
    *,
    warehouse: Warehouse | str | None = None,
) -> VerifyReport:
    """Read every file of a pin and compare size, checksum and rows with the manifest.

    Args:
        pin: The pin.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        What was read.

    Raises:
        BatchNotFound: There is no such batch.
        InconsistentBatch: Something is missing, truncated or altered; ``problems`` lists it.

    Example:
        >>> sfx.verify(good).rows
        2
    """
    return _warehouse(warehouse).verify(pin)


def pinned_table_sql(
    pin: BatchPin,
    name: str,
    *,
    s3_scheme: str = "s3",
    warehouse: Warehouse | str | None = None,
) -> list[str]:
    """The SQL of an external table over exactly a pin's batches, for Hive and every engine that knows tables only.

    Args:
        pin: The pin.
        name: ``database.table`` of the table to make; it must not be there yet. Dropping it leaves the batches alone.
        s3_scheme: What ``s3://`` is called in the locations: ``s3a`` for open-source Hive and Spark.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        Statements of HiveQL, which Spark SQL knows, too, to be run in their order.

    Raises:
        InvalidName: The name breaks a rule.
        BatchNotFound: There is no such batch.

    Example:
        >>> [statement.partition(" ")[0] for statement in sfx.pinned_table_sql(good, "scratch.good_items")]
        ['CREATE', 'ALTER']
    """
    return _warehouse(warehouse).pinned_table_sql(pin, name, s3_scheme=s3_scheme)


def repair(
    db: str,
    table: str,
    *,
    progress: Progress | None = None,
    warehouse: Warehouse | str | None = None,
) -> list[Repair]:
    """Complete what a writer that died left half done; tell what only a person can mend. Deletes nothing.

    Args:
        db: The database.
        table: The table.
        progress: Is told how many of how many partitions have been looked at.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        What was found and what was done; nothing where all is well.

    Raises:
        TableNotFound: There is no such table.

    Example:
        >>> sfx.repair("sales", "sold_items")
        []
    """
    return _warehouse(warehouse).repair(db, table, progress=progress)


def adopt(
    db: str,
    table: str,
    directory: str | os.PathLike[str] | None = None,
    *,
    partitions: Sequence[object] | None = None,
    partition_keys: Keys | None = None,
    reason: str = "",
    producer: Producer | None = None,
    progress: Progress | None = None,
    warehouse: Warehouse | str | None = None,
) -> BatchPin:
    """Take over files as they lie: they become the first batches of a table, or the newest of partitions.

    With a directory, its Parquet files become a table. Without, what the metastore has does: a table that something else
    made, or those partitions of this warehouse's table that something else has changed or added.

    Args:
        db: The database.
        table: The table; made if it is absent and there is a directory.
        directory: An absolute path, or a URI; None for what the metastore has.
        partitions: Which partitions of what the metastore has; None for all that are not in the history.
        partition_keys: Names of the keys, or names with Hive types, where the directories are not ``key=value``.
        reason: Why, for the history.
        producer: Who; the process's own identity when absent.
        progress: Is told how many of how many files have been read.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The pin of the adopted batches.

    Raises:
        InvalidName: There is nothing to adopt, or the directories do not fit the keys.
        SchemaMismatch: The files do not fit together, or do not fit the table.
        TableNotFound: Neither a directory nor a table is there.

    Example:
        >>> old = tempfile.mkdtemp()
        >>> pd.DataFrame({"n": [5]}).to_parquet(f"{old}/part-0.parquet")
        >>> sfx.load_dataframe(sfx.adopt("sales", "old_items", old))["n"].tolist()
        [5]
    """
    return _warehouse(warehouse).adopt(
        db,
        table,
        directory,
        partitions=partitions,
        partition_keys=partition_keys,
        reason=reason,
        producer=_producer(producer),
        progress=progress,
    )


def tables(
    *,
    warehouse: Warehouse | str | None = None,
) -> list[TableRef]:
    """All tables, sorted.

    Args:
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The tables, those that something else made among them.

    Example:
        >>> [str(table) for table in sfx.tables()]
        ['sales.sold_items']
    """
    return _warehouse(warehouse).tables()


def show(
    db: str,
    table: str,
    *,
    warehouse: Warehouse | str | None = None,
) -> TableState:
    """A table as it is now: columns, partitions, and what is staged.

    Args:
        db: The database.
        table: The table.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        Its state.

    Raises:
        TableNotFound: There is no such table.

    Example:
        >>> [one.batch_id == oops.batch_id for one in sfx.show("sales", "sold_items").partitions]
        [True]
    """
    return _warehouse(warehouse).show(db, table)


def manifests(
    pin: BatchPin,
    *,
    warehouse: Warehouse | str | None = None,
) -> list[Manifest]:
    """The manifests of a pin's batches: files, schema, statistics, producer, inputs, check results.

    Args:
        pin: The pin.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        One manifest a partition, by name.

    Raises:
        BatchNotFound: There is no such batch.
        InconsistentBatch: A manifest is missing or was altered.

    Example:
        >>> [manifest.rows for manifest in sfx.manifests(good)]
        [2]
    """
    return _warehouse(warehouse).manifests(pin)

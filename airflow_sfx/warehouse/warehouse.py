"""The warehouse: every operation on tables of one storage and one metastore."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from airflow_sfx.core.errors import ForeignChange, InvalidName
from airflow_sfx.core.io.uris import clean_uri
from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.options import As, Check, Keys, LoadOptions
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.paths import PartitionStyle
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.schema import Evolve
from airflow_sfx.core.table import TableRef
from airflow_sfx.core.validation import by_partition, listed, switches, whole
from airflow_sfx.metastore.base import Metastore
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.warehouse.connection import Connection
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.log.events import check_pin
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.run_index import Unit
from airflow_sfx.warehouse.table.table import STYLE_PARAMETER, Table

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from airflow_sfx.storage.concurrency import Progress
    from airflow_sfx.warehouse.batch.target import Target
    from airflow_sfx.warehouse.diff.diff import BatchDiff
    from airflow_sfx.warehouse.history.audit import AuditReport
    from airflow_sfx.warehouse.history.describe import TableState
    from airflow_sfx.warehouse.history.history import HistoryPage
    from airflow_sfx.warehouse.history.overview import TableOverview
    from airflow_sfx.warehouse.integrity.repair import Repair
    from airflow_sfx.warehouse.integrity.verify import VerifyReport
    from airflow_sfx.warehouse.pins.holds import Hold
    from airflow_sfx.warehouse.pins.lineage import DownstreamBatch
    from airflow_sfx.warehouse.retention.erasure import ErasureReport
    from airflow_sfx.warehouse.retention.expire import RetentionReport
    from airflow_sfx.warehouse.undo.rollback_run import RunRollback
    from airflow_sfx.warehouse.write.external_batch import ExternalBatch

_log = logging.getLogger(__name__)


class Warehouse:
    """Tables on one storage and one metastore; `airflow_sfx.connect` opens one.

    Safe to use from several threads. Times have time zones; what comes back is in UTC.

    Args:
        connection: What the warehouse is connected to, or a function that returns it, called anew
            whenever the connection is used.

    Example:
        >>> warehouse = sfx.connect(f"embedded://{tempfile.mkdtemp()}?layout=hive")
        >>> warehouse.partition_style, warehouse.tables()
        ('hive', [])
    """

    def __init__(self, connection: Connection | Callable[[], Connection]) -> None:
        self._connection = connection

    @property
    def connection(self) -> Connection:
        """What the warehouse is connected to."""
        return self._connection() if callable(self._connection) else self._connection

    @property
    def uri(self) -> str:
        """What the warehouse was opened by, without secrets."""
        return self.connection.uri

    @property
    def store(self) -> ObjectStore:
        """The object store."""
        return self.connection.store

    @property
    def metastore(self) -> Metastore:
        """The metastore."""
        return self.connection.metastore

    @property
    def partition_style(self) -> PartitionStyle:
        """How new tables name a partition's directory: ``value`` or ``hive``."""
        return self.connection.partition_style

    def store_dataframe(
        self,
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
        types: Mapping[str, str] | None = None,
        producer: Producer | None = None,
    ) -> BatchPin:
        """Write a frame as a new batch and make it current. What was there before stays, and can be rolled back to.

        Args:
            df: A pandas, polars or Spark DataFrame, a pyarrow Table or RecordBatchReader, or an
                iterator of these. Spark's executors write it themselves.
            dest_db: The database.
            dest_table: The table; made if it is absent.
            partitions: The values of the partition to write, one a key; None for a table without
                partitions.
            partition_by: Columns of the frame that say to which partition a row belongs; many
                partitions, one batch ID.
            partition_keys: Names of a new table's keys, or names with Hive types, to which columns
                of ``partition_by`` are cast; one key is called ``partition`` when nobody names it.
            publish: False stages the batch: complete, but not current until `publish`.
            reason: Why, for the history.
            inputs: The pins that the frame was made from, for the manifest.
            checks: What the frame must pass to be published; see `airflow_sfx.checks`.
            evolve: ``safe`` allows added columns and safe widening, ``any`` every change, ``none``
                none.
            types: Hive types by column, as ``{"price": "decimal(10,2)"}``, where the frame's are
                not what the table is to have: values are cast if none is lost, and come back so.
            producer: Who writes; the process's own identity when absent.

        Returns:
            The pin of exactly what was written.

        Raises:
            InvalidName: A name, a partition value or an argument breaks a rule; nothing was
                written.
            SchemaMismatch: The frame cannot be stored, or does not fit the table; nothing was
                written.
            CheckFailed: A check failed; the batch is staged and the partition is as it was.
            StaleAttempt: A newer attempt of this task instance has changed the partition.
            CommitConflict: Others changed the partition first, for minutes.
            WarehouseUnavailable: Storage or metastore failed.

        Example:
            >>> quiet = pd.DataFrame({"n": [3]})
            >>> pin = warehouse.store_dataframe(quiet, "sales", "sold_items", ["20161101"], reason="a quiet day")
            >>> list(pin.batches)
            ['20161101']
        """
        switches(publish=publish)
        self.metastore.get_ready()  # while the rest is imported

        from airflow_sfx.frames.inputs import is_spark
        from airflow_sfx.warehouse.write.store import StoreOptions, store_frame

        if partitions is not None and partition_by is not None:
            raise InvalidName("partitions= and partition_by= were both given: pass one of them")
        target = self._target(TableRef(dest_db, dest_table))
        pins, checked = listed(inputs, "inputs"), listed(checks, "checks")
        options = StoreOptions(
            partitions,
            partition_by,
            partition_keys,
            publish,
            pins,
            checked,
            evolve,
            {} if types is None else types,
        )
        author = self._author(producer, reason)
        if is_spark(df):
            from airflow_sfx.warehouse.write.spark import store_spark

            return store_spark(target, df, options, author)
        return store_frame(target, df, options, author)

    def open_batch(
        self,
        db: str,
        table: str,
        partitions: Sequence[object] | None = None,
        *,
        partition_keys: Keys | None = None,
        inputs: Iterable[BatchPin] = (),
        reason: str = "",
        producer: Producer | None = None,
    ) -> ExternalBatch:
        """Claim a batch that another program, such as a Spark job, is going to write.

        Args:
            db: The database.
            table: The table; made when the batch is closed, if it is absent.
            partitions: The values of the partition, one a key; None for a table without partitions.
            partition_keys: Names of a new table's keys, or names with Hive types.
            inputs: The pins that it is made from.
            reason: Why, for the history.
            producer: Who writes; the process's own identity when absent.

        Returns:
            The batch: its ``location`` is where to write Parquet files, its ``close`` makes them
            current.

        Raises:
            InvalidName: A name or a partition value breaks a rule.

        Example:
            >>> batch = warehouse.open_batch("sales", "sold_items", ["20161101"])
            >>> place = batch.location.removeprefix("file://")
            >>> os.makedirs(place, exist_ok=True)
            >>> pd.DataFrame({"n": [3]}).to_parquet(f"{place}/part-0.parquet")  # the other program
            >>> warehouse.load_dataframe(batch.close())["n"].tolist()
            [3]
        """
        from airflow_sfx.warehouse.write.external_batch import ExternalBatch

        target = self._target(TableRef(db, table))
        author = self._author(producer, reason)
        return ExternalBatch(target, partitions, partition_keys, listed(inputs, "inputs"), author)

    def publish(
        self,
        pin: BatchPin,
        *,
        reason: str = "",
        force: bool = False,
        expected: Mapping[str, str | None] | None = None,
        producer: Producer | None = None,
    ) -> BatchPin:
        """Make staged batches current, all of them at one moment.

        Args:
            pin: What a store with ``publish=False`` returned.
            reason: Why, for the history.
            force: Publish even where a batch that was written later is current.
            expected: By partition name, what must be current for the publish to be right; None for
                no batch.
            producer: Who; the process's own identity when absent.

        Returns:
            The pin.

        Raises:
            BatchNotFound: There is no such batch.
            InconsistentBatch: A batch was never completed.
            CommitConflict: A batch that was written later is current, or something else than
                ``expected``.
            InvalidName: The pin is of another warehouse, or ``force`` or ``expected`` is of another
                kind.

        Example:
            >>> staged = warehouse.store_dataframe(pd.DataFrame({"n": [3]}), "sales", "sold_items", ["20161101"], publish=False)
            >>> warehouse.publish(staged, reason="looked at") == warehouse.pin("sales", "sold_items", ["20161101"])
            True
        """
        from airflow_sfx.warehouse.write.publish import publish_pin

        switches(force=force)
        by_partition(expected)
        table = self._pinned(pin)
        author = self._author(producer, reason)
        return publish_pin(table, Ledger(table), pin, author, force=force, expected=expected)

    @overload
    def load_dataframe(
        self,
        src_db: str | BatchPin,
        src_table: str | None = ...,
        partitions: Sequence[object] | None = ...,
        *,
        as_: Literal["pandas"] = ...,
        batches: Literal[False] = ...,
        **options: Unpack[LoadOptions],
    ) -> pd.DataFrame: ...
    @overload
    def load_dataframe(
        self,
        src_db: str | BatchPin,
        src_table: str | None = ...,
        partitions: Sequence[object] | None = ...,
        *,
        as_: Literal["pandas"] = ...,
        batches: Literal[True],
        **options: Unpack[LoadOptions],
    ) -> Iterator[pd.DataFrame]: ...
    @overload
    def load_dataframe(
        self,
        src_db: str | BatchPin,
        src_table: str | None = ...,
        partitions: Sequence[object] | None = ...,
        *,
        as_: Literal["polars"],
        batches: Literal[False] = ...,
        **options: Unpack[LoadOptions],
    ) -> pl.DataFrame: ...
    @overload
    def load_dataframe(
        self,
        src_db: str | BatchPin,
        src_table: str | None = ...,
        partitions: Sequence[object] | None = ...,
        *,
        as_: Literal["polars"],
        batches: Literal[True],
        **options: Unpack[LoadOptions],
    ) -> Iterator[pl.DataFrame]: ...
    @overload
    def load_dataframe(
        self,
        src_db: str | BatchPin,
        src_table: str | None = ...,
        partitions: Sequence[object] | None = ...,
        *,
        as_: Literal["arrow"],
        batches: Literal[False] = ...,
        **options: Unpack[LoadOptions],
    ) -> pa.Table: ...
    @overload
    def load_dataframe(
        self,
        src_db: str | BatchPin,
        src_table: str | None = ...,
        partitions: Sequence[object] | None = ...,
        *,
        as_: Literal["arrow"],
        batches: Literal[True],
        **options: Unpack[LoadOptions],
    ) -> Iterator[pa.Table]: ...
    @overload
    def load_dataframe(
        self,
        src_db: str | BatchPin,
        src_table: str | None = ...,
        partitions: Sequence[object] | None = ...,
        *,
        as_: As = ...,
        batches: bool = ...,
        **options: Unpack[LoadOptions],
    ) -> Any: ...
    def load_dataframe(
        self,
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
    ) -> Any:
        """Read batches whole: the current ones, or exactly those that a pin, an ID or a time names.

        Args:
            src_db: The database, or a pin.
            src_table: The table; absent with a pin.
            partitions: Which partitions; None for all.
            batch_id: The batch to read of each named partition.
            as_of: The time, with a time zone, whose current batches are read.
            columns: The columns to read, in this order; None for all that the batches have. One
                that the table has and they have not reads as null.
            filters: Rows to keep: a `pyarrow.compute.Expression`, or tuples such as ``[("price",
                ">", 3)]``.
            as_: ``pandas``, ``polars``, ``arrow`` or ``spark`` (read by the executors of the active
                session).
            batches: True gives an iterator of frames, for data larger than memory; one without rows
                where there are none. It tells of what is wrong with a file when it comes to it.

        Returns:
            The frame as it was stored. A read of the whole table has the partition keys as columns
            too.

        Raises:
            TableNotFound: There is no such table.
            PartitionNotFound: A partition is not there.
            BatchNotFound: A batch is not there.
            InconsistentBatch: Stored objects are not what the manifest says.

        Example:
            >>> warehouse.load_dataframe("sales", "sold_items", ["20161031"])["n"].tolist()
            [-9, 2]
            >>> warehouse.load_dataframe(good)["n"].tolist()
            [1, 2]
        """
        from airflow_sfx.warehouse.read.load import load_batches

        switches(batches=batches)
        table, found, partial = self._chosen(src_db, src_table, partitions, batch_id, as_of)
        return load_batches(
            table,
            found,
            columns=columns,
            filters=filters,
            as_=as_,
            stream=batches,
            with_keys=not partial,
        )

    def pin(
        self,
        db: str,
        table: str,
        partitions: Sequence[object] | None = None,
        *,
        as_of: datetime | None = None,
    ) -> BatchPin:
        """Pin what is current now, or was at a time.

        Args:
            db: The database.
            table: The table.
            partitions: Which partitions; None for all.
            as_of: The time, with a time zone; None for now.

        Returns:
            The pin.

        Raises:
            TableNotFound: There is no such table.
            PartitionNotFound: A partition has no batch, or no partition has one.
            InvalidName: The time has no time zone.

        Example:
            >>> warehouse.pin("sales", "sold_items", ["20161031"]) == oops
            True
        """
        return self._pin(self._open(db, table), partitions, as_of)

    def manifests(self, pin: BatchPin) -> list[Manifest]:
        """The manifests of a pin's batches: files, schema, statistics, producer, inputs, check results.

        Args:
            pin: The pin.

        Returns:
            One manifest a partition, by name.

        Raises:
            BatchNotFound: There is no such batch.
            InconsistentBatch: A manifest is missing or was altered.

        Example:
            >>> [manifest.rows for manifest in warehouse.manifests(good)]
            [2]
        """
        return self._pinned(pin).manifests(pin.batches)

    def locations(self, pin: BatchPin) -> list[str]:
        """The directories of a pin's batches, for engines that read directories.

        Args:
            pin: The pin.

        Returns:
            One URI a partition, by name.

        Raises:
            BatchNotFound: There is no such batch.

        Example:
            >>> [place.rpartition("/")[2] == good.batch_id for place in warehouse.locations(good)]
            [True]
        """
        table = self._pinned(pin)
        found = table.manifests(pin.batches)
        return [one.location or table.batch_location(one.partition, one.batch_id) for one in found]

    def pinned_table_sql(self, pin: BatchPin, name: str, *, s3_scheme: str = "s3") -> list[str]:
        """The SQL of an external table over exactly a pin's batches, for Hive and every engine that knows tables only.

        Dropping that table leaves the batches alone, as of every external table.

        Args:
            pin: The pin.
            name: ``database.table`` of the table to make; it must not be there yet.
            s3_scheme: What ``s3://`` is called in the locations: ``s3a`` for open-source Hive and
                Spark.

        Returns:
            Statements of HiveQL, which Spark SQL knows, too, to be run in their order.

        Raises:
            InvalidName: The name breaks a rule.
            BatchNotFound: There is no such batch.

        Example:
            >>> [statement.partition(" ")[0] for statement in warehouse.pinned_table_sql(good, "scratch.good_items")]
            ['CREATE', 'ALTER']
        """
        from airflow_sfx.warehouse.read.external_table import pinned_table_statements

        return pinned_table_statements(self._pinned(pin), pin, TableRef.parse(name), s3_scheme)

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
        run_ids: Sequence[str] | None = None,
        reason: str = "",
        producer: Producer | None = None,
        dry_run: bool = False,
    ) -> list[RunRollback]:
        """Undo everything that the runs of one backfill published; what nightly runs published since stays as it is.

        Args:
            dag_id: The DAG.
            backfill_id: The backfill's number in Airflow, or the name that its runs' configuration
                gave it: ``{"sfx_backfill_id": "march again"}``.
            run_ids: Its runs. The default is what Airflow's database says, where it can be reached,
                besides the runs whose history names the backfill.
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
        known = self.connection.backfill_runs(dag_id, backfill_id) if run_ids is None else run_ids
        unit = Unit(dag_id, backfill_id=backfill_id, run_ids=listed(known, "run_ids"))
        return self._undo(unit, reason, producer, dry_run=dry_run)

    def adopt(
        self,
        db: str,
        table: str,
        directory: str | os.PathLike[str] | None = None,
        *,
        partitions: Sequence[object] | None = None,
        partition_keys: Keys | None = None,
        reason: str = "",
        producer: Producer | None = None,
        progress: Progress | None = None,
    ) -> BatchPin:
        """Take over files as they lie: they become the first batches of a table, or the newest of partitions.

        With a directory, its Parquet files become a table. Without, what the metastore has does: a
        table that something else made, or those partitions of this warehouse's table that something
        else has changed or added.

        Args:
            db: The database.
            table: The table; made if it is absent and there is a directory.
            directory: An absolute path, or a URI; None for what the metastore has.
            partitions: Which partitions of what the metastore has; None for all that are not in the
                history.
            partition_keys: Names of the keys, or names with Hive types, where the directories are
                not ``key=value``.
            reason: Why, for the history.
            producer: Who; the process's own identity when absent.
            progress: Is told how many of how many files have been read.

        Returns:
            The pin of the adopted batches.

        Raises:
            InvalidName: There is nothing to adopt, or the directories do not fit the keys.
            SchemaMismatch: The files do not fit together, or do not fit the table.
            TableNotFound: Neither a directory nor a table is there.

        Example:
            >>> old = tempfile.mkdtemp()
            >>> pd.DataFrame({"n": [5]}).to_parquet(f"{old}/part-0.parquet")
            >>> warehouse.load_dataframe(warehouse.adopt("sales", "old_items", old))["n"].tolist()
            [5]
        """
        from airflow_sfx.warehouse.batch.target import Target
        from airflow_sfx.warehouse.external.adopt import adopt_directory
        from airflow_sfx.warehouse.external.reconcile import adopt_present

        target = Target.of(TableRef(db, table), self.store, self.metastore, self.partition_style)
        author = self._author(producer, reason)
        if directory is None:
            return adopt_present(target, partitions, author, progress)
        if not isinstance(directory, str | os.PathLike):
            raise InvalidName(
                f"directory={directory!r:.80} is no path: pass an absolute one, or a URI"
            )
        return adopt_directory(target, os.fspath(directory), partition_keys, author, progress)

    def repair(
        self,
        db: str,
        table: str,
        *,
        adopted_from: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> list[Repair]:
        """Complete what a writer that died left half done; tell what only a person can mend. Deletes nothing.

        Args:
            db: The database.
            table: The table.
            adopted_from: Directories, as URIs, that batches of the table were adopted from, where
                the metastore has lost that: files elsewhere than there and in the table's own
                directory are not read.
            progress: Is told how many of how many partitions have been looked at.

        Returns:
            What was found and what was done; nothing where all is well.

        Raises:
            TableNotFound: There is no such table.
            InconsistentBatch: The metastore has lost the table, and a batch of it lies where nobody
                says that it was adopted.

        Example:
            >>> warehouse.repair("sales", "sold_items")
            []
        """
        from airflow_sfx.warehouse.external.reconcile import note_adopted
        from airflow_sfx.warehouse.integrity.repair import Repair, repair_table
        from airflow_sfx.warehouse.log.restore import restore_table

        ref, made = TableRef(db, table), []
        places = [_as_uri(one) for one in listed(adopted_from, "adopted_from")]
        there = self.metastore.get_table(ref)
        opened = None if there else restore_table(ref, self.store, self.metastore, places)
        if opened is not None:
            made.append(
                Repair("", "the metastore did not have the table", "made it again from its history")
            )
        elif places:
            note_adopted(self._open(db, table), places)
        opened = opened or self._open(db, table)
        return made + repair_table(opened, Ledger(opened), progress)

    def hold(
        self,
        pin: BatchPin,
        name: str,
        *,
        until: datetime | None = None,
        renew: bool = False,
        reason: str = "",
        producer: Producer | None = None,
    ) -> Hold:
        """Write a pin down beside its table, so that it outlives XCom and retention leaves its batches alone.

        A name's first pin of some partitions stays its pin: a second call gives the first one's,
        unless it renews or the first one's time is over.

        Args:
            pin: The pin.
            name: Whose it is, such as a report's name.
            until: Until when retention leaves the batches alone, with a time zone; None for ever.
            renew: Write this one down even where the name has one.
            reason: Why, for whoever looks.
            producer: Who; the process's own identity when absent.

        Returns:
            The hold that counts.

        Raises:
            InvalidName: The pin is of another warehouse, the name is empty, or the time is over or
                has no time zone.

        Example:
            >>> warehouse.hold(good, "annual accounts").pin == warehouse.hold(oops, "annual accounts").pin == good
            True
        """
        from airflow_sfx.warehouse.pins.holds import hold

        switches(renew=renew)
        author = self._author(producer, reason)
        return hold(self._pinned(pin), name, pin, author, until=until, renew=renew)

    def release(
        self, db: str, table: str, name: str, *, reason: str = "", producer: Producer | None = None
    ) -> Hold | None:
        """End what a name holds durably, before its time: retention may give the batches up, unless another name holds them.

        Args:
            db: The database.
            table: The table.
            name: Whose pins.
            reason: Why, for whoever looks.
            producer: Who; the process's own identity when absent.

        Returns:
            What says so, the name's newest pin; None where it holds nothing.

        Raises:
            TableNotFound: There is no such table.

        Example:
            >>> import pandas as pd, tempfile, airflow_sfx as sfx
            >>> warehouse = sfx.connect(f"embedded://{tempfile.mkdtemp()}")
            >>> pin = warehouse.store_dataframe(pd.DataFrame({"n": [1]}), "sales", "sold_items", ["20161031"])
            >>> _ = warehouse.hold(pin, "lawsuit 7")
            >>> warehouse.release("sales", "sold_items", "lawsuit 7").released
            True
        """
        from airflow_sfx.warehouse.pins.holds import release

        return release(self._open(db, table), name, self._author(producer, reason))

    def holding(self, db: str, table: str) -> list[Hold]:
        """The holds that keep retention away: those that are neither over nor released.

        Args:
            db: The database.
            table: The table.

        Returns:
            The pins, oldest first.

        Raises:
            TableNotFound: There is no such table.

        Example:
            >>> held = warehouse.hold(good, "annual accounts")
            >>> [one.name for one in warehouse.holding("sales", "sold_items")]
            ['annual accounts']
        """
        from airflow_sfx.warehouse.pins.holds import holding

        return holding(self._open(db, table), datetime.now(UTC))

    def pin_and_hold(
        self,
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
    ) -> Hold:
        """What a name has pinned already; else pin what is current, or was at a time, and write it down.

        Args:
            db: The database.
            table: The table.
            partitions: Which partitions; None for all. Where the name has pinned other ones, these
                are pinned anew.
            name: Whose pin it is.
            as_of: The time, with a time zone; None for now.
            until: Until when retention leaves the batches alone, with a time zone; None for ever.
            renew: Pin anew in any case.
            reason: Why, for whoever looks.
            producer: Who; the process's own identity when absent.

        Returns:
            The hold that counts.

        Raises:
            TableNotFound: There is no such table.
            PartitionNotFound: A partition has no batch, or no partition has one.
            InvalidName: The name is empty, or a time has no time zone, or ``until`` is over.

        Example:
            >>> warehouse.pin_and_hold("sales", "sold_items", name="october report").pin == oops
            True
        """
        from airflow_sfx.warehouse.pins.holds import hold, standing

        switches(renew=renew)
        opened = self._open(db, table)
        there = None if renew else standing(opened, name, opened.wanted(partitions))
        if there is not None:
            return there
        pin = self._pin(opened, partitions, as_of)
        author = self._author(producer, reason)
        return hold(opened, name, pin, author, until=until, renew=renew)

    def holds(self, db: str, table: str, name: str | None = None) -> list[Hold]:
        """What is pinned durably in a table: by whom, since when, until when.

        Args:
            db: The database.
            table: The table.
            name: Whose pin; None for everybody's.

        Returns:
            The pins, oldest first; of one name only the one that counts, or none.

        Raises:
            TableNotFound: There is no such table.

        Example:
            >>> held = warehouse.hold(good, "annual accounts", reason="signed by the auditor")
            >>> warehouse.holds("sales", "sold_items") == [held]
            True
        """
        from airflow_sfx.warehouse.pins.holds import holds, newest

        opened = self._open(db, table)
        if name is None:
            return holds(opened)
        found = newest(opened, name)
        return [found] if found else []

    def take(
        self, pin: BatchPin, *, consumer: str, run: str, newest: bool = False
    ) -> dict[str, str]:
        """Take the changes that made a pin's batches current, each once for all runs of a consumer.

        A batch that was rolled back to became current several times: of these changes a run takes
        the oldest that is left.

        Args:
            pin: The batches.
            consumer: Who takes them, the same in all its runs.
            run: In which run; the same run may take them again.
            newest: Whether the last change to each batch is meant, as of what `missed` found.

        Returns:
            By partition name, the other run that has taken its change before; none for those that
            are this run's now.

        Raises:
            BatchNotFound: A batch never was current.
            InvalidName: The pin is of another warehouse, or the consumer or the run has no name.

        Example:
            >>> warehouse.take(oops, consumer="report", run="monday"), warehouse.take(oops, consumer="report", run="tuesday")
            ({}, {'20161031': 'monday'})
        """
        from airflow_sfx.warehouse.pins.consumer_offsets import take

        switches(newest=newest)
        return take(self._pinned(pin), consumer, run, pin, newest=newest)

    def missed(
        self, db: str, table: str, *, consumer: str, since: datetime | None = None
    ) -> BatchPin | None:
        """What is current and was never taken by a consumer.

        Args:
            db: The database.
            table: The table.
            consumer: Who takes.
            since: Changes from this time on, with a time zone; None for all.

        Returns:
            A pin of these batches; None if there are none.

        Raises:
            TableNotFound: There is no such table.
            InvalidName: The consumer has no name, or the time no time zone.

        Example:
            >>> warehouse.missed("sales", "sold_items", consumer="report") == oops
            True
        """
        from airflow_sfx.warehouse.pins.consumer_offsets import missed

        return missed(self._open(db, table), consumer, since)

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
        by a call after their time of grace. A hold keeps its batches until it is over. The
        history says how many rows were erased, chosen by which columns; the values of the condition
        are kept nowhere.

        Args:
            db: The database.
            table: The table.
            where: Which rows, as a condition of SQL: ``client_id = 42``. Comparisons, IN, BETWEEN
                and IS NULL of columns and literals, with AND, OR and NOT.
            grace: For how long the files that hold the rows stay, for tasks that are reading them.
            despite_pins: Delete also what holds hold.
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

    def diff(self, before: BatchPin, after: BatchPin, *, keys: Sequence[str] = ()) -> BatchDiff:
        """Compare what two pins hold: columns, rows, each column's values, and, by key, the rows.

        Args:
            before: The one pin.
            after: The other, of the same or of another table.
            keys: Columns that tell rows apart; without them rows are compared as a whole.

        Returns:
            The differences.

        Raises:
            SchemaMismatch: A key is not a column of both.

        Example:
            >>> found = warehouse.diff(good, oops)
            >>> found.identical, found.added, found.removed
            (False, 1, 1)
        """
        from airflow_sfx.warehouse.diff.diff import diff_batches

        return diff_batches(self._pinned(before), before, self._pinned(after), after, keys=keys)

    def verify(self, pin: BatchPin) -> VerifyReport:
        """Read every file of a pin and compare size, checksum and rows with the manifest.

        Args:
            pin: The pin.

        Returns:
            What was read.

        Raises:
            BatchNotFound: There is no such batch.
            InconsistentBatch: Something is missing, truncated or altered; ``problems`` lists it.

        Example:
            >>> warehouse.verify(good).rows
            2
        """
        from airflow_sfx.warehouse.integrity.verify import verify_pin

        return verify_pin(self._pinned(pin), pin)

    def inconsistencies(self, pin: BatchPin) -> list[str]:
        """What of a pin cannot be seen yet: objects by name, size and ETag, and whether metastore and history agree.

        Nothing is read but manifests: objects are listed, a thousand a request.

        Args:
            pin: The pin.

        Returns:
            A sentence for each thing that is amiss; none when all is there.

        Raises:
            InvalidName: The pin is of another warehouse.

        Example:
            >>> warehouse.inconsistencies(good)
            []
        """
        from airflow_sfx.warehouse.integrity.consistency import inconsistencies

        return inconsistencies(self._pinned(pin), pin)

    def export_audit(
        self,
        db: str,
        table: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        reason: str = "",
    ) -> BatchPin | None:
        """Store what changed in all tables in a table of its own, a partition a day, to be queried by SQL.

        Args:
            db: The database of the table to store in.
            table: That table; its own changes are left out.
            since: From the day of this time on, in UTC; None for the beginning.
            until: Until the end of the day before this time, or of its day where it is no midnight;
                None for now.
            reason: Why, for the history.

        Returns:
            The pin of the days that were stored; None where nothing had changed.

        Raises:
            InvalidName: A time has no time zone, or the table's name breaks a rule.

        Example:
            >>> warehouse.load_dataframe(warehouse.export_audit("meta", "changes"))["batch_id"].tolist()[-1] == oops.batch_id
            True
        """
        from airflow_sfx.warehouse.history.audit import AuditFilter, audit_table
        from airflow_sfx.warehouse.history.audit_export import export_changes, whole_days

        target, wanted = TableRef(db, table), whole_days(AuditFilter(since, until))
        reports = []
        for ref in self.tables():
            with suppress(ForeignChange):  # a table that is not ours has no history
                opened = self._open(ref.database, ref.table)
                reports.append(audit_table(opened, Ledger(opened), wanted))
        return export_changes(
            self.store_dataframe, reports, target, reason or "export of the audit trail"
        )

    def __repr__(self) -> str:
        return f"Warehouse({self.uri!r})"

    def _open(self, db: str, table: str) -> Table:
        connection = self.connection
        return Table.find(TableRef(db, table), connection.store, connection.metastore)

    def _author(self, producer: Producer | None, reason: str) -> Author:
        """Who makes a change, and why: the process's own identity unless another is given."""
        return Author(self.connection.producer() if producer is None else producer, reason)

    def _pinned(self, pin: BatchPin) -> Table:
        """The pin's table, if the pin is of this warehouse: its location is not trusted, but compared."""
        a_pin(pin)
        check_pin(pin)
        table = self._open(pin.database, pin.table)
        if not table.is_at(pin.location):
            raise InvalidName(
                f"the pin of {pin.ref} points at {clean_uri(pin.location)}, and this warehouse has"
                f" the table at {table.location}: connect to the warehouse that the pin was made in"
            )
        for name in pin.batches:
            table.layout.partition(name)
        return table

    def _chosen(
        self,
        source: str | BatchPin,
        name: str | None,
        partitions: Sequence[object] | None,
        batch_id: str | None,
        as_of: datetime | None,
    ) -> tuple[Table, dict[str, str], bool]:
        """The table, the batches to read, and whether the caller named the partitions."""
        from airflow_sfx.warehouse.log.resolve import named_batch

        if isinstance(source, BatchPin):
            if (
                name is not None
                or partitions is not None
                or batch_id is not None
                or as_of is not None
            ):
                raise InvalidName(
                    "a pin names table, partitions and batches already: pass nothing of them"
                    " beside it"
                )
            return self._pinned(source), source.batches, True
        if name is None:
            raise InvalidName(
                f"load_dataframe({source!r}) names no table: pass the database and the table, or"
                " a pin"
            )
        if batch_id is not None and as_of is not None:
            raise InvalidName("batch_id= and as_of= were both given: pass one of them")
        table = self._open(source, name)
        wanted = table.wanted(partitions)
        if batch_id is not None:
            return table, named_batch(table, wanted, batch_id), True
        return table, self._batches(table, wanted, as_of, to_load=True), wanted is not None

    def _pin(
        self, table: Table, partitions: Sequence[object] | None, as_of: datetime | None
    ) -> BatchPin:
        return table.pin(self._batches(table, table.wanted(partitions), as_of, to_load=False))

    def _batches(
        self,
        table: Table,
        wanted: Sequence[Partition] | None,
        as_of: datetime | None,
        *,
        to_load: bool,
    ) -> dict[str, str]:
        """The batches that are current, or were at a time."""
        from airflow_sfx.warehouse.log.resolve import batches_as_of, current_batches

        if as_of is not None:
            found, when = (
                batches_as_of(table, Ledger(table), wanted, as_of),
                f"had a batch at {as_of.isoformat()}",
            )
        else:
            found, when = (
                current_batches(table, Ledger(table), wanted, to_load=to_load),
                "has a batch",
            )
        if not found:
            raise table.missing("", f"has no partition that {when}")
        return found

    def _target(self, ref: TableRef) -> Target:
        from airflow_sfx.warehouse.batch.target import Target

        target = Target.of(ref, self.store, self.metastore, self.partition_style)
        info = target.existing
        if info is None or STYLE_PARAMETER in info.parameters:
            return target
        from airflow_sfx.warehouse.external.reconcile import with_empty_table_as_ours

        return with_empty_table_as_ours(target, info)

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


def a_pin(given: BatchPin) -> BatchPin:
    """What was passed as a pin, where it is one.

    Raises:
        InvalidName: It is something else.
    """
    if not isinstance(given, BatchPin):
        raise InvalidName(
            f"{given!r:.80} is not a BatchPin: pass what store_dataframe or pin returned"
        )
    return given


def _one(partitions: Sequence[Partition], table: Table) -> str:
    if len(partitions) != 1:
        raise InvalidName(
            f"{len(partitions)} partitions of {table.ref} were named: a history is of one"
            " partition, or of all"
        )
    return table.layout.name(partitions[0])


def _as_uri(directory: str) -> str:
    if not isinstance(directory, str):
        raise InvalidName(
            f"adopted_from= holds {directory!r:.80}, which is no directory: pass absolute paths or"
            " URIs"
        )
    return directory if "://" in directory else f"file://{directory}"

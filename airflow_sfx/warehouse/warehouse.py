"""The warehouse: every operation on tables of one object store and one metastore."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from airflow_sfx.core.errors import ForeignChange, InvalidName, TableNotFound
from airflow_sfx.core.io.uris import clean_uri
from airflow_sfx.core.log_entry import LogEntry, Operation
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.paths import PartitionStyle, require_commit_id
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.positions import Consumed
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.schema import Evolve
from airflow_sfx.core.table import TableRef, identifier
from airflow_sfx.core.validation import (
    at_least_one,
    by_partition,
    listed,
    named,
    switches,
    whole,
    zoned,
)
from airflow_sfx.metastore.base import Metastore
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.warehouse.connection import Connection
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.log.events import check_pin
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.log.run_index import Unit
from airflow_sfx.warehouse.options import As, Check, Keys, LoadOptions, Past
from airflow_sfx.warehouse.results import Rows
from airflow_sfx.warehouse.table.log_only import DATABASE, refuse_model
from airflow_sfx.warehouse.table.names import dropped_record, dropped_tables
from airflow_sfx.warehouse.table.renamed import table_at
from airflow_sfx.warehouse.table.table import STYLE_PARAMETER, Table, former_names

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from airflow_sfx.frames._typing import AnyColumn
    from airflow_sfx.storage.concurrency import Progress
    from airflow_sfx.warehouse.batch.target import Target
    from airflow_sfx.warehouse.diff.diff import BatchDiff
    from airflow_sfx.warehouse.history.audit import AuditReport
    from airflow_sfx.warehouse.history.changes import TableVersion
    from airflow_sfx.warehouse.history.describe import TableState
    from airflow_sfx.warehouse.history.history import HistoryPage
    from airflow_sfx.warehouse.history.overview import TableOverview
    from airflow_sfx.warehouse.history.staged import StagedBatch
    from airflow_sfx.warehouse.integrity.repair import Repair
    from airflow_sfx.warehouse.integrity.verify import VerifyReport
    from airflow_sfx.warehouse.log.resolve import At
    from airflow_sfx.warehouse.night.report import NightReport
    from airflow_sfx.warehouse.pins.holds import Hold
    from airflow_sfx.warehouse.pins.lineage import DownstreamBatch
    from airflow_sfx.warehouse.pins.stale import StaleBatch
    from airflow_sfx.warehouse.pins.trained import TrainedVersion
    from airflow_sfx.warehouse.quality.check_current import CheckedBatch
    from airflow_sfx.warehouse.quality.metrics import TableMetrics
    from airflow_sfx.warehouse.quality.set_checks import CheckDeclaration
    from airflow_sfx.warehouse.read.aggregate import Aggregate, How
    from airflow_sfx.warehouse.retention.erasure import ErasureReport
    from airflow_sfx.warehouse.retention.expire import RetentionReport, Rule
    from airflow_sfx.warehouse.retention.policies import Policy, PolicyReport
    from airflow_sfx.warehouse.undo.rollback_report import RollbackPlan, RunRollback
    from airflow_sfx.warehouse.undo.scope import Attempt, Scope
    from airflow_sfx.warehouse.write.external_batch import ExternalBatch

_log = logging.getLogger(__name__)


class Warehouse:
    """Tables on one object store and one metastore; `airflow_sfx.connect` opens one.

    A warehouse is safe to use from several threads. Times must have time zones; returned times are
    in UTC.

    Args:
        connection: The object store, the metastore and their settings, or a function that returns
            them, called on each use.

    Example:
        >>> warehouse = sfx.connect(f"embedded://{tempfile.mkdtemp()}?layout=hive")
        >>> warehouse.partition_style, warehouse.tables()
        ('hive', [])
    """

    def __init__(self, connection: Connection | Callable[[], Connection]) -> None:
        self._connection = connection

    @property
    def connection(self) -> Connection:
        """The object store, the metastore and their settings."""
        return self._connection() if callable(self._connection) else self._connection

    @property
    def uri(self) -> str:
        """The URI that the warehouse was opened with, without secrets."""
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
        """How new tables name the directories of partitions: ``value`` or ``hive``."""
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
        """Write a frame as a new batch and make it current.

        Earlier batches stay, and can be rolled back to.

        Args:
            df: A pandas, polars or Spark DataFrame, a pyarrow Table or RecordBatchReader, or an
                iterator of these. A Spark DataFrame is written by Spark's executors.
            dest_db: The database.
            dest_table: The table, created if it does not exist.
            partitions: The values of the partition to write, one for each key, or None for a table
                without partitions.
            partition_by: Columns of the frame that hold the partition values of each row. All
                partitions get the same batch ID and become current together.
            partition_keys: Names of a new table's keys, or names with Hive types, to which columns
                of ``partition_by`` are cast. The default name of a single key is ``partition``.
            publish: Whether to make the batch current. False stages it: complete, but not current
                until `publish`.
            reason: The reason, recorded in the history.
            inputs: The pins that the frame was made from, recorded in the manifest, with those of
                the aggregates that a portable function used.
            checks: Checks that the frame must pass to be published; see `airflow_sfx.checks`.
            evolve: Allowed changes of the table's schema: ``safe`` allows added columns and widened
                types, ``any`` every change, ``none`` no change.
            types: Hive types by column, as ``{"price": "decimal(10,2)"}``, that override the types
                of the frame. Values are cast, and a cast that would lose a value is rejected. The
                table remembers them. Other columns are cast to the table's types where no value
                is lost.
            producer: Who writes, or None for the identity of the running task or process.

        Returns:
            The pin of exactly the batches that were written.

        Raises:
            InvalidName: A name, a partition value or an argument breaks a rule; nothing was
                written.
            SchemaMismatch: The frame cannot be stored, or does not fit the table; nothing was
                written.
            CheckFailed: A check failed. The batch is staged and the current batch is unchanged.
            StaleAttempt: A newer attempt of this task instance has changed the partition.
            CommitConflict: Other writers kept changing the partition until retries ran out.
            WarehouseUnavailable: The object store or the metastore failed.

        Example:
            >>> frame = pd.DataFrame({"n": [3]})
            >>> pin = warehouse.store_dataframe(frame, "sales", "sold_items", ["20161101"])
            >>> list(pin.batches)
            ['20161101']
        """
        switches(publish=publish)
        self.metastore.get_ready()  # connects in the background, during the imports below

        from airflow_sfx.frames.inputs import is_spark
        from airflow_sfx.warehouse.read.aggregate import pins_of
        from airflow_sfx.warehouse.write.store import store_frame
        from airflow_sfx.warehouse.write.store_plan import StoreOptions

        if partitions is not None and partition_by is not None:
            raise InvalidName("partitions= and partition_by= were both given: pass one of them")
        target = self._target(TableRef(dest_db, dest_table))
        named, checked = listed(inputs, "inputs"), listed(checks, "checks")
        pins = (*named, *(one for one in pins_of(df) if one not in named))
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

    def store_window(
        self,
        df: object,
        dest_db: str,
        dest_table: str,
        *,
        consumed: Consumed,
        partition_by: Sequence[str] = (),
        late: object = None,
        reason: str = "",
        inputs: Iterable[BatchPin] = (),
        checks: Iterable[Check] = (),
        evolve: Evolve = "safe",
        types: Mapping[str, str] | None = None,
        producer: Producer | None = None,
    ) -> BatchPin | None:
        """Add the rows of records of a stream, together with the stream's positions.

        The table's partition keys are those of ``partition_by`` and ``window``, which is the
        batch ID: each call adds partitions of its own, and replaces none. The rows and the
        positions are one commit, which demands that the table has consumed exactly the records
        before these. So records are in the table once, however often they are delivered.

        Args:
            df: A pandas or polars DataFrame or a pyarrow Table. Without rows, the positions alone
                are committed.
            dest_db: The database.
            dest_table: The table, created if it does not exist.
            consumed: The records that the rows are made of.
            partition_by: Columns of the frame that hold partition values of each row, such as
                ``["day", "hour"]``. The last key ``window`` is added to them.
            late: For each row whether its record was late, as a list, an array or a column. Late
                rows are in a window of their own, ``late-`` and the batch ID.
            reason: The reason, recorded in the history.
            inputs: The pins that the frame was made from, recorded in the manifest, with those of
                the aggregates that a portable function used.
            checks: Checks that the frame must pass. If one fails, nothing is staged, and the
                records are not consumed.
            evolve: Allowed changes of the table's schema, as for `store_dataframe`.
            types: Hive types by column, as for `store_dataframe`.
            producer: Who writes, or None for the identity of the running task or process.

        Returns:
            The pin of the windows, or None if the frame has no rows.

        Raises:
            PositionConflict: The table has consumed other records of a shard than those before
                these. Its ``positions`` say which; nothing was changed.
            InvalidName: A name, a partition value or an argument breaks a rule; nothing was
                written.
            SchemaMismatch: The frame cannot be stored, or does not fit the table; nothing was
                written.
            CheckFailed: A check failed; nothing was changed.
            CommitConflict: Other writers kept changing the table until retries ran out.
            WarehouseUnavailable: The object store or the metastore failed. The positions say
                whether the records are in the table.

        Example:
            >>> clicks = pd.DataFrame({"day": ["20161101"], "url": ["/hats"]})
            >>> consumed = sfx.Consumed("kinesis:clicks", {"0": ("", "17")})
            >>> pin = warehouse.store_window(
            ...     clicks, "web", "clicks", consumed=consumed, partition_by=["day"]
            ... )
            >>> list(pin.batches) == [f"20161101/{pin.batch_id}"]
            True
        """
        self.metastore.get_ready()  # connects in the background, during the imports below

        from airflow_sfx.warehouse.read.aggregate import pins_of
        from airflow_sfx.warehouse.write.store_plan import StoreOptions
        from airflow_sfx.warehouse.write.window import store_window

        if not isinstance(consumed, Consumed):
            raise InvalidName(
                f"consumed={consumed!r:.120} does not name records of a stream: pass an"
                " sfx.Consumed"
            )
        target = self._target(TableRef(dest_db, dest_table))
        named = listed(inputs, "inputs")
        options = StoreOptions(
            partition_by=listed(partition_by, "partition_by") or None,
            inputs=(*named, *(one for one in pins_of(df) if one not in named)),
            checks=listed(checks, "checks"),
            evolve=evolve,
            types={} if types is None else types,
        )
        author = self._author(producer, reason)
        return store_window(target, df, consumed, late, options, author)

    def stream_positions(self, db: str, table: str) -> dict[str, dict[str, str]]:
        """Return how far streams have been consumed into a table.

        Args:
            db: The database.
            table: The table, which need not exist.

        Returns:
            The sequence number of the last record that the table has, by stream and shard.

        Raises:
            WarehouseUnavailable: The object store failed.

        Example:
            >>> clicks = pd.DataFrame({"url": ["/hats"]})
            >>> consumed = sfx.Consumed("kinesis:clicks", {"0": ("", "17")})
            >>> pin = warehouse.store_window(clicks, "web", "clicks", consumed=consumed)
            >>> warehouse.stream_positions("web", "clicks")
            {'kinesis:clicks': {'0': '17'}}
        """
        from airflow_sfx.warehouse.write.window import stream_positions

        found = stream_positions(self._target(TableRef(db, table)))
        return {stream: dict(shards) for stream, shards in found.items()}

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
        """Open a batch that another program, such as a Spark job, writes.

        Args:
            db: The database.
            table: The table, created when the batch is closed if it does not exist.
            partitions: The values of the partition, one for each key, or None for a table without
                partitions.
            partition_keys: Names of a new table's keys, or names with Hive types.
            inputs: The pins that the batch is made from, recorded in the manifest.
            reason: The reason, recorded in the history.
            producer: Who writes, or None for the identity of the running task or process.

        Returns:
            The open batch. Write Parquet files to its ``location``; its ``close`` makes them
            current.

        Raises:
            InvalidName: A name or a partition value breaks a rule.

        Example:
            >>> batch = warehouse.open_batch("sales", "sold_items", ["20161101"])
            >>> directory = batch.location.removeprefix("file://")
            >>> os.makedirs(directory, exist_ok=True)
            >>> pd.DataFrame({"n": [3]}).to_parquet(f"{directory}/part-0.parquet")
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
        """Make staged batches current, all of them in one commit.

        Args:
            pin: The pin of the staged batches, which `store_dataframe` with ``publish=False``
                returned.
            reason: The reason, recorded in the history.
            force: Whether to publish even if a batch that was written later is current, or the
                batch was discarded.
            expected: The batch IDs that must be current, by partition name, with None for a
                partition without a current batch; or None for no such condition.
            producer: Who publishes, or None for the identity of the running task or process.

        Returns:
            The pin.

        Raises:
            BatchNotFound: A batch does not exist.
            InconsistentBatch: A batch was never completed.
            CommitConflict: A batch that was written later is current, the batch was discarded, or
                the current batch is not the ``expected`` one.
            InvalidName: The pin is of another warehouse, or ``force`` or ``expected`` has a wrong
                type.

        Example:
            >>> frame = pd.DataFrame({"n": [3]})
            >>> staged = warehouse.store_dataframe(
            ...     frame, "sales", "sold_items", ["20161101"], publish=False
            ... )
            >>> published = warehouse.publish(staged, reason="approved")
            >>> published == warehouse.pin("sales", "sold_items", ["20161101"])
            True
        """
        from airflow_sfx.warehouse.write.publish import publish_pin

        switches(force=force)
        by_partition(expected)
        table = self._table_of(pin)
        if table.is_dropped:
            self._open(table.ref.database, table.ref.table)  # raises the error that says so
        author = self._author(producer, reason)
        return publish_pin(table, PartitionLog(table), pin, author, force=force, expected=expected)

    def discard(
        self, pin: BatchPin, *, reason: str = "", producer: Producer | None = None
    ) -> BatchPin:
        """End staged batches, all of them in one commit: they are not to be published.

        The history records it. No file is deleted: `retain` expires discarded batches, and until
        then `publish` with ``force`` makes one current all the same. A batch that is discarded
        already stays so.

        Args:
            pin: The pin of the staged batches.
            reason: The reason, recorded in the history.
            producer: Who discards them, or None for the identity of the running task or process.

        Returns:
            The pin.

        Raises:
            BatchNotFound: A batch is not staged, or has expired.
            CommitConflict: A batch was published.
            InvalidName: The pin is of another warehouse.

        Example:
            >>> frame = pd.DataFrame({"n": [4]})
            >>> staged = warehouse.store_dataframe(
            ...     frame, "sales", "sold_items", ["20161101"], publish=False
            ... )
            >>> discarded = warehouse.discard(staged, reason="half of the rows are missing")
            >>> warehouse.show("sales", "sold_items").staged
            ()
        """
        from airflow_sfx.warehouse.write.discard import discard_pin

        table = self._table_of(pin)
        return discard_pin(table, PartitionLog(table), pin, self._author(producer, reason))

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
        version: int | None = None,
        columns: Sequence[str] | None = None,
        filters: object = None,
        as_: As = "pandas",
        batches: bool = False,
    ) -> Any:
        """Read the current batches, or those of a pin, a batch ID, a time or a version.

        Args:
            src_db: The database, or a pin.
            src_table: The table; omitted with a pin.
            partitions: The partitions to read, or None for all.
            batch_id: The batch to read of each named partition, or None for the current one.
            as_of: A time with a time zone: read the batches that were current then. None reads the
                current ones.
            version: A version of the table, as `history` lists them: read the batches that were
                current after that change. Not together with ``as_of`` or ``batch_id``.
            columns: The columns to read, in this order, or None for all columns of the batches. A
                column of the table that a batch lacks is read as null.
            filters: The rows to keep: a `pyarrow.compute.Expression`, or tuples such as
                ``[("price", ">", 3)]``. None keeps all.
            as_: The kind of frame: ``pandas``, ``polars``, ``arrow`` or ``spark``. Spark's frame is
                read by the executors of the active session.
            batches: Whether to return an iterator of frames, for data larger than memory; it yields
                at least one frame, which may be empty. Damaged files raise during iteration.

        Returns:
            The frame as it was stored. When the whole table is read, the partition keys are
            columns.

        Raises:
            TableNotFound: The table does not exist.
            PartitionNotFound: A partition does not exist.
            BatchNotFound: A batch does not exist, or the table has not reached the version.
            InconsistentBatch: Stored objects do not match the manifest.

        Example:
            >>> warehouse.load_dataframe("sales", "sold_items", ["20161031"])["n"].tolist()
            [-9, 2]
            >>> warehouse.load_dataframe("sales", "sold_items", version=1)["n"].tolist()
            [1, 2]
            >>> warehouse.load_dataframe(good)["n"].tolist()
            [1, 2]
        """
        from airflow_sfx.warehouse.read.load import load_batches

        switches(batches=batches)
        past = Past(batch_id=batch_id, as_of=as_of, version=version)
        table, found, partial = self._resolve(src_db, src_table, partitions, past)
        return load_batches(
            table,
            found,
            columns=columns,
            filters=filters,
            as_=as_,
            stream=batches,
            with_keys=not partial or len(found) > 1,
        )

    @overload
    def sql(
        self,
        query: str,
        *,
        pins: BatchPin | Iterable[BatchPin] = ...,
        as_of: datetime | None = ...,
        version: int | None = ...,
        as_: Literal["pandas"] = ...,
    ) -> pd.DataFrame: ...
    @overload
    def sql(
        self,
        query: str,
        *,
        pins: BatchPin | Iterable[BatchPin] = ...,
        as_of: datetime | None = ...,
        version: int | None = ...,
        as_: Literal["polars"],
    ) -> pl.DataFrame: ...
    @overload
    def sql(
        self,
        query: str,
        *,
        pins: BatchPin | Iterable[BatchPin] = ...,
        as_of: datetime | None = ...,
        version: int | None = ...,
        as_: Literal["arrow"],
    ) -> pa.Table: ...
    def sql(
        self,
        query: str,
        *,
        pins: BatchPin | Iterable[BatchPin] = (),
        as_of: datetime | None = None,
        version: int | None = None,
        as_: Literal["pandas", "polars", "arrow"] = "pandas",
    ) -> Any:
        """Run one SELECT on batches, with DuckDB.

        Each table is read as it was at one moment before the query began, or as the pins or the
        time name it. Partition keys are columns. DuckDB has access to nothing else: no files, no
        network, no other tables.

        Args:
            query: The query, in DuckDB's SQL, which names tables as ``DB.TABLE``.
            pins: Pins of the tables to read other batches of than the current ones.
            as_of: A time with a time zone: read the batches of the tables without pins that were
                current then. None reads the current ones.
            version: The version to read of the only table without a pin, as `history` lists them.
                Not together with ``as_of``.
            as_: The kind of frame: ``pandas``, ``polars`` or ``arrow``.

        Returns:
            The result.

        Raises:
            TableNotFound: A table does not exist, or is named without its database.
            PartitionNotFound: A table has no batch.
            BatchNotFound: The table has not reached the version.
            SchemaMismatch: The query does not fit the columns of the tables, or cannot be computed.
            InvalidName: The query is not valid SQL, is not one SELECT, or reads outside of the
                warehouse; a pin is of a table that the query does not name; or ``version`` is given
                for several tables.
            WarehouseUnavailable: DuckDB is not installed (``pip install 'airflow-sfx[sql]'``).
            CommitConflict: The tables kept changing, so that there was no one moment.

        Example:
            >>> warehouse.sql("select sum(n) as total from sales.sold_items")["total"].tolist()
            [-7]
            >>> warehouse.sql("select n from sales.sold_items", pins=good)["n"].tolist()
            [1, 2]
        """
        from airflow_sfx.warehouse.read.query import run_query
        from airflow_sfx.warehouse.read.relation import Relation

        found = self.sql_pins(query, pins=pins, as_of=as_of, version=version)
        by_table: dict[TableRef, BatchPin] = {pin.ref: pin for pin in found}

        def make(ref: TableRef, prefix: str) -> Relation:
            return Relation(self._table_of(by_table[ref]), by_table[ref].batches, prefix)

        return run_query(query, list(by_table), make, as_)

    def sql_pins(
        self,
        query: str,
        *,
        pins: BatchPin | Iterable[BatchPin] = (),
        as_of: datetime | None = None,
        version: int | None = None,
    ) -> list[BatchPin]:
        """Pin what `sql` would read, to read it again or to record it as inputs.

        Args:
            query: As for `sql`.
            pins: As for `sql`.
            as_of: As for `sql`.
            version: As for `sql`.

        Returns:
            One pin for each table of the query.

        Raises:
            TableNotFound: As for `sql`.
            PartitionNotFound: As for `sql`.
            BatchNotFound: As for `sql`.
            SchemaMismatch: As for `sql`.
            InvalidName: As for `sql`.
            CommitConflict: As for `sql`.

        Example:
            >>> query = "select sum(n) as total from sales.sold_items"
            >>> pins = warehouse.sql_pins(query)
            >>> total = warehouse.sql(query, pins=pins)
            >>> pin = warehouse.store_dataframe(total, "sales", "totals", inputs=pins)
            >>> warehouse.manifests(pin)[0].inputs == tuple(pins) == (oops,)
            True
        """
        from airflow_sfx.warehouse.log.resolve import one_moment
        from airflow_sfx.warehouse.read.moment import one_pin_each, refuse_several, same_moment
        from airflow_sfx.warehouse.read.query import tables_of

        refs = tables_of(query)
        given = one_pin_each([pins] if isinstance(pins, BatchPin) else listed(pins, "pins"), refs)
        at = one_moment(as_of, version)
        opened = {ref: self._open(ref.database, ref.table) for ref in refs if ref not in given}
        if version is not None:
            refuse_several(list(opened), version)
        now = same_moment(
            list(opened), lambda ref: self._pin(opened[ref], None, at), again=at is None
        )
        return [given.get(ref) or now[ref] for ref in refs]

    def pin(
        self,
        db: str,
        table: str,
        partitions: Sequence[object] | None = None,
        *,
        as_of: datetime | None = None,
        version: int | None = None,
    ) -> BatchPin:
        """Pin the batches that are current now, or were at a time or a version.

        Args:
            db: The database.
            table: The table.
            partitions: The partitions to pin, or None for all.
            as_of: The time, with a time zone, or None for now.
            version: The version of the table, as `history` lists them, or None. Not together with
                ``as_of``.

        Returns:
            The pin.

        Raises:
            TableNotFound: The table does not exist.
            PartitionNotFound: A named partition has no batch, or the table has none at all.
            BatchNotFound: The table has not reached the version.
            InvalidName: The time has no time zone, or the version is not a whole number from 1.

        Example:
            >>> warehouse.pin("sales", "sold_items", ["20161031"]) == oops
            True
            >>> warehouse.pin("sales", "sold_items", version=1) == good
            True
        """
        from airflow_sfx.warehouse.log.resolve import one_moment

        return self._pin(self._open(db, table), partitions, one_moment(as_of, version))

    def aggregate(
        self,
        source: str | BatchPin,
        column: str,
        how: How,
        *,
        partitions: Sequence[object] | None = None,
    ) -> Aggregate:
        """Return a number of a whole column, for functions that see one row at a time.

        It is computed of the batches that are current when it is first read, and stays as it is,
        with their pin, until its `follow` is called. A portable function that reads it gets the
        same number in batch, online and for a stream, and the batch stored from its result names
        the pin among its inputs.

        Args:
            source: ``database.table``, or a pin.
            column: The column.
            how: ``count``, ``sum``, ``mean``, ``min``, ``max``, ``median`` or ``std`` (of a
                sample) of the values that are not missing. The result is the same on every machine.
            partitions: The partitions, or None for all.

        Returns:
            The aggregate, with its ``value`` and ``pin``. Nothing is read before these are.

        Raises:
            InvalidName: The table is not named as ``database.table``, or ``how`` is unknown.

        Example:
            >>> mean = warehouse.aggregate("sales.sold_items", "n", "mean")
            >>> mean.value, mean.pin == warehouse.pin("sales", "sold_items")
            (-3.5, True)
        """
        from airflow_sfx.warehouse.read.aggregate import Aggregate

        def find(ref: TableRef, wanted: Sequence[object] | None) -> BatchPin:
            return self.pin(ref.database, ref.table, wanted)

        def load(pin: BatchPin, name: str) -> AnyColumn:
            return self.load_dataframe(pin, columns=[name], as_="arrow").column(name)

        return Aggregate(source, column, how, partitions, find, load)

    def manifests(self, pin: BatchPin) -> list[Manifest]:
        """Return the manifests of a pin's batches.

        A manifest lists files, schema, statistics, producer, inputs and check results.

        Args:
            pin: The pin.

        Returns:
            One manifest for each partition, sorted by partition name.

        Raises:
            BatchNotFound: A batch does not exist.
            InconsistentBatch: A manifest is missing or was altered.

        Example:
            >>> [manifest.rows for manifest in warehouse.manifests(good)]
            [2]
        """
        return self._table_of(pin).manifests(pin.batches)

    def locations(self, pin: BatchPin) -> list[str]:
        """Return the directories of a pin's batches, for engines that read directories.

        Args:
            pin: The pin.

        Returns:
            One URI for each partition, sorted by partition name.

        Raises:
            BatchNotFound: A batch does not exist.

        Example:
            >>> [uri.rpartition("/")[2] == good.batch_id for uri in warehouse.locations(good)]
            [True]
        """
        table = self._table_of(pin)
        found = table.manifests(pin.batches)
        return [one.location or table.batch_location(one.partition, one.batch_id) for one in found]

    def pinned_table_sql(self, pin: BatchPin, name: str, *, s3_scheme: str = "s3") -> list[str]:
        """Return SQL that creates an external table over exactly a pin's batches.

        Engines that read only tables can read pinned batches this way. Dropping the external table
        does not delete the batches.

        Args:
            pin: The pin.
            name: ``database.table`` of the table to create, which must not exist yet.
            s3_scheme: The scheme that replaces ``s3`` in locations: ``s3a`` for open-source Hive
                and Spark.

        Returns:
            Statements in HiveQL, which Spark SQL also understands, to be run in order.

        Raises:
            InvalidName: The name breaks a rule.
            BatchNotFound: A batch does not exist.

        Example:
            >>> statements = warehouse.pinned_table_sql(good, "scratch.good_items")
            >>> [statement.partition(" ")[0] for statement in statements]
            ['CREATE', 'ALTER']
        """
        from airflow_sfx.warehouse.read.external_table import pinned_table_statements

        return pinned_table_statements(self._table_of(pin), pin, TableRef.parse(name), s3_scheme)

    def tables(self) -> Rows[TableRef]:
        """List all tables, including those that other engines created.

        Tables whose names are not supported are skipped with a warning.

        Returns:
            The tables, sorted by name.

        Raises:
            WarehouseUnavailable: The warehouse's bucket does not exist.

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
                "Skipping %d tables whose names have characters other than letters, digits,"
                " underscores and hyphens: %s",
                len(left_out),
                ", ".join(map(repr, left_out[:8])),
            )
        if not found:
            self.store.require_bucket()
            if absence := self.store.absence():
                _log.warning("Listing no tables: %s", absence)
        return Rows(found)

    def dropped_tables(self) -> list[TableRef]:
        """List the dropped tables, which `rollback` restores.

        Returns:
            The tables, sorted by name; without those whose names other tables have now.

        Example:
            >>> pin = warehouse.drop("sales", "sold_items")
            >>> [str(table) for table in warehouse.dropped_tables()]
            ['sales.sold_items']
            >>> warehouse.rollback("sales", "sold_items") == pin
            True
        """
        return dropped_tables(self.store, self.metastore)

    def show(self, db: str, table: str) -> TableState:
        """Describe a table: its columns, its partitions and its staged batches.

        Args:
            db: The database.
            table: The table.

        Returns:
            The current state of the table.

        Raises:
            TableNotFound: The table does not exist.

        Example:
            >>> state = warehouse.show("sales", "sold_items")
            >>> [partition.batch_id == oops.batch_id for partition in state.partitions]
            [True]
        """
        from airflow_sfx.warehouse.history.describe import table_state

        opened = self._open(db, table)
        return table_state(opened, PartitionLog(opened))

    def staged(
        self, db: str, table: str, partitions: Sequence[object] | None = None
    ) -> Rows[StagedBatch]:
        """List the staged batches that were not published, with their failed checks.

        Args:
            db: The database.
            table: The table.
            partitions: The partitions, or None for all.

        Returns:
            The batches, newest first: those that wait, those that a later batch has overtaken, and
            discarded ones whose files are not deleted yet.

        Raises:
            TableNotFound: The table does not exist.

        Example:
            >>> [one.state.value for one in warehouse.staged("sales", "sold_items")]
            []
        """
        from airflow_sfx.warehouse.history.staged import list_staged

        opened = self._open(db, table)
        wanted = opened.wanted(partitions)
        return Rows(list_staged(opened, PartitionLog(opened), wanted))

    def overview(
        self, db: str, table: str, partitions: Sequence[object] | None = None
    ) -> TableOverview:
        """List a table's partitions at one moment, and their states on request.

        Args:
            db: The database.
            table: The table.
            partitions: The partitions, or None for all.

        Returns:
            The overview.

        Raises:
            TableNotFound: The table does not exist.
            ForeignChange: Another engine created the table, and it was not adopted.

        Example:
            >>> overview = warehouse.overview("sales", "sold_items")
            >>> [partition.state.value for partition in overview.partitions(["20161031"])]
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
    ) -> Rows[LogEntry]:
        """List the changes of one partition or of a whole table, newest first.

        Args:
            db: The database.
            table: The table.
            partition: The partition's values, or None for all partitions, ordered by time.
            limit: The maximum number of entries, from 1, or None for all.

        Returns:
            The entries.

        Raises:
            TableNotFound: The table does not exist.
            PartitionNotFound: The partition has never existed.
            InvalidName: The limit is not a whole number, or is below 1.

        Example:
            >>> entries = warehouse.history("sales", "sold_items", ["20161031"])
            >>> [(entry.version, entry.operation.value) for entry in entries]
            [(2, 'publish'), (1, 'publish')]
        """
        from airflow_sfx.warehouse.history.history import partition_history, table_history

        if limit is not None:
            at_least_one(limit, "limit")
        opened = self._open_ended(db, table)
        wanted = opened.wanted(partition, "partition")
        if wanted is None:
            return Rows(table_history(opened, PartitionLog(opened), limit))
        return Rows(
            partition_history(opened, PartitionLog(opened), _partition_name(wanted, opened), limit)
        )

    def changes(
        self, db: str, table: str, *, since: int = 0, limit: int | None = None
    ) -> Rows[TableVersion]:
        """List the versions of a table after one of them, oldest first: a feed for consumers.

        A consumer keeps the last version that it got, and asks for those after it. Only their
        entries are read, however many came before.

        Args:
            db: The database.
            table: The table.
            since: The version after which to begin, or 0 for the first.
            limit: The maximum number of versions, from 1, or None for all.

        Returns:
            One record for each commit, with its ``version``, and as ``changes`` what changed in
            each partition; none if nothing has changed since.

        Raises:
            TableNotFound: The table does not exist.
            BatchNotFound: The table has not reached the version ``since``: it was made anew, or the
                number is another table's.
            InvalidName: A number is not a whole number, or is negative.

        Example:
            >>> [one.version for one in warehouse.changes("sales", "sold_items")]
            [1, 2]
            >>> (new,) = warehouse.changes("sales", "sold_items", since=1)
            >>> new.changes[0].batch_id == oops.batch_id
            True
        """
        from airflow_sfx.warehouse.history.changes import versions_after

        if limit is not None:
            at_least_one(limit, "limit")
        if whole(since, "since") < 0:
            raise InvalidName(f"since={since} is negative: pass a version, or 0 for all")
        opened = self._open_ended(db, table)
        return Rows(versions_after(opened, PartitionLog(opened), since, limit))

    def history_page(
        self,
        db: str,
        table: str,
        partition: Sequence[object] | None = None,
        *,
        limit: int = 100,
        before: int | None = None,
    ) -> HistoryPage:
        """Return one page of a partition's history, with the state of its batches.

        Args:
            db: The database.
            table: The table.
            partition: The partition's values, or None for a table without partitions.
            limit: The maximum number of entries.
            before: Return only entries with a lower version, which is that of the last
                entry on the previous page; or None for the newest entries.

        Returns:
            The entries, newest first, which of their batches have expired, and the batches that
            replaced those from which rows were erased.

        Raises:
            TableNotFound: The table does not exist.
            PartitionNotFound: The partition has never existed.

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
        opened = self._open_ended(db, table)
        return history_page(
            opened,
            PartitionLog(opened),
            _partition_name(opened.wanted(partition) or [], opened),
            limit,
            before,
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
        operation: str | None = None,
        limit: int | None = None,
        foreign: bool = True,
        files: bool | None = None,
        by_commit: bool = False,
    ) -> AuditReport:
        """List a table's changes, their authors, and changes made by other engines.

        Args:
            db: The database.
            table: The table.
            since: Changes from this time on, with a time zone, or None for the beginning.
            until: Changes before this time, with a time zone, or None for now.
            actor: Changes by this user only, or None for all users.
            dag_id: Changes by this DAG only, or None for all.
            run_id: Changes by this DAG run only, or None for all.
            operation: Changes of this kind only, such as ``rollback``, or None for all.
            limit: The maximum number of changes, newest first, or None for all.
            foreign: Whether to look for changes made by other engines too, which reads the pointers
                of all partitions.
            files: Whether to compare the files of current batches with their manifests too, or None
                to do so for tables of up to 1,000 partitions.
            by_commit: Whether the report has ``commits``, one for all partitions that changed
                together, instead of ``entries``. This is faster for commits of many partitions;
                `audit_commit` lists their entries.

        Returns:
            The changes, newest first, and the partitions that other engines moved or wrote.

        Raises:
            TableNotFound: The table does not exist.
            InvalidName: A time has no time zone, the limit is not a positive whole number, or there
                is no such operation.

        Example:
            >>> report = warehouse.audit("sales", "sold_items")
            >>> [entry.batch_id for entry in report.entries] == [oops.batch_id, good.batch_id]
            True
        """
        from airflow_sfx.warehouse.history.audit import audit_table
        from airflow_sfx.warehouse.history.audit_filter import AuditFilter

        compare = {} if files is None else {"files": files}
        switches(foreign=foreign, by_commit=by_commit, **compare)
        kind = None if operation is None else operation_of(operation)
        wanted = AuditFilter(since, until, actor, dag_id, run_id, limit, kind)
        opened = self._open_ended(db, table)
        return audit_table(
            opened, PartitionLog(opened), wanted, foreign=foreign, files=files, by_commit=by_commit
        )

    def audit_commit(self, db: str, table: str, commit: str) -> AuditReport:
        """List the changes of one commit, one for each partition.

        Args:
            db: The database.
            table: The table.
            commit: The commit's ID, which history entries have as ``commit``.

        Returns:
            The changes by partition; none if the table has no such commit.

        Raises:
            TableNotFound: The table does not exist.
            InvalidName: It is not the ID of a commit.

        Example:
            >>> (newest, *_) = warehouse.audit("sales", "sold_items", by_commit=True).commits
            >>> report = warehouse.audit_commit("sales", "sold_items", newest.commit)
            >>> [entry.batch_id for entry in report.entries] == [oops.batch_id]
            True
        """
        from airflow_sfx.warehouse.history.audit import audit_commit

        return audit_commit(self._open(db, table), require_commit_id(commit))

    def audit_run(self, *, dag_id: str, run_id: str) -> Rows[AuditReport]:
        """List the changes that one DAG run made in all tables.

        Args:
            dag_id: The DAG.
            run_id: The DAG run.

        Returns:
            One report for each table that the run changed. A table that no longer exists or is
            damaged has no entries, and ``unreadable`` gives the reason.

        Example:
            >>> warehouse.audit_run(dag_id="nightly", run_id="manual__1")
            []
        """
        from airflow_sfx.warehouse.history.audit_unit import audit_unit

        return Rows(audit_unit(self.store, self.metastore, Unit(dag_id, run_id)))

    def audit_backfill(
        self, *, dag_id: str, backfill_id: str, run_ids: Sequence[str] | None = None
    ) -> Rows[AuditReport]:
        """List the changes that the runs of one backfill made in all tables.

        Args:
            dag_id: The DAG.
            backfill_id: The backfill's number or name, as for `rollback_backfill`.
            run_ids: The runs of the backfill, as for `rollback_backfill`.

        Returns:
            One report for each table that the backfill changed, as from `audit_run`.

        Example:
            >>> warehouse.audit_backfill(dag_id="nightly", backfill_id="7")
            []
        """
        from airflow_sfx.warehouse.history.audit_unit import audit_unit

        unit = self._backfill(dag_id, backfill_id, run_ids)
        return Rows(audit_unit(self.store, self.metastore, unit))

    def readers(self, pin: BatchPin, *, any_depth: bool = False) -> Rows[DownstreamBatch]:
        """List the batches that were made from a pin's batches.

        Args:
            pin: The pin.
            any_depth: Whether to include batches that were made from those batches, and so on.

        Returns:
            The batches that were stored with any of the pin's batches among their inputs, or
            rewritten from one without rows or with other columns, newest first, each once. Tasks
            record their inputs automatically.

        Raises:
            InvalidName: ``pin`` is not a pin, or ``any_depth`` is not a bool.

        Example:
            >>> frame = pd.DataFrame({"n": [3]})
            >>> total = warehouse.store_dataframe(frame, "sales", "totals", inputs=[good])
            >>> [downstream.pin == total for downstream in warehouse.readers(good)]
            [True]
        """
        from airflow_sfx.warehouse.pins.lineage import all_downstream_of, downstream_of

        switches(any_depth=any_depth)
        if any_depth:
            return Rows(all_downstream_of(self.store, require_pin(pin), self._names_of))
        return Rows(downstream_of(self.store, require_pin(pin), self._names_of(pin)))

    def stale_after(self, *pins: BatchPin) -> Rows[DownstreamBatch]:
        """List the current batches that become stale if the batches of pins are rolled back.

        Args:
            pins: The batches that are to end, together.

        Returns:
            What was made from them at any depth and is current, nearest first. Partitions of the
            pins themselves are left out.

        Raises:
            InvalidName: An argument is not a pin.

        Example:
            >>> frame = pd.DataFrame({"n": [4]})
            >>> share = warehouse.store_dataframe(frame, "sales", "shares", inputs=[good])
            >>> share in [downstream.pin for downstream in warehouse.stale_after(good)]
            True
        """
        from airflow_sfx.warehouse.pins.stale_after import stale_after

        ended = [require_pin(pin) for pin in pins]
        return Rows(stale_after(self.store, ended, self._table_of, self._names_of))

    def models_trained_on(self, *pins: BatchPin) -> Rows[TrainedVersion]:
        """List the versions of models that were trained on batches, or on what was made from them.

        Args:
            pins: The batches.

        Returns:
            The versions, newest first, with the aliases that they have now; among them what a
            writer left whose save did not complete, with ``saved=False``.

        Raises:
            InvalidName: An argument is not a pin.

        Example:
            >>> warehouse.models_trained_on(good)
            []
        """
        from airflow_sfx.warehouse.pins.trained import versions_trained_on

        ended = [require_pin(pin) for pin in pins]
        return Rows(versions_trained_on(self.store, ended, self._names_of))

    def stale(self, db: str | None = None, table: str | None = None) -> Rows[StaleBatch]:
        """List the current batches that were made from batches that are no longer current.

        An input may be at any depth: what was made from a stale batch is stale as well. An input
        ends when it is rolled back, dropped, erased or replaced. Not stale is a batch that itself
        replaced its input, and a partition made from a table without partitions that another run
        of the same DAG has written anew since.

        Args:
            db: The database, or None for all.
            table: The table, or None for all of the database.

        Returns:
            The stale batches, sorted by table and partition, each with the input that ended.

        Raises:
            InvalidName: A name breaks a rule, or a table is named without a database.
            TableNotFound: The table does not exist.

        Example:
            >>> frame = pd.DataFrame({"n": [3]})
            >>> total = warehouse.store_dataframe(frame, "sales", "sums", inputs=[good])
            >>> [(one.table, one.cause.value) for one in warehouse.stale("sales", "sums")]
            [('sales.sums', 'replaced')]
        """
        from airflow_sfx.warehouse.pins.stale import stale_batches

        if db is None and table is not None:
            raise InvalidName(f"stale(table={table!r:.80}) has no database: pass db=, too")
        wanted = ""
        if db is not None and table is not None:
            wanted = str(self._open(db, table).ref)
        elif db is not None:
            wanted = identifier(db, "database")
        return Rows(
            one
            for one in stale_batches(self.store, self.metastore)
            if not wanted or wanted in (one.table, one.table.partition(".")[0])
        )

    def rollback(
        self,
        db: str,
        table: str,
        partitions: Sequence[object] | None = None,
        *,
        to: str | None = None,
        to_version: int | None = None,
        reason: str = "",
        expected: BatchPin | Mapping[str, str | None] | None = None,
        producer: Producer | None = None,
    ) -> BatchPin:
        """Make an earlier batch current again, without reading or writing data.

        With ``to_version``, everything that came after that version of the table is undone, all in
        one commit: partitions that had no batch then have none, and dropped ones come back.

        The batch that was current stays stored. A later attempt of the same task continues a
        rollback that an earlier attempt made, unless the partition has changed since.

        Args:
            db: The database.
            table: The table.
            partitions: The partitions, or None for a table without partitions. A dropped partition
                gets back its batch. None for a dropped table restores it with the partitions that
                were dropped with it. With ``to_version``, None is the whole table.
            to: The batch ID to roll back to, or None for the previous batch. Repeated calls go one
                batch further back each.
            to_version: The version of the table to roll back to, as `history` lists them, or None.
                Not together with ``to``.
            reason: The reason, recorded in the history.
            expected: The batches that must be current: a pin, or batch IDs by partition name with
                None for a partition without a current batch; or None for no such condition. Of a
                whole table, partitions that are not named must have no batch if they change.
            producer: Who rolls back, or None for the identity of the running task or process.

        Returns:
            The pin of the batches that are current now, in the partitions or the whole table.

        Raises:
            TableNotFound: The table does not exist, and was not dropped.
            PartitionNotFound: A partition has no batch.
            BatchNotFound: There is no earlier batch, ``to`` was never current in the partition, the
                table has not reached ``to_version``, or a batch has expired.
            CommitConflict: The current batch is not the ``expected`` one.
            InvalidName: ``to`` is not a batch ID, or ``expected`` or ``to_version`` has a wrong
                type.

        Example:
            >>> pin = warehouse.rollback("sales", "sold_items", ["20161031"], reason="wrong sign")
            >>> pin == good
            True
            >>> warehouse.rollback("sales", "sold_items", to_version=2) == oops
            True
        """
        from airflow_sfx.warehouse.ends.drop import restore_table
        from airflow_sfx.warehouse.undo.rollback import roll_back
        from airflow_sfx.warehouse.undo.rollback_version import roll_back_to_version

        self._refuse_goals(db, table, to, to_version)
        seen = expected.batches if isinstance(expected, BatchPin) else by_partition(expected)
        author = self._author(producer, reason)
        opened = self._open_ended(db, table)
        wanted = opened.wanted(partitions)
        if wanted is None or opened.is_dropped:
            record = dropped_record(self.store, self.metastore, opened.ref)
            if record is not None:
                chosen = None if partitions is None else wanted
                return restore_table(
                    record,
                    self.store,
                    self.metastore,
                    chosen,
                    author,
                    to=to,
                    to_version=to_version,
                    expected=seen,
                )
        if to_version is not None:
            return roll_back_to_version(
                opened, PartitionLog(opened), wanted, author, to_version, expected=seen
            )
        if wanted is None:
            raise _without_partition("rollback", opened)
        return roll_back(opened, PartitionLog(opened), wanted, author, to=to, expected=seen)

    def drop(
        self,
        db: str,
        table: str,
        partitions: Sequence[object] | None = None,
        *,
        reason: str = "",
        producer: Producer | None = None,
    ) -> BatchPin:
        """Drop partitions, or a table with all of its partitions.

        Other engines do not see them any more. No file is deleted: pins of the batches can be
        loaded, the history goes on, and `rollback` brings back what was dropped, until `retain`
        expires it. A store into a dropped partition or table creates it again, without the others.

        Args:
            db: The database.
            table: The table.
            partitions: The partitions, or None for the table.
            reason: The reason, recorded in the history.
            producer: Who drops, or None for the identity of the running task or process.

        Returns:
            The pin of the batches that were current; without batches if there were none.

        Raises:
            TableNotFound: The table does not exist.
            PartitionNotFound: A partition does not exist.

        Example:
            >>> dropped = warehouse.drop("sales", "sold_items", ["20161031"], reason="a test")
            >>> dropped == oops, warehouse.show("sales", "sold_items").partitions
            (True, ())
            >>> warehouse.rollback("sales", "sold_items", ["20161031"]) == oops
            True
        """
        from airflow_sfx.warehouse.ends.drop import drop_partitions, drop_table

        self._refuse_model(db, table, "dropped", "promote another version, or roll an alias back")
        author = self._author(producer, reason)
        opened = self._open(db, table)
        if partitions is None:
            return drop_table(opened, PartitionLog(opened), author)
        wanted = opened.wanted(partitions) or []
        return drop_partitions(opened, PartitionLog(opened), wanted, author)

    def night(self, since: datetime | None = None, *, full: bool | None = None) -> NightReport:
        """Report what needs attention after a night, in all tables.

        That is: batches that a check refused, or only warned of, staged batches, rollbacks, tables
        that are late against their usual time, batches with unusually few or many rows or with
        unusual values, as `metrics` finds them, stale batches, and changes by other engines. What
        was put right since is not listed.

        Args:
            since: The beginning of the night, with a time zone, or None for 24 hours ago.
            full: Whether to look for stale batches, for changes by other engines that are not in
                the history yet, and at the figures of all batches that were published. It reads the
                pointers of all tables, and manifests. Otherwise, figures are read where the index
                of events has unusual ones. None does so in warehouses of up to 100 tables.

        Returns:
            The report: ``items``, gravest first, and ``needs_attention``.

        Raises:
            InvalidName: The time has no time zone.

        Example:
            >>> report = warehouse.night()
            >>> report.tables, report.changed, [item.concern.value for item in report.items]
            (1, 1, [])
        """
        from airflow_sfx.warehouse.night.night import NIGHT, night_of

        switches(**({} if full is None else {"full": full}))
        now = datetime.now(UTC)
        begin = now - NIGHT if since is None else zoned(since, "since")
        return night_of(self.store, self.metastore, self.tables(), begin, now, full=full)

    def plan_rollback(
        self,
        db: str,
        table: str,
        partitions: Sequence[object] | None = None,
        *,
        to: str | None = None,
        to_version: int | None = None,
    ) -> RollbackPlan:
        """Return which batch each partition would go to, without changing anything.

        Args:
            db: The database.
            table: The table.
            partitions: The partitions, or None for a table without partitions. None for a dropped
                table plans to restore it with the partitions that were dropped with it. With
                ``to_version``, None is the whole table.
            to: The batch ID to roll back to, or None for the previous batch.
            to_version: The version of the table to roll back to, or None. Not together with ``to``.

        Returns:
            One step for each partition, or of a whole table for each one that changes: the batch
            that it leaves, and the one that it would return to, with its time, producer and rows;
            and, as ``models``, the versions of models that were trained on the batches that they
            leave.

        Raises:
            TableNotFound: The table does not exist, and was not dropped.
            PartitionNotFound: A partition has no batch.
            BatchNotFound: There is no earlier batch, ``to`` was never current in the partition, the
                table has not reached ``to_version``, or a batch has expired.
            InvalidName: ``to`` is not a batch ID, or ``to_version`` is not a whole number from 1.

        Example:
            >>> (step,) = warehouse.plan_rollback("sales", "sold_items", ["20161031"])
            >>> step.previous == oops.batch_id, step.batch_id == good.batch_id
            (True, True)
        """
        from airflow_sfx.warehouse.ends.drop import plan_restore
        from airflow_sfx.warehouse.pins.trained import models_of
        from airflow_sfx.warehouse.undo.rollback import plan_rollback
        from airflow_sfx.warehouse.undo.rollback_report import RollbackPlan
        from airflow_sfx.warehouse.undo.rollback_version import plan_rollback_to_version

        self._refuse_goals(db, table, to, to_version)
        opened = self._open_ended(db, table)
        wanted = opened.wanted(partitions)
        if opened.is_dropped:
            record = dropped_record(self.store, self.metastore, opened.ref)
            if record is not None:
                chosen = None if partitions is None else wanted
                return RollbackPlan(
                    plan_restore(opened, record, chosen, to=to, to_version=to_version)
                )
        if to_version is not None:
            steps = plan_rollback_to_version(opened, PartitionLog(opened), wanted, to_version)
        elif wanted is None:
            raise _without_partition("plan_rollback", opened)
        else:
            steps = plan_rollback(opened, PartitionLog(opened), wanted, to=to)
        left = {one.partition: one.previous for one in steps if one.previous != one.batch_id}
        batches = [(name, batch) for name, batch in left.items() if batch]
        return RollbackPlan(steps, models_of(opened, batches, self._names_of))

    def rollback_run(
        self,
        *,
        dag_id: str,
        run_id: str,
        attempt: Attempt = "all",
        reason: str = "",
        producer: Producer | None = None,
        dry_run: bool = False,
        expected: Sequence[RunRollback] | None = None,
    ) -> Rows[RunRollback]:
        """Roll back everything that one DAG run published.

        Partitions that were changed after the run are left as they are.

        Args:
            dag_id: The DAG.
            run_id: The DAG run.
            attempt: ``all`` for what was current before the run, or ``last`` to undo only what the
                run changed when it last ran. They differ for a run whose tasks were cleared and ran
                again under the same run ID; ``attempts`` of the reports counts them.
            reason: The reason, recorded in the history.
            producer: Who rolls back, or None for the identity of the running task or process.
            dry_run: Whether to only report what would be rolled back, and what would prevent it.
            expected: The reports of a dry run: fail if the partitions or their target batches would
                differ. None for no such condition.

        Returns:
            One report for each table, of what was done or would be: its ``steps`` say which batch
            each partition goes to. A table that no longer exists is left alone, and its report
            gives the reason.

        Raises:
            BatchNotFound: The run changed nothing in this warehouse, or a target batch has expired;
                nothing was rolled back.
            InconsistentBatch: A table's history or a target batch is damaged; nothing was rolled
                back.
            CommitConflict: The plan differs from ``expected``; nothing was rolled back.
            InvalidName: ``dry_run`` is not a bool, or ``attempt`` neither ``all`` nor ``last``.

        Example:
            >>> run = sfx.Producer(
            ...     dag_id="nightly", run_id="manual__1", task_id="load", try_number=1
            ... )
            >>> pin = warehouse.store_dataframe(
            ...     pd.DataFrame({"n": [7]}), "sales", "sold_items", ["20161031"], producer=run
            ... )
            >>> reports = warehouse.rollback_run(dag_id="nightly", run_id="manual__1")
            >>> [report.pin == oops for report in reports]
            [True]
        """
        switches(dry_run=dry_run)
        return self._undo(
            self._scope(Unit(dag_id, run_id), attempt), reason, producer, dry_run, expected
        )

    def rollback_backfill(
        self,
        *,
        dag_id: str,
        backfill_id: str,
        run_ids: Sequence[str] | None = None,
        attempt: Attempt = "all",
        reason: str = "",
        producer: Producer | None = None,
        dry_run: bool = False,
        expected: Sequence[RunRollback] | None = None,
    ) -> Rows[RunRollback]:
        """Roll back everything that the runs of one backfill published.

        Partitions that other runs changed afterwards are left as they are.

        Args:
            dag_id: The DAG.
            backfill_id: The backfill's number in Airflow, or the name that the configuration of its
                runs gave it: ``{"sfx_backfill_id": "march again"}``.
            run_ids: The runs of the backfill, or None for those that Airflow's database lists, if
                it is reachable. Runs whose history names the backfill are always included.
            attempt: ``all`` or ``last``, as for `rollback_run`.
            reason: The reason, recorded in the history.
            producer: Who rolls back, or None for the identity of the running task or process.
            dry_run: Whether to only report what would be rolled back, and what would prevent it.
            expected: As for `rollback_run`.

        Returns:
            One report for each table, of what was done or would be. A table that no longer exists
            is left alone, and its report gives the reason.

        Raises:
            BatchNotFound: The backfill changed nothing in this warehouse, or a target batch has
                expired; nothing was rolled back.
            InconsistentBatch: A table's history or a target batch is damaged; nothing was rolled
                back.

        Example:
            >>> run = sfx.Producer(
            ...     dag_id="nightly",
            ...     run_id="b1",
            ...     task_id="load",
            ...     try_number=1,
            ...     backfill_id="october",
            ... )
            >>> pin = warehouse.store_dataframe(
            ...     pd.DataFrame({"n": [7]}), "sales", "sold_items", ["20161031"], producer=run
            ... )
            >>> reports = warehouse.rollback_backfill(dag_id="nightly", backfill_id="october")
            >>> [report.pin == oops for report in reports]
            [True]
        """
        switches(dry_run=dry_run)
        unit = self._backfill(dag_id, backfill_id, run_ids)
        return self._undo(self._scope(unit, attempt), reason, producer, dry_run, expected)

    def rollback_commit(
        self,
        db: str,
        table: str,
        commit: str,
        *,
        reason: str = "",
        producer: Producer | None = None,
        dry_run: bool = False,
        expected: Sequence[RunRollback] | None = None,
    ) -> Rows[RunRollback]:
        """Roll back everything that one commit changed; an undo is itself undone in this way.

        Each partition returns to the batch that was current before the commit, all in one commit.
        Partitions that were changed afterwards are left as they are. If the commit is part of the
        rollback of a run, a backfill or a commit, all tables of that rollback are rolled back.

        Args:
            db: The database.
            table: The table.
            commit: The commit's ID, which history entries have as ``commit``.
            reason: The reason, recorded in the history.
            producer: Who rolls back, or None for the identity of the running task or process.
            dry_run: Whether to only report what would be rolled back, and what would prevent it.
            expected: As for `rollback_run`.

        Returns:
            One report for each table, of what was done or would be.

        Raises:
            TableNotFound: The table does not exist.
            BatchNotFound: The table has no such commit, or a target batch has expired; nothing was
                rolled back.
            InconsistentBatch: A history or a target batch is damaged; nothing was rolled back.
            CommitConflict: The plan differs from ``expected``; nothing was rolled back.
            InvalidName: It is not the ID of a commit, or the commit expired or erased batches.

        Example:
            >>> undo = warehouse.rollback("sales", "sold_items", ["20161031"])
            >>> entry = warehouse.history("sales", "sold_items", ["20161031"])[0]
            >>> (report,) = warehouse.rollback_commit("sales", "sold_items", entry.commit)
            >>> report.pin == oops
            True
        """
        switches(dry_run=dry_run)
        from airflow_sfx.warehouse.undo.scope import scope_of_commit

        scope = scope_of_commit(self.store, self.metastore, TableRef(db, table), commit)
        return self._undo(scope, reason, producer, dry_run, expected)

    def compact(
        self,
        db: str,
        table: str,
        prefix: str | Sequence[object] = (),
        *,
        reason: str = "",
        dry_run: bool = False,
        producer: Producer | None = None,
    ) -> BatchPin:
        """Make one batch of the windows of a stream, such as those of an hour or a day.

        All current windows below the prefix become one partition for each combination of the
        other keys' values, whose ``window`` is ``compacted``. One commit makes it current and ends
        the windows: readers see all windows or the compacted batch. Later windows are added to it
        the next time. Roll back the commit to undo it. The stream's positions stay.

        Args:
            db: The database.
            table: The table, whose last partition key is ``window``.
            prefix: The first partition values, such as ``["20161101", "13"]`` or
                ``"20161101/13"``; empty for the whole table.
            reason: The reason, recorded in the history.
            dry_run: Whether to only return the windows that would be compacted.
            producer: Who compacts, or None for the identity of the running task or process.

        Returns:
            The pin of the compacted batches, or of the windows of a dry run; without batches if
            there are no windows.

        Raises:
            InvalidName: The table is not one of a stream, or the prefix is not one of its keys'.
            PartitionNotFound: No current partition is below the prefix.
            CommitConflict: Another writer changed a window meanwhile; nothing was changed.
            InconsistentBatch: The rows that were written are not those of the windows; nothing was
                changed.

        Example:
            >>> clicks = pd.DataFrame({"day": ["20161101"], "url": ["/hats"]})
            >>> for after, to in (("", "1"), ("1", "2")):
            ...     consumed = sfx.Consumed("kinesis:clicks", {"0": (after, to)})
            ...     pin = warehouse.store_window(
            ...         clicks, "web", "clicks", consumed=consumed, partition_by=["day"]
            ...     )
            >>> list(warehouse.compact("web", "clicks", ["20161101"]).batches)
            ['20161101/compacted']
        """
        from airflow_sfx.warehouse.write.compact import compact

        switches(dry_run=dry_run)
        self._refuse_model(db, table, "compacted", "models have no windows")
        opened, author = self._open(db, table), self._author(producer, reason)
        target = self._target(TableRef(db, table))
        return compact(target, opened, prefix, author, dry_run=dry_run)

    def drop_column(
        self,
        db: str,
        table: str,
        column: str,
        *,
        reason: str = "",
        dry_run: bool = False,
        producer: Producer | None = None,
    ) -> BatchPin:
        """Drop a column of a table: current batches are written again without it.

        All become current in one commit. The batches before stay, with the column: rolling back
        brings it back. A later frame that has the column adds it again.

        Args:
            db: The database.
            table: The table.
            column: The column; names are case-insensitive.
            reason: The reason, recorded in the history.
            dry_run: Whether to only return which batches would be written again.
            producer: Who drops it, or None for the identity of the running task or process.

        Returns:
            The pin of the new batches, or of those that a dry run would write again; without
            batches if no current batch has the column.

        Raises:
            SchemaMismatch: The table has no such column, it is the only one, or holds an index.
            InvalidName: The column is a partition key.
            CommitConflict: Another writer changed the table meanwhile; nothing was changed.

        Example:
            >>> frame = pd.DataFrame({"n": [3], "note": ["x"]})
            >>> pin = warehouse.store_dataframe(frame, "sales", "notes", ["20161101"])
            >>> warehouse.load_dataframe(warehouse.drop_column("sales", "notes", "note"))
               n
            0  3
        """
        from airflow_sfx.warehouse.write.column_changes import ColumnChange, change_column

        switches(dry_run=dry_run)
        self._refuse_model(db, table, "without a column", "save a version of other columns")
        opened, author = self._open(db, table), self._author(producer, reason)
        change = ColumnChange(column)
        return change_column(opened, PartitionLog(opened), change, author, dry_run=dry_run)

    def rename_column(
        self,
        db: str,
        table: str,
        column: str,
        to: str,
        *,
        reason: str = "",
        dry_run: bool = False,
        producer: Producer | None = None,
    ) -> BatchPin:
        """Rename a column of a table: current batches are written again under the new name.

        All become current in one commit. The batches before stay, with the old name: their pins
        read as ever. Rename back, or roll back, to undo it.

        Args:
            db: The database.
            table: The table.
            column: The column; names are case-insensitive.
            to: Its new name.
            reason: The reason, recorded in the history.
            dry_run: Whether to only return which batches would be written again.
            producer: Who renames it, or None for the identity of the running task or process.

        Returns:
            The pin of the new batches, or of those that a dry run would write again; without
            batches if no current batch has the column.

        Raises:
            SchemaMismatch: The table has no such column, or it holds an index.
            InvalidName: The column is a partition key, or the new name is taken or not valid.
            CommitConflict: Another writer changed the table meanwhile; nothing was changed.

        Example:
            >>> frame = pd.DataFrame({"prcie": [3]})
            >>> pin = warehouse.store_dataframe(frame, "sales", "prices", ["20161101"])
            >>> pin = warehouse.rename_column("sales", "prices", "prcie", "price")
            >>> warehouse.load_dataframe(pin)
               price
            0      3
        """
        from airflow_sfx.frames.column_names import check_names
        from airflow_sfx.warehouse.write.column_changes import ColumnChange, change_column

        switches(dry_run=dry_run)
        check_names([to])
        self._refuse_model(db, table, "given other columns", "save a version of other columns")
        opened, author = self._open(db, table), self._author(producer, reason)
        change = ColumnChange(column, to)
        return change_column(opened, PartitionLog(opened), change, author, dry_run=dry_run)

    def rename(
        self,
        db: str,
        table: str,
        to_db: str,
        to_table: str,
        *,
        reason: str = "",
        dry_run: bool = False,
        producer: Producer | None = None,
    ) -> TableRef:
        """Give a table another name, in the metastore and for engines as well.

        Its directory, batches, history, holds and staged batches stay. Pins of the old name load as
        before, and the old name is free for a new table. A dropped table can be renamed, too.

        Args:
            db: The database.
            table: The table.
            to_db: The database that it moves to, created if it does not exist.
            to_table: Its new name.
            reason: The reason, recorded with both names.
            dry_run: Whether to only check that the table can be renamed.
            producer: Who renames, or None for the identity of the running task or process.

        Returns:
            The new name.

        Raises:
            TableNotFound: The table does not exist, and was not dropped.
            InvalidName: The new name is taken or breaks a rule, or the metastore cannot rename
                tables, as Glue cannot.

        Example:
            >>> renamed = warehouse.rename("sales", "sold_items", "sales", "items_sold")
            >>> str(renamed), warehouse.load_dataframe(good)["n"].tolist()
            ('sales.items_sold', [1, 2])
        """
        from airflow_sfx.warehouse.ends.rename import rename_table

        switches(dry_run=dry_run)
        self._refuse_model(db, table, "renamed", "save it under the other name")
        self._refuse_model(to_db, to_table, "replaced by a table", "choose another name")
        old, to, author = (
            TableRef(db, table),
            TableRef(to_db, to_table),
            self._author(producer, reason),
        )
        rename_table(old, to, self.store, self.metastore, author, dry_run=dry_run)
        return to

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
        """Make existing Parquet files batches of a table, without copying them.

        With a directory, its files become the first batches of a table. Without one, the files that
        the metastore points at are adopted: a table that another engine created, or partitions of a
        table of this warehouse that another engine added or changed.

        Args:
            db: The database.
            table: The table, created if it does not exist and a directory is given.
            directory: An absolute path or a URI, or None for what the metastore points at.
            partitions: The partitions of the metastore to adopt, or None for all that are not in
                the history.
            partition_keys: Names of the keys, or names with Hive types, if the directories are not
                named ``key=value``.
            reason: The reason, recorded in the history.
            producer: Who adopts, or None for the identity of the running task or process.
            progress: Called with the number of files read so far and in total, or None.

        Returns:
            The pin of the adopted batches.

        Raises:
            InvalidName: There is nothing to adopt, or the directories do not fit the keys.
            SchemaMismatch: The files do not fit one another, or do not fit the table.
            TableNotFound: No directory was given and the table does not exist.

        Example:
            >>> directory = tempfile.mkdtemp()
            >>> pd.DataFrame({"n": [5]}).to_parquet(f"{directory}/part-0.parquet")
            >>> pin = warehouse.adopt("sales", "old_items", directory)
            >>> warehouse.load_dataframe(pin)["n"].tolist()
            [5]
        """
        from airflow_sfx.warehouse.batch.target import Target
        from airflow_sfx.warehouse.external.adopt import adopt_directory
        from airflow_sfx.warehouse.external.reconcile import adopt_present

        self._refuse_model(db, table, "adopted", "choose another name for the table")
        target = Target.of(TableRef(db, table), self.store, self.metastore, self.partition_style)
        author = self._author(producer, reason)
        if directory is None:
            return adopt_present(target, partitions, author, progress)
        if not isinstance(directory, str | os.PathLike):
            raise InvalidName(
                f"directory={directory!r:.80} is not a path: pass an absolute path or a URI"
            )
        return adopt_directory(target, os.fspath(directory), partition_keys, author, progress)

    def repair(
        self,
        db: str,
        table: str,
        *,
        adopted_from: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> Rows[Repair]:
        """Complete what failed writers left unfinished, and report what needs a person.

        Nothing is deleted. If the metastore has lost the table, it is restored from its history.

        Args:
            db: The database.
            table: The table.
            adopted_from: URIs of directories from which batches of the table were adopted, needed
                only if the metastore has lost them. Files outside of them and of the table's own
                directory are not read.
            progress: Called with the number of partitions checked so far and in total, or None.

        Returns:
            The problems found, and what was done about each; empty if there are none.

        Raises:
            TableNotFound: The table does not exist and has no history.
            InconsistentBatch: The metastore has lost the table, and a batch lies outside of the
                directories in ``adopted_from``.

        Example:
            >>> warehouse.repair("sales", "sold_items")
            []
        """
        from airflow_sfx.warehouse.external.reconcile import allow_directories
        from airflow_sfx.warehouse.integrity.repair import Repair, repair_table
        from airflow_sfx.warehouse.log.restore import restore_table
        from airflow_sfx.warehouse.quality.set_checks import put_in_force

        self._refuse_model(db, table, "repaired", f"check it by `sfx model verify {table}`")
        ref, made = TableRef(db, table), []
        places = [_as_uri(one) for one in listed(adopted_from, "adopted_from")]
        there = self.metastore.get_table(ref)
        opened = None if there else restore_table(ref, self.store, self.metastore, places)
        if opened is not None:
            made.append(
                Repair("", "the metastore did not have the table", "made it again from its history")
            )
        elif places:
            allow_directories(self._open(db, table), places)
        opened = opened or self._open(db, table)
        made += repair_table(opened, PartitionLog(opened), progress)
        if put_in_force(opened):
            made.append(
                Repair("", "the newest declaration of its checks was not in force", "put it there")
            )
        return Rows(made)

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
        """Hold a pin's batches, so that retention keeps them.

        The hold is stored beside the table, and outlives XCom. A name that already holds batches of
        the same partitions keeps that hold, unless it has expired or ``renew`` is set.

        Args:
            pin: The pin.
            name: The name of the hold, such as a report's name.
            until: The time, with a time zone, until which retention keeps the batches, or None for
                no limit.
            renew: Whether to replace an existing hold of this name.
            reason: The reason, recorded in the hold.
            producer: Who holds, or None for the identity of the running task or process.

        Returns:
            The hold that is in force: the new one, or the existing one.

        Raises:
            InvalidName: The pin is of another warehouse, the name is empty, or ``until`` is past or
                has no time zone.

        Example:
            >>> warehouse.hold(good, "annual accounts").pin == good
            True
            >>> warehouse.hold(oops, "annual accounts").pin == good
            True
        """
        from airflow_sfx.warehouse.pins.holds import hold

        switches(renew=renew)
        author = self._author(producer, reason)
        return hold(self._table_of(pin), name, pin, author, until=until, renew=renew)

    def release(
        self, db: str, table: str, name: str, *, reason: str = "", producer: Producer | None = None
    ) -> Hold | None:
        """Release a hold before it expires.

        Retention may then expire its batches, unless another hold keeps them.

        Args:
            db: The database.
            table: The table.
            name: The name of the hold.
            reason: The reason, recorded with the release.
            producer: Who releases, or None for the identity of the running task or process.

        Returns:
            The released hold, or None if the name holds nothing.

        Raises:
            TableNotFound: The table does not exist.

        Example:
            >>> held = warehouse.hold(good, "lawsuit 7")
            >>> warehouse.release("sales", "sold_items", "lawsuit 7").released
            True
        """
        from airflow_sfx.warehouse.pins.holds import release

        return release(self._open_ended(db, table), name, self._author(producer, reason))

    def holding(self, db: str | None = None, table: str | None = None) -> Rows[Hold]:
        """List the holds in force: neither expired nor released.

        Args:
            db: The database, or None for all.
            table: The table, or None for all of the database.

        Returns:
            The holds, oldest first.

        Raises:
            TableNotFound: The table does not exist.
            InvalidName: A table is given without its database.

        Example:
            >>> held = warehouse.hold(good, "annual accounts")
            >>> [hold.name for hold in warehouse.holding("sales", "sold_items")]
            ['annual accounts']
            >>> warehouse.holding() == warehouse.holding("sales") == [held]
            True
        """
        from airflow_sfx.warehouse.pins.holds import holding, of_tables

        now = datetime.now(UTC)
        return Rows(of_tables(self._opened(db, table), lambda opened: holding(opened, now)))

    def pin_and_hold(
        self,
        db: str,
        table: str,
        partitions: Sequence[object] | None = None,
        *,
        name: str,
        as_of: datetime | None = None,
        version: int | None = None,
        until: datetime | None = None,
        renew: bool = False,
        reason: str = "",
        producer: Producer | None = None,
    ) -> Hold:
        """Pin the current batches and hold them, or return the existing hold.

        Args:
            db: The database.
            table: The table.
            partitions: The partitions, or None for all. An existing hold of other partitions is
                replaced.
            name: The name of the hold.
            as_of: The time, with a time zone, whose current batches are pinned, or None for now.
            version: The version of the table whose batches are pinned, or None. Not together with
                ``as_of``.
            until: The time, with a time zone, until which retention keeps the batches, or None for
                no limit.
            renew: Whether to replace an existing hold of this name.
            reason: The reason, recorded in the hold.
            producer: Who holds, or None for the identity of the running task or process.

        Returns:
            The hold that is in force: the new one, or the existing one.

        Raises:
            TableNotFound: The table does not exist.
            PartitionNotFound: A named partition has no batch, or the table has none at all.
            BatchNotFound: The table has not reached the version.
            InvalidName: The name is empty, a time has no time zone, or ``until`` is past.

        Example:
            >>> warehouse.pin_and_hold("sales", "sold_items", name="october report").pin == oops
            True
        """
        from airflow_sfx.warehouse.log.resolve import one_moment
        from airflow_sfx.warehouse.pins.holds import hold, standing

        switches(renew=renew)
        at = one_moment(as_of, version)
        opened = self._open(db, table)
        there = None if renew else standing(opened, name, opened.wanted(partitions))
        if there is not None:
            return there
        pin = self._pin(opened, partitions, at)
        author = self._author(producer, reason)
        return hold(opened, name, pin, author, until=until, renew=renew)

    def repin(
        self, *, dag_id: str, run_id: str, reason: str = "", producer: Producer | None = None
    ) -> datetime:
        """Let a DAG run pin anew when it is cleared, what is current then.

        Otherwise its cleared tasks pin the batches of the first time, and read those of the asset
        events that started it. Clear the tasks in Airflow afterwards.

        Args:
            dag_id: The DAG.
            run_id: The run.
            reason: The reason, recorded with the request.
            producer: Who asks, or None for the identity of the running task or process.

        Returns:
            The time of the request, in UTC; each task pins anew once after it.

        Raises:
            InvalidName: The DAG or the run has no name.

        Example:
            >>> warehouse.repin(dag_id="nightly", run_id="manual__1", reason="prices undone").tzinfo
            datetime.timezone.utc
        """
        from airflow_sfx.warehouse.pins.repin import request_repin

        return request_repin(self.store, dag_id, run_id, self._author(producer, reason))

    def repin_requested(self, *, dag_id: str, run_id: str) -> datetime | None:
        """Return when a DAG run was last asked to pin anew, if it was.

        Args:
            dag_id: The DAG.
            run_id: The run.

        Returns:
            The time, in UTC, or None.

        Example:
            >>> warehouse.repin_requested(dag_id="nightly", run_id="manual__1") is None
            True
        """
        from airflow_sfx.warehouse.pins.repin import repin_requested

        return repin_requested(self.store, dag_id, run_id)

    def holds(
        self, db: str | None = None, table: str | None = None, name: str | None = None
    ) -> Rows[Hold]:
        """List the holds of a table or of all, including expired and released ones.

        Args:
            db: The database, or None for all.
            table: The table, or None for all of the database.
            name: The name of the hold, or None for all.

        Returns:
            The holds, oldest first. With a name, only its newest hold of each table, if any.

        Raises:
            TableNotFound: The table does not exist.
            InvalidName: A table is given without its database.

        Example:
            >>> held = warehouse.hold(good, "annual accounts", reason="signed by the auditor")
            >>> warehouse.holds("sales", "sold_items") == warehouse.holds() == [held]
            True
        """
        from airflow_sfx.warehouse.pins.holds import holds, newest, of_tables

        def find(opened: Table) -> list[Hold]:
            if name is None:
                return holds(opened)
            found = newest(opened, name)
            return [found] if found else []

        return Rows(of_tables(self._opened(db, table), find))

    def take(
        self, pin: BatchPin, *, consumer: str, run: str, newest: bool = False
    ) -> dict[str, str]:
        """Claim the changes that made a pin's batches current, for one run of a consumer.

        Each change is claimed once across all runs of a consumer. A batch that became current
        several times, by rollbacks, has several changes; a run claims the oldest unclaimed one.

        Args:
            pin: The batches.
            consumer: The name of the consumer, the same in all its runs.
            run: The run, which may claim the same changes again.
            newest: Whether to claim the newest change of each batch, for batches that `missed`
                returned.

        Returns:
            The runs that claimed changes earlier, by partition name. Partitions that this run has
            claimed are not included.

        Raises:
            BatchNotFound: A batch was never current.
            InvalidName: The pin is of another warehouse, or the consumer or the run has no name.

        Example:
            >>> warehouse.take(oops, consumer="report", run="monday")
            {}
            >>> warehouse.take(oops, consumer="report", run="tuesday")
            {'20161031': 'monday'}
        """
        from airflow_sfx.warehouse.pins.consumer_offsets import take

        switches(newest=newest)
        return take(self._table_of(pin), consumer, run, pin, newest=newest)

    def missed(
        self, db: str, table: str, *, consumer: str, since: datetime | None = None
    ) -> BatchPin | None:
        """Pin the current batches that no run of a consumer has claimed.

        Args:
            db: The database.
            table: The table.
            consumer: The name of the consumer.
            since: Changes from this time on, with a time zone, or None for all.

        Returns:
            The pin of these batches, or None if there are none.

        Raises:
            TableNotFound: The table does not exist.
            InvalidName: The consumer has no name, or the time has no time zone.

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
        staged_older_than: timedelta | None = None,
        grace: timedelta = timedelta(days=1),
        dry_run: bool = True,
        reason: str = "",
        producer: Producer | None = None,
    ) -> RetentionReport:
        """Expire old batches, and delete the files of batches expired long enough ago.

        An expired batch can no longer be held, published or rolled back to; holds made earlier keep
        it. Its files are deleted by the first call after the grace period. Only this method and
        `erase` delete data.

        Args:
            db: The database.
            table: The table.
            keep_last: The number of batches to keep of each partition, including the current one.
            older_than: The minimum time since a batch was last current, or was discarded.
            staged_older_than: The minimum time since a staged batch was written, after which it
                expires without being published; or None to keep staged batches.
            grace: How long the files of an expired batch stay: longer than any task reads a pin
                that it does not hold.
            dry_run: Whether to only report what would be done.
            reason: The reason, recorded in the history.
            producer: Who, or None for the identity of the running task or process.

        Returns:
            What was done, or would be.

        Raises:
            TableNotFound: The table does not exist.
            InvalidName: ``keep_last`` or a time is too small, or ``dry_run`` is not a bool.

        Example:
            >>> from datetime import timedelta
            >>> report = warehouse.retain(
            ...     "sales", "sold_items", keep_last=1, older_than=timedelta(0)
            ... )
            >>> [batch.batch_id == good.batch_id for batch in report.retired], report.dry_run
            ([True], True)
        """
        from airflow_sfx.warehouse.retention.expire import Rule

        switches(dry_run=dry_run)
        self._refuse_model(db, table, "expired", "its versions are kept, as others may load them")
        opened = self._open_ended(db, table)
        rule = Rule(keep_last, older_than, grace, staged_older_than)
        return self._retain(opened, rule, self._author(producer, reason), dry_run=dry_run)

    def set_retention(
        self,
        pattern: str,
        *,
        keep_last: int,
        older_than: timedelta,
        staged_older_than: timedelta | None = None,
        grace: timedelta = timedelta(days=1),
        reason: str = "",
        producer: Producer | None = None,
    ) -> Policy:
        """Set the retention policy of all tables whose names match a pattern.

        It is stored in the warehouse, and deletes nothing until `retain_all` runs. Of several
        policies that match a table, the most specific one counts.

        Args:
            pattern: The tables: ``shop.orders``, or with ``*`` for any characters, as ``shop.*``.
            keep_last: As for `retain`.
            older_than: As for `retain`.
            staged_older_than: As for `retain`.
            grace: As for `retain`.
            reason: The reason, recorded in the policy.
            producer: Who, or None for the identity of the running task or process.

        Returns:
            The policy.

        Raises:
            InvalidName: The pattern is not one of tables, or ``keep_last`` or a time is too small.

        Example:
            >>> from datetime import timedelta
            >>> policy = warehouse.set_retention(
            ...     "sales.*", keep_last=30, older_than=timedelta(days=90)
            ... )
            >>> [(one.pattern, one.rule.keep_last) for one in warehouse.policies()]
            [('sales.*', 30)]
        """
        from airflow_sfx.warehouse.retention.expire import Rule
        from airflow_sfx.warehouse.retention.policies import set_policy

        rule = Rule(keep_last, older_than, grace, staged_older_than)
        return set_policy(self.store, pattern, rule, self._author(producer, reason))

    def end_retention(
        self, pattern: str, *, reason: str = "", producer: Producer | None = None
    ) -> Policy:
        """End a retention policy.

        Args:
            pattern: The pattern of the policy.
            reason: The reason, recorded in the policy.
            producer: Who, or None for the identity of the running task or process.

        Returns:
            The version of the policy that ends it.

        Raises:
            InvalidName: There is no such policy.

        Example:
            >>> from datetime import timedelta
            >>> policy = warehouse.set_retention(
            ...     "sales.*", keep_last=30, older_than=timedelta(days=90)
            ... )
            >>> warehouse.end_retention("sales.*").rule, warehouse.policies()
            (None, [])
        """
        from airflow_sfx.warehouse.retention.policies import set_policy

        return set_policy(self.store, pattern, None, self._author(producer, reason))

    def policies(self) -> Rows[Policy]:
        """List the retention policies in force, the most specific first.

        Returns:
            The policies.

        Example:
            >>> warehouse.policies()
            []
        """
        from airflow_sfx.warehouse.retention.policies import policies

        return Rows(policies(self.store))

    def retain_all(
        self, *, dry_run: bool = True, reason: str = "", producer: Producer | None = None
    ) -> Rows[PolicyReport]:
        """Run `retain` on all tables that have a retention policy.

        Args:
            dry_run: Whether to only report what would be done.
            reason: The reason, recorded in the history.
            producer: Who, or None for the identity of the running task or process.

        Returns:
            One report for each table, also for those without a policy and those that could not be
            retained.

        Raises:
            InconsistentBatch: A policy is damaged; nothing was done.
            InvalidName: ``dry_run`` is not a bool.

        Example:
            >>> from datetime import timedelta
            >>> policy = warehouse.set_retention(
            ...     "sales.*", keep_last=1, older_than=timedelta(0)
            ... )
            >>> (plan,) = warehouse.retain_all()
            >>> plan.table, plan.pattern, len(plan.report.retired), plan.report.dry_run
            ('sales.sold_items', 'sales.*', 1, True)
        """
        from airflow_sfx.warehouse.retention.policies import policies, retain_by_policies

        switches(dry_run=dry_run)
        author, known = self._author(producer, reason), policies(self.store)

        def run(ref: TableRef, rule: Rule) -> RetentionReport:
            return self._retain(self._open(ref.database, ref.table), rule, author, dry_run=dry_run)

        return Rows(retain_by_policies(self.tables(), known, run))

    def erase(
        self,
        db: str,
        table: str,
        *,
        where: str,
        grace: timedelta = timedelta(days=1),
        despite_pins: bool = False,
        downstream: bool = False,
        dry_run: bool = True,
        reason: str = "",
        producer: Producer | None = None,
    ) -> ErasureReport:
        """Erase rows, such as a person's, from all batches: current, earlier and staged.

        Each batch with such rows is replaced by a batch without them. The replacement of the
        current batch becomes current, and a rollback goes to replacements. Replaced batches expire,
        and their files are deleted by the first call after the grace period. Holds keep batches
        until they expire. The history records the number of erased rows and the columns of the
        condition, never its values.

        Args:
            db: The database.
            table: The table.
            where: The rows to erase, as an SQL condition: ``client_id = 42``. Comparisons, IN,
                BETWEEN and IS NULL of columns and literals, with AND, OR and NOT.
            grace: How long the files with the rows stay, for tasks that are reading them.
            despite_pins: Whether to delete held batches too.
            downstream: Whether to erase the rows from the tables, too, that have batches made, at
                any depth, from batches with such rows, and with all columns of the condition. Other
                such batches are reported: they may hold values derived from the rows.
            dry_run: Whether to only report what would be done.
            reason: The reason, recorded in the history: the number of a request, but not a name.
            producer: Who erases, or None for the identity of the running task or process.

        Returns:
            What was done, or would be.

        Raises:
            TableNotFound: The table does not exist.
            SchemaMismatch: The condition is not valid, or names a column that no batch has.
            InvalidName: The grace period is negative, or an argument has a wrong type.

        Example:
            >>> report = warehouse.erase(
            ...     "sales", "sold_items", where="n = -9", dry_run=False, reason="request 17"
            ... )
            >>> report.erased, warehouse.load_dataframe("sales", "sold_items")["n"].tolist()
            (1, [2])
        """
        from airflow_sfx.warehouse.pins.trained import models_of
        from airflow_sfx.warehouse.retention.erasure import Erasure, erase

        switches(despite_pins=despite_pins, downstream=downstream, dry_run=dry_run)
        if not isinstance(where, str):
            raise InvalidName(
                f"where={where!r:.80} is not text: pass an SQL condition, such as where='client_id"
                " = 42'"
            )
        self._refuse_model(db, table, "erased from", "train it again without the rows")
        author = self._author(producer, reason)
        erasure = Erasure(where, grace, despite_pins)

        def run(ref: TableRef, dry: bool) -> ErasureReport:
            opened = self._open_ended(ref.database, ref.table)
            report = erase(
                opened, PartitionLog(opened), erasure, author, dry_run=dry, now=datetime.now(UTC)
            )
            batches = [(one.partition, one.batch_id) for one in report.batches]
            models = models_of(opened, batches, self._names_of, and_before=True)
            return replace(report, models=models)

        if not downstream:
            return run(TableRef(db, table), dry_run)
        from airflow_sfx.frames.predicates.sql import columns_of
        from airflow_sfx.warehouse.retention.downstream import erase_with_downstream

        return erase_with_downstream(
            self._open_ended(db, table),
            columns_of(where),
            run,
            lambda pin: table_at(pin.ref, pin.location, self.store, self.metastore),
            self._names_of,
            dry_run=dry_run,
        )

    def diff(self, before: BatchPin, after: BatchPin, *, keys: Sequence[str] = ()) -> BatchDiff:
        """Compare two pins: columns, row counts, column values, and rows by key.

        Args:
            before: The first pin.
            after: The second pin, of the same or of another table.
            keys: Columns that identify a row. Without them, whole rows are compared.

        Returns:
            The differences.

        Raises:
            SchemaMismatch: A key is not a column of both pins.

        Example:
            >>> difference = warehouse.diff(good, oops)
            >>> difference.identical, difference.added, difference.removed
            (False, 1, 1)
        """
        from airflow_sfx.warehouse.diff.diff import diff_batches

        return diff_batches(self._table_of(before), before, self._table_of(after), after, keys=keys)

    def metrics(
        self,
        db: str,
        table: str,
        *,
        columns: Sequence[str] | None = None,
        partitions: Sequence[object] | None = None,
        like: Sequence[object] | None = None,
        last: int = 91,
        read: bool = False,
    ) -> TableMetrics:
        """Return the figures of a table over its partitions, each with its usual band.

        The figures are rows, and of each column nulls, distinct values, mean, sum, least and
        greatest. The band is computed from the 91 partitions before, of days from the same weekday;
        see `airflow_sfx.warehouse.quality.band`. The figures of a table without partitions are
        those of its earlier batches, and those of a table with several keys are one series for each
        value of the keys that are not the day.

        Args:
            db: The database.
            table: The table.
            columns: The columns, or None for all.
            partitions: The partitions, or None for the last ones.
            like: The values of a partition whose series is wanted, or None for all series.
            last: How many partitions of each series, if ``partitions`` is None.
            read: Whether to count what manifests lack: distinct values, and the means of batches
                that were adopted or that older versions wrote. This reads each batch once, as the
                result is kept beside its manifest. Batches of more than 50 million rows are left
                out.

        Returns:
            The metrics, oldest first, with their ``anomalies`` and ``to_pandas()``.

        Raises:
            TableNotFound: The table does not exist.
            PartitionNotFound: A partition has no current batch.
            InvalidName: A column is unknown, or ``last`` is not positive.

        Example:
            >>> found = warehouse.metrics("sales", "sold_items", columns=["n"])
            >>> found.partitions[-1].columns["n"].mean
            -3.5
        """
        from airflow_sfx.warehouse.quality.metrics import table_metrics

        switches(read=read)
        if whole(last, "last") < 1:
            raise InvalidName(f"last={last} is not a number of partitions: pass one from 1")
        opened = self._open(db, table)
        similar = opened.wanted(like, "like") if like is not None else None
        return table_metrics(
            opened,
            PartitionLog(opened),
            None
            if columns is None
            else [named(one, "columns") for one in listed(columns, "columns")],
            None if partitions is None else opened.wanted(partitions),
            like=None if similar is None else _partition_name(similar, opened),
            last=last,
            read=read,
        )

    def set_checks(
        self,
        db: str,
        table: str,
        checks: Iterable[object],
        *,
        warn: Iterable[object] = (),
        reason: str = "",
        producer: Producer | None = None,
    ) -> CheckDeclaration:
        """Declare the checks of a table, which every writer runs on each of its batches.

        They replace those that were declared before, and are stored with the table as names and
        parameters. Declaring the same checks again changes nothing, so a DAG file may do so in each
        run. Writers run them on the frame in memory, or on the columns of the written files that a
        check needs; what they found is in the manifest. `adopt` and `erase` do not run them.

        Args:
            db: The database.
            table: The table.
            checks: Checks of `airflow_sfx.checks`, or those of an earlier declaration: all that a
                batch must pass to be published. Empty for none.
            warn: Checks whose failure is recorded and logged, and rejects nothing.
            reason: The reason, recorded in their history.
            producer: Who declares them, or None for the identity of the running task or process.

        Returns:
            The declaration that is in force.

        Raises:
            TableNotFound: The table does not exist yet: pass ``checks=`` with its first batch.
            InvalidName: A check is not one of the package, or too long to be stored.
            SchemaMismatch: A check needs a column that the table does not have. ``has_columns`` may
                name columns that are to come.

        Example:
            >>> declared = warehouse.set_checks("sales", "sold_items", [sfx.checks.not_null("n")])
            >>> declared.number, [one["check"] for one in declared.checks]
            (1, ['not_null'])
        """
        from airflow_sfx.warehouse.quality.declared import declare
        from airflow_sfx.warehouse.quality.set_checks import set_checks

        self._refuse_model(db, table, "checked before a publish", "use the gates of a promotion")
        declared = declare(listed(checks, "checks"), listed(warn, "warn"))
        return set_checks(self._open(db, table), declared, self._author(producer, reason))

    def declared_checks(self, db: str, table: str) -> Rows[CheckDeclaration]:
        """Return who declared which checks of a table, newest first.

        Args:
            db: The database.
            table: The table.

        Returns:
            The declarations. One is in force; if it is not the newest, its writer died, and
            `repair` puts the newest in force.

        Raises:
            TableNotFound: The table does not exist.

        Example:
            >>> declared = warehouse.set_checks("sales", "sold_items", [sfx.checks.not_null("n")])
            >>> [one.in_force for one in warehouse.declared_checks("sales", "sold_items")]
            [True]
        """
        from airflow_sfx.warehouse.quality.set_checks import declarations

        return Rows(declarations(self._open(db, table)))

    def check(
        self,
        db: str,
        table: str,
        partitions: Sequence[object] | None = None,
        *,
        checks: Iterable[object] | None = None,
        progress: Progress | None = None,
    ) -> Rows[CheckedBatch]:
        """Run checks on the current batches of a table; nothing is changed.

        Args:
            db: The database.
            table: The table.
            partitions: The partitions, or None for all.
            checks: Checks of `airflow_sfx.checks` to try, or None for those of the table.
            progress: Called with the number of batches checked so far and in total, or None.

        Returns:
            What the checks found in each batch.

        Raises:
            InvalidName: The table has no checks.
            PartitionNotFound: A partition has no current batch.

        Example:
            >>> checks = [sfx.checks.not_null("n")]
            >>> found = warehouse.check("sales", "sold_items", ["20161031"], checks=checks)
            >>> [result.passed for result in found[0].results]
            [True]
        """
        from airflow_sfx.warehouse.quality.check_current import check_current
        from airflow_sfx.warehouse.quality.declared import declare
        from airflow_sfx.warehouse.quality.set_checks import declared_checks

        opened = self._open(db, table)
        wanted = None if partitions is None else opened.wanted(partitions)
        given = None if checks is None else declare(listed(checks, "checks"), ())
        due = declared_checks(opened) if given is None else given
        return Rows(check_current(opened, PartitionLog(opened), wanted, due, progress))

    def verify(self, pin: BatchPin) -> VerifyReport:
        """Read every file of a pin and check it against the manifest.

        Size, checksum and number of rows are compared.

        Args:
            pin: The pin.

        Returns:
            The numbers of files, bytes and rows read.

        Raises:
            BatchNotFound: A batch does not exist.
            InconsistentBatch: Files are missing, truncated or altered, or the metastore lacks
                columns of current batches; ``problems`` lists them.

        Example:
            >>> warehouse.verify(good).rows
            2
        """
        from airflow_sfx.warehouse.integrity.verify import verify_pin

        table = self._table_of(pin)
        self._refuse_model(
            pin.database, pin.table, "verified as a table", f"use `sfx model verify {pin.table}`"
        )
        return verify_pin(table, pin)

    def inconsistencies(self, pin: BatchPin) -> list[str]:
        """List what is not visible yet of a pin's batches.

        Objects are compared by name, size and ETag, and the metastore with the history. Only
        manifests are read; other objects are listed, a thousand a request.

        Args:
            pin: The pin.

        Returns:
            One sentence for each problem; empty if everything is visible.

        Raises:
            InvalidName: The pin is of another warehouse.

        Example:
            >>> warehouse.inconsistencies(good)
            []
        """
        from airflow_sfx.warehouse.integrity.consistency import inconsistencies

        return inconsistencies(self._table_of(pin), pin)

    def export_audit(
        self,
        db: str,
        table: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        reason: str = "",
    ) -> BatchPin | None:
        """Store the changes of all tables in a table of its own, for queries in SQL.

        The table has one partition for each day.

        Args:
            db: The database of the table to store in.
            table: The table to store in; its own changes are left out.
            since: Changes from the day of this time on, in UTC, or None for the beginning.
            until: Changes up to the end of the day of this time, or of the day before if it is
                midnight; or None for now.
            reason: The reason, recorded in the history.

        Returns:
            The pin of the stored days, or None if there were no changes.

        Raises:
            InvalidName: A time has no time zone, or the table's name breaks a rule.

        Example:
            >>> changes = warehouse.load_dataframe(warehouse.export_audit("meta", "changes"))
            >>> changes["batch_id"].tolist()[-1] == oops.batch_id
            True
        """
        from airflow_sfx.warehouse.history.audit import audit_table
        from airflow_sfx.warehouse.history.audit_export import export_changes, whole_days
        from airflow_sfx.warehouse.history.audit_filter import AuditFilter

        target, wanted = TableRef(db, table), whole_days(AuditFilter(since, until))
        reports = []
        for ref in [*self.tables(), *self.dropped_tables()]:
            with suppress(ForeignChange):  # a table of another engine has no history
                opened = self._open_ended(ref.database, ref.table)
                reports.append(audit_table(opened, PartitionLog(opened), wanted))
        return export_changes(
            self.store_dataframe, reports, target, reason or "export of the audit trail"
        )

    def __repr__(self) -> str:
        return f"Warehouse({self.uri!r})"

    def _open(self, db: str, table: str) -> Table:
        connection = self.connection
        return Table.find(TableRef(db, table), connection.store, connection.metastore)

    def _refuse_model(self, db: str, table: str, what: str, instead: str) -> None:
        """Raise an error for a model, in a call that is for tables."""
        ref = TableRef(db, table)
        if ref.database == DATABASE:
            refuse_model(ref, self.store, what, instead)

    def _refuse_goals(self, db: str, table: str, to: str | None, to_version: int | None) -> None:
        """Raise an error unless a rollback has one goal, and a table that can have it."""
        from airflow_sfx.warehouse.log.resolve import refuse_two, version_number

        refuse_two({"to": to, "to_version": to_version})
        if to_version is not None:
            version_number(to_version, "to_version")
            self._refuse_model(
                db, table, "rolled back to a version of its log", "roll an alias back"
            )

    def _opened(self, db: str | None, table: str | None) -> list[Table]:
        """Open a table, or all of a database or of the warehouse."""
        if table is not None:
            if db is None:
                raise InvalidName(
                    f"the table {table!r} was given without its database: pass both, or none for"
                    " all tables"
                )
            return [self._open_ended(db, table)]
        found = []
        for ref in self.tables():
            if db in (None, ref.database):
                with suppress(ForeignChange, TableNotFound):  # of another engine, or just dropped
                    found.append(self._open(ref.database, ref.table))
        return found

    def _open_ended(self, db: str, table: str) -> Table:
        """Open a table, also one that was dropped."""
        connection = self.connection
        return Table.find_ended(TableRef(db, table), connection.store, connection.metastore)

    def _author(self, producer: Producer | None, reason: str) -> Author:
        """Return who makes a change and why; the process's own identity by default."""
        return Author(self.connection.producer() if producer is None else producer, reason)

    def _names_of(self, pin: BatchPin) -> list[TableRef]:
        """Return the names that the table of a pin has and had, the present one first."""
        with suppress(TableNotFound, ForeignChange):  # dropped or made anew by another engine
            table = table_at(pin.ref, pin.location, self.store, self.metastore)
            return [table.ref, *map(TableRef.parse, sorted(former_names(table.info)))]
        return [pin.ref]

    def _table_of(self, pin: BatchPin) -> Table:
        """Open the pin's table, after checking that the pin is of this warehouse.

        A table that was dropped or renamed since is opened, too: its batches are as they were.
        """
        require_pin(pin)
        check_pin(pin)
        table = table_at(pin.ref, pin.location, self.store, self.metastore)
        if not table.is_at(pin.location):
            raise InvalidName(
                f"the pin of {pin.ref} points at {clean_uri(pin.location)}, but the table of this"
                f" warehouse is at {table.location}: connect to the warehouse of the pin"
            )
        for name in pin.batches:
            table.layout.partition(name)
        return table

    def _resolve(
        self,
        source: str | BatchPin,
        name: str | None,
        partitions: Sequence[object] | None,
        past: Past,
    ) -> tuple[Table, dict[str, str], bool]:
        """Return the table, the batches to read, and whether partitions were named."""
        from airflow_sfx.warehouse.log.resolve import named_batch, one_moment, refuse_two

        if isinstance(source, BatchPin):
            if any(value is not None for value in (name, partitions, *past.values())):
                raise InvalidName(
                    "a pin already names a table, partitions and batches: pass the pin alone"
                )
            return self._table_of(source), source.batches, True
        if name is None:
            raise InvalidName(
                f"load_dataframe({source!r}) does not name a table: pass the database and the"
                " table, or a pin"
            )
        refuse_two(past)
        at = one_moment(past["as_of"], past["version"])
        table = self._open(source, name)
        wanted = table.wanted(partitions)
        if past["batch_id"] is not None:
            return table, named_batch(table, wanted, past["batch_id"]), True
        return table, self._batches(table, wanted, at, to_load=True), wanted is not None

    def _pin(self, table: Table, partitions: Sequence[object] | None, at: At | None) -> BatchPin:
        return table.pin(self._batches(table, table.wanted(partitions), at, to_load=False))

    def _batches(
        self,
        table: Table,
        wanted: Sequence[Partition] | None,
        at: At | None,
        *,
        to_load: bool,
    ) -> dict[str, str]:
        """Return the batches that are current, or were at a moment, by partition name."""
        from airflow_sfx.warehouse.log.resolve import batches_at, current_batches

        if at is not None:
            return batches_at(table, PartitionLog(table), wanted, at)
        found = current_batches(table, PartitionLog(table), wanted, to_load=to_load)
        if not found:
            raise table.missing("", "has no partition that has a batch")
        return found

    def _target(self, ref: TableRef) -> Target:
        from airflow_sfx.warehouse.batch.target import Target

        self._refuse_model(ref.database, ref.table, "a table", "choose another name for the table")
        target = Target.of(ref, self.store, self.metastore, self.partition_style)
        info = target.existing
        if info is None or STYLE_PARAMETER in info.parameters:
            return target
        from airflow_sfx.warehouse.external.reconcile import with_empty_table_as_ours

        return with_empty_table_as_ours(target, info)

    def _backfill(self, dag_id: str, backfill_id: str, run_ids: Sequence[str] | None) -> Unit:
        known = self.connection.backfill_runs(dag_id, backfill_id) if run_ids is None else run_ids
        return Unit(dag_id, backfill_id=backfill_id, run_ids=listed(known, "run_ids"))

    def _scope(self, unit: Unit, attempt: Attempt) -> Scope:
        from airflow_sfx.warehouse.undo.scope import scope_of_unit

        return scope_of_unit(self.store, self.metastore, unit, attempt)

    def _undo(
        self,
        scope: Scope,
        reason: str,
        producer: Producer | None,
        dry_run: bool,
        expected: Sequence[RunRollback] | None,
    ) -> Rows[RunRollback]:
        from airflow_sfx.warehouse.pins.trained import models_of
        from airflow_sfx.warehouse.undo.rollback_run import roll_back_run

        given = f"undo of {scope}" if isinstance(reason, str) and not reason else reason
        author = self._author(producer, given)
        reports = roll_back_run(scope, author, dry_run=dry_run, expected=expected)
        tables = {str(one.ref): one.table for one in scope.tables if one.table is not None}
        return Rows(
            replace(one, models=models_of(tables[one.table], one.left.entries, self._names_of))
            if one.left is not None
            else one
            for one in reports
        )

    def _retain(
        self, table: Table, rule: Rule, author: Author, *, dry_run: bool
    ) -> RetentionReport:
        from airflow_sfx.warehouse.pins.trained import models_of
        from airflow_sfx.warehouse.retention.expire import retain

        now = datetime.now(UTC)
        report = retain(table, PartitionLog(table), rule, author, dry_run=dry_run, now=now)
        return replace(report, models=models_of(table, report.batches, self._names_of))


def require_pin(given: BatchPin) -> BatchPin:
    """Return the argument if it is a pin.

    Raises:
        InvalidName: It is not a pin.
    """
    if not isinstance(given, BatchPin):
        raise InvalidName(
            f"{given!r:.80} is not a BatchPin: pass what store_dataframe or pin returned"
        )
    return given


def operation_of(text: str) -> Operation:
    """Return the operation of this name.

    Raises:
        InvalidName: There is no such operation.
    """
    try:
        return Operation(text)
    except ValueError:
        raise InvalidName(
            f"operation={text!r:.80} is not a kind of change: pass one of"
            f" {', '.join(one.value for one in Operation)}"
        ) from None


def _without_partition(call: str, table: Table) -> InvalidName:
    return InvalidName(
        f"{call} of {table.ref} does not name a partition",
        remedy="pass partitions=, such as ['20161031']",
        cli_remedy=f"name partitions as `sfx show {table.ref}` lists them",
    )


def _partition_name(partitions: Sequence[Partition], table: Table) -> str:
    if len(partitions) != 1:
        raise InvalidName(
            f"{len(partitions)} partitions of {table.ref} were named: name one partition, or none"
            " for the history of all"
        )
    return table.layout.name(partitions[0])


def _as_uri(directory: str) -> str:
    if not isinstance(directory, str):
        raise InvalidName(
            f"adopted_from= holds {directory!r:.80}, which is not a directory: pass absolute"
            " paths or URIs"
        )
    return directory if "://" in directory else f"file://{directory}"

"""Stores and publishes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.options import Check, Keys
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.schema import Evolve
from airflow_sfx.core.table import TableRef
from airflow_sfx.core.validation import by_partition, listed, switches
from airflow_sfx.warehouse.calls.base import Calls
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.table.table import STYLE_PARAMETER

if TYPE_CHECKING:
    from airflow_sfx.warehouse.batch.target import Target
    from airflow_sfx.warehouse.write.external_batch import ExternalBatch


class Storing(Calls):
    """Stores and publishes."""

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

    def _target(self, ref: TableRef) -> Target:
        from airflow_sfx.warehouse.batch.target import Target

        target = Target.of(ref, self.store, self.metastore, self.partition_style)
        info = target.existing
        if info is None or STYLE_PARAMETER in info.parameters:
            return target
        from airflow_sfx.warehouse.external.reconcile import with_empty_table_as_ours

        return with_empty_table_as_ours(target, info)

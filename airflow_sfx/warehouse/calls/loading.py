"""Loads and pins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.options import As, LoadOptions
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.core.validation import switches
from airflow_sfx.warehouse.calls.base import Calls

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


class Loading(Calls):
    """Loads and pins."""

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

"""Loads and pins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from airflow_sfx.api.connecting import warehouse_of
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.options import As, LoadOptions
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


class _Options(LoadOptions, total=False):
    warehouse: Warehouse | str | None


@overload
def load_dataframe(
    src_db: str | BatchPin,
    src_table: str | None = ...,
    partitions: Sequence[object] | None = ...,
    *,
    as_: Literal["pandas"] = ...,
    batches: Literal[False] = ...,
    **options: Unpack[_Options],
) -> pd.DataFrame: ...
@overload
def load_dataframe(
    src_db: str | BatchPin,
    src_table: str | None = ...,
    partitions: Sequence[object] | None = ...,
    *,
    as_: Literal["pandas"] = ...,
    batches: Literal[True],
    **options: Unpack[_Options],
) -> Iterator[pd.DataFrame]: ...
@overload
def load_dataframe(
    src_db: str | BatchPin,
    src_table: str | None = ...,
    partitions: Sequence[object] | None = ...,
    *,
    as_: Literal["polars"],
    batches: Literal[False] = ...,
    **options: Unpack[_Options],
) -> pl.DataFrame: ...
@overload
def load_dataframe(
    src_db: str | BatchPin,
    src_table: str | None = ...,
    partitions: Sequence[object] | None = ...,
    *,
    as_: Literal["polars"],
    batches: Literal[True],
    **options: Unpack[_Options],
) -> Iterator[pl.DataFrame]: ...
@overload
def load_dataframe(
    src_db: str | BatchPin,
    src_table: str | None = ...,
    partitions: Sequence[object] | None = ...,
    *,
    as_: Literal["arrow"],
    batches: Literal[False] = ...,
    **options: Unpack[_Options],
) -> pa.Table: ...
@overload
def load_dataframe(
    src_db: str | BatchPin,
    src_table: str | None = ...,
    partitions: Sequence[object] | None = ...,
    *,
    as_: Literal["arrow"],
    batches: Literal[True],
    **options: Unpack[_Options],
) -> Iterator[pa.Table]: ...
@overload
def load_dataframe(
    src_db: str | BatchPin,
    src_table: str | None = ...,
    partitions: Sequence[object] | None = ...,
    *,
    as_: As = ...,
    batches: bool = ...,
    **options: Unpack[_Options],
) -> Any: ...
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
        columns: The columns to read, in this order; None for all that the batches have. One that
            the table has and they have not reads as null.
        filters: Rows to keep: a `pyarrow.compute.Expression`, or tuples such as ``[("price", ">",
            3)]``.
        as_: ``pandas``, ``polars``, ``arrow`` or ``spark`` (read by the executors of the active
            session).
        batches: True gives an iterator of frames, for data larger than memory; one without rows
            where there are none.
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
    return warehouse_of(warehouse).load_dataframe(
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
    return warehouse_of(warehouse).pin(db, table, partitions, as_of=as_of)


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
    return warehouse_of(warehouse).manifests(pin)


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
        name: ``database.table`` of the table to make; it must not be there yet. Dropping it leaves
            the batches alone.
        s3_scheme: What ``s3://`` is called in the locations: ``s3a`` for open-source Hive and
            Spark.
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
    return warehouse_of(warehouse).pinned_table_sql(pin, name, s3_scheme=s3_scheme)

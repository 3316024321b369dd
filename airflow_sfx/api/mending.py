"""Adopts what other programs have made, and finishes what writers left."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_sfx.core.options import Keys
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from airflow_sfx.storage.concurrency import Progress
    from airflow_sfx.warehouse.integrity.repair import Repair
from airflow_sfx.api.connecting import warehouse_of


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

    With a directory, its Parquet files become a table. Without, what the metastore has does: a
    table that something else made, or those partitions of this warehouse's table that something
    else has changed or added.

    Args:
        db: The database.
        table: The table; made if it is absent and there is a directory.
        directory: An absolute path, or a URI; None for what the metastore has.
        partitions: Which partitions of what the metastore has; None for all that are not in the
            history.
        partition_keys: Names of the keys, or names with Hive types, where the directories are not
            ``key=value``.
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
    return warehouse_of(warehouse).adopt(
        db,
        table,
        directory,
        partitions=partitions,
        partition_keys=partition_keys,
        reason=reason,
        producer=producer,
        progress=progress,
    )


def repair(
    db: str,
    table: str,
    *,
    adopted_from: Sequence[str] = (),
    progress: Progress | None = None,
    warehouse: Warehouse | str | None = None,
) -> list[Repair]:
    """Complete what a writer that died left half done; tell what only a person can mend. Deletes nothing.

    Args:
        db: The database.
        table: The table.
        adopted_from: Directories, as URIs, that batches of the table were adopted from, where the
            metastore has lost that: files elsewhere than there and in the table's own directory are
            not read.
        progress: Is told how many of how many partitions have been looked at.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        What was found and what was done; nothing where all is well.

    Raises:
        TableNotFound: There is no such table.
        InconsistentBatch: The metastore has lost the table, and a batch of it lies where nobody
            says that it was adopted.

    Example:
        >>> sfx.repair("sales", "sold_items")
        []
    """
    return warehouse_of(warehouse).repair(db, table, adopted_from=adopted_from, progress=progress)

"""Spark structured streaming into tables: each micro-batch once.

Spark runs a micro-batch again, with the same number, if it does not know that it ended. The number
is the position of the query in the table, committed together with the rows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InvalidName, PositionConflict
from airflow_sfx.core.positions import Consumed
from airflow_sfx.core.schema import Evolve
from airflow_sfx.core.table import TableRef
from airflow_sfx.core.validation import named

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse

_log = logging.getLogger(__name__)
_QUERY_ID = "sql.streaming.queryId"
"""Where Spark has the ID of a query, which its checkpoint keeps."""
_ANY_CHECKPOINT = "batches"
"""The shard of a query whose ID Spark does not show, as with Spark Connect."""


def foreach_batch(
    table: str,
    *,
    query: str,
    partition_by: Sequence[str] = (),
    reason: str = "",
    evolve: Evolve = "safe",
    types: Mapping[str, str] | None = None,
    warehouse: Warehouse | None = None,
) -> Callable[[Any, int], None]:
    """Return a function for ``writeStream.foreachBatch`` that adds each micro-batch once.

    The rows of a micro-batch are collected by the driver and become a window of the table, as with
    `airflow_sfx.store_window`. Limit their number at the source, as with ``maxFilesPerTrigger`` or
    ``maxOffsetsPerTrigger``.

    Args:
        table: ``database.table``, created if it does not exist.
        query: The name of the query. It stays the same when the query is started again from its
            checkpoint.
        partition_by: Columns of the frame that hold partition values of each row.
        reason: The reason, recorded in the history.
        evolve: Allowed changes of the table's schema, as for `airflow_sfx.store_dataframe`.
        types: Hive types by column, as for `airflow_sfx.store_dataframe`.
        warehouse: The warehouse, or None for the default one.

    Returns:
        The function, which takes Spark's frame and the number of the micro-batch.

    Raises:
        InvalidName: A name breaks a rule. The function raises it, too, if the query has another
            checkpoint than the one by which the table was written.

    Example:
        >>> write = foreach_batch("web.clicks", query="clicks", partition_by=["day"])
        >>> query = (  # doctest: +SKIP
        ...     spark.readStream.schema(schema).json("s3://bucket/clicks")
        ...     .writeStream.foreachBatch(write)
        ...     .option("checkpointLocation", "s3://bucket/checkpoints/clicks")
        ...     .start()
        ... )
    """
    ref, stream = TableRef.parse(table), f"spark:{named(query, 'query')}"

    def write(frame: Any, batch_id: int) -> None:
        into = warehouse or _default_warehouse()
        shard = _query_id(frame)
        have = into.stream_positions(ref.database, ref.table).get(stream, {})
        _refuse_other_checkpoint(ref, stream, shard, have)
        if _has(have, shard, batch_id):
            _log.info("%s has the micro-batch %d of %s already", ref, batch_id, stream)
            return
        consumed = Consumed(stream, {shard: (have.get(shard, ""), str(batch_id))})
        try:
            into.store_window(
                frame,
                ref.database,
                ref.table,
                consumed=consumed,
                partition_by=partition_by,
                reason=reason,
                evolve=evolve,
                types=types,
            )
        except PositionConflict as error:  # another driver of the same query was first
            if not _has(error.positions, shard, batch_id):
                raise

    return write


def _has(positions: Mapping[str, str], shard: str, batch_id: int) -> bool:
    return int(positions.get(shard, "-1")) >= batch_id


def _query_id(frame: Any) -> str:
    """Return the ID of the query that a micro-batch belongs to, as its checkpoint has it."""
    context = getattr(frame.sparkSession, "sparkContext", None)
    found = None if context is None else context.getLocalProperty(_QUERY_ID)
    return found or _ANY_CHECKPOINT


def _refuse_other_checkpoint(
    ref: TableRef, stream: str, shard: str, have: Mapping[str, str]
) -> None:
    """Raise an error for a query that starts anew: its numbers would say nothing.

    Raises:
        InvalidName: The table was written by another checkpoint of the query.
    """
    others = have.keys() - {shard}
    if others:
        other = min(others)
        raise InvalidName(
            f"{ref} was written by {stream} with the checkpoint of {other}, up to the micro-batch"
            f" {have[other]}, and this checkpoint is of {shard}: use that checkpoint, or another"
            " query= for a query that reads its source anew. Nothing was written"
        )


def _default_warehouse() -> Warehouse:
    from airflow_sfx._default import connect

    return connect()

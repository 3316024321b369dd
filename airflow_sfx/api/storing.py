"""Stores and publishes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from airflow_sfx.api.connecting import warehouse_of
from airflow_sfx.core.options import Check, Keys
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.schema import Evolve
from airflow_sfx.warehouse.warehouse import Warehouse


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
    types: Mapping[str, str] | None = None,
    producer: Producer | None = None,
    warehouse: Warehouse | str | None = None,
) -> BatchPin:
    """Write a frame as a new batch and make it current. What was there before stays, and can be rolled back to.

    Args:
        df: A pandas, polars or Spark DataFrame, a pyarrow Table or RecordBatchReader, or an
            iterator of these.
        dest_db: The database.
        dest_table: The table; made if it is absent.
        partitions: The values of the partition to write, one a key; None for a table without
            partitions.
        partition_by: Columns of the frame that say to which partition a row belongs; many
            partitions, one batch ID.
        partition_keys: Names of a new table's keys, or names with Hive types, to which columns of
            ``partition_by`` are cast; one key is called ``partition`` when nobody names it.
        publish: False stages the batch: complete, but not current until `publish`.
        reason: Why, for the history.
        inputs: The pins that the frame was made from, for the manifest.
        checks: What the frame must pass to be published; see `airflow_sfx.checks`.
        evolve: ``safe`` allows added columns and safe widening, ``any`` every change, ``none``
            none.
        types: Hive types by column, as ``{"price": "decimal(10,2)"}``, where the frame's are not
            what the table is to have: values are cast if none is lost, and come back so.
        producer: Who writes; the process's own identity when absent.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

    Returns:
        The pin of exactly what was written.

    Raises:
        InvalidName: A name, a partition value or an argument breaks a rule; nothing was written.
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
    return warehouse_of(warehouse).store_dataframe(
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
        types=types,
        producer=producer,
    )


def publish(
    pin: BatchPin,
    *,
    reason: str = "",
    force: bool = False,
    expected: Mapping[str, str | None] | None = None,
    producer: Producer | None = None,
    warehouse: Warehouse | str | None = None,
) -> BatchPin:
    """Make staged batches current, all of them at one moment.

    Args:
        pin: What a store with ``publish=False`` returned.
        reason: Why, for the history.
        force: Publish even where a batch that was written later is current.
        expected: By partition name, what must be current for the publish to be right; None for no
            batch.
        producer: Who; the process's own identity when absent.
        warehouse: The warehouse, or its URI; None for the default one, as `connect` finds it.

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
        >>> staged = sfx.store_dataframe(pd.DataFrame({"n": [3]}), "sales", "sold_items", ["20161101"], publish=False)
        >>> sfx.publish(staged, reason="looked at") == sfx.pin("sales", "sold_items", ["20161101"])
        True
    """
    return warehouse_of(warehouse).publish(
        pin, reason=reason, force=force, expected=expected, producer=producer
    )

"""Storing a frame as new batches of one or many partitions, and publishing them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import CheckFailed, WarehouseUnavailable
from airflow_sfx.core.log_entry import Change, LogEntry, Operation
from airflow_sfx.core.manifest import CheckResult, Manifest
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.schema import Column, TableFit
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.warehouse.batch.batch_writer import BatchWriter
from airflow_sfx.warehouse.batch.staging import record_staged
from airflow_sfx.warehouse.batch.target import Target
from airflow_sfx.warehouse.log.commit import Author, commit, publish_change
from airflow_sfx.warehouse.log.metastore_sync import move_pointers
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog
from airflow_sfx.warehouse.log.table_columns import GivenColumns
from airflow_sfx.warehouse.pins.lineage import record_downstream
from airflow_sfx.warehouse.quality.run_checks import results_of_table, run_checks
from airflow_sfx.warehouse.quality.subjects import CheckContext
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.write.store_plan import StoreOptions, plan_store

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger(__name__)
_FLOATS = {"float", "double"}


def store_frame(target: Target, data: object, options: StoreOptions, author: Author) -> BatchPin:
    """Write a frame and publish it.

    Args:
        target: The table.
        data: The frame.
        options: How to store.
        author: Who writes, and why.

    Returns:
        The pin of what was written.

    Raises:
        InvalidName: A name or value breaks a rule; nothing was written.
        SchemaMismatch: The frame does not fit the table; nothing was written.
        CheckFailed: A check failed. The batch is staged and the partitions are unchanged.
        StaleAttempt: A newer attempt of this task instance has changed a partition.
        WarehouseUnavailable: The object store or the metastore failed.
    """
    plan = plan_store(target, data, options)
    table = target.open(plan.keys, plan.columns, plan.key_kinds)
    log = PartitionLog(table)
    content = plan.content(author.producer, options.inputs)
    batches = BatchWriter(table, log, content, reconcile=partial(_reconcile, table, log, author))
    known = [table.layout.name(partition) for partition in plan.partitions]
    chunks = ((table.layout.name(partition), rows) for partition, rows in plan.chunks)
    batches.write(chunks, plan.encode, small=plan.small, claim=known)
    written = partial(CheckContext.of, table, log, batches.drafts, plan.frame)
    results = run_checks(data, options.checks, batches.replaced, written)
    if not batches.batches:
        return nothing_stored(table, results)
    columns = plan.final_columns()
    return conclude(target, table, batches, columns, results, options, author, plan.frame)


def nothing_stored(table: Table, results: Sequence[CheckResult] = ()) -> BatchPin:
    """Return the empty pin of a partitioned store of a frame without rows.

    Raises:
        CheckFailed: A check failed.
    """
    failed = [result for result in results if not result.passed]
    if failed:
        raise CheckFailed(
            f"{table.ref} was not changed: {summary(failed)}. The frame has no rows, so there is"
            " no batch to inspect",
            table=str(table.ref),
        )
    return table.pin({})


def _reconcile(
    table: Table,
    log: PartitionLog,
    author: Author,
    foreign: Mapping[str, PartitionInfo],
    heads: Mapping[str, Head],
) -> None:
    from airflow_sfx.warehouse.external.reconcile import reconcile

    reconcile(table, log, author, foreign, heads)


def conclude(
    target: Target,
    table: Table,
    batches: BatchWriter,
    columns: tuple[Column, ...],
    results: tuple[CheckResult, ...],
    options: StoreOptions,
    author: Author,
    frame: pa.Table | None = None,
) -> BatchPin:
    """Seal written batches, and publish them if requested and all checks passed.

    Runs the checks that live with the table, too, for every writer.

    Args:
        target: The table.
        table: The opened table.
        batches: The batches.
        columns: The table's columns after the store.
        results: The results of the call's checks.
        options: How to store.
        author: Who writes, and why.
        frame: The rows of the only batch if they are in memory, or None.

    Returns:
        The pin of what was written, or of what an earlier attempt of the same task instance
        published if that is identical.

    Raises:
        CheckFailed: A check failed; the batch is staged.
    """
    of_table = results_of_table(table, batches, results, frame)
    if results or of_table:
        batches.watch.expire()
    failed = failures(results, of_table)
    publishes = options.publish and not failed
    if publishes and (before := published_before(table, batches, author.producer)):
        return before
    manifests = batches.seal(staged=not publishes, checks=results)
    sealed = pin = table.pin(batches.batches)
    record_inputs(table, options.inputs, sealed, author)  # else lost if this dies after its commit
    if not publishes:
        target.create(table)
        record_staged(table, pin)
    else:
        give_columns = partial(target.ensure, table, columns, options.evolve)
        pin = _publish(table, batches, manifests, author, GivenColumns(manifests, give_columns))
    if pin != sealed:
        record_inputs(table, options.inputs, pin, author)
    if failed:
        raise check_failed(pin, failed)
    log_casts(table, manifests[0].fit, columns)
    return pin


def log_casts(table: Table, fit: TableFit, columns: Sequence[Column]) -> None:
    """Log which columns of a stored frame were cast to the table's types."""
    if not fit.casts:
        return
    types = {column.name.lower(): column.type for column in columns}
    casts = [(name, own, types[name.lower()]) for name, own in fit.casts.items()]
    exact = any({own, to} & _FLOATS == {own} for _, own, to in casts)
    _log.info(
        "%s: cast without losing a value: %s%s",
        table.ref,
        ", ".join(f"{name} from {own} to {to}" for name, own, to in casts),
        " (NaN to null, and -0.0 to 0, which equals it)" if exact else "",
    )


def record_inputs(
    table: Table, inputs: tuple[BatchPin, ...], pin: BatchPin, author: Author
) -> None:
    """Index the batches by their inputs, for `Warehouse.readers`.

    The batches and their manifests are complete without it, so failures are only logged.
    """
    try:
        record_downstream(table.store, inputs, pin, author.producer)
    except WarehouseUnavailable as error:
        _log.warning(
            "%s is stored, but not listed among the batches made from its inputs: %s", pin, error
        )


def _publish(
    table: Table,
    batches: BatchWriter,
    manifests: list[Manifest],
    author: Author,
    columns: GivenColumns,
) -> BatchPin:
    """Commit the batches, under a greater ID if another writer's ID came first."""
    sealed = manifests

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        nonlocal sealed
        sealed = batches.rebase(sealed, heads)
        # If this finds a change by another engine, its entry takes the number and plan runs again.
        batches.watch.again(heads)
        return [publish_change(manifest) for manifest in sealed]

    commit(table, batches.log, batches.heads, plan, author, beside=columns)
    return table.pin(batches.batches)


def failures(
    results: Sequence[CheckResult], of_table: Mapping[str, Sequence[CheckResult]]
) -> list[CheckResult]:
    """Return the results that keep batches from being published, with their partitions."""
    found = [result for result in results if result.blocks]
    for name, judged in of_table.items():
        where = f"{name}: " if len(of_table) > 1 else ""
        found += [replace(one, name=f"{where}{one.name}") for one in judged if one.blocks]
    return found


def summary(failed: Sequence[CheckResult]) -> str:
    """Return what failed checks found, for messages."""
    return "; ".join(f"{result.name}: {result.detail or 'failed'}" for result in failed)


def check_failed(pin: BatchPin, failed: Sequence[CheckResult]) -> CheckFailed:
    """Return the error for batches that are staged because checks failed."""
    name, batch_id = pin.entries[0]
    where = f" partition {name}" if name else ""
    if len(pin.entries) > 1:
        where = f" partitions {name} and {len(pin.entries) - 1} more"
    return CheckFailed(
        f"{pin.ref}{where} was not published: {summary(failed)}. The batch {batch_id} is staged:"
        f" inspect it with load_dataframe({pin.database!r}, {pin.table!r}, partitions=…,"
        f" batch_id={batch_id!r}), or publish it anyway with publish(pin)",
        table=str(pin.ref),
        partition=name,
        batch_id=batch_id,
    )


def published_before(table: Table, batches: BatchWriter, producer: Producer) -> BatchPin | None:
    """Return what an earlier attempt of the task instance published, if identical.

    Args:
        table: The table.
        batches: Written batches that are not sealed yet.
        producer: This attempt.

    Returns:
        The pin of the earlier attempt's batches, all of them current. None if a partition's current
        batch was written by others, or has other rows or inputs, or was moved by another engine.

    Raises:
        WarehouseUnavailable: The metastore is out of sync and cannot be updated.
    """
    if (producer.try_number or 1) == 1:
        return None
    # The heads come from the metastore, which may lag behind what the earlier attempt committed.
    batches.heads = batches.log.heads(batches.heads)
    entries = [
        head.entry
        for head in batches.heads.values()
        if head.entry and _published(head.entry, producer)
    ]
    if not entries or len(entries) < len(batches.batches):
        return None
    manifests = batches.replaced()
    if not batches.have_same_rows(manifests) or batches.watch.again(batches.heads):
        return None
    move_pointers(table, batches.log, entries)
    return table.pin({manifest.partition: manifest.batch_id for manifest in manifests})


def _published(entry: LogEntry, producer: Producer) -> bool:
    """Return whether an earlier attempt of the producer's task instance published it."""
    return entry.operation is Operation.PUBLISH and producer.retries(entry.producer)

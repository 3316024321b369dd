"""Store: a frame becomes a new batch of a partition, or one batch of each of many, and is current when it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import CheckFailed, SchemaMismatch
from airflow_sfx.core.ledger import Change
from airflow_sfx.core.manifest import CheckResult, Manifest
from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.frames.evolution import Evolve
from airflow_sfx.warehouse.checking import refuse_checks_of_stream, run_checks
from airflow_sfx.warehouse.commit import Author, commit
from airflow_sfx.warehouse.ledger import Head, Ledger
from airflow_sfx.warehouse.opened import OpenTable
from airflow_sfx.warehouse.publish import publish_change
from airflow_sfx.warehouse.staged import note_staged
from airflow_sfx.warehouse.target import Target
from airflow_sfx.warehouse.writing import BatchSet, Chunk, Content

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_sfx.frames.source import FrameSource


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How to store.

    Args:
        partitions: The values of the one partition; None for a table without, or with ``partition_by``.
        partition_by: The frame's columns whose values say to which partition a row belongs.
        partition_keys: The names of a new table's keys, or names with Hive types.
        publish: Whether the batch becomes current; else it is staged.
        inputs: The pins that the frame was made from.
        checks: What the frame must pass to be published.
        evolve: How the table's columns may change.
    """

    partitions: Sequence[object] | None = None
    partition_by: Sequence[str] | None = None
    partition_keys: Sequence[str] | Mapping[str, str] | None = None
    publish: bool = True
    inputs: tuple[BatchPin, ...] = ()
    checks: tuple[Callable[[Any], object], ...] = ()
    evolve: Evolve = "safe"


def store_frame(target: Target, data: object, options: StoreOptions, author: Author) -> BatchPin:
    """Write a frame and publish it.

    Args:
        target: The table.
        data: The frame.
        options: How.
        author: Who and why.

    Returns:
        The pin of what was written.

    Raises:
        InvalidName: A name or value breaks a rule; nothing was written.
        SchemaMismatch: The frame does not fit the table; nothing was written.
        CheckFailed: A check failed; the batch is staged and the partitions are as they were.
        StaleAttempt: A newer attempt of this task instance has changed a partition.
        WarehouseUnavailable: Storage or metastore failed.
    """
    from airflow_sfx.frames.source import to_source

    source = to_source(data)
    plan = _plan(target, source, options)
    table = target.ensure(plan.keys, plan.columns, options.evolve)
    ledger = Ledger(table)
    batches = BatchSet(
        table,
        ledger,
        Content(plan.encoder.schema_text, plan.encoder.columns, author.producer, options.inputs),
    )
    if plan.partitions:
        batches.claim([table.layout.name(partition) for partition in plan.partitions])
    chunks: Iterator[Chunk] = ((table.layout.name(partition), rows) for partition, rows in plan.chunks)
    batches.write(chunks, plan.encoder.encode, small=plan.small)
    if not batches.batches:
        raise SchemaMismatch(
            f"the frame has no rows, so partition_by= names no partition of {table.ref}: nothing was stored"
        )
    results = run_checks(data, options.checks)
    failed = [result for result in results if not result.passed]
    manifests = batches.seal(staged=bool(failed) or not options.publish, checks=results)
    pin = table.pin(batches.batches)
    if failed:
        note_staged(table, pin)
        raise _check_failed(pin, failed)
    if not options.publish:
        note_staged(table, pin)
        return pin
    return _publish(table, ledger, batches, manifests, author)


@dataclass(slots=True)
class _Plan:
    """What a store will write, once everything has been checked."""

    keys: tuple[PartitionKey, ...]
    columns: tuple[Any, ...]
    encoder: Any
    partitions: list[Partition]
    chunks: Iterator[tuple[Partition, pa.Table]]
    small: bool


def _plan(target: Target, source: FrameSource, options: StoreOptions) -> _Plan:

    if source.table is None:
        refuse_checks_of_stream(options.checks)
    if options.partition_by is not None:
        return _plan_many(target, source, options, tuple(options.partition_by))
    keys, partition = target.partition(options.partitions, options.partition_keys)
    raise NotImplementedError


def _publish(
    table: OpenTable, ledger: Ledger, batches: BatchSet, manifests: list[Manifest], author: Author
) -> BatchPin:
    """Commit; where another batch with a greater ID came first, under a greater one."""
    sealed = manifests

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        nonlocal sealed
        if any(heads[manifest.partition].newest >= manifest.batch_id for manifest in sealed):
            sealed = batches.rebase(sealed, heads)
        return [publish_change(manifest) for manifest in sealed]

    commit(table, ledger, batches.heads, plan, author)
    return table.pin(batches.batches)


def _check_failed(pin: BatchPin, failed: Sequence[CheckResult]) -> CheckFailed:
    what = "; ".join(f"{result.name}: {result.detail or 'failed'}" for result in failed)
    name, batch_id = pin.entries[0]
    return CheckFailed(
        f"{pin.database}.{pin.table} {name} was not published: {what}. The batch {batch_id} is staged: look at it with "
        f"load_dataframe({pin.database!r}, {pin.table!r}, partitions=…, batch_id={batch_id!r}); publish(pin) publishes it "
        "all the same",
        table=str(pin.ref),
        partition=name,
        batch_id=batch_id,
    )

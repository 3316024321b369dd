"""Storing a frame as new batches of one or many partitions, and publishing them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

from airflow_sfx.core.errors import CheckFailed, InvalidName, WarehouseUnavailable
from airflow_sfx.core.ledger import Change, LedgerEntry, Operation
from airflow_sfx.core.manifest import CheckResult, Manifest
from airflow_sfx.core.partition import Partition, PartitionKey, partition_keys
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.schema import Column, Evolve
from airflow_sfx.core.validation import listed
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.warehouse.batch.batch_writer import BatchContent, BatchWriter
from airflow_sfx.warehouse.batch.file_writer import EncodedFile
from airflow_sfx.warehouse.batch.run_checks import check_checks, refuse_checks_of_stream, run_checks
from airflow_sfx.warehouse.batch.staging import record_staged
from airflow_sfx.warehouse.batch.target import Target
from airflow_sfx.warehouse.log.commit import Author, commit, move_pointers, publish_change
from airflow_sfx.warehouse.log.ledger import Ledger
from airflow_sfx.warehouse.log.records import Head
from airflow_sfx.warehouse.pins.lineage import record_downstream
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.tombstones import refuse_expired_writes

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_sfx.frames.inputs import FrameSource
    from airflow_sfx.frames.parquet.writer import Encoder

_SMALL_FILE = 4 << 20
_STREAM_HELD_BYTES = 96 << 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Options of a store.

    Args:
        partitions: The values of the partition, or None for a table without partitions or with
            ``partition_by``.
        partition_by: The columns of the frame that hold the partition values, or None.
        partition_keys: The names of a new table's keys, or names with Hive types.
        publish: Whether the batch becomes current; otherwise it is staged.
        inputs: The pins that the frame was made from.
        checks: The checks that the frame must pass to be published.
        evolve: How the table's columns may change.
        types: Hive types by column, which override the frame's types.

    Raises:
        InvalidName: An argument has an invalid value.
    """

    partitions: Sequence[object] | None = None
    partition_by: Sequence[str] | None = None
    partition_keys: Sequence[str] | Mapping[str, str] | None = None
    publish: bool = True
    inputs: tuple[BatchPin, ...] = ()
    checks: tuple[Callable[[Any], object], ...] = ()
    evolve: Evolve = "safe"
    types: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.evolve, str) or self.evolve not in get_args(Evolve):
            raise InvalidName(
                f"evolve={self.evolve!r} is not one of {', '.join(map(repr, get_args(Evolve)))}"
            )
        if self.partition_by is not None and not listed(self.partition_by, "partition_by"):
            raise InvalidName("partition_by= is empty: name the columns, or leave the argument out")
        for pin in self.inputs:
            if not isinstance(pin, BatchPin):
                raise InvalidName(
                    f"inputs= holds {pin!r:.120}, which is not a BatchPin: pass the pins that"
                    " were loaded"
                )
        check_checks(self.checks)

    @property
    def declared(self) -> Mapping[str, str]:
        """Hive types by column: those of ``types`` and of typed ``partition_keys``."""
        if (
            not self.partition_by
            or not isinstance(self.partition_keys, Mapping)
            or not isinstance(self.types, Mapping)
        ):
            return self.types
        by = {name.lower() for name in self.partition_by if isinstance(name, str)}
        keys = partition_keys(self.partition_keys, len(self.partition_keys))
        return {
            **{
                key.name: key.type
                for key in keys
                if key.name in by - {str(one).lower() for one in self.types}
            },
            **self.types,
        }


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
    plan = _plan(target, data, options)
    table = target.open(plan.keys, plan.columns, plan.key_kinds)
    ledger = Ledger(table)
    content = BatchContent(plan.schema_text, plan.frame_columns, author.producer, options.inputs)
    batches = BatchWriter(
        table, ledger, content, reconcile=partial(_reconcile, table, ledger, author)
    )
    known = [table.layout.name(partition) for partition in plan.partitions]
    chunks = ((table.layout.name(partition), rows) for partition, rows in plan.chunks)
    batches.write(chunks, plan.encode, small=plan.small, claim=known)
    results = run_checks(data, options.checks, batches.replaced)
    if not batches.batches:
        return nothing_stored(table, results)
    if results:
        batches.watch.expire()
    return conclude(target, table, batches, plan.final_columns(), results, options, author)


def nothing_stored(table: Table, results: Sequence[CheckResult] = ()) -> BatchPin:
    """Return the empty pin of a partitioned store of a frame without rows.

    Raises:
        CheckFailed: A check failed.
    """
    failed = [result for result in results if not result.passed]
    if failed:
        raise CheckFailed(
            f"{table.ref} was not changed: {_summary(failed)}. The frame has no rows, so there is"
            " no batch to inspect",
            table=str(table.ref),
        )
    return table.pin({})


def _reconcile(
    table: Table,
    ledger: Ledger,
    author: Author,
    foreign: Mapping[str, PartitionInfo],
    heads: Mapping[str, Head],
) -> None:
    from airflow_sfx.warehouse.external.reconcile import reconcile

    reconcile(table, ledger, author, foreign, heads)


def conclude(
    target: Target,
    table: Table,
    batches: BatchWriter,
    columns: tuple[Column, ...],
    results: tuple[CheckResult, ...],
    options: StoreOptions,
    author: Author,
) -> BatchPin:
    """Seal written batches, and publish them if requested and all checks passed.

    Args:
        target: The table.
        table: The opened table.
        batches: The batches.
        columns: The table's columns after the store.
        results: The results of the checks.
        options: How to store.
        author: Who writes, and why.

    Returns:
        The pin of what was written, or of what an earlier attempt of the same task instance
        published if that is identical.

    Raises:
        CheckFailed: A check failed; the batch is staged.
    """
    failed = [result for result in results if not result.passed]
    publishes = options.publish and not failed
    if publishes and (before := published_before(table, batches, author.producer)):
        return before
    manifests = batches.seal(staged=not publishes, checks=results)
    target.ensure(table, columns, options.evolve)
    sealed = pin = table.pin(batches.batches)
    _record_inputs(table, options.inputs, sealed, author)  # else lost if this dies after its commit
    if not publishes:
        record_staged(table, pin)
    elif (pin := _publish(table, batches, manifests, author)) != sealed:
        _record_inputs(table, options.inputs, pin, author)
    if failed:
        raise _check_failed(pin, failed)
    return pin


def _record_inputs(
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


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a store is going to write, after all checks that need no data.

    Args:
        keys: The table's partition keys.
        key_kinds: By key, the part of its type that its Hive type does not express.
        columns: The table's columns after the store; for a stream, as far as they are known.
        final_columns: Returns the columns after all data have been read.
        frame_columns: The columns of the frame.
        partitions: The partitions, as far as they are known before the data have been read.
        chunks: The rows of each file.
        small: Whether the files are small.
        encode: Encodes rows as a Parquet file.
        schema_text: Returns the frame's schema as text; for a stream, after it has been read.
    """

    keys: tuple[PartitionKey, ...]
    key_kinds: Mapping[str, str]
    columns: tuple[Column, ...]
    final_columns: Callable[[], tuple[Column, ...]]
    frame_columns: tuple[Column, ...]
    partitions: list[Partition]
    chunks: Iterable[tuple[Partition, pa.Table]]
    small: bool
    encode: Callable[[pa.Table], EncodedFile]
    schema_text: Callable[[], str]


def _plan(target: Target, data: object, options: StoreOptions) -> _Plan:
    from airflow_sfx.frames.evolution.declared_types import declared_types
    from airflow_sfx.frames.inputs import to_source
    from airflow_sfx.frames.pandas.metadata import unnamed_index_columns
    from airflow_sfx.frames.parquet.writer import Encoder
    from airflow_sfx.frames.partitioning import key_columns
    from airflow_sfx.frames.schema.codec import schema_to_text
    from airflow_sfx.frames.schema.kinds import table_columns
    from airflow_sfx.frames.types.hive import columns_of

    source = to_source(
        data, partition_by=options.partition_by or (), declared=declared_types(options.declared)
    )
    if source.table is None:
        refuse_checks_of_stream(options.checks)
    nothing = bool(options.partition_by) and not source.has_rows
    by = (
        key_columns(source.schema, options.partition_by, typed=not nothing)
        if options.partition_by
        else ()
    )
    if by:
        partition = None
        # Without rows nothing is written, so a column without a type is not an error.
        keys, key_kinds = target.keys_of_columns(
            by, options.partition_keys, None if nothing else source.schema
        )
    else:
        keys, partition = target.partition(options.partitions, options.partition_keys)
        key_kinds = {}

    def fitted() -> tuple[Column, ...]:
        columns = tuple(column for column in table_columns(source.logical) if column.name not in by)
        if nothing:
            return columns
        return target.fit(
            keys, columns, evolve=options.evolve, nameless=unnamed_index_columns(source.schema)
        )

    merged = fitted()
    encoder = Encoder(source.schema, keys=by, columns=merged)
    partitions, chunks = _divided(source, by, keys, partition, encoder)
    return _Plan(
        keys=keys,
        key_kinds=key_kinds,
        columns=merged,
        final_columns=lambda: merged if source.table is not None else fitted(),
        frame_columns=tuple(
            column for column in columns_of(source.schema) if column.name not in by
        ),
        partitions=partitions,
        chunks=chunks,
        small=source.table is not None and source.table.nbytes < _SMALL_FILE * len(partitions),
        encode=partial(encoded, encoder),
        schema_text=lambda: schema_to_text(source.logical.with_units_of(merged)),
    )


def _divided(
    source: FrameSource,
    by: Sequence[str],
    keys: Sequence[PartitionKey],
    partition: Partition | None,
    encoder: Encoder,
) -> tuple[list[Partition], Iterable[tuple[Partition, pa.Table]]]:
    """Return the partitions known so far, and the rows of each file by partition."""
    from airflow_sfx.frames.parquet.writer import gather, slices
    from airflow_sfx.frames.partitioning import StreamSplitter, split_by

    threads = max(2, os.cpu_count() or 2)
    if partition is not None and source.table is not None:
        return [partition], [(partition, rows) for rows in slices(source.table, threads=threads)]
    if partition is not None:
        return [partition], ((partition, rows) for rows in gather(source.batches()))
    if source.table is not None:
        parts = [
            (_typed(values, keys), rows)
            for values, rows in split_by(encoder.prepared(source.table, by), by)
        ]
        row_bytes = source.table.nbytes / max(1, len(source.table))
        cut = (
            (part, rows)
            for part, whole in parts
            for rows in (
                [whole] if len(whole) * row_bytes < _SMALL_FILE else slices(whole, threads=threads)
            )
        )
        return [part for part, _ in parts], cut

    def streamed() -> Iterator[tuple[Partition, pa.Table]]:
        splitter = StreamSplitter(by, memory_bytes=_STREAM_HELD_BYTES)
        for batch in source.batches():
            yield from ((_typed(values, keys), rows) for values, rows in splitter.feed(batch))
        yield from ((_typed(values, keys), rows) for values, rows in splitter.finish())

    return [], streamed()


def _typed(values: tuple[str, ...], keys: Sequence[PartitionKey]) -> Partition:
    for value, key in zip(values, keys, strict=True):
        key.check(value)
    return Partition(values)


def encoded(encoder: Encoder, rows: pa.Table) -> EncodedFile:
    """Encode rows as a Parquet file in memory."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    facts = encoder.write(rows, sink)
    return EncodedFile(memoryview(sink.getvalue()).cast("B"), facts.rows, facts.statistics)


def _publish(
    table: Table, batches: BatchWriter, manifests: list[Manifest], author: Author
) -> BatchPin:
    """Commit the batches, under a greater ID if another writer's ID came first."""
    sealed = manifests

    def plan(heads: Mapping[str, Head]) -> list[Change]:
        nonlocal sealed
        if any(heads[manifest.partition].newest >= manifest.batch_id for manifest in sealed):
            sealed = batches.rebase(sealed, heads)
        refuse_expired_writes(table, [(one.partition, one.batch_id) for one in sealed])
        # If this finds a change by another engine, its entry takes the number and plan runs again.
        batches.watch.again(heads)
        return [publish_change(manifest) for manifest in sealed]

    commit(table, batches.ledger, batches.heads, plan, author)
    return table.pin(batches.batches)


def _summary(failed: Sequence[CheckResult]) -> str:
    return "; ".join(f"{result.name}: {result.detail or 'failed'}" for result in failed)


def _check_failed(pin: BatchPin, failed: Sequence[CheckResult]) -> CheckFailed:
    name, batch_id = pin.entries[0]
    where = f" partition {name}" if name else ""
    if len(pin.entries) > 1:
        where = f" partitions {name} and {len(pin.entries) - 1} more"
    return CheckFailed(
        f"{pin.ref}{where} was not published: {_summary(failed)}. The batch {batch_id} is staged:"
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
    batches.heads = batches.ledger.settled(batches.heads, again=True)
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
    move_pointers(table, batches.ledger, entries)
    return table.pin({manifest.partition: manifest.batch_id for manifest in manifests})


def _published(entry: LedgerEntry, producer: Producer) -> bool:
    """Return whether an earlier attempt of the producer's task instance published it."""
    return entry.operation is Operation.PUBLISH and producer.retries(entry.producer)

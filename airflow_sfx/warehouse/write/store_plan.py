"""The plan of a store: its options, and what it is going to write."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.partition import Partition, PartitionKey, partition_keys
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.schema import Column, Evolve, TableFit
from airflow_sfx.core.validation import listed
from airflow_sfx.warehouse.batch.batch_writer import BatchContent
from airflow_sfx.warehouse.batch.file_writer import EncodedFile
from airflow_sfx.warehouse.batch.fitting import fit, fit_of, table_types
from airflow_sfx.warehouse.batch.target import Target
from airflow_sfx.warehouse.quality.run_checks import check_checks, refuse_checks_of_stream
from airflow_sfx.warehouse.table.table import CHECKS_PARAMETER

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_sfx.frames.inputs import FrameSource
    from airflow_sfx.frames.parquet.writer import Encoder

_MIDNIGHT = " 00:00:00"
_SMALL_FILE = 4 << 20
_STREAM_HELD_BYTES = 96 << 20


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


@dataclass(frozen=True, slots=True)
class StorePlan:
    """What a store is going to write, after all checks that need no data.

    Args:
        keys: The table's partition keys.
        key_kinds: By key, the part of its type that its Hive type does not express.
        columns: The table's columns after the store; for a stream, as far as they are known.
        final_columns: Returns the columns after all data have been read.
        fit: Returns how the frame was fitted to the table, after all data have been read.
        frame_columns: The columns of the frame.
        partitions: The partitions, as far as they are known before the data have been read.
        chunks: The rows of each file.
        small: Whether the files are small.
        encode: Encodes rows as a Parquet file.
        schema_text: Returns the frame's schema as text; for a stream, after it has been read.
        frame: The rows, if the table has checks, and they are in memory and of one partition.
    """

    keys: tuple[PartitionKey, ...]
    key_kinds: Mapping[str, str]
    columns: tuple[Column, ...]
    final_columns: Callable[[], tuple[Column, ...]]
    fit: Callable[[], TableFit]
    frame_columns: tuple[Column, ...]
    partitions: list[Partition]
    chunks: Iterable[tuple[Partition, pa.Table]]
    small: bool
    encode: Callable[[pa.Table], EncodedFile]
    schema_text: Callable[[], str]
    frame: pa.Table | None

    def content(self, producer: Producer, inputs: tuple[BatchPin, ...]) -> BatchContent:
        """Return what the batches have in common."""
        return BatchContent(self.schema_text, self.frame_columns, producer, inputs, self.fit)


def plan_store(target: Target, data: object, options: StoreOptions) -> StorePlan:
    """Plan a store and check what needs no data written; see `store_frame`."""
    from airflow_sfx.frames.evolution.declared_types import declared_types
    from airflow_sfx.frames.inputs import to_source
    from airflow_sfx.frames.pandas.metadata import unnamed_index_columns
    from airflow_sfx.frames.parquet.writer import Encoder
    from airflow_sfx.frames.partitioning import key_columns, midnight_columns
    from airflow_sfx.frames.schema.codec import schema_to_text
    from airflow_sfx.frames.schema.kinds import table_columns
    from airflow_sfx.frames.types.hive import columns_of

    declared = declared_types(options.declared)
    types = table_types(target, set(declared))
    source = to_source(
        data, partition_by=options.partition_by or (), declared=declared, types=types
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
            by,
            options.partition_keys,
            None if nothing else source.schema,
            () if source.table is None else midnight_columns(source.table, by),
        )
    else:
        keys, partition = target.partition(options.partitions, options.partition_keys)
        key_kinds = {}

    def columns() -> tuple[Column, ...]:
        return tuple(
            column.declared(column.name.lower() in declared)
            for column in table_columns(source.logical)
            if column.name not in by
        )

    def fitted() -> tuple[Column, ...]:
        if nothing:
            return columns()
        nameless = unnamed_index_columns(source.schema)
        return fit(
            target, keys, columns(), evolve=options.evolve, nameless=nameless, lost=types.lost
        )

    merged = fitted()
    encoder = Encoder(source.schema, keys=by, columns=merged)
    partitions, chunks = _divided(source, by, keys, partition, encoder)
    return StorePlan(
        keys=keys,
        key_kinds=key_kinds,
        columns=merged,
        final_columns=lambda: merged if source.table is not None else fitted(),
        fit=lambda: fit_of(types, columns(), merged, set(declared), options.evolve),
        frame_columns=tuple(
            column for column in columns_of(source.schema) if column.name not in by
        ),
        partitions=partitions,
        chunks=chunks,
        small=source.table is not None and source.table.nbytes < _SMALL_FILE * len(partitions),
        encode=partial(encoded, encoder),
        schema_text=lambda: schema_to_text(source.logical.with_units_of(merged)),
        frame=None if by or not _has_checks(target) else source.table,
    )


def _has_checks(target: Target) -> bool:
    parameters = target.existing.parameters if target.existing else {}
    return any(name.startswith(CHECKS_PARAMETER) for name in parameters)


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
            (typed_partition(values, keys), rows)
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
            yield from (
                (typed_partition(values, keys), rows) for values, rows in splitter.feed(batch)
            )
        yield from ((typed_partition(values, keys), rows) for values, rows in splitter.finish())

    return [], streamed()


def typed_partition(values: tuple[str, ...], keys: Sequence[PartitionKey]) -> Partition:
    """Return the partition of a frame's values, with midnights as days where keys are dates.

    Raises:
        InvalidName: A value is not one of its key's type.
    """
    texts = tuple(
        value.removesuffix(_MIDNIGHT) if key.type == "date" else value
        for value, key in zip(values, keys, strict=True)
    )
    for text, key in zip(texts, keys, strict=True):
        key.check(text)
    return Partition(texts)


def encoded(encoder: Encoder, rows: pa.Table) -> EncodedFile:
    """Encode rows as a Parquet file in memory."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    facts = encoder.write(rows, sink)
    return EncodedFile(memoryview(sink.getvalue()).cast("B"), facts.rows, facts.statistics)

"""Storing a Spark DataFrame: executors write files, the driver commits them.

The driver sees only names and statistics of files. The executors need this package and access to
the object store, with credentials from their own environment; Hadoop's S3 libraries are not used. A
retried task leaves files that do not belong to the batch. The batch then moves to the next ID,
because engines read all files of a directory.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.manifest import DataFile
from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.paths import TableLayout
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.schema import Column, ColumnStatistics, StatisticsRecord, TimeMarks
from airflow_sfx.core.serde import parse
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.warehouse.batch.batch_writer import BatchContent, BatchWriter
from airflow_sfx.warehouse.batch.file_writer import FoundFile
from airflow_sfx.warehouse.batch.fitting import fit, fit_of, table_types
from airflow_sfx.warehouse.batch.target import Target
from airflow_sfx.warehouse.external.reconcile import reconcile
from airflow_sfx.warehouse.log.commit import Author
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.quality.run_checks import refuse_checks_of_stream
from airflow_sfx.warehouse.write.store import conclude, nothing_stored
from airflow_sfx.warehouse.write.store_plan import StoreOptions, typed_partition

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_sfx.frames.evolution.declared_types import Declared
    from airflow_sfx.frames.evolution.table_types import TableTypes
    from airflow_sfx.frames.parquet.writer import Encoder

_FACTS = (
    "partition string, path string, size bigint, rows bigint, sha256 string, etag string,"
    " statistics string, marks string"
)
_HELD_BYTES = 96 << 20


def store_spark(target: Target, data: Any, options: StoreOptions, author: Author) -> BatchPin:
    """Write a Spark DataFrame on its cluster and publish it; see `store_frame`.

    Args:
        target: The table.
        data: The Spark DataFrame.
        options: How to store. Checks must work on the stored batch, as no process has the whole
            frame.
        author: Who writes, and why.

    Returns:
        The pin of what was written.

    Raises:
        InvalidName: A name or value breaks a rule.
        SchemaMismatch: The frame does not fit the table.
    """
    from airflow_sfx.frames.evolution.declared_types import declared_types
    from airflow_sfx.frames.inputs import to_source
    from airflow_sfx.frames.parquet.writer import Encoder
    from airflow_sfx.frames.partitioning import key_columns, midnight_columns
    from airflow_sfx.frames.schema.codec import schema_to_text
    from airflow_sfx.frames.schema.kinds import table_columns
    from airflow_sfx.frames.types.hive import columns_of

    refuse_checks_of_stream(options.checks)
    declared = declared_types(options.declared)
    types = table_types(target, set(declared)).for_spark()
    logical = to_source(_without_rows(data), declared=declared, types=types).logical
    schema = logical.schema
    by = key_columns(schema, options.partition_by) if options.partition_by else ()
    if by:
        partition, values = None, _key_values(data, by, declared)
        days = midnight_columns(values, by)
        keys, key_kinds = target.keys_of_columns(by, options.partition_keys, schema, days)
    else:
        keys, partition = target.partition(options.partitions, options.partition_keys)
        key_kinds = {}
    frame_columns = tuple(column for column in columns_of(schema) if column.name not in by)

    def typed() -> tuple[Column, ...]:
        return tuple(
            column.declared(column.name.lower() in declared)
            for column in table_columns(logical)
            if column.name not in by
        )

    def fitted() -> tuple[Column, ...]:
        return fit(target, keys, typed(), evolve=options.evolve)

    columns = fitted()
    Encoder(schema, keys=by, columns=columns)  # raises here, not on every executor
    table = target.open(keys, columns, key_kinds)
    log = PartitionLog(table)
    content = BatchContent(
        lambda: schema_to_text(logical.with_units_of(columns)),
        frame_columns,
        author.producer,
        options.inputs,
        lambda: fit_of(types, typed(), columns, set(declared), options.evolve),
    )
    batches = BatchWriter(table, log, content, reconcile=partial(reconcile, table, log, author))
    partitions = [partition] if partition is not None else _partitions(values, by, keys)
    if not partitions:
        return nothing_stored(table)
    batches.claim([table.layout.name(one) for one in partitions])
    directories = {
        name: table.layout.batch_dir(name, batch_id) for name, batch_id in batches.batches.items()
    }
    task = _WriteTask(
        table.store.opener(), table.layout, schema, by, keys, columns, directories, declared, types
    )
    # Numbers instead of names, as Spark reads a dot in a name as struct access.
    numbered = data.toDF(*map(str, range(len(schema.names))))
    rows = numbered.mapInArrow(task, _FACTS).collect()
    for name, files in _by_partition(rows).items():
        batches.register(name, files)
    batches.leave_orphan_files()
    logical = replace(logical, marks=_marks(rows))
    return conclude(target, table, batches, fitted(), (), options, author)


def _without_rows(data: Any) -> pa.Table:
    """Return an empty Arrow table with the frame's schema."""
    from pyspark.errors import PySparkException

    for field in data.schema.fields:
        if _has_variant(field.dataType.jsonValue()):
            raise _no_type(field)
    try:
        table: pa.Table = data.limit(0).toArrow()
        return table
    except PySparkException as error:
        for field in data.schema.fields:
            try:
                data.select(_quoted(field.name)).limit(0).toArrow()
            except PySparkException:
                raise _no_type(field) from error
        raise SchemaMismatch(
            f"Spark cannot compute the frame ({str(error).partition(chr(10))[0]:.200})"
        ) from error


def _has_variant(kind: Any) -> bool:
    """Return whether a type in Spark's JSON contains a variant.

    Arrow would convert it to a struct of bytes.
    """
    if not isinstance(kind, dict):
        return bool(kind == "variant")
    inner = [kind.get(name) for name in ("elementType", "keyType", "valueType", "type")]
    return any(map(_has_variant, [*inner, *(field["type"] for field in kind.get("fields", []))]))


def _no_type(field: Any) -> SchemaMismatch:
    return SchemaMismatch(
        f"column {field.name!r} ({field.dataType.simpleString():.80}) cannot be stored: its type"
        " has no counterpart in Arrow and Parquet; cast it first, such as to a number or text"
    )


def _quoted(name: str) -> str:
    """Quote a column name, as Spark reads dots in it as struct access."""
    return "`" + name.replace("`", "``") + "`"


def _key_values(data: Any, by: Sequence[str], declared: Declared) -> pa.Table:
    """Return the key values of the frame's rows, each combination once."""
    from airflow_sfx.frames.evolution.declared_types import with_declared

    of_keys = {name: declared[name] for name in map(str.lower, by) if name in declared}
    return with_declared(data.select(*map(_quoted, by)).distinct().toArrow(), of_keys)


def _partitions(
    values: pa.Table, by: Sequence[str], keys: Sequence[PartitionKey]
) -> list[Partition]:
    from airflow_sfx.frames.partitioning import split_by

    # A column to divide, as the frame may have key columns only.
    with_rows = values.append_column("", [[None] * len(values)])
    return [typed_partition(one, keys) for one, _ in split_by(with_rows, by)]


def _by_partition(rows: Iterable[Any]) -> dict[str, list[FoundFile]]:
    found: dict[str, list[FoundFile]] = {}
    for row in sorted(rows, key=lambda row: (row.partition, row.path)):
        records = parse(row.statistics, dict[str, StatisticsRecord])
        statistics = {name: ColumnStatistics.of(one) for name, one in records.items()}
        file = FoundFile(DataFile(row.path, row.size, row.rows, row.sha256, row.etag), statistics)
        found.setdefault(row.partition, []).append(file)
    return found


def _marks(rows: Iterable[Any]) -> dict[str, TimeMarks]:
    """Merge what the values of all files show about times, by column."""
    found: dict[str, TimeMarks] = {}
    for row in rows:
        for name, marks in parse(row.marks, dict[str, TimeMarks]).items():
            found[name] = found.get(name, TimeMarks()) | marks
    return found


@dataclass(frozen=True)
class _WriteTask:
    """The write function that is sent to the executors."""

    opener: Callable[[], ObjectStore]
    layout: TableLayout
    schema: pa.Schema
    by: Sequence[str]
    keys: Sequence[PartitionKey]
    columns: tuple[Column, ...]
    directories: Mapping[str, str]
    """The claimed directory of each partition, by name."""
    declared: Declared
    types: TableTypes

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pyspark import TaskContext

        from airflow_sfx.frames.parquet.writer import Encoder

        context = TaskContext.get()
        number = context.partitionId() if context else 0
        store, encoder = self.opener(), Encoder(self.schema, keys=self.by, columns=self.columns)
        for count, (name, rows) in enumerate(self._pieces(batches)):
            # Names are unique to an attempt, as two attempts may run at once.
            path = f"part-{number:05d}-{count:05d}-{uuid.uuid4().hex[:12]}.parquet"
            yield self._write(store, encoder, name, path, rows)

    def _pieces(self, batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[str, pa.Table]]:
        """Yield the rows of each file, with the name of its partition."""
        import pyarrow as pa

        from airflow_sfx.frames.evolution.declared_types import with_declared
        from airflow_sfx.frames.parquet.writer import gather
        from airflow_sfx.frames.partitioning import StreamSplitter

        named = (
            pa.Table.from_batches([batch]).rename_columns(self.schema.names)
            for batch in batches
            if len(batch)
        )
        declared = (with_declared(table, self.declared) for table in named)
        typed = (self.types.fitted(table).cast(self.schema) for table in declared)
        if not self.by:
            (name,) = self.directories
            for table in gather(batch for one in typed for batch in one.to_batches()):
                yield name, table
            return
        splitter = StreamSplitter(self.by, memory_bytes=_HELD_BYTES)
        for table in typed:
            for values, rows in splitter.feed(table):
                yield self.layout.name(typed_partition(values, self.keys)), rows
        for values, rows in splitter.finish():
            yield self.layout.name(typed_partition(values, self.keys)), rows

    def _write(
        self, store: ObjectStore, encoder: Encoder, name: str, path: str, rows: pa.Table
    ) -> pa.RecordBatch:
        import pyarrow as pa

        from airflow_sfx.frames.schema.time_marks import marks_of

        sink = pa.BufferOutputStream()
        facts = encoder.write(rows, sink)
        content = memoryview(sink.getvalue()).cast("B")
        etag = store.put(f"{self.directories[name]}/{path}", content)
        statistics = json.dumps({column: one.to_json() for column, one in facts.statistics.items()})
        row = {
            "partition": name,
            "path": path,
            "size": content.nbytes,
            "rows": facts.rows,
            "sha256": hashlib.sha256(content).hexdigest(),
            "etag": etag,
            "statistics": statistics,
            "marks": json.dumps(
                {column: marks.to_json() for column, marks in marks_of(rows).items()}
            ),
        }
        return pa.RecordBatch.from_pylist([row])

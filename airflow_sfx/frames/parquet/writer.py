"""Writing Parquet files: the encoding of columns, and the division into files."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.schema import Column, ColumnStatistics
from airflow_sfx.frames.parquet.dictionaries import dictionary_columns
from airflow_sfx.frames.parquet.statistics import (
    LeafColumn,
    leaf_columns_of,
    merge_statistics,
    number_columns_of,
    statistics_of,
    with_totals,
)
from airflow_sfx.frames.schema.physical import PhysicalTable, convert, physical_schema, units_of
from airflow_sfx.frames.types.logical import with_shared_dictionaries

Codec = Literal["gzip", "brotli", "lz4", "zstd", "snappy", "none"]
SMALL_FILE = 512 << 10
SMALLEST_SLICE = 8 << 20
LARGEST_SLICE = 256 << 20
STREAM_FILE = 64 << 20


@dataclass(frozen=True, slots=True)
class ParquetFacts:
    """The facts of a file that was written.

    Args:
        rows: The number of rows.
        size: The size in bytes.
        statistics: The statistics by column name; columns without statistics are absent.
        int96: Whether the file's timestamps are INT96.
    """

    rows: int
    size: int
    statistics: Mapping[str, ColumnStatistics]
    int96: bool = False


class Encoder:
    """Writes the Parquet files of one frame, with the same schema and encodings.

    Args:
        schema: The frame's schema.
        keys: The partition key columns, which files do not have.
        columns: The table's columns, which may have wider types, as `merge_columns` returns them;
            or None for the frame's own types.
        units: The units of durations and times of day in files, by column in lower case; or None
            for those of the table's columns.
        sample: Rows to choose encodings by, as many as a file has; or None for those of the first
            file.
        compression: Parquet's codec; or None for zstd, and snappy in files of less than
            ``SMALL_FILE`` bytes of memory, where zstd takes longer to set up than to compress.

    Raises:
        SchemaMismatch: A column cannot be stored.

    Example:
        >>> table = pa.table({"n": [3, 1, None]})
        >>> sink = pa.BufferOutputStream()
        >>> Encoder(table.schema).write(table, sink).statistics["n"]
        ColumnStatistics(null_count=1, minimum=1, maximum=3, total=4.0, nans=0)
    """

    def __init__(
        self,
        schema: pa.Schema,
        *,
        keys: Sequence[str] = (),
        columns: Sequence[Column] | None = None,
        units: Mapping[str, str] | None = None,
        sample: pa.Table | None = None,
        compression: Codec | None = None,
    ) -> None:
        gone = {key.lower() for key in keys}
        self._names = [name for name in schema.names if name.lower() not in gone]
        if not self._names:
            raise SchemaMismatch(
                "the frame has no columns besides the partition keys: there is nothing to store"
            )
        logical = pa.schema([schema.field(name) for name in self._names])
        self._coarse = physical_schema(logical, columns)
        self._fine = physical_schema(logical, columns, finest="ns")
        self._units = units_of(columns or ()) if units is None else units
        self._has_dictionaries = any(types.is_dictionary(field.type) for field in logical)
        self._compression = compression
        self._ready = self._coarse
        self._lock = threading.Lock()
        self._traits: _Traits | None = None
        self._leaf_columns: Mapping[str, LeafColumn] | None = None
        self._numbers: Mapping[str, int] = {}
        if sample is not None:
            self._traits = _Traits.of(
                convert(self._stored(sample), self._coarse, self._fine, self._units).table
            )

    @property
    def schema(self) -> pa.Schema:
        """The schema of the files, with names in lower case."""
        return self._coarse

    def prepared(self, table: pa.Table, keys: Sequence[str]) -> pa.Table:
        """Convert a frame to physical types once, instead of file by file.

        Args:
            table: The frame.
            keys: Its key columns, which are unchanged.

        Returns:
            The columns with physical types, and the keys; the frame itself if each of its files
            must be converted by itself.

        Raises:
            SchemaMismatch: A value cannot be stored.
        """
        if self._has_dictionaries:
            return table
        physical = convert(self._stored(table), self._coarse, self._fine, self._units)
        if physical.int96:
            return table
        self._ready = physical.table.schema
        fields = [*self._ready, *(table.schema.field(key) for key in keys)]
        return pa.Table.from_arrays(
            [*physical.table.columns, *(table.column(key) for key in keys)],
            schema=pa.schema(fields),
        )

    def write(self, table: pa.Table, sink: BinaryIO | pa.NativeFile) -> ParquetFacts:
        """Write one file. The method is thread-safe.

        Args:
            table: The rows; other columns than the schema's, such as keys, are ignored.
            sink: The target, opened for writing bytes; it is not closed.

        Returns:
            The facts of the file.

        Raises:
            SchemaMismatch: A value cannot be stored.
        """
        physical = self._physical(table)
        traits = self._traits_of(physical.table)
        small = len(table) * traits.row_bytes < SMALL_FILE
        collected: list[pq.FileMetaData] = []
        before = sink.tell()
        with pq.ParquetWriter(
            sink,
            physical.table.schema,
            compression=self._compression or ("snappy" if small else "zstd"),
            use_dictionary=traits.texts if small else traits.dictionaries,  # type: ignore[arg-type]
            use_deprecated_int96_timestamps=physical.int96,
            store_schema=False,
            write_page_checksum=True,
            metadata_collector=collected,
        ) as writer:
            writer.write_table(physical.table)
        if self._leaf_columns is None:
            self._numbers = number_columns_of(physical.table.schema, self._names)
            self._leaf_columns = leaf_columns_of(collected[0], self._names)
        known = statistics_of(collected[0], self._names, self._leaf_columns)
        facts = with_totals(known, physical.table, self._numbers)
        return ParquetFacts(len(table), sink.tell() - before, facts, physical.int96)

    def _physical(self, table: pa.Table) -> PhysicalTable:
        if table.schema.equals(self._ready):
            return PhysicalTable(table, int96=False)
        return convert(self._stored(table), self._coarse, self._fine, self._units)

    def _stored(self, table: pa.Table) -> pa.Table:
        if table.column_names != self._names:
            table = table.select(self._names)
        return with_shared_dictionaries(table) if self._has_dictionaries else table

    def _traits_of(self, table: pa.Table) -> _Traits:
        if self._traits is None:
            with self._lock:
                if self._traits is None:
                    self._traits = _Traits.of(table)
        return self._traits


@dataclass(frozen=True, slots=True)
class _Traits:
    """Traits of one file that are assumed for the others of its frame.

    Args:
        dictionaries: The columns to write with a dictionary.
        texts: Those to write with a dictionary in small files, too: for a thousand numbers, a
            dictionary takes longer than compression.
        row_bytes: The bytes of memory per row.
    """

    dictionaries: list[str]
    texts: list[str]
    row_bytes: float

    @classmethod
    def of(cls, table: pa.Table) -> _Traits:
        chosen = dictionary_columns(table)
        numbers = {field.name for field in table.schema if types.is_primitive(field.type)}
        return cls(
            chosen,
            [name for name in chosen if name not in numbers],
            table.nbytes / max(1, len(table)),
        )


def write_parquet(
    data: pa.Table | Iterable[pa.RecordBatch],
    sink: BinaryIO | pa.NativeFile,
    *,
    columns: Sequence[Column] | None = None,
    compression: Codec | None = None,
) -> ParquetFacts:
    """Write one Parquet file.

    Args:
        data: A frame's table, or its batches, which are collected first.
        sink: The target, opened for writing bytes.
        columns: As for `Encoder`.
        compression: As for `Encoder`.

    Returns:
        The facts of the file.

    Raises:
        SchemaMismatch: A column or a value cannot be stored.

    Example:
        >>> sink = pa.BufferOutputStream()
        >>> write_parquet(pa.table({"n": [1, 2]}), sink).rows
        2
    """
    table = data if isinstance(data, pa.Table) else pa.Table.from_batches(list(data))
    return Encoder(table.schema, columns=columns, compression=compression).write(table, sink)


def slices(table: pa.Table, *, threads: int, target_bytes: int = LARGEST_SLICE) -> list[pa.Table]:
    """Divide a table into slices, one for each file.

    Args:
        table: The table.
        threads: How many files can be written at once.
        target_bytes: The maximum memory of the rows of a file, in bytes.

    Returns:
        Consecutive slices: one for a small table, about as many as threads for a large one.

    Example:
        >>> len(slices(pa.table({"n": [1, 2]}), threads=4))
        1
    """
    size = table.nbytes
    count = max(1, min(threads, size // SMALLEST_SLICE), -(-size // target_bytes))
    count = min(count, max(1, len(table)))
    rows = -(-len(table) // count)
    return [table.slice(i * rows, rows) for i in range(count) if i == 0 or i * rows < len(table)]


def gather(
    batches: Iterable[pa.RecordBatch], *, target_bytes: int = STREAM_FILE
) -> Iterator[pa.Table]:
    """Collect the batches of a stream into tables, one for each file.

    Args:
        batches: The batches.
        target_bytes: The approximate memory of a table, in bytes.

    Yields:
        Tables; one without rows if the stream has none, so that its schema is written.

    Example:
        >>> batches = pa.table({"n": [1, 2]}).to_batches()
        >>> [table.num_rows for table in gather(iter(batches))]
        [2]
    """
    held: list[pa.RecordBatch] = []
    size = 0
    given = False
    for batch in batches:
        for piece in _pieces(batch, target_bytes):
            held.append(piece)
            size += piece.nbytes
            if size >= target_bytes:
                yield pa.Table.from_batches(held)
                held, size, given = [], 0, True
    if held and (not given or any(len(batch) for batch in held)):
        yield pa.Table.from_batches(held)


def _pieces(batch: pa.RecordBatch, target_bytes: int) -> Iterator[pa.RecordBatch]:
    count = max(1, -(-batch.nbytes // target_bytes))
    rows = max(1, -(-len(batch) // count))
    for start in range(0, max(1, len(batch)), rows):
        yield batch.slice(start, rows)


__all__ = [
    "Encoder",
    "ParquetFacts",
    "dictionary_columns",
    "gather",
    "merge_statistics",
    "slices",
    "write_parquet",
]

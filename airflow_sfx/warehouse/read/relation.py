"""A table's batches as DuckDB scans them: streams of Arrow.

The stored files are read by this package, with its credentials, its checks of files, and its types.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from airflow_sfx.frames._typing import AnyColumn
from airflow_sfx.frames.pandas.metadata import unnamed_index_columns
from airflow_sfx.frames.parquet.reader import empty_table, iter_batches
from airflow_sfx.frames.parquet.scan import SourceFile
from airflow_sfx.frames.schema.partition_values import key_scalar
from airflow_sfx.frames.types.duckdb import duckdb_type, to_duckdb
from airflow_sfx.frames.types.hive import arrow_type_of_key
from airflow_sfx.warehouse.log.events import Loaded, emit
from airflow_sfx.warehouse.read.load import plan_load
from airflow_sfx.warehouse.table.table import Table


class Relation:
    """Batches of a table, which DuckDB may scan several times.

    Columns have names of their own (``t0c1``), which also name them in a query's plan.

    Args:
        table: The table.
        batches: Batch IDs by partition name.
        prefix: The prefix of the columns' names.
    """

    def __init__(self, table: Table, batches: Mapping[str, str], prefix: str) -> None:
        self.table = table
        self.prefix = prefix
        self.error: Exception | None = None
        """The error that ended a scan, which DuckDB would repeat as text only."""
        self._manifests = table.manifests(dict(batches))
        emit(Loaded(table.pin(dict(batches))))
        files, options = plan_load(
            table, self._manifests, columns=None, filters=None, stream=True, with_keys=True
        )
        self._files: Sequence[SourceFile] = files.sources
        stored = empty_table(files.sources, **options).schema
        hidden = unnamed_index_columns(stored)
        self.names = [name for name in stored.names if name not in hidden]
        """The columns' names in the table."""
        self.schema = pa.schema(
            [
                pa.field(f"{prefix}c{place}", duckdb_type(stored.field(name).type))
                for place, name in enumerate(self.names)
            ]
        )
        self._read: Collection[str] = self.schema.names
        self._kept: Collection[int] | None = None

    def __arrow_c_schema__(self) -> object:
        """Export the schema."""
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export a new stream of all rows."""
        # Any: the type stubs lack the types of capsules.
        reader: Any = pa.RecordBatchReader.from_batches(self.schema, self._scan())
        return reader.__arrow_c_stream__(requested_schema)

    def read_only(self, columns: Collection[str], files: Collection[int] | None) -> None:
        """Limit scans to what a query needs.

        Args:
            columns: The columns that it reads; the others are null.
            files: The numbers of the files that may have rows for it, or None for all.
        """
        self._read = set(columns) or self.schema.names[:1]
        self._kept = files

    def keys(self) -> pa.Table | None:
        """Return each file's number and partition keys, or None if no key has a plain type."""
        columns: dict[str, Any] = {}
        for key in self.table.info.keys:
            own = next((name for name in self.names if name.lower() == key.name), None)
            kind = arrow_type_of_key(key.type)
            if own is None or (field := self._field(own)).type != kind:
                continue
            values = [key_scalar(file.keys[key.name], key.type, str(file)) for file in self._files]
            columns[field.name] = pa.array([one.as_py() for one in values], kind)
        if not columns:
            return None
        return pa.table({"file": pa.array(range(len(self._files)), pa.int64()), **columns})

    def _field(self, name: str) -> Any:
        return self.schema.field(self.names.index(name))

    def _scan(self) -> Iterator[pa.RecordBatch]:
        try:
            for piece in self._pieces():
                yield from piece.to_batches()
        except Exception as error:
            self.error = error
            raise

    def _pieces(self) -> Iterator[pa.Table]:
        wanted = [name for name in self.names if self._field(name).name in self._read]
        files, options = plan_load(
            self.table,
            self._manifests,
            columns=wanted,
            filters=None,
            stream=True,
            with_keys=True,
        )
        sources = [
            file
            for number, file in enumerate(files.sources)
            if self._kept is None or number in self._kept
        ]
        if not sources:
            return
        for piece in iter_batches(sources, opened=files.open, **options):
            columns: list[AnyColumn] = [
                to_duckdb(piece.column(name), name)
                if name in wanted
                else pa.chunked_array([pa.nulls(len(piece), self._field(name).type)])
                for name in self.names
            ]
            yield pa.Table.from_arrays(columns, schema=self.schema)

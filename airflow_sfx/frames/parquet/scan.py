"""The scan of files with compatible schemas, at once or in bounded memory.

The byte ranges of remote files that a scan needs are fetched before it begins.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from airflow_sfx.frames.parquet.byte_ranges import RangedFile, batch_row_groups, column_ranges
from airflow_sfx.frames.parquet.dictionaries import dictionary_encoded_texts
from airflow_sfx.frames.predicates.expressions import columns_used
from airflow_sfx.frames.schema.partition_values import key_scalar
from airflow_sfx.frames.types.logical import LogicalSchema

if TYPE_CHECKING:
    import pyarrow.dataset as ds

TEXT = (pa.string(), pa.large_string())
"""The string types that pyarrow reads by dictionary."""

_MANY_ROWS = 1 << 16
"""The fewest rows of a file for which its footer is checked for dictionaries."""
_FETCHED_AT_ONCE = 8
"""How many remote files are fetched at a time."""
_BYTES_AT_ONCE = 32 << 20
"""About how many bytes of a remote file are held at a time, twice: for this chunk and the next."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read.

    Args:
        source: Its path in the filesystem, its bytes, or a remote file.
        logical: The schema of its frame.
        keys: The file's partition values, as text, by key.
        rows: The number of rows that it must have, or None if unknown.
        name: The name for messages, or None for its path.
    """

    source: str | pa.Buffer | RangedFile
    logical: LogicalSchema
    keys: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None
    name: str | None = None

    def footer(self, filesystem: fs.FileSystem) -> pq.FileMetaData:
        """Read the footer; a path is resolved in the filesystem."""
        if isinstance(self.source, str):
            with filesystem.open_input_file(self.source) as opened:
                return pq.read_metadata(opened)
        if isinstance(self.source, RangedFile):
            return self.source.metadata()
        return pq.read_metadata(pa.BufferReader(self.source))

    def __str__(self) -> str:
        return self.name or (
            self.source if isinstance(self.source, str) else "a file held in memory"
        )


@dataclass(frozen=True, slots=True)
class Scan:
    """The scan of files.

    Args:
        files: The files, in the order of their rows.
        schema: The columns to read, by their names in files, and partition keys.
        filesystem: The filesystem of paths.
        key_types: The Hive types of keys that are read as columns.
        dictionaries: The text columns that are read as dictionary columns.
        columns: The columns of the result, or None for all.
        filter: The filter to apply, or None.
    """

    files: Sequence[SourceFile]
    schema: pa.Schema
    filesystem: fs.FileSystem
    key_types: Mapping[str, str]
    dictionaries: list[str]
    columns: list[str] | None
    filter: pc.Expression | None

    def scanner(self, *, text_dictionaries: bool) -> ds.Scanner:
        """Return a scanner of all rows.

        Args:
            text_dictionaries: Whether to read text by its dictionaries, which is faster. It fails
                with `pyarrow.ArrowInvalid` if 131,072 rows have 2 GiB of text.
        """

        def fragments(file: SourceFile) -> list[ds.Fragment]:
            layout = self._layout(
                self.text_dictionaries(file) if text_dictionaries else (), ahead=False
            )
            return list(self._fragments(file, layout, at_once=None))

        layout = self._layout((), ahead=False)
        if not any(map(_is_remote, self.files)):
            return self._scanner(layout, [one for file in self.files for one in fragments(file)])
        with ThreadPoolExecutor(_FETCHED_AT_ONCE, thread_name_prefix="sfx-fetch") as pool:
            return self._scanner(
                layout, [one for some in pool.map(fragments, self.files) for one in some]
            )

    def text_dictionaries(self, file: SourceFile) -> set[str]:
        """Return the text columns of a file that are faster to read by their dictionaries."""
        texts = [
            one.name
            for one in self.schema
            if one.type in TEXT and (self.columns is None or one.name in self.columns)
        ]
        if not texts or file.rows is None or file.rows < _MANY_ROWS:
            return set()
        return dictionary_encoded_texts(file.footer(self.filesystem), texts)

    def scanners(self, batch_rows: int) -> Iterator[ds.Scanner]:
        """Return scanners for consecutive rows, each of a bounded amount of data.

        Args:
            batch_rows: The maximum number of rows of a batch.
        """
        layout = self._layout((), ahead=True)
        options = {"batch_size": batch_rows, "batch_readahead": 2, "fragment_readahead": 1}
        for remote, files in groupby(self.files, key=_is_remote):
            fragments = (
                one
                for file in files
                for one in self._fragments(file, layout, at_once=_BYTES_AT_ONCE)
            )
            for some in ([one] for one in fragments) if remote else [list(fragments)]:
                yield self._scanner(layout, some, **options)

    def _layout(self, texts: Collection[str], *, ahead: bool) -> ds.ParquetFileFormat:
        import pyarrow.dataset as ds  # which imports pandas

        # Disks return altered bytes as they are; object storage verifies checksums of its own.
        on_disk = any(isinstance(file.source, str) for file in self.files)
        options = ds.ParquetFragmentScanOptions(
            page_checksum_verification=on_disk, pre_buffer=ahead
        )
        return ds.ParquetFileFormat(
            dictionary_columns=[*self.dictionaries, *texts], default_fragment_scan_options=options
        )

    def _scanner(
        self, layout: ds.ParquetFileFormat, fragments: list[ds.Fragment], **options: Any
    ) -> ds.Scanner:
        import pyarrow.dataset as ds

        dataset = ds.FileSystemDataset(fragments, self.schema, layout, self.filesystem)
        chosen: dict[str, Any] = {} if self.columns is None else {"columns": self.columns}
        return dataset.scanner(filter=self.filter, **chosen, **options)

    def _fragments(
        self, file: SourceFile, layout: ds.ParquetFileFormat, *, at_once: int | None
    ) -> Iterator[ds.Fragment]:
        """Yield the fragments of a file; several of a remote one if `at_once` is given."""
        condition = self._condition(file)
        source: Any = file.source  # the type stubs accept paths only
        if not isinstance(file.source, RangedFile):
            filesystem = self.filesystem if isinstance(file.source, str) else None
            yield layout.make_fragment(
                source, filesystem=filesystem, partition_expression=condition
            )
            return
        remote = file.source
        source = remote.buffer()
        # Any: the type stubs lack row groups.
        every: Any = layout.make_fragment(source, partition_expression=condition)
        kept = every.split_by_row_group(self.filter, self.schema)
        columns = self._needed()
        for groups in batch_row_groups(
            every.metadata, [group.id for one in kept for group in one.row_groups], columns, at_once
        ):
            source = remote.buffer(column_ranges(every.metadata, groups, columns))
            yield layout.make_fragment(source, partition_expression=condition, row_groups=groups)

    def _needed(self) -> set[str]:
        """Return the columns of the result and the filter."""
        given = self.schema.names if self.columns is None else self.columns
        return {*given, *(() if self.filter is None else columns_used(self.filter, self.schema))}

    def _condition(self, file: SourceFile) -> pc.Expression | None:
        """Return the condition on partition keys that holds for all rows of a file."""
        condition: pc.Expression | None = None
        for key, text in file.keys.items():
            kind = self.key_types.get(key.lower())
            if kind is not None:
                one = pc.field(key.lower()) == key_scalar(text, kind, str(file))
                condition = one if condition is None else condition & one
        return condition


def _is_remote(file: SourceFile) -> bool:
    return isinstance(file.source, RangedFile)

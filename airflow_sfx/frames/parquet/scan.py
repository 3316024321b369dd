"""The scan of files that go together: all of them at once, or one bit after another.

Of files that lie elsewhere, what a scan needs is fetched before it begins.
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

from airflow_sfx.frames.parquet.byte_ranges import RangedFile, grouped, ranges_of
from airflow_sfx.frames.parquet.dictionaries import by_dictionary
from airflow_sfx.frames.predicates.expressions import columns_used
from airflow_sfx.frames.schema.partition_values import key_scalar
from airflow_sfx.frames.types.logical import LogicalSchema

if TYPE_CHECKING:
    import pyarrow.dataset as ds

TEXT = (pa.string(), pa.large_string())
"""The types of text."""

_MANY_ROWS = 1 << 16
"""From how many rows on it pays to look how a file has its text."""
_FETCHED_AT_ONCE = 8
"""From how many files that lie elsewhere ranges are fetched side by side."""
_BYTES_AT_ONCE = 32 << 20
"""About how many bytes of such a file are held while their rows are given out bit by bit, and as many that come next."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read.

    Args:
        source: Its path in the filesystem, or its bytes, or what fetches them.
        logical: What the frame was that it is of.
        keys: The file's partition: for each key its value as text.
        rows: How many rows it must have, if that is known.
        name: How messages name it; its path if not given.
    """

    source: str | pa.Buffer | RangedFile
    logical: LogicalSchema
    keys: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None
    name: str | None = None

    def footer(self, filesystem: fs.FileSystem) -> pq.FileMetaData:
        """What the footer of an opened file says; a path is of this filesystem."""
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
    """How files are scanned.

    Args:
        files: The files, in the order of their rows.
        schema: The columns that they are read as, by their names in files, with those of keys.
        filesystem: Where paths are.
        key_types: The Hive type of each key that is read as a column.
        coded: The text columns whose dictionaries are read as such.
        columns: The columns that are given, or None for all.
        filter: The filter that is applied.
    """

    files: Sequence[SourceFile]
    schema: pa.Schema
    filesystem: fs.FileSystem
    key_types: Mapping[str, str]
    coded: list[str]
    columns: list[str] | None
    filter: pc.Expression | None

    def whole(self, *, coded_texts: bool) -> ds.Scanner:
        """All rows at once.

        Args:
            coded_texts: Whether text that has dictionaries is read by them, which is sooner done.
                It fails with `pyarrow.ArrowInvalid` where 131,072 rows have 2 GiB of text.
        """

        def fragments(file: SourceFile) -> list[ds.Fragment]:
            layout = self._layout(self.coded_texts(file) if coded_texts else (), ahead=False)
            return list(self._fragments(file, layout, at_once=None))

        layout = self._layout((), ahead=False)
        if not any(map(_is_ranged, self.files)):
            return self._scanner(layout, [one for file in self.files for one in fragments(file)])
        with ThreadPoolExecutor(_FETCHED_AT_ONCE, thread_name_prefix="sfx-fetch") as pool:
            return self._scanner(
                layout, [one for some in pool.map(fragments, self.files) for one in some]
            )

    def coded_texts(self, file: SourceFile) -> set[str]:
        """The text columns of a file that are sooner read by their dictionaries."""
        texts = [
            one.name
            for one in self.schema
            if one.type in TEXT and (self.columns is None or one.name in self.columns)
        ]
        if not texts or file.rows is None or file.rows < _MANY_ROWS:
            return set()
        return by_dictionary(file.footer(self.filesystem), texts)

    def bits(self, batch_rows: int) -> Iterator[ds.Scanner]:
        """The rows bit by bit, each of what may be in memory at once.

        Args:
            batch_rows: The most rows that a batch has.
        """
        layout = self._layout((), ahead=True)
        options = {"batch_size": batch_rows, "batch_readahead": 2, "fragment_readahead": 1}
        for ranged, files in groupby(self.files, key=_is_ranged):
            fragments = (
                one
                for file in files
                for one in self._fragments(file, layout, at_once=_BYTES_AT_ONCE)
            )
            for some in ([one] for one in fragments) if ranged else [list(fragments)]:
                yield self._scanner(layout, some, **options)

    def _layout(self, texts: Collection[str], *, ahead: bool) -> ds.ParquetFileFormat:
        import pyarrow.dataset as ds  # which imports pandas

        # A disk gives altered bytes as they are; object storage compares checksums of its own
        # before it answers.
        on_disk = any(isinstance(file.source, str) for file in self.files)
        options = ds.ParquetFragmentScanOptions(
            page_checksum_verification=on_disk, pre_buffer=ahead
        )
        return ds.ParquetFileFormat(
            dictionary_columns=[*self.coded, *texts], default_fragment_scan_options=options
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
        """A file; one that lies elsewhere in several parts, if only so many bytes may be there at once."""
        condition = self._condition(file)
        source: Any = file.source  # the stubs know paths only
        if not isinstance(file.source, RangedFile):
            filesystem = self.filesystem if isinstance(file.source, str) else None
            yield layout.make_fragment(
                source, filesystem=filesystem, partition_expression=condition
            )
            return
        ranged = file.source
        source = ranged.buffer()
        every: Any = layout.make_fragment(
            source, partition_expression=condition
        )  # the stubs know no row groups either
        kept = every.split_by_row_group(self.filter, self.schema)
        columns = self._needed()
        for groups in grouped(
            every.metadata, [group.id for one in kept for group in one.row_groups], columns, at_once
        ):
            source = ranged.buffer(ranges_of(every.metadata, groups, columns))
            yield layout.make_fragment(source, partition_expression=condition, row_groups=groups)

    def _needed(self) -> set[str]:
        """The columns that are looked at."""
        given = self.schema.names if self.columns is None else self.columns
        return {*given, *(() if self.filter is None else columns_used(self.filter, self.schema))}

    def _condition(self, file: SourceFile) -> pc.Expression | None:
        """What all rows of a file have in common."""
        condition: pc.Expression | None = None
        for key, text in file.keys.items():
            kind = self.key_types.get(key.lower())
            if kind is not None:
                one = pc.field(key.lower()) == key_scalar(text, kind, str(file))
                condition = one if condition is None else condition & one
        return condition


def _is_ranged(file: SourceFile) -> bool:
    return isinstance(file.source, RangedFile)

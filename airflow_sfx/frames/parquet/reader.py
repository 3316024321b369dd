"""Parquet files as an Arrow table or a stream of tables, with the frames' types."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from airflow_sfx.core.errors import InconsistentBatch, counted
from airflow_sfx.core.io.resource_limits import resource_error
from airflow_sfx.frames.parquet.plan import FileGroup, ReadPlan, files_text
from airflow_sfx.frames.parquet.scan import Scan, SourceFile
from airflow_sfx.frames.predicates.expressions import Filters
from airflow_sfx.frames.types.logical import LogicalSchema

T = TypeVar("T")

OpenFiles = Callable[[Sequence[SourceFile]], Sequence[SourceFile]]
"""Opens planned files: returns them with their content, or with a way to fetch it."""

_OPEN_AT_ONCE = 16
"""How many files of a stream are opened at a time; small ones take one request each."""


def read_table(
    files: Sequence[SourceFile],
    *,
    filesystem: fs.FileSystem | None = None,
    columns: Sequence[str] | None = None,
    filters: Filters | None = None,
    lead: LogicalSchema | None = None,
    key_types: Mapping[str, str] | None = None,
    with_index: bool = True,
) -> pa.Table:
    """Read files as one frame.

    Args:
        files: The files, in the order of their rows; at least one, unless ``lead`` is given.
        filesystem: The filesystem of paths, or None for the local one.
        columns: The columns to read, by the frame's names, in the order of the result; or None for
            all. Partition keys that the frame has no column for are allowed.
        filters: The filter of rows, or None for all.
        lead: The newest schema, if the files' schemas differ; or None for that of the last file.
        key_types: The Hive types of partition keys that the frames have no column for; default:
            string.
        with_index: Whether to read the columns of a DataFrame's index in addition to ``columns``.

    Returns:
        The table, with the frame's types and metadata.

    Raises:
        SchemaMismatch: A column is unknown, the filter does not fit the columns, or the files'
            types have no common type.
        InconsistentBatch: A file is missing, truncated or changed.
    """
    plan = ReadPlan.of(files, filesystem, columns, filters, lead, key_types or {}, with_index)
    tables = []
    for group in plan.groups(files):
        with _naming_the_file(plan, group):
            read = _read_all(plan.scan(group))
        if filters is None:
            _check_rows(group, len(read))
        tables.append(plan.finish(read, group))
    if not tables:
        return plan.empty_result()
    return tables[0] if len(tables) == 1 else pa.concat_tables(tables)


def iter_batches(
    files: Sequence[SourceFile],
    *,
    filesystem: fs.FileSystem | None = None,
    columns: Sequence[str] | None = None,
    filters: Filters | None = None,
    lead: LogicalSchema | None = None,
    key_types: Mapping[str, str] | None = None,
    with_index: bool = True,
    batch_rows: int = 1 << 17,
    opened: OpenFiles = list,
) -> Iterator[pa.Table]:
    """Read files as `read_table` does, piece by piece, in constant memory.

    Args:
        files: As for `read_table`.
        filesystem: As for `read_table`.
        columns: As for `read_table`.
        filters: As for `read_table`.
        lead: As for `read_table`.
        key_types: As for `read_table`.
        with_index: As for `read_table`.
        batch_rows: The maximum number of rows of a piece.
        opened: Opens some files just before they are read; default: files are open.

    Yields:
        Non-empty tables with the frame's types.

    Raises:
        SchemaMismatch: As for `read_table`.
        InconsistentBatch: As for `read_table`; rows of earlier files may have been yielded.
    """
    plan = ReadPlan.of(files, filesystem, columns, filters, lead, key_types or {}, with_index)
    for group in plan.groups(files):
        seen = 0
        for batch in _scanned(plan, group, batch_rows, opened):
            seen += len(batch)
            if len(batch):
                table = plan.finish(pa.Table.from_batches([batch]), group)
                if len(table):
                    yield table
        if filters is None:
            _check_rows(group, seen)


def read_footer(file: SourceFile, filesystem: fs.FileSystem | None = None) -> pq.FileMetaData:
    """Read the footer of an opened file.

    Args:
        file: The file.
        filesystem: The filesystem of its path, or None for the local one.

    Returns:
        The file's metadata.

    Raises:
        InconsistentBatch: The footer cannot be read.
    """
    try:
        return file.footer(filesystem or fs.LocalFileSystem())
    except MemoryError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise InconsistentBatch(
            f"the footer of {file} cannot be read ({error}): it is truncated or changed, and not"
            " the file that the manifest names"
        ) from error


def _read_all(scan: Scan) -> pa.Table:
    try:
        return scan.scanner(text_dictionaries=True).to_table()
    except pa.ArrowInvalid:  # too much text for dictionaries; or a damaged file, which fails again
        return scan.scanner(text_dictionaries=False).to_table()


def _scanned(
    plan: ReadPlan, group: FileGroup, batch_rows: int, opened: OpenFiles
) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(group.files), _OPEN_AT_ONCE):
        chunk = FileGroup(opened(group.files[start : start + _OPEN_AT_ONCE]), group.logical)
        with _naming_the_file(plan, chunk):
            for scanner in _one_ahead(plan.scan(chunk).scanners(batch_rows)):
                yield from scanner.to_batches()


@contextmanager
def _naming_the_file(plan: ReadPlan, group: FileGroup) -> Iterator[None]:
    """Convert errors of a read to ones that name the file."""
    try:
        yield
    except MemoryError:  # also pyarrow's; the files are intact
        raise
    except (pa.ArrowException, OSError) as error:
        if short := resource_error(error, f"reading {files_text(group.files)}"):
            raise short from error
        raise plan.read_error(group.files, error) from error


def _one_ahead(items: Iterator[T]) -> Iterator[T]:
    """Prepare each item while the previous one is used, without waiting at the end."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="sfx-ahead")
    try:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def empty_table(
    files: Sequence[SourceFile],
    *,
    columns: Sequence[str] | None = None,
    filters: Filters | None = None,
    lead: LogicalSchema | None = None,
    key_types: Mapping[str, str] | None = None,
    with_index: bool = True,
) -> pa.Table:
    """Return the result of `read_table` without rows, without opening a file."""
    return ReadPlan.of(
        files, None, columns, filters, lead, key_types or {}, with_index
    ).empty_result()


def _check_rows(group: FileGroup, found: int) -> None:
    expected = 0
    for file in group.files:
        if file.rows is None:
            return
        expected += file.rows
    if found != expected:
        raise InconsistentBatch(
            f"{files_text(group.files)}: {counted(found, 'row')} read, and {expected:,} written:"
            " they are not the files that the manifest names"
        )


__all__ = ["SourceFile", "empty_table", "iter_batches", "read_footer", "read_table"]

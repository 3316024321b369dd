"""Files to one Arrow table, or to a stream of them, with the types that the frames had."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from airflow_sfx.core.errors import InconsistentBatch
from airflow_sfx.core.io.resource_limits import resource_error
from airflow_sfx.frames.parquet.plan import Part, ReadPlan, files_text
from airflow_sfx.frames.parquet.scan import Scan, SourceFile
from airflow_sfx.frames.predicates.expressions import Filters
from airflow_sfx.frames.types.logical import LogicalSchema

T = TypeVar("T")

Opened = Callable[[Sequence[SourceFile]], Sequence[SourceFile]]
"""Gives planned files with their content, or with what leads to it."""

_OPEN_AT_ONCE = 16
"""How many files of a stream are opened together: small ones come whole, at a server by one request each."""


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
    """Read files as the frame that they are of.

    Args:
        files: The files, in the order of their rows; at least one, unless ``lead`` is given.
        filesystem: Where paths are; the local one if it is not given.
        columns: Which columns, by the frame's names, in that order; all if it is not given. A
            partition key that the frame had no column for may be named too.
        filters: Which rows.
        lead: The newest schema, where the files' schemas differ; that of the last file if it is not
            given.
        key_types: The Hive types of partition keys that the frames had no column for; string if it
            is not given.
        with_index: Whether columns that hold a DataFrame's index are read though ``columns`` does
            not name them.

    Returns:
        The table, with the frame's types and metadata.

    Raises:
        SchemaMismatch: A column is unknown, a filter does not fit, or the files' types cannot be
            brought together.
        InconsistentBatch: A file is missing, truncated, or not what it was.
    """
    plan = ReadPlan.of(files, filesystem, columns, filters, lead, key_types or {}, with_index)
    tables = []
    for part in plan.parts(files):
        with _blaming(plan, part):
            read = _whole(plan.scan(part))
        if filters is None:
            _check_rows(part, len(read))
        tables.append(plan.finished(read, part))
    if not tables:
        return plan.nothing()
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
    opened: Opened = list,
) -> Iterator[pa.Table]:
    """Read files as `read_table` does, a piece at a time, in memory that does not grow with them.

    Args:
        files: As for `read_table`, like the next ones.
        filesystem: Where paths are.
        columns: Which columns.
        filters: Which rows.
        lead: The newest schema.
        key_types: The Hive types of keys without a column.
        with_index: Whether index columns come along.
        batch_rows: The most rows that a piece has.
        opened: Opens files, some at a time, just before they are read; left out where they are
            open.

    Yields:
        Tables with the frame's types; none is empty.

    Raises:
        SchemaMismatch: As for `read_table`.
        InconsistentBatch: As for `read_table`; rows before the bad file may have been given out.
    """
    plan = ReadPlan.of(files, filesystem, columns, filters, lead, key_types or {}, with_index)
    for part in plan.parts(files):
        seen = 0
        for batch in _scanned(plan, part, batch_rows, opened):
            seen += len(batch)
            if len(batch):
                table = plan.finished(pa.Table.from_batches([batch]), part)
                if len(table):
                    yield table
        if filters is None:
            _check_rows(part, seen)


def read_footer(file: SourceFile, filesystem: fs.FileSystem | None = None) -> pq.FileMetaData:
    """What the footer of an opened file says.

    Args:
        file: The file.
        filesystem: Where its path is; the local one if it is not given.

    Returns:
        Its metadata.

    Raises:
        InconsistentBatch: It is no footer.
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


def _whole(scan: Scan) -> pa.Table:
    try:
        return scan.whole(coded_texts=True).to_table()
    except (
        pa.ArrowInvalid
    ):  # of too much text at once, or of a damaged file, as the second time tells
        return scan.whole(coded_texts=False).to_table()


def _scanned(
    plan: ReadPlan, part: Part, batch_rows: int, opened: Opened
) -> Iterator[pa.RecordBatch]:
    for start in range(0, len(part.files), _OPEN_AT_ONCE):
        group = Part(opened(part.files[start : start + _OPEN_AT_ONCE]), part.logical)
        with _blaming(plan, group):
            for scanner in _one_ahead(plan.scan(group).bits(batch_rows)):
                yield from scanner.to_batches()


@contextmanager
def _blaming(plan: ReadPlan, part: Part) -> Iterator[None]:
    """Errors of reading files, as those that name the file."""
    try:
        yield
    except MemoryError:  # which pyarrow's is, too: no fault of the files
        raise
    except (pa.ArrowException, OSError) as error:
        if short := resource_error(error, f"reading {files_text(part.files)}"):
            raise short from error
        raise plan.culprit(part.files, error) from error


def _one_ahead(items: Iterator[T]) -> Iterator[T]:
    """The items, each made while what came of the one before is looked at. Who leaves does not wait for the next."""
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
    """What `read_table` would give if no row were kept, without opening a file; the arguments are the same."""
    return ReadPlan.of(files, None, columns, filters, lead, key_types or {}, with_index).nothing()


def _check_rows(part: Part, found: int) -> None:
    expected = 0
    for file in part.files:
        if file.rows is None:
            return
        expected += file.rows
    if found != expected:
        raise InconsistentBatch(
            f"{files_text(part.files)}: {found} rows are there and {expected} were written: they are not"
            " the files that the manifest names"
        )


__all__ = ["SourceFile", "empty_table", "iter_batches", "read_footer", "read_table"]

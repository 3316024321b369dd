"""Frames that callers pass, as Arrow: a table in memory, or a stream of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeVar

import pyarrow as pa

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames.column_names import check_names
from airflow_sfx.frames.evolution.declared_types import Declared, with_declared
from airflow_sfx.frames.evolution.table_types import TableTypes
from airflow_sfx.frames.input_stream import FrameStream
from airflow_sfx.frames.pandas.frame import pandas_to_arrow
from airflow_sfx.frames.pandas.metadata import METADATA, pandas_metadata_of
from airflow_sfx.frames.schema.codec import TIMES
from airflow_sfx.frames.schema.physical import check_storable
from airflow_sfx.frames.schema.time_marks import marks_of
from airflow_sfx.frames.schema.utf8 import check_texts
from airflow_sfx.frames.types.logical import LogicalSchema, with_distinct_dictionaries

T = TypeVar("T")

ACCEPTED = (
    "a pandas, polars or Spark DataFrame, a pyarrow Table, RecordBatch or RecordBatchReader,"
    " anything with __arrow_c_stream__, or an iterator of these"
)


class FrameSource:
    """A frame to store: a table, or a stream that can be read once.

    Args:
        table: The frame if it is in memory, or None.
        stream: The stream of its batches otherwise.

    Example:
        >>> source = to_source(pa.table({"n": [1, 2]}))
        >>> source.table.num_rows, source.schema.names
        (2, ['n'])
    """

    __slots__ = ("_logical", "_stream", "table")

    def __init__(self, table: pa.Table | None = None, stream: FrameStream | None = None) -> None:
        self.table = table
        self._stream = stream
        self._logical: LogicalSchema | None = None

    @property
    def schema(self) -> pa.Schema:
        """The frame's Arrow schema, with pandas metadata."""
        return (
            self._stream.schema
            if self.table is None and self._stream is not None
            else self._table().schema
        )

    @property
    def has_rows(self) -> bool:
        """Whether the frame has rows."""
        return (
            self._stream.has_rows
            if self.table is None and self._stream is not None
            else bool(len(self._table()))
        )

    @property
    def logical(self) -> LogicalSchema:
        """The logical schema; of a stream, that of the values so far, complete at its end."""
        if self.table is None and self._stream is not None:
            return self._stream.logical
        if self._logical is None:
            self._logical = replace(LogicalSchema.of(self._table()), marks=marks_of(self._table()))
        return self._logical

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return the frame's batches: any number of times for a table, once for a stream.

        Yields:
            Batches of `schema`.

        Raises:
            SchemaMismatch: A later part of a stream has other columns or types than the first.
        """
        if self.table is None and self._stream is not None:
            return self._stream.batches()
        return iter(self._table().to_batches(max_chunksize=1 << 20))

    def _table(self) -> pa.Table:
        if self.table is None:
            raise ValueError("a FrameSource has a table or a stream")
        return self.table


def is_spark(data: object) -> bool:
    """Return whether the data is a Spark DataFrame."""
    return _kind(data) == "pyspark"


def to_source(
    data: object,
    *,
    partition_by: Sequence[str] = (),
    declared: Declared = MappingProxyType({}),
    types: TableTypes | None = None,
) -> FrameSource:
    """Convert the caller's data to Arrow, and check that it can be stored.

    Args:
        data: A pandas, polars or Spark DataFrame, a pyarrow Table, RecordBatch or
            RecordBatchReader, anything with ``__arrow_c_stream__``, or an iterator of these. The
            first item of an iterator decides the schema.
        partition_by: The columns by which the rows will be divided. A non-default RangeIndex then
            becomes a column, so that each row keeps its label.
        declared: Declared types of columns, as `declared_types` returns them.
        types: Casts the other columns to the types of the table; or None.

    Returns:
        The frame as Arrow.

    Raises:
        InvalidName: A column's name is invalid.
        SchemaMismatch: The data is not a frame, has no columns, or has a column that cannot be
            stored without loss.

    Example:
        >>> to_source({"n": [1]})
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.SchemaMismatch: a dict cannot be stored: pass a pandas, polars or \
Spark DataFrame, a pyarrow Table, RecordBatch or RecordBatchReader, anything with \
__arrow_c_stream__, or an iterator of these
    """
    table = _table_of(data, range_as_column=bool(partition_by))
    if table is not None:
        return FrameSource(table=_checked(_typed(table, declared, types)))
    items = _stream_items(data)
    if items is None:
        raise _not_a_frame(data)
    stream = FrameStream(_typed(item, declared, types) for item in items)
    _check(stream.schema)
    return FrameSource(stream=stream)


def frame_in_memory(data: object) -> pa.Table:
    """Convert a frame in memory to Arrow, with a column for labels of rows that are not counted.

    Args:
        data: A pandas or polars DataFrame, a pyarrow Table or RecordBatch.

    Returns:
        The frame, not yet checked.

    Raises:
        SchemaMismatch: It is a stream, or no frame.

    Example:
        >>> frame_in_memory(pa.table({"n": [1, 2]})).num_rows
        2
    """
    table = _table_of(data, range_as_column=True)
    if table is None:
        raise SchemaMismatch(
            f"a {type(data).__name__} is not a frame in memory: pass a pandas or polars DataFrame,"
            " or a pyarrow Table"
        )
    return table


def _table_of(  # noqa: PLR0911
    data: Any, *, in_stream: bool = False, range_as_column: bool = False
) -> pa.Table | None:
    """Return the data as a table, or None if it is not a frame in memory."""
    kind = _kind(data)
    if kind == "pandas":
        return pandas_to_arrow(
            data, keep_range=not in_stream, range_as_column=range_as_column and not in_stream
        )
    if kind == "polars":
        return _from_polars(data)
    if kind == "pyspark":
        return data.toArrow()  # type: ignore[no-any-return]
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if (
        hasattr(data, "__arrow_c_array__")
        and not hasattr(data, "__arrow_c_stream__")
        and not isinstance(data, type)
    ):
        return pa.Table.from_batches([_imported(data, pa.record_batch)])
    return None


def _stream_items(data: Any) -> Iterator[pa.Table] | None:
    """Return the data as an iterator of tables, or None if it is not a stream."""
    if isinstance(data, pa.RecordBatchReader):
        return (pa.Table.from_batches([batch]) for batch in _at_least_one(data))
    if (
        hasattr(data, "__arrow_c_stream__")
        and _kind(data) != "pandas series"
        and not isinstance(data, type)
    ):
        return _stream_items(_imported(data, pa.RecordBatchReader.from_stream))
    if isinstance(data, Iterator) or (
        isinstance(data, Sequence) and not isinstance(data, str | bytes | bytearray)
    ):
        return _flattened(data)
    return None


def _imported(data: Any, how: Callable[[Any], T]) -> T:
    try:
        return how(data)
    except MemoryError:
        raise
    except Exception as error:  # raised by the object's library
        raise SchemaMismatch(
            f"the Arrow data of a {type(data).__name__} is not a table ({type(error).__name__}:"
            f" {error}): pass {ACCEPTED}"
        ) from error


def _at_least_one(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yield a reader's batches, or one without rows if it has none, for its schema."""
    empty = True
    try:
        for batch in reader:
            empty = False
            yield batch
    except MemoryError:  # also pyarrow's
        raise
    except pa.ArrowException as error:
        raise SchemaMismatch(
            f"the Arrow stream failed ({error}): nothing was published; create and store it again"
        ) from error
    if empty:
        yield pa.RecordBatch.from_arrays(
            [pa.nulls(0, field.type) for field in reader.schema], schema=reader.schema
        )


def _flattened(items: Iterable[Any]) -> Iterator[pa.Table]:
    for item in items:
        table = _table_of(item, in_stream=True)
        if table is not None:
            yield table
            continue
        nested = isinstance(item, Iterator | Sequence) and not hasattr(item, "__arrow_c_stream__")
        inner = None if nested else _stream_items(item)
        if inner is None:
            raise _not_a_frame(item)
        yield from inner


def _kind(data: object) -> str | None:
    """Return which library's frame the data is, without importing the library."""
    for base in type(data).__mro__:
        package = base.__module__.partition(".")[0]
        if base.__name__ in ("DataFrame", "LazyFrame") and package in (
            "pandas",
            "polars",
            "pyspark",
        ):
            return package
        if package == "pandas" and base.__name__ == "Series":
            return "pandas series"
    return None


def _from_polars(data: Any) -> pa.Table:
    if hasattr(data, "collect"):
        try:
            data = data.collect()
        except MemoryError:
            raise
        except Exception as error:  # raised by polars, or by a user's function in the query
            raise SchemaMismatch(
                f"polars cannot compute the frame ({type(error).__name__}:"
                f" {str(error).partition(chr(10))[0]}): collect it first"
            ) from error
    objects = [name for name, dtype in data.schema.items() if str(dtype) == "Object"]
    if objects:  # polars would export their addresses in memory
        raise SchemaMismatch(
            f"the columns {objects} hold Python objects, which files cannot store: convert them"
            " first"
        )
    try:
        return data.to_arrow()  # type: ignore[no-any-return]
    except Exception as error:  # polars has no common base class of errors
        raise SchemaMismatch(
            f"polars cannot convert the frame to Arrow ({error}): convert the columns"
            f" {list(data.columns)} first"
        ) from error


def _typed(table: pa.Table, declared: Declared, types: TableTypes | None) -> pa.Table:
    check_texts(table)
    table = with_declared(table, declared)
    return table if types is None else types.fitted(table)


def _checked(table: pa.Table) -> pa.Table:
    _check(table.schema)
    return with_distinct_dictionaries(_with_true_memory(table))


def _check(schema: pa.Schema) -> None:
    check_names(schema.names)
    for field in schema:
        check_storable(field)


def _with_true_memory(table: pa.Table) -> pa.Table:
    """Remove metadata that no longer apply: a lost index, and time marks."""
    pandas_metadata = pandas_metadata_of(table.schema)
    index: Any = (pandas_metadata or {}).get("index")
    if isinstance(index, list) and not {level["column"] for level in index} <= set(
        table.column_names
    ):
        table = _without(table, METADATA)
    return _without(table, TIMES)


def _without(table: pa.Table, key: bytes) -> pa.Table:
    metadata: Mapping[bytes, bytes] = table.schema.metadata or {}
    if key not in metadata:
        return table
    return table.replace_schema_metadata(
        {name: value for name, value in metadata.items() if name != key}
    )


def _not_a_frame(data: object) -> SchemaMismatch:
    remedy = "; convert it with .to_frame()" if _kind(data) == "pandas series" else ""
    return SchemaMismatch(f"a {type(data).__name__} cannot be stored: pass {ACCEPTED}{remedy}")

"""Dividing a frame by partition keys, in one pass and with at most one copy."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_sfx.core.errors import InvalidName, SchemaMismatch, counted
from airflow_sfx.core.partition import partition_value
from airflow_sfx.frames._typing import AnyArray, AnyColumn
from airflow_sfx.frames.column_names import unknown_column
from airflow_sfx.frames.types.encodings import decode_column
from airflow_sfx.frames.types.hive import key_type_of

_MOST_COMBINATIONS = 2**62

Part = tuple[tuple[str, ...], pa.Table]
"""Partition values as text, and the rows that have them, without the key columns."""


def key_columns(schema: pa.Schema, keys: Sequence[str], *, typed: bool = True) -> tuple[str, ...]:
    """Resolve partition keys to columns of a frame, ignoring case.

    Args:
        schema: The frame's schema.
        keys: The keys.
        typed: Whether to check the types; columns of a frame without rows may be open.

    Returns:
        The columns' names as the frame has them.

    Raises:
        SchemaMismatch: A column does not exist, no other column is left, or a column's type cannot
            be a partition key's.
        InvalidName: A key is not text, or occurs twice.

    Example:
        >>> key_columns(pa.schema([("Day", pa.string()), ("n", pa.int8())]), ["day"])
        ('Day',)
    """
    known = {name.lower(): name for name in schema.names}
    found = []
    for key in keys:
        if not isinstance(key, str):
            raise InvalidName(
                f"partition_by= holds {key!r:.80}, which is {type(key).__name__}, not a column's"
                " name as text"
            )
        name = known.get(key.lower())
        if name is None:
            raise unknown_column(key, schema.names)
        if name in found:
            raise InvalidName(f"the partition key {key!r} occurs twice: name each key once")
        found.append(name)
        try:
            if typed:
                key_type_of(schema.field(name).type)
        except SchemaMismatch as error:
            raise SchemaMismatch(f"column {name!r} cannot be a partition key: {error}") from error
    if len(found) == len(schema.names):
        raise SchemaMismatch(
            f"the frame has only the key columns {found}: it must have another column to store"
        )
    return tuple(found)


def midnight_columns(table: pa.Table, columns: Sequence[str]) -> frozenset[str]:
    """Return the columns of times of which all are midnight, and which are days therefore.

    Args:
        table: The frame.
        columns: The names of its key columns.

    Example:
        >>> times = pa.array([0, 86_400], pa.timestamp("s"))
        >>> midnight_columns(pa.table({"day": times, "n": [1, 2]}), ["day", "n"])
        frozenset({'day'})
    """
    return frozenset(name for name in columns if _all_midnight(table.column(name)))


def _all_midnight(column: Any) -> bool:
    column = decode_column(column)
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not types.is_timestamp(column.type) or column.type.tz is not None or not len(column):
        return False
    midnights = pc.equal(pc.floor_temporal(column, unit="day"), column)
    return bool(pc.all(midnights, skip_nulls=True).as_py())


def split_by(table: pa.Table, keys: Sequence[str]) -> list[Part]:
    """Divide a table by the values of its partition keys.

    Args:
        table: The frame.
        keys: The columns to divide by; names are case-insensitive.

    Returns:
        One part for each combination of values, in the order of first occurrence; rows keep their
        order. A table without rows has no parts.

    Raises:
        InvalidName: A key has null or empty values, or a value cannot be a partition value.
        SchemaMismatch: A column does not exist, or its type cannot be a partition key's.

    Example:
        >>> parts = split_by(pa.table({"day": ["b", "a", "b"], "n": [1, 2, 3]}), ["day"])
        >>> [(values, part.column("n").to_pylist()) for values, part in parts]
        [(('b',), [1, 3]), (('a',), [2])]
    """
    names = key_columns(table.schema, keys, typed=bool(len(table)))
    rest = table.drop_columns(list(names))
    if not len(table):
        return []
    coded = [_codes(table.column(name), name) for name in names]
    codes, order = _combined(coded)
    values = [
        tuple(texts[place] for (_, texts), place in zip(coded, places, strict=True))
        for places in order
    ]
    starts, lengths, groups, positions = _groups(codes, len(order))
    if positions is not None:
        rest = _takeable(rest).take(positions)
    return [
        (values[group], rest.slice(start, length))
        for group, start, length in zip(groups, starts, lengths, strict=True)
    ]


class StreamSplitter:
    """Divides a stream by partition keys, and buffers rows for large files.

    Args:
        keys: The columns to divide by.
        memory_bytes: The size of the buffer in bytes; when it is full, all parts are returned.

    Example:
        >>> splitter = StreamSplitter(["day"])
        >>> table = pa.table({"day": ["a", "b"], "n": [1, 2]})
        >>> list(splitter.feed(table)), [values for values, _ in splitter.finish()]
        ([], [('a',), ('b',)])
    """

    def __init__(self, keys: Sequence[str], *, memory_bytes: int = 256 << 20) -> None:
        self._keys = tuple(keys)
        self._limit = memory_bytes
        self._held: dict[tuple[str, ...], list[pa.Table]] = {}
        self._bytes = 0

    def feed(self, batch: pa.RecordBatch | pa.Table) -> Iterator[Part]:
        """Add rows.

        Args:
            batch: The rows.

        Yields:
            Parts to write, one file each; the same partition may occur again later.
        """
        table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
        for values, part in split_by(table, self._keys):
            self._held.setdefault(values, []).append(part)
        self._bytes += table.nbytes
        if self._bytes > self._limit:
            yield from self.finish()

    def finish(self) -> Iterator[Part]:
        """Return the buffered rows.

        Yields:
            Parts to write.
        """
        held, self._held, self._bytes = self._held, {}, 0
        for values, parts in held.items():
            yield values, pa.concat_tables(parts)


def _codes(column: AnyColumn, name: str) -> tuple[Any, list[str]]:
    """Encode a key column as codes, and return the partition value of each code."""
    import numpy as np

    column = decode_column(column)
    if column.null_count:
        raise InvalidName(
            f"the partition key {name!r} is null in {counted(column.null_count, 'row')}, and a"
            " partition must have a value: fill it, as with df.fillna, or leave those rows out"
        )
    encoded: Any = column if types.is_dictionary(column.type) else column.dictionary_encode()
    one: Any = encoded.unify_dictionaries().combine_chunks()
    one = one.chunk(0) if isinstance(one, pa.ChunkedArray) else one
    codes = one.indices.to_numpy(zero_copy_only=False)
    dictionary = one.dictionary
    if types.is_timestamp(dictionary.type):
        try:
            dictionary = dictionary.cast(pa.timestamp("us"))
        except pa.ArrowInvalid as error:
            raise InvalidName(
                f"the partition key {name!r} has a time finer than a microsecond: round it"
            ) from error
    used = np.bincount(codes, minlength=len(dictionary)) > 0
    texts = []
    for value, present in zip(_values(dictionary, name), used, strict=True):
        if not present:
            texts.append("")
            continue
        try:
            texts.append(partition_value(value))
        except InvalidName as error:
            raise InvalidName(
                f"the partition key {name!r} has a value that cannot name a partition: {error}"
            ) from error
    return codes, texts


def _values(dictionary: AnyArray, name: str) -> list[object]:
    try:
        values: list[object] = dictionary.to_pylist()
    except UnicodeDecodeError as error:
        raise InvalidName(
            f"the partition key {name!r} has text that is not UTF-8 ({error}): decode it first"
        ) from error
    return values


def _combined(coded: list[tuple[Any, list[str]]]) -> tuple[Any, list[tuple[int, ...]]]:
    """Combine the codes of all keys to one dense code per row, and list the originals."""
    import numpy as np

    if math.prod(len(texts) for _, texts in coded) > _MOST_COMBINATIONS:
        raise SchemaMismatch(
            "the partition keys have too many combinations of values: divide by fewer columns"
        )
    codes = coded[0][0].astype(np.int64)
    for more, texts in coded[1:]:
        codes = codes * len(texts) + more
    distinct, dense = _dense(codes)
    order = []
    for number in distinct:
        places: list[int] = []
        left = int(number)
        for _, texts in reversed(coded[1:]):
            left, place = divmod(left, len(texts))
            places.append(place)
        order.append((left, *reversed(places)))
    return dense, order


def _dense(codes: Any) -> tuple[list[int], Any]:
    """Renumber codes from 0 in the order of their first occurrence."""
    encoded = pa.array(codes).dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy()


def _groups(codes: Any, count: int) -> tuple[list[int], list[int], list[int], Any]:
    """Return start, length and number of each group, and the sort order if needed."""
    import numpy as np

    changes = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    if len(changes) == count - 1:  # rows are grouped already
        starts = np.concatenate(([0], changes))
        return (
            starts.tolist(),
            np.diff(np.append(starts, len(codes))).tolist(),
            codes[starts].tolist(),
            None,
        )
    # numpy sorts 16-bit numbers by radix.
    small = codes.astype(np.uint16) if count <= np.iinfo(np.uint16).max else codes
    positions = np.argsort(small, kind="stable")
    lengths = np.bincount(codes, minlength=count)
    starts = np.cumsum(lengths) - lengths
    return starts.tolist(), lengths.tolist(), list(range(count)), pa.array(positions)


def _takeable(table: pa.Table) -> pa.Table:
    """Convert views, of which Arrow cannot take rows; files have them as plain text."""
    plain: dict[Any, Any] = {
        pa.string_view(): pa.large_string(),
        pa.binary_view(): pa.large_binary(),
    }
    for position, field in enumerate(table.schema):
        wanted = plain.get(field.type)
        if wanted is not None:
            table = table.set_column(
                position, field.with_type(wanted), table.column(position).cast(wanted)
            )
    return table

"""Which columns are worth a dictionary in a file, and which text columns to read by theirs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from airflow_sfx.frames._typing import AnyColumn

_SAMPLE = 4096


_DICTIONARY_PAGE = 1 << 20  # pyarrow gives a dictionary up where it is larger


# a dictionary must make the column smaller than this, or plain values and zstd do as well, faster
_WORTHWHILE = 0.8


_DICTIONARY_BYTES = 2.4
"""Below how many bytes a value, uncompressed, a column is taken to have dictionaries throughout: text has four for lengths."""


def dictionary_columns(table: pa.Table) -> list[str]:
    """Which columns are worth a Parquet dictionary: those with few different values.

    A dictionary of many values costs time, is given up half way, and saves nothing once zstd has
    been over it. How many there are is told from how often values meet in a random sample, as
    birthdays do.

    Args:
        table: A table as it is written.

    Returns:
        The columns' names; a nested column is named by its leaves.

    Example:
        >>> dictionary_columns(pa.table({"few": [1, 2] * 5000, "many": list(range(10_000))}))
        ['few']
    """
    import numpy as np

    chosen = []
    rows = len(table)
    if rows > _SAMPLE:
        places = np.sort(np.random.default_rng(0).integers(0, rows, _SAMPLE))
        sample = table.take(places)
    else:
        sample = table
    for field, column in zip(table.schema, sample.columns, strict=True):
        if types.is_nested(field.type):
            chosen.extend(_leaves(field.name, field.type))
        elif types.is_dictionary(field.type) or (
            not types.is_boolean(field.type) and _repeats(column, rows)
        ):
            chosen.append(field.name)
    return chosen


def by_dictionary(metadata: pq.FileMetaData, columns: Collection[str]) -> set[str]:
    """The text columns that seem to have dictionaries in all of a file.

    A writer gives a dictionary up on its way where there are many values. To read it takes several
    times as long as text then, so where that cannot be told from the sizes, text it is.

    Args:
        metadata: What the file's footer says.
        columns: The names of text columns.

    Returns:
        The names of those.

    Example:
        >>> import pyarrow as pa
        >>> table = pa.table({"few": ["a", "b"] * 50_000, "many": [str(n) for n in range(100_000)]})
        >>> sink = pa.BufferOutputStream()
        >>> pq.write_table(table, sink)
        >>> by_dictionary(pq.read_metadata(pa.BufferReader(sink.getvalue())), table.schema.names)
        {'few'}
    """
    places = {metadata.schema.column(place).path: place for place in range(metadata.num_columns)}
    found = {name: places[name] for name in columns if name in places}
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    filled = [group for group in groups if group.num_rows]
    for group in filled:
        found = {name: place for name, place in found.items() if _is_coded(group.column(place))}
    return set(found) if filled else set()


def _repeats(sample: AnyColumn, rows: int) -> bool:
    found = len(sample)
    if not found:
        return True
    different: float = pc.count_distinct(sample, mode="all").as_py()
    if found < rows:
        meetings = max(found - different, 0.5)
        different = (
            max(different, found * found / (2 * meetings)) if different > found // 2 else different
        )
    width = _width(sample)
    indices = rows * max(1, int(different).bit_length()) / 8
    return (
        different * width <= _DICTIONARY_PAGE
        and different * width + indices < _WORTHWHILE * rows * width
    )


def _width(column: AnyColumn) -> float:
    try:
        return float(column.type.bit_width) / 8
    except ValueError:  # text and bytes: their own length, and four bytes that say it
        return 4.0 + float(column.nbytes) / max(1, len(column))


def _leaves(path: str, kind: Any) -> list[str]:
    """The paths of a nested column's leaves in the file."""
    if types.is_struct(kind):
        return [
            leaf
            for i in range(kind.num_fields)
            for leaf in _leaves(f"{path}.{kind.field(i).name}", kind.field(i).type)
        ]
    if types.is_map(kind):
        return _leaves(f"{path}.key_value.key", kind.key_type) + _leaves(
            f"{path}.key_value.value", kind.item_type
        )
    if types.is_list(kind):
        return _leaves(f"{path}.list.element", kind.value_type)
    return [path]


def _is_coded(chunk: pq.ColumnChunkMetaData) -> bool:
    nulls = chunk.statistics.null_count if chunk.statistics else None
    if nulls is None or not chunk.has_dictionary_page:
        return False
    return chunk.total_uncompressed_size < _DICTIONARY_BYTES * (chunk.num_values - nulls)

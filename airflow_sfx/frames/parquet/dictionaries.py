"""The choice of columns to write, and of text to read, by dictionary."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from airflow_sfx.frames._typing import AnyColumn

_SAMPLE = 4096


_DICTIONARY_PAGE = 1 << 20  # pyarrow abandons a larger dictionary


# A dictionary must shrink a column below this; otherwise plain values with zstd are as small.
_WORTHWHILE = 0.8


_DICTIONARY_BYTES = 2.4
"""The uncompressed bytes per value below which a column is dictionary-encoded; plain has over 4."""


def dictionary_columns(table: pa.Table) -> list[str]:
    """Choose the columns with few distinct values, to write with a dictionary.

    A dictionary of many values costs time, is abandoned when it exceeds a page, and saves nothing
    after zstd. The number of distinct values is estimated from collisions in a random sample, as in
    the birthday problem.

    Args:
        table: A table with physical types.

    Returns:
        The columns' names; leaf paths for nested columns.

    Example:
        >>> dictionary_columns(pa.table({"few": [1, 2] * 5000, "many": list(range(10_000))}))
        ['few']
    """
    import numpy as np

    chosen = []
    rows = len(table)
    if rows > _SAMPLE:
        rows_of_sample = np.sort(np.random.default_rng(0).integers(0, rows, _SAMPLE))
        sample = table.take(rows_of_sample)
    else:
        sample = table
    for field, column in zip(table.schema, sample.columns, strict=True):
        if types.is_nested(field.type):
            chosen.extend(_leaves(field.name, field.type))
        elif types.is_dictionary(field.type) or (
            not types.is_boolean(field.type) and _is_worth_dictionary(column, rows)
        ):
            chosen.append(field.name)
    return chosen


def dictionary_encoded_texts(metadata: pq.FileMetaData, columns: Collection[str]) -> set[str]:
    """Return the text columns that are dictionary-encoded, judged by their sizes.

    A writer abandons a dictionary when there are many values. Reading such a column by dictionary
    takes several times as long as reading text, so text is the default if sizes are inconclusive.

    Args:
        metadata: The file's footer.
        columns: The names of text columns.

    Returns:
        The names of the columns to read by dictionary.

    Example:
        >>> import pyarrow as pa
        >>> table = pa.table({"few": ["a", "b"] * 50_000, "many": [str(n) for n in range(100_000)]})
        >>> sink = pa.BufferOutputStream()
        >>> pq.write_table(table, sink)
        >>> footer = pq.read_metadata(pa.BufferReader(sink.getvalue()))
        >>> dictionary_encoded_texts(footer, table.schema.names)
        {'few'}
    """
    positions = {metadata.schema.column(i).path: i for i in range(metadata.num_columns)}
    found = {name: positions[name] for name in columns if name in positions}
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    filled = [group for group in groups if group.num_rows]
    for group in filled:
        found = {name: i for name, i in found.items() if _is_dictionary_encoded(group.column(i))}
    return set(found) if filled else set()


def _is_worth_dictionary(sample: AnyColumn, rows: int) -> bool:
    found = len(sample)
    if not found:
        return True
    distinct: float = pc.count_distinct(sample, mode="all").as_py()
    if found < rows:
        collisions = max(found - distinct, 0.5)
        distinct = (
            max(distinct, found * found / (2 * collisions)) if distinct > found // 2 else distinct
        )
    width = _width(sample)
    indices = rows * max(1, int(distinct).bit_length()) / 8
    return (
        distinct * width <= _DICTIONARY_PAGE
        and distinct * width + indices < _WORTHWHILE * rows * width
    )


def _width(column: AnyColumn) -> float:
    try:
        return float(column.type.bit_width) / 8
    except ValueError:  # text and bytes: their length, and four bytes for it
        return 4.0 + float(column.nbytes) / max(1, len(column))


def _leaves(path: str, kind: Any) -> list[str]:
    """Return the paths of a nested column's leaves in a file."""
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


def _is_dictionary_encoded(chunk: pq.ColumnChunkMetaData) -> bool:
    nulls = chunk.statistics.null_count if chunk.statistics else None
    if nulls is None or not chunk.has_dictionary_page:
        return False
    return chunk.total_uncompressed_size < _DICTIONARY_BYTES * (chunk.num_values - nulls)

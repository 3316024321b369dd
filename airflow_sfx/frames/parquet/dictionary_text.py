"""Which text columns are sooner read by their dictionaries: to cast those takes half as long as to read text."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow.parquet as pq

_DICTIONARY_BYTES = 2.4
"""Below how many bytes a value, uncompressed, a column is taken to have dictionaries throughout: text has four for lengths."""


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


def _is_coded(chunk: pq.ColumnChunkMetaData) -> bool:
    nulls = chunk.statistics.null_count if chunk.statistics else None
    if nulls is None or not chunk.has_dictionary_page:
        return False
    return chunk.total_uncompressed_size < _DICTIONARY_BYTES * (chunk.num_values - nulls)

"""How pyarrow's dataset engine reads Parquet files: which columns by their dictionaries, and in which ranges."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    import pyarrow.dataset as ds

TEXT = (pa.string(), pa.large_string())
"""The types that text has in frames."""

_FEW_VALUES_BYTES = 3
_HOLE_BYTES = 1 << 20
"""Up to how many bytes between two columns are fetched with them: a server sends as many while it answers a request."""
_RANGE_BYTES = 64 << 20


def file_format(by_dictionary: Collection[str], *, ahead: bool) -> ds.ParquetFileFormat:
    """How files are read.

    Args:
        by_dictionary: The text columns whose dictionaries are read as such.
        ahead: Whether what is needed of a row group is fetched before it is decoded, in few and large ranges.
    """
    import pyarrow.dataset as ds  # which imports pandas

    ranges = pa.CacheOptions(hole_size_limit=_HOLE_BYTES, range_size_limit=_RANGE_BYTES, lazy=False)
    how = ds.ParquetFragmentScanOptions(pre_buffer=ahead, cache_options=ranges)
    return ds.ParquetFileFormat(dictionary_columns=list(by_dictionary), default_fragment_scan_options=how)


def texts_of_few_values(metadata: pq.FileMetaData, schema: pa.Schema) -> set[str]:
    """The text columns that have dictionaries throughout.

    To read the dictionaries and cast them takes half as long as to read text. Where a writer has given the dictionary up on its
    way, it takes several times as long; but then text has a length of four bytes for each value, which tells.

    Args:
        metadata: What a file's footer says.
        schema: The columns as they are asked for.

    Returns:
        Their names.

    Example:
        >>> table = pa.table({"few": ["a", "b"] * 50_000, "many": [str(n) for n in range(100_000)]})
        >>> sink = pa.BufferOutputStream()
        >>> pq.write_table(table, sink)
        >>> texts_of_few_values(pq.read_metadata(pa.BufferReader(sink.getvalue())), table.schema)
        {'few'}
    """
    if not metadata.num_row_groups:
        return set()
    group = metadata.row_group(0)
    chunks = [group.column(number) for number in range(group.num_columns)]
    few = {
        one.path_in_schema
        for one in chunks
        if one.has_dictionary_page and one.total_uncompressed_size < _FEW_VALUES_BYTES * one.num_values
    }
    return {column.name for column in schema if column.type in TEXT and column.name in few}

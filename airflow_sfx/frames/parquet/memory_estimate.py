"""How much memory it takes to compare the rows of a file, told from its footer alone: 0.3 MB may hold gigabytes of values.

A dictionary and runs make a column of one value as good as nothing in a file, and in memory it has
its full width in every row. How long its texts are together says `SizeStatistics`, which pyarrow
writes and does not show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_WIDTHS = {
    "BOOLEAN": 1,
    "INT32": 4,
    "INT64": 8,
    "INT96": 12,
    "FLOAT": 4,
    "DOUBLE": 8,
    "BYTE_ARRAY": 8,
}
_OF_VALUE, _OF_NESTED_VALUE = 64, 128
"""Bytes that a value takes besides itself: its number, and its place in tables of different values and of groups of rows."""
_COPIES, _COPIES_OF_TEXT, _COPIES_OF_NESTED_TEXT = 2, 3, 6
"""How many times its own bytes are there at once. Nested values are compared as text, by way of Python's objects."""
_COLUMN_METADATA, _SIZE_STATISTICS, _TEXT_BYTES = 3, 16, 1
_ROW_GROUPS, _COLUMNS = 4, 1
"""Numbers of fields in Parquet's ``FileMetaData``."""


def memory_to_compare(footer: pq.FileMetaData) -> int:
    """About how many bytes of memory a comparison of a file's rows takes, as measured; rather too many than too few.

    Args:
        footer: The file's metadata.

    Returns:
        The bytes.

    Example:
        >>> sink = pa.BufferOutputStream()
        >>> pq.write_table(pa.table({"same": ["x" * 1000] * 100_000}), sink)
        >>> written = sink.getvalue()
        >>> written.size < 20_000, memory_to_compare(pq.read_metadata(pa.BufferReader(written))) > 300_000_000
        (True, True)
    """
    texts = _text_bytes(footer)
    return sum(_of_chunk(chunk, next(texts)) for chunk in _chunks(footer))


def _chunks(footer: pq.FileMetaData) -> Iterator[pq.ColumnChunkMetaData]:
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        yield from map(group.column, range(group.num_columns))


def _of_chunk(chunk: pq.ColumnChunkMetaData, text: int | None) -> int:
    nested = "." in chunk.path_in_schema
    width = _WIDTHS.get(chunk.physical_type, 16)  # of fixed length: decimals
    values = chunk.num_values * ((_OF_NESTED_VALUE if nested else _OF_VALUE) + _COPIES * width)
    if chunk.physical_type != "BYTE_ARRAY":
        return values
    values += chunk.num_values * _OF_VALUE
    known = text if text is not None else _guessed(chunk)
    return values + known * (_COPIES_OF_NESTED_TEXT if nested else _COPIES_OF_TEXT)


def _guessed(chunk: pq.ColumnChunkMetaData) -> int:
    """Bytes of text where the writer has not noted them: as if all values were as long as the longer bound."""
    found = chunk.statistics
    bounds = [found.min, found.max] if found is not None and found.has_min_max else []
    longest = max((len(bound) for bound in bounds if isinstance(bound, str | bytes)), default=0)
    return max(chunk.total_uncompressed_size, longest * chunk.num_values)


def _text_bytes(footer: pq.FileMetaData) -> Iterator[int | None]:
    """For each column of each row group how many bytes its texts have together, None where that was not noted."""
    sink = pa.BufferOutputStream()
    footer.write_metadata_file(sink)
    for group in _thrift(sink.getvalue().to_pybytes())[_ROW_GROUPS]:
        for column in group[_COLUMNS]:
            yield column[_COLUMN_METADATA].get(_SIZE_STATISTICS, {}).get(_TEXT_BYTES)


def _thrift(file: bytes) -> Mapping[int, Any]:
    """The footer at the end of a file as Thrift's structure, by the numbers of its fields."""
    from thrift.protocol.TCompactProtocol import TCompactProtocol
    from thrift.Thrift import TType
    from thrift.transport.TTransport import TMemoryBuffer

    end = len(file) - 8  # its length and the magic word follow
    start = end - int.from_bytes(file[end : end + 4], "little")
    protocol = TCompactProtocol(TMemoryBuffer(file[start:end]))
    plain = {
        TType.BOOL: protocol.readBool,
        TType.BYTE: protocol.readByte,
        TType.I16: protocol.readI16,
        TType.I32: protocol.readI32,
        TType.I64: protocol.readI64,
        TType.DOUBLE: protocol.readDouble,
        TType.STRING: protocol.readBinary,
    }

    def value(kind: int) -> Any:
        if kind == TType.LIST:
            of, size = protocol.readListBegin()
            found = [value(of) for _ in range(size)]
            protocol.readListEnd()
            return found
        return structure() if kind == TType.STRUCT else plain[kind]()

    def structure() -> dict[int, Any]:
        found: dict[int, Any] = {}
        protocol.readStructBegin()
        while (field := protocol.readFieldBegin())[1] != TType.STOP:
            found[field[2]] = value(field[1])
            protocol.readFieldEnd()
        protocol.readStructEnd()
        return found

    return structure()

"""An estimate of the memory to compare a file's rows, from its footer alone.

Dictionaries and runs compress repeated values to almost nothing in a file, and in memory each row
has the full width: 0.3 MB may hold gigabytes. The length of all texts is in Parquet's
`SizeStatistics`, which pyarrow writes and does not expose.
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
"""The overhead of a value in bytes: its code, and its entries in hash tables of values and rows."""
_COPIES, _COPIES_OF_TEXT, _COPIES_OF_NESTED_TEXT = 2, 3, 6
"""How many copies of a value exist at a time; nested values are compared as text."""
_COLUMN_METADATA, _SIZE_STATISTICS, _TEXT_BYTES = 3, 16, 1
_ROW_GROUPS, _COLUMNS = 4, 1
"""Field numbers in Parquet's ``FileMetaData``."""


def memory_to_compare(footer: pq.FileMetaData) -> int:
    """Estimate the memory to compare a file's rows; rather too high than too low.

    Args:
        footer: The file's metadata.

    Returns:
        The memory in bytes.

    Example:
        >>> sink = pa.BufferOutputStream()
        >>> pq.write_table(pa.table({"same": ["x" * 1000] * 100_000}), sink)
        >>> written = sink.getvalue()
        >>> footer = pq.read_metadata(pa.BufferReader(written))
        >>> written.size < 20_000, memory_to_compare(footer) > 300_000_000
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
    width = _WIDTHS.get(chunk.physical_type, 16)  # fixed length: decimals
    values = chunk.num_values * ((_OF_NESTED_VALUE if nested else _OF_VALUE) + _COPIES * width)
    if chunk.physical_type != "BYTE_ARRAY":
        return values
    values += chunk.num_values * _OF_VALUE
    known = text if text is not None else _estimated_text(chunk)
    return values + known * (_COPIES_OF_NESTED_TEXT if nested else _COPIES_OF_TEXT)


def _estimated_text(chunk: pq.ColumnChunkMetaData) -> int:
    """Estimate bytes of text: all values as long as the longer bound."""
    found = chunk.statistics
    bounds = [found.min, found.max] if found is not None and found.has_min_max else []
    longest = max((len(bound) for bound in bounds if isinstance(bound, str | bytes)), default=0)
    return max(chunk.total_uncompressed_size, longest * chunk.num_values)


def _text_bytes(footer: pq.FileMetaData) -> Iterator[int | None]:
    """Yield the bytes of text of each column chunk, or None if not recorded."""
    sink = pa.BufferOutputStream()
    footer.write_metadata_file(sink)
    for group in _thrift(sink.getvalue().to_pybytes())[_ROW_GROUPS]:
        for column in group[_COLUMNS]:
            yield column[_COLUMN_METADATA].get(_SIZE_STATISTICS, {}).get(_TEXT_BYTES)


def _thrift(file: bytes) -> Mapping[int, Any]:
    """Parse the footer at the end of a file to nested structures by field number."""
    from thrift.protocol.TCompactProtocol import TCompactProtocol
    from thrift.Thrift import TType
    from thrift.transport.TTransport import TMemoryBuffer

    end = len(file) - 8  # followed by its length and the magic number
    start = end - int.from_bytes(file[end : end + 4], "little")
    return _Footer(TCompactProtocol(TMemoryBuffer(file[start:end])), TType).structure()


class _Footer:
    """Reads nested structures by field number.

    Args:
        protocol: The protocol that the structures are in.
        kinds: Its numbers of types.
    """

    def __init__(self, protocol: Any, kinds: Any) -> None:
        self._protocol, self._kinds = protocol, kinds
        self._plain = {
            kinds.BOOL: protocol.readBool,
            kinds.BYTE: protocol.readByte,
            kinds.I16: protocol.readI16,
            kinds.I32: protocol.readI32,
            kinds.I64: protocol.readI64,
            kinds.DOUBLE: protocol.readDouble,
            kinds.STRING: protocol.readBinary,
        }

    def structure(self) -> dict[int, Any]:
        found: dict[int, Any] = {}
        protocol = self._protocol
        protocol.readStructBegin()
        while (field := protocol.readFieldBegin())[1] != self._kinds.STOP:
            found[field[2]] = self._value(field[1])
            protocol.readFieldEnd()
        protocol.readStructEnd()
        return found

    def _value(self, kind: int) -> Any:
        if kind == self._kinds.STRUCT:
            return self.structure()
        if kind != self._kinds.LIST:
            return self._plain[kind]()
        of, size = self._protocol.readListBegin()
        found = [self._value(of) for _ in range(size)]
        self._protocol.readListEnd()
        return found

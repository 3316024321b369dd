"""Sums over rows in any order, to check that none is lost or doubled."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_Numbers = np.ndarray[Any, np.dtype[np.uint64]]
_NULL = np.uint64(0x9E3779B97F4A7C15)


class RowSums:
    """The number of rows and a sum of numbers that each row's values give.

    Two sets of rows with the same count and sum are the same rows, in any order, but for a chance
    of one in 10¹⁹.

    Example:
        >>> import pyarrow as pa
        >>> sums = RowSums(), RowSums()
        >>> sums[0].add(pa.table({"n": [1, 2], "x": ["a", None]}))
        >>> sums[1].add(pa.table({"x": [None, "a"], "n": [2, 1]}))
        >>> sums[0] == sums[1]
        True
    """

    __slots__ = ("rows", "total")

    def __init__(self) -> None:
        self.rows = 0
        self.total = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RowSums) and (self.rows, self.total) == (other.rows, other.total)

    __hash__ = None  # type: ignore[assignment]

    def add(self, table: pa.Table) -> None:
        """Add rows; their columns may be in any order, and nulls count as missing columns."""
        sums = np.zeros(len(table), np.uint64)
        for name in table.column_names:
            column: Any = table.column(name).combine_chunks()
            sums += _of_column(name, column)
        self.rows += len(table)
        self.total = (self.total + int(_mixed(sums).sum(dtype=np.uint64))) % (1 << 64)


def _of_column(name: str, column: Any) -> _Numbers:
    """Return a number of each value of a column; 0 for null."""
    import pyarrow as pa

    salt = np.uint64(int.from_bytes(hashlib.blake2b(name.lower().encode(), digest_size=8).digest()))
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    found = _mixed(_numbers(column) ^ salt)
    if column.null_count:
        found[np.asarray(column.is_null())] = 0
    return found


def _numbers(column: Any) -> _Numbers:
    """Return equal numbers for equal values of a column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if _is_repeated(kind):
        column = column.dictionary_encode()
        kind = column.type
    if pa.types.is_dictionary(kind):
        of_values = _of_objects if _is_repeated(kind.value_type) else _numbers
        values = of_values(column.dictionary)
        places = np.asarray(pc.fill_null(column.indices, 0)).astype(np.int64)
        return values[places] if len(values) else np.zeros(len(column), np.uint64)
    if pa.types.is_signed_integer(kind) or pa.types.is_unsigned_integer(kind):
        wide = np.asarray(pc.fill_null(column, 0))
        return wide.astype(np.int64 if wide.dtype.kind == "i" else np.uint64).view(np.uint64)
    if pa.types.is_float64(kind) or pa.types.is_float32(kind):
        whole = np.asarray(pc.fill_null(column, 0.0)).astype(np.float64)
        return np.where(np.isnan(whole), np.nan, whole).view(np.uint64)
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind) or pa.types.is_time64(kind):
        return _numbers(column.view(pa.int64()))
    return _of_objects(column)


def _is_repeated(kind: Any) -> bool:
    """Return whether values of a type are read by Python, and Arrow finds the different ones."""
    from pyarrow import types

    texts = types.is_string(kind) or types.is_large_string(kind)
    return texts or types.is_binary(kind) or types.is_large_binary(kind) or types.is_date(kind)


def _of_objects(column: Any) -> _Numbers:
    """Return numbers of values that only Python can compare, each value read once."""
    known: dict[str, int] = {}
    found = np.zeros(len(column), np.uint64)
    for place, value in enumerate(map(repr, column.to_pylist())):
        if value not in known:
            digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            known[value] = int.from_bytes(digest)
        found[place] = known[value]
    return found


def _mixed(numbers: _Numbers) -> _Numbers:
    """Spread numbers over 64 bits, so that sums of different ones differ (splitmix64)."""
    with np.errstate(over="ignore"):
        mixed = numbers + _NULL
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))

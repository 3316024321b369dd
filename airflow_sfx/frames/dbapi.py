"""Rows of a database cursor as Arrow record batches, in constant memory.

The first chunk decides the types, by the values of each column. A column without values has the
type that the database reports, or that of the table; otherwise, its first value decides later.
Decimals have 38 digits, so that later rows fit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.schema import Column
from airflow_sfx.frames.python_values import (
    ValueRefused,
    array_of,
    decimals_to_doubles,
    infer_type,
    to_json_texts,
)
from airflow_sfx.frames.types.families import is_list
from airflow_sfx.frames.types.hive import MAX_DECIMAL_DIGITS, arrow_type

# The object IDs of PostgreSQL's types:
# https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat
_NUMERIC = 1700
_POSTGRES_TYPES: Mapping[int, pa.DataType] = {
    16: pa.bool_(),
    17: pa.binary(),
    20: pa.int64(),
    21: pa.int64(),
    23: pa.int64(),
    25: pa.string(),
    114: pa.string(),
    700: pa.float64(),
    701: pa.float64(),
    1042: pa.string(),
    1043: pa.string(),
    1082: pa.date32(),
    1083: pa.time64("us"),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", tz="UTC"),
    2950: pa.string(),
    3802: pa.string(),
}
_POSTGRES_LISTS = {
    1000: 16,
    1001: 17,
    1005: 21,
    1007: 23,
    1009: 25,
    1015: 1043,
    1016: 20,
    1021: 700,
    1022: 701,
    1115: 1114,
    1182: 1082,
    1183: 1083,
    1185: 1184,
    1231: _NUMERIC,
    2951: 2950,
}
_BEYOND_HIVE: Mapping[str, pa.DataType] = {
    "duration": pa.duration("us"),
    "time of day": pa.time64("us"),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
    "uint64": pa.uint64(),
}
_HELD_BYTES = 64 << 20
"""How many bytes are held back until each column has a type."""
_JSON = frozenset({114, 3802})

# https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html
_MYSQL_DECIMALS = frozenset({0, 246})
_MYSQL_TYPES: Mapping[int, pa.DataType] = {
    **dict.fromkeys((1, 2, 3, 8, 9, 13), pa.int64()),
    **dict.fromkeys((4, 5), pa.float64()),
    **dict.fromkeys((7, 12), pa.timestamp("us")),
    10: pa.date32(),
    11: pa.duration("us"),
}


def postgres_type(number: int, scale: int | None) -> pa.DataType | None:
    """Return the Arrow type of a column of PostgreSQL.

    Args:
        number: The object ID of the type.
        scale: The digits of a ``numeric`` after the point, or None if not reported.

    Returns:
        The Arrow type, or None if only values determine it.

    Example:
        >>> postgres_type(1700, 2), postgres_type(23, None)
        (Decimal128Type(decimal128(38, 2)), DataType(int64))
    """
    if number in _POSTGRES_LISTS:
        item = postgres_type(_POSTGRES_LISTS[number], scale)
        return None if item is None else pa.list_(item)
    return _decimal(scale) if number == _NUMERIC else _POSTGRES_TYPES.get(number)


def mysql_type(number: int, scale: int | None) -> pa.DataType | None:
    """Return the Arrow type of a column of MySQL; see `postgres_type`.

    Example:
        >>> mysql_type(246, 2), mysql_type(252, None)
        (Decimal128Type(decimal128(38, 2)), None)
    """
    return _decimal(scale) if number in _MYSQL_DECIMALS else _MYSQL_TYPES.get(number)


def is_json(number: int) -> bool:
    """Return whether a type of PostgreSQL is JSON, which drivers decode."""
    return number in _JSON


def _decimal(scale: int | None) -> pa.DataType | None:
    fits = scale is not None and 0 <= scale <= MAX_DECIMAL_DIGITS
    return pa.decimal128(MAX_DECIMAL_DIGITS, scale) if fits else None


def record_batches(
    names: Sequence[str],
    chunks: Iterator[Sequence[Sequence[Any]]],
    *,
    types: Mapping[str, pa.DataType | str],
    reported: Mapping[str, pa.DataType],
    documents: Collection[str] = (),
    in_table: Callable[[], Mapping[str, pa.DataType]] = dict,
) -> Iterator[pa.RecordBatch]:
    """Convert chunks of rows to record batches of one schema.

    Args:
        names: The columns' names.
        chunks: Lists of rows.
        types: Types that the caller declares, by column: Arrow types, or names of Hive types.
        reported: Types that the database reports, by column; used if the first chunk has no value.
        documents: The JSON columns, which are stored as text.
        in_table: Returns the types of the table's columns, by names in lower case; called if
            neither values nor the database determine a type.

    Yields:
        A record batch for each chunk; one without rows if there are none.

    Raises:
        SchemaMismatch: A name occurs twice, a declared column does not exist, or a value does not
            fit its column's type.

    Example:
        >>> rows = iter([[(1, None), (2, None)], [(3, "x")]])
        >>> batches = record_batches(["n", "t"], rows, types={}, reported={"t": pa.string()})
        >>> [batch.num_rows for batch in batches]
        [2, 1]
    """
    _check_names(names, types)
    columns = _Columns(names, types, reported, documents, in_table)
    held: list[_Chunk] = []
    for rows in chunks:
        held.append(columns.read(rows))
        if columns.open and sum(chunk.nbytes for chunk in held) < _HELD_BYTES:
            continue
        yield from columns.batches(held, otherwise=pa.string())
        held = []
    if held or not columns.rows:
        yield from columns.batches(held or [columns.read(())], otherwise=pa.null())


def _check_names(names: Sequence[str], types: Collection[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SchemaMismatch(
            f"the query returns the column {twice[0]!r} twice: rename one of them with AS"
        )
    unknown = sorted(set(types) - set(names))
    if unknown:
        raise SchemaMismatch(
            f"types= names the column {unknown[0]!r}, and the query returns {', '.join(names)}"
        )


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Rows that have been read.

    Args:
        first: The number of rows before the chunk.
        rows: The number of its rows.
        columns: Arrays; for open columns, the values, which are all null or empty.
    """

    first: int
    rows: int
    columns: Sequence[pa.Array[Any] | Sequence[Any]]

    @property
    def nbytes(self) -> int:
        """The approximate size in memory."""
        return sum(
            one.nbytes if isinstance(one, pa.Array) else 8 * len(one) for one in self.columns
        )


class _Columns:
    """The columns of a query, with the types that are known so far."""

    def __init__(
        self,
        names: Sequence[str],
        types: Mapping[str, pa.DataType | str],
        reported: Mapping[str, pa.DataType],
        documents: Collection[str],
        in_table: Callable[[], Mapping[str, pa.DataType]],
    ) -> None:
        wanted = {
            name: arrow_type(kind) if isinstance(kind, str) else kind
            for name, kind in types.items()
        }
        self._kinds: dict[str, Any] = dict.fromkeys(names)
        self._kinds |= {**dict.fromkeys(documents, pa.string()), **wanted}
        self._documents = documents
        self._doubles = {name for name, kind in wanted.items() if kind == pa.float64()}
        self._empty: dict[str, pa.DataType] = {}
        self._reported, self._in_table = reported, in_table
        self._known: Mapping[str, pa.DataType] | None = None
        self.rows = 0
        """The number of rows read so far."""

    @property
    def open(self) -> bool:
        """Whether a column is open: it has no type yet."""
        return any(kind is None for kind in self._kinds.values())

    def read(self, rows: Sequence[Sequence[Any]]) -> _Chunk:
        """Convert the next rows; their values may determine types."""
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(self._kinds)
        for name, values in zip(self._kinds, columns, strict=True):
            if self._kinds[name] is None:
                found = self._type(name, values)
                if _is_open(found):
                    self._empty[name] = found if is_list(found) else self._empty.get(name, found)
                else:
                    self._kinds[name] = found
        made = [
            values if kind is None else self._array(name, values, kind, self.rows)
            for (name, kind), values in zip(self._kinds.items(), columns, strict=True)
        ]
        chunk = _Chunk(self.rows, len(rows), made)
        self.rows += len(rows)
        return chunk

    def batches(
        self, held: Sequence[_Chunk], *, otherwise: pa.DataType
    ) -> Iterator[pa.RecordBatch]:
        """Yield chunks as record batches; open columns get a type, which they keep."""
        for name, kind in self._empty.items():
            if self._kinds[name] is None:
                self._kinds[name] = _fill_open(kind, otherwise)
        schema = pa.schema(list(self._kinds.items()))
        for chunk in held:
            arrays = [
                one if isinstance(one, pa.Array) else self._array(name, one, kind, chunk.first)
                for (name, kind), one in zip(self._kinds.items(), chunk.columns, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _type(self, name: str, values: Sequence[Any]) -> pa.DataType:
        """Return the type of values, or a known one if they are null or have fewer digits."""
        try:
            found: pa.DataType = infer_type(values)
        except ValueRefused as error:
            raise SchemaMismatch(_message(name, "any type", error, self.rows)) from error
        for known in (
            self._reported.get(name),
            self._of_table(name) if _is_imprecise(found) else None,
        ):
            if known is not None and (_is_open(found) or _has_fewer_digits(found, known)):
                found = known
        return found

    def _of_table(self, name: str) -> pa.DataType | None:
        if self._known is None:
            self._known = self._in_table()
        return self._known.get(name.lower())

    def _array(
        self, name: str, values: Sequence[Any], kind: pa.DataType, first: int
    ) -> pa.Array[Any]:
        try:
            if name in self._documents:
                values = to_json_texts(values)
            elif name in self._doubles:
                values = decimals_to_doubles(values)
            made: pa.Array[Any] = array_of(values, kind)
            return made
        except ValueRefused as error:
            raise SchemaMismatch(
                _message(name, f"{kind}, which the first rows have", error, first)
            ) from error


def table_types(columns: Iterable[Column]) -> dict[str, pa.DataType]:
    """Return the types of a table's columns, for open columns of a query.

    Args:
        columns: The table's columns.

    Returns:
        The types by names in lower case; open columns, and those of kinds that databases do not
        have, are absent.

    Example:
        >>> table_types([Column("Price", "decimal(38,2)"), Column("note", "string")])
        {'price': Decimal128Type(decimal128(38, 2)), 'note': DataType(string)}
    """
    found = {}
    for column in columns:
        parts = column.kind.by_path
        with contextlib.suppress(SchemaMismatch):  # a type that frames cannot have
            kind = (
                _BEYOND_HIVE.get(parts[""])
                if parts.keys() == {""}
                else None
                if parts
                else arrow_type(column.type)
            )
            if kind is not None:
                found[column.name.lower()] = kind
    return found


def _is_open(kind: Any) -> bool:
    """Return whether a type is open: null, or a list of it."""
    return pa.types.is_null(kind) or (is_list(kind) and _is_open(kind.value_type))


def _fill_open(kind: Any, otherwise: pa.DataType) -> pa.DataType:
    """Fill the open part of a type."""
    return pa.list_(_fill_open(kind.value_type, otherwise)) if is_list(kind) else otherwise


def _has_fewer_digits(found: Any, known: Any) -> bool:
    return (
        pa.types.is_decimal(found)
        and pa.types.is_decimal(known)
        and bool(found.scale < known.scale)
    )


def _is_imprecise(kind: pa.DataType) -> bool:
    """Return whether the table's type may be more precise."""
    return _is_open(kind) or pa.types.is_decimal(kind)


def _message(name: str, kind: str, error: ValueRefused, seen: int) -> str:
    return (
        f"a value of the column {name!r} does not fit {kind}: row {seen + error.position + 1} has"
        f" {error.value!r:.120}, which "
        f'{error.why}; cast it in SQL, or pass types={{"{name}": …}}'
    )

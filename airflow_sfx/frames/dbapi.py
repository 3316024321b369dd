"""Rows of a database cursor as Arrow record batches, a chunk at a time, in constant memory.

The first rows decide the types: a column's Python values, and where it has none, what the database
says of it, or what the table has; else the first value that comes. A number with a scale keeps 38
digits, so that later rows fit.
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

# PostgreSQL's own numbers of its types:
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
"""How much is held back until each column has a value to tell its type."""
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
    """What PostgreSQL says of a column.

    Args:
        number: The type's own number.
        scale: How many digits a ``numeric`` has after the point; None where it is not told.

    Returns:
        The Arrow type; None for a type that is told by its values only.

    Example:
        >>> postgres_type(1700, 2), postgres_type(23, None)
        (Decimal128Type(decimal128(38, 2)), DataType(int64))
    """
    if number in _POSTGRES_LISTS:
        item = postgres_type(_POSTGRES_LISTS[number], scale)
        return None if item is None else pa.list_(item)
    return _decimal(scale) if number == _NUMERIC else _POSTGRES_TYPES.get(number)


def mysql_type(number: int, scale: int | None) -> pa.DataType | None:
    """What MySQL says of a column; the arguments and the result are those of `postgres_type`.

    Example:
        >>> mysql_type(246, 2), mysql_type(252, None)
        (Decimal128Type(decimal128(38, 2)), None)
    """
    return _decimal(scale) if number in _MYSQL_DECIMALS else _MYSQL_TYPES.get(number)


def is_json(number: int) -> bool:
    """Whether a column of PostgreSQL has documents, which its drivers give as what they hold."""
    return number in _JSON


def _decimal(scale: int | None) -> pa.DataType | None:
    fits = scale is not None and 0 <= scale <= MAX_DECIMAL_DIGITS
    return pa.decimal128(MAX_DECIMAL_DIGITS, scale) if fits else None


def record_batches(
    names: Sequence[str],
    chunks: Iterator[Sequence[Sequence[Any]]],
    *,
    types: Mapping[str, pa.DataType | str],
    told: Mapping[str, pa.DataType],
    documents: Collection[str] = (),
    in_table: Callable[[], Mapping[str, pa.DataType]] = dict,
) -> Iterator[pa.RecordBatch]:
    """Turn chunks of rows into record batches of one schema.

    Args:
        names: The columns' names.
        chunks: Lists of rows.
        types: Types that the caller wants, by column: Arrow's, or names of Hive's.
        told: Types that the database tells, by column; used where the first chunk has no value.
        documents: The columns of JSON, which is kept as text whatever it holds.
        in_table: Gives the types of the table's columns, by their names in lower case; asked where
            nothing else tells one.

    Yields:
        A record batch for each chunk; one without rows where there are none.

    Raises:
        SchemaMismatch: A name comes twice, a wanted column is not there, or a value does not fit
            its column's type.

    Example:
        >>> rows = iter([[(1, None), (2, None)], [(3, "x")]])
        >>> [one.num_rows for one in record_batches(["n", "t"], rows, types={}, told={"t": pa.string()})]
        [2, 1]
    """
    _check_names(names, types)
    columns = _Columns(names, types, told, documents, in_table)
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
            f"the query gives the column {twice[0]!r} twice: give one of them another name with AS"
        )
    unknown = sorted(set(types) - set(names))
    if unknown:
        raise SchemaMismatch(
            f"types= names the column {unknown[0]!r}, and the query gives {', '.join(names)}"
        )


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Rows that have been read.

    Args:
        first: How many rows came before.
        rows: How many they are.
        columns: Arrays, or of columns that have no type yet the values, all of them null or empty.
    """

    first: int
    rows: int
    columns: Sequence[pa.Array[Any] | Sequence[Any]]

    @property
    def nbytes(self) -> int:
        """About how much memory they take."""
        return sum(
            one.nbytes if isinstance(one, pa.Array) else 8 * len(one) for one in self.columns
        )


class _Columns:
    """The columns of a query, as far as their types are known."""

    def __init__(
        self,
        names: Sequence[str],
        types: Mapping[str, pa.DataType | str],
        told: Mapping[str, pa.DataType],
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
        self._told, self._in_table = told, in_table
        self._known: Mapping[str, pa.DataType] | None = None
        self.rows = 0
        """How many rows have been read."""

    @property
    def open(self) -> bool:
        """Whether a column has no type yet."""
        return any(kind is None for kind in self._kinds.values())

    def read(self, rows: Sequence[Sequence[Any]]) -> _Chunk:
        """Take the next rows; they may tell types."""
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
        """Chunks as record batches; columns of which nothing is known have a type from now on."""
        for name, kind in self._empty.items():
            if self._kinds[name] is None:
                self._kinds[name] = _closed(kind, otherwise)
        schema = pa.schema(list(self._kinds.items()))
        for chunk in held:
            arrays = [
                one if isinstance(one, pa.Array) else self._array(name, one, kind, chunk.first)
                for (name, kind), one in zip(self._kinds.items(), chunk.columns, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _type(self, name: str, values: Sequence[Any]) -> pa.DataType:
        """The type of values, or the one that is told where they have none, or fewer digits."""
        try:
            found: pa.DataType = infer_type(values)
        except ValueRefused as error:
            raise SchemaMismatch(_message(name, "any type", error, self.rows)) from error
        for known in (self._told.get(name), self._of_table(name) if _is_vague(found) else None):
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
    """The types of a table's columns that tell what a query's column without values is.

    Args:
        columns: The columns.

    Returns:
        By the names in lower case; a column is left out that never held anything, or what no
        database gives.

    Example:
        >>> table_types([Column("Price", "decimal(38,2)"), Column("note", "string")])
        {'price': Decimal128Type(decimal128(38, 2)), 'note': DataType(string)}
    """
    found = {}
    for column in columns:
        parts = column.kind.by_path
        with contextlib.suppress(SchemaMismatch):  # of a type that only engines know
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
    """Whether values have still to tell a type."""
    return pa.types.is_null(kind) or (is_list(kind) and _is_open(kind.value_type))


def _closed(kind: Any, otherwise: pa.DataType) -> pa.DataType:
    """A type that is open, with another one in the place that is."""
    return pa.list_(_closed(kind.value_type, otherwise)) if is_list(kind) else otherwise


def _has_fewer_digits(found: Any, known: Any) -> bool:
    return (
        pa.types.is_decimal(found)
        and pa.types.is_decimal(known)
        and bool(found.scale < known.scale)
    )


def _is_vague(kind: pa.DataType) -> bool:
    """Whether the table may know better."""
    return _is_open(kind) or pa.types.is_decimal(kind)


def _message(name: str, kind: str, error: ValueRefused, seen: int) -> str:
    return (
        f"a value of the column {name!r} does not fit {kind}: row {seen + error.place + 1} has"
        f" {error.value!r:.120}, which "
        f'{error.why}; cast it in SQL, or pass types={{"{name}": …}}'
    )

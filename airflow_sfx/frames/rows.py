"""Rows of a database cursor as Arrow record batches, a chunk at a time, in constant memory.

The first chunk decides the types: a column's Python values, and where it has none, what the database says of it. A
number with a scale keeps 38 digits, so that later rows fit.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames.hive import arrow_type

_DIGITS = 38

# PostgreSQL's own numbers of its types: https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat
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
    if number == _NUMERIC and scale is not None and 0 <= scale <= _DIGITS:
        return pa.decimal128(_DIGITS, scale)
    return _POSTGRES_TYPES.get(number)


def record_batches(
    names: Sequence[str],
    chunks: Iterator[Sequence[Sequence[Any]]],
    *,
    types: Mapping[str, pa.DataType | str],
    told: Mapping[str, pa.DataType],
) -> Iterator[pa.RecordBatch]:
    """Turn chunks of rows into record batches of one schema.

    Args:
        names: The columns' names.
        chunks: Lists of rows.
        types: Types that the caller wants, by column: Arrow's, or names of Hive's.
        told: Types that the database tells, by column; used where the first chunk has no value.

    Yields:
        A record batch for each chunk; one without rows where there are none.

    Raises:
        SchemaMismatch: A name comes twice, a wanted column is not there, or a value does not fit its column's type.

    Example:
        >>> rows = iter([[(1, None), (2, None)], [(3, "x")]])
        >>> [one.num_rows for one in record_batches(["n", "t"], rows, types={}, told={"t": pa.string()})]
        [2, 1]
    """
    _check_names(names, types)
    wanted = {name: arrow_type(kind) if isinstance(kind, str) else kind for name, kind in types.items()}
    schema: pa.Schema | None = None
    for rows in chunks:
        columns = [[_plain(value) for value in column] for column in zip(*rows, strict=True)]
        if schema is None:
            schema = _schema(names, columns, wanted, told)
        yield pa.RecordBatch.from_arrays(
            [_array(values, field) for values, field in zip(columns, schema, strict=True)], schema=schema
        )
    if schema is None:
        empty = _schema(names, [[] for _ in names], wanted, told)
        yield pa.RecordBatch.from_pylist([], schema=empty)


def _check_names(names: Sequence[str], types: Collection[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SchemaMismatch(f"the query gives the column {twice[0]!r} twice: give one of them another name with AS")
    unknown = sorted(set(types) - set(names))
    if unknown:
        raise SchemaMismatch(f"types= names the column {unknown[0]!r}, and the query gives {', '.join(names)}")


def _schema(
    names: Sequence[str],
    columns: Sequence[Sequence[Any]],
    types: Mapping[str, pa.DataType],
    told: Mapping[str, pa.DataType],
) -> pa.Schema:
    def kind(name: str, values: Sequence[Any]) -> pa.DataType:
        if name in types:
            return types[name]
        found = _inferred(name, values)
        if not pa.types.is_null(found):
            return found
        return told.get(name, pa.string() if values else pa.null())  # without rows, the table's own type will do

    return pa.schema([(name, kind(name, values)) for name, values in zip(names, columns, strict=True)])


def _inferred(name: str, values: Sequence[Any]) -> pa.DataType:
    try:
        found = pa.infer_type(values)  # type: ignore[call-arg]
    except pa.ArrowException as error:
        raise SchemaMismatch(
            f"the values of the column {name!r} are of several types ({error}): cast it in SQL"
        ) from error
    if pa.types.is_decimal(found):
        scale = max(0, *(-int(value.as_tuple().exponent) for value in values if isinstance(value, Decimal)))
        return pa.decimal128(_DIGITS, scale)
    if pa.types.is_timestamp(found) and found.tz is not None:
        return pa.timestamp("us", tz="UTC")
    return found


def _array(values: Sequence[Any], field: pa.Field[Any]) -> pa.Array[Any]:
    try:
        made: pa.Array[Any] = pa.array(values, field.type)
        return made
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise SchemaMismatch(
            f"a value of the column {field.name!r} does not fit {field.type}, which the first rows have ({error}): "
            f'cast it in SQL, or pass types={{"{field.name}": …}}'
        ) from error


def _plain(value: Any) -> Any:
    """A database's value as one that Arrow knows."""
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, memoryview):
        return bytes(value)
    return value

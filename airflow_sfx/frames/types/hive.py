"""Arrow types to Hive types of columns and partition keys, and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.schema import Column
from airflow_sfx.frames._typing import AnyType
from airflow_sfx.frames.types.families import is_list
from airflow_sfx.frames.types.limits import check_nesting, check_type_text

MAX_DECIMAL_DIGITS = 38
"""The precision limit of decimals in Hive, Spark and Trino."""

_STRUCT_FIELD = re.compile(r"[\w$]+")  # a name that Hive's type parser reads unquoted
_SIMPLE: dict[pa.DataType, str] = {
    pa.null(): "string",  # an open column: Hive 2 cannot store its own "void"
    pa.bool_(): "boolean",
    pa.int8(): "tinyint",
    pa.int16(): "smallint",
    pa.int32(): "int",
    pa.int64(): "bigint",
    pa.uint8(): "smallint",
    pa.uint16(): "int",
    pa.uint32(): "bigint",
    pa.uint64(): "decimal(20,0)",
    pa.float16(): "float",
    pa.float32(): "float",
    pa.float64(): "double",
    pa.string(): "string",
    pa.large_string(): "string",
    pa.string_view(): "string",
    pa.binary(): "binary",
    pa.large_binary(): "binary",
    pa.binary_view(): "binary",
    pa.date32(): "date",
    pa.date64(): "date",
}
_ARROW: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}
_KEYS = ("string", "tinyint", "smallint", "int", "bigint", "date", "boolean", "timestamp")


def hive_type(arrow: AnyType) -> str:  # noqa: PLR0911  a table of types, in order
    """Return the Hive type of a column.

    Args:
        arrow: The column's Arrow type.

    Returns:
        The Hive type, which the column also has in Parquet files.

    Raises:
        SchemaMismatch: Hive has no type for it.

    Example:
        >>> hive_type(pa.struct([("when", pa.timestamp("ns")), ("tags", pa.list_(pa.string()))]))
        'struct<when:timestamp,tags:array<string>>'
    """
    simple = _SIMPLE.get(arrow)
    if simple is not None:
        return simple
    if isinstance(arrow, pa.DictionaryType | pa.RunEndEncodedType):
        return hive_type(arrow.value_type)
    if isinstance(arrow, pa.BaseExtensionType):
        return hive_type(arrow.storage_type)
    if types.is_timestamp(arrow):
        return "timestamp"
    if types.is_time(arrow) or types.is_duration(arrow):
        return "bigint"
    if types.is_fixed_size_binary(arrow):
        return "binary"
    if types.is_decimal(arrow):
        return _hive_decimal(arrow)
    if is_list(arrow):
        return f"array<{hive_type(arrow.value_type)}>"
    if isinstance(arrow, pa.MapType):
        return f"map<{hive_type(arrow.key_type)},{hive_type(arrow.item_type)}>"
    if isinstance(arrow, pa.StructType):
        return f"struct<{','.join(_hive_fields(arrow))}>"
    raise SchemaMismatch(
        f"the Arrow type {arrow} has no equivalent in Hive and Parquet: convert it to a plain type"
        " first"
    )


def columns_of(schema: pa.Schema) -> tuple[Column, ...]:
    """Return the Hive columns of a frame.

    Args:
        schema: The frame's Arrow schema.

    Returns:
        One column per field, in order.

    Raises:
        SchemaMismatch: Hive has no type for a column, or the type is too long; the message names
            the column.

    Example:
        >>> columns_of(pa.schema([("price", pa.float64())]))
        (Column(name='price', type='double'),)
    """
    columns = []
    for field in schema:
        check_nesting(field)
        try:
            columns.append(Column(field.name, check_type_text(field.name, hive_type(field.type))))
        except SchemaMismatch as error:
            raise SchemaMismatch(
                f"column {field.name!r} ({field.type}) cannot be stored: {error}"
            ) from error
    return tuple(columns)


def arrow_type(hive: str) -> pa.DataType:
    """Parse a Hive type to the Arrow type that it has in Parquet files.

    Args:
        hive: The Hive type.

    Returns:
        The Arrow type.

    Raises:
        SchemaMismatch: The text is not a supported Hive type.

    Example:
        >>> arrow_type("array<struct<a:int,b:decimal(5,2)>>")
        ListType(list<item: struct<a: int32, b: decimal128(5, 2)>>)
    """
    found, rest = _parse(hive.strip(), hive)
    if rest:
        raise _unreadable(hive)
    return found


def key_type_of(arrow: AnyType) -> str:
    """Return the Hive type of a partition key that is made from a column.

    Args:
        arrow: The column's Arrow type.

    Returns:
        string, tinyint, smallint, int, bigint, date, boolean or timestamp.

    Raises:
        SchemaMismatch: The type cannot be a partition key's.

    Example:
        >>> key_type_of(pa.dictionary(pa.int8(), pa.string())), key_type_of(pa.date32())
        ('string', 'date')
    """
    if isinstance(arrow, pa.DictionaryType | pa.RunEndEncodedType):
        return key_type_of(arrow.value_type)
    if isinstance(arrow, pa.BaseExtensionType):
        raise SchemaMismatch(
            f"a column of type {arrow} cannot be a partition key: convert it to text"
        )
    if types.is_timestamp(arrow) and arrow.tz is not None:
        raise SchemaMismatch(
            f"a column of type {arrow} cannot be a partition key, since Hive's partition keys have"
            " no time zone: use a date or text"
        )
    if not (types.is_null(arrow) or types.is_time(arrow) or types.is_duration(arrow)):
        try:
            found = hive_type(arrow)
        except SchemaMismatch:
            found = ""
        if found in _KEYS:
            return found
    raise SchemaMismatch(
        f"a column of type {arrow} cannot be a partition key: use text, an integer, a date, a"
        " boolean or a timestamp without a zone, for example by converting the column to text"
    )


def arrow_type_of_key(hive: str) -> pa.DataType:
    """Return the Arrow type of a partition key's values when they are loaded.

    Args:
        hive: The key's Hive type.

    Returns:
        The Arrow type.

    Raises:
        SchemaMismatch: The type cannot be a partition key's.

    Example:
        >>> arrow_type_of_key("date")
        DataType(date32[day])
    """
    if hive not in _KEYS:
        raise SchemaMismatch(
            f"{hive!r} cannot be the type of a partition key: use one of {', '.join(_KEYS)}"
        )
    return _ARROW[hive]


def _hive_decimal(arrow: Any) -> str:
    if arrow.precision > MAX_DECIMAL_DIGITS or not 0 <= arrow.scale <= arrow.precision:
        raise SchemaMismatch(
            f"{arrow} exceeds Hive's decimals, which have up to {MAX_DECIMAL_DIGITS} digits and a"
            " scale from 0 to their precision: round the values, or store them as text"
        )
    return f"decimal({arrow.precision},{arrow.scale})"


def _hive_fields(arrow: pa.StructType) -> list[str]:
    fields = [arrow.field(i) for i in range(arrow.num_fields)]
    if not fields:
        raise SchemaMismatch(
            "a struct without fields (an empty dictionary) cannot be written to Parquet: store it"
            " as text"
        )
    if len({field.name.lower() for field in fields}) != len(fields):
        raise SchemaMismatch(
            f"two fields of {arrow} have the same name in Hive, which ignores case: rename one"
        )
    for field in fields:
        if not _STRUCT_FIELD.fullmatch(field.name):
            raise SchemaMismatch(
                f"Hive cannot read the name of the struct field {field.name!r}: use letters, digits"
                " and underscores only"
            )
    return [f"{field.name}:{hive_type(field.type)}" for field in fields]


def _parse(text: str, whole: str) -> tuple[pa.DataType, str]:
    """Parse one type at the start of a text, and return the rest of the text."""
    word = re.match(r"[a-z_]+", text, re.IGNORECASE)
    if word is None:
        raise _unreadable(whole)
    name, rest = word.group().lower(), text[word.end() :]
    if name in _NESTED and rest.startswith("<"):
        return _NESTED[name](rest[1:], whole)
    if name == "decimal":
        digits = re.match(r"\((\d+)(?:,(\d+))?\)", rest.replace(" ", ""))
        rest = rest.partition(")")[2] if digits else rest
        precision, scale = (int(digits[1]), int(digits[2] or 0)) if digits else (10, 0)
        return pa.decimal128(precision, scale), rest
    if name in ("varchar", "char") and rest.startswith("("):
        return pa.string(), rest.partition(")")[2]
    if name not in _ARROW:
        raise _unreadable(whole)
    return _ARROW[name], rest


def _parse_array(text: str, whole: str) -> tuple[pa.DataType, str]:
    item, rest = _parse(text, whole)
    return pa.list_(item), _expect(">", rest, whole)


def _parse_map(text: str, whole: str) -> tuple[pa.DataType, str]:
    key, rest = _parse(text, whole)
    item, rest = _parse(_expect(",", rest, whole), whole)
    return pa.map_(key, item), _expect(">", rest, whole)


def _parse_struct(text: str, whole: str) -> tuple[pa.DataType, str]:
    fields: list[tuple[str, pa.DataType]] = []
    rest = text
    while True:
        name, colon, rest = rest.partition(":")
        if not colon:
            raise _unreadable(whole)
        item, rest = _parse(rest.lstrip(), whole)
        fields.append((name.strip(), item))
        if not rest.startswith(","):
            return pa.struct(fields), _expect(">", rest, whole)
        rest = rest[1:]


_NESTED: dict[str, Callable[[str, str], tuple[pa.DataType, str]]] = {
    "array": _parse_array,
    "map": _parse_map,
    "struct": _parse_struct,
}


def _expect(char: str, rest: str, whole: str) -> str:
    if not rest.startswith(char):
        raise _unreadable(whole)
    return rest[1:].lstrip()


def _unreadable(hive: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"{hive!r} is not a Hive type that frames can have: the column was declared by another"
        " engine"
    )

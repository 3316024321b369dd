"""The columns that a portable function takes and gives, as it declares them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
from pyarrow import types

from airflow_sfx.core.errors import InvalidName, SchemaMismatch
from airflow_sfx.frames._typing import AnyType
from airflow_sfx.frames.column_names import check_names
from airflow_sfx.frames.types.hive import MAX_DECIMAL_DIGITS, arrow_type
from airflow_sfx.models.schema.signature import Feature, Kind, Value

Declared = str | Sequence[Value] | Feature
"""A type: Hive's, a time with a zone, the values of a category, or a column of a signature."""

ACCEPTED = (
    "a Hive type such as bigint, double, string, date, timestamp or decimal(10,2), a time with its"
    " zone as timestamp[us, tz=UTC], or a list of the values of a category"
)
_NOT_NULL = re.compile(r"\s+not\s+null\s*$", re.IGNORECASE)
_ZONED = re.compile(r"timestamp\[us, ?tz=([^\]]+)\]")
_ARROW_DECIMAL = re.compile(r"decimal128(?=\()")
"""How Arrow, and so a signature, names what Hive calls decimal."""


@dataclass(frozen=True, slots=True)
class Column:
    """A declared column.

    Args:
        feature: Its name, kind, type, dtype, whether it may be missing, and its categories.
        arrow: Its Arrow type; of a category, that of its values.
    """

    feature: Feature
    arrow: AnyType

    @property
    def name(self) -> str:
        """Its name."""
        return self.feature.name

    @property
    def zone(self) -> str | None:
        """The time zone of its times, or None."""
        return getattr(self.arrow, "tz", None)


def columns_of(declared: Mapping[str, Declared], what: str) -> tuple[Column, ...]:
    """Read the ``inputs=`` or ``outputs=`` of a portable function.

    Args:
        declared: Types by column: a Hive type, with ``not null`` behind it if no value may be
            missing; ``timestamp[us, tz=UTC]``; the values of a category; or a column of a model's
            signature.
        what: The name of the argument, for errors.

    Returns:
        The columns, in order.

    Raises:
        InvalidName: The argument is not a mapping of valid names, or is empty.
        SchemaMismatch: A type is not one that a portable function can have.

    Example:
        >>> [one.feature.dtype for one in columns_of({"n": "int", "ua": ["UA", "AA"]}, "inputs")]
        ['Int32', 'category']
    """
    if not isinstance(declared, Mapping) or not declared:
        raise InvalidName(
            f"{what}={declared!r:.80} names no columns: pass their names with types, as in"
            " {'distance': 'double'}"
        )
    check_names(list(declared))
    return tuple(_column(name, given, what) for name, given in declared.items())


def _column(name: str, given: Declared, what: str) -> Column:
    if isinstance(given, Feature):
        column = _of_type(name, _parsed(name, given.type, what), nullable=given.nullable)
        if given.categories is None:
            return column
        return _of_categories(column, given.categories, ordered=given.ordered)
    if isinstance(given, str):
        text = _NOT_NULL.sub("", given)
        return _of_type(name, _parsed(name, text, what), nullable=text == given)
    if isinstance(given, Sequence) and not isinstance(given, bytes) and given:
        return _of_category_values(name, given, what)
    raise _unknown(name, given, what)


def _of_category_values(name: str, given: Sequence[Any], what: str) -> Column:
    kinds = {type(one) for one in given}
    values: dict[type, AnyType] = {str: pa.string(), int: pa.int64(), bool: pa.bool_()}
    if len(kinds) != 1 or kinds.isdisjoint(values) or len(set(given)) != len(given):
        raise SchemaMismatch(
            f"{what}= has the categories {list(given)!r:.80} for the column {name!r}: pass"
            " different values, all text, integers or booleans"
        )
    return _of_categories(_of_type(name, values[kinds.pop()], nullable=True), given, ordered=False)


def _of_categories(column: Column, values: Sequence[Any], *, ordered: bool) -> Column:
    feature = replace(column.feature, dtype="category", categories=tuple(values), ordered=ordered)
    return Column(feature, column.arrow)


def _parsed(name: str, text: str, what: str) -> AnyType:
    zoned = _ZONED.fullmatch(text.strip())
    try:
        if zoned:
            ZoneInfo(zoned[1])
            return pa.timestamp("us", zoned[1])
        found = arrow_type(_ARROW_DECIMAL.sub("decimal", text))
    except (SchemaMismatch, ValueError, LookupError, OSError) as error:
        try:
            alias: Any = text  # as signatures of models name them
            return pa.type_for_alias(alias)
        except ValueError:
            raise _unknown(name, text, what) from error
    if re.search(r"\b(var)?char\b", text, re.IGNORECASE):
        raise _unknown(name, text, what)
    return found


def _of_type(name: str, arrow: AnyType, *, nullable: bool) -> Column:
    kind = _kind(arrow)
    if kind is None:
        raise SchemaMismatch(
            f"the column {name!r} is declared as {arrow}, which has no portable values: declare"
            f" {ACCEPTED}"
        )
    if kind == "time":
        arrow = pa.timestamp("us", getattr(arrow, "tz", None))
    dtype = _dtype(kind, arrow, nullable=nullable)
    return Column(Feature(name, kind, str(arrow), dtype, nullable), arrow)


def _kind(arrow: Any) -> Kind | None:  # noqa: PLR0911  a table of types
    if types.is_signed_integer(arrow):
        return "integer"
    if arrow in (pa.float32(), pa.float64()):
        return "number"
    if types.is_boolean(arrow):
        return "boolean"
    if types.is_string(arrow):
        return "text"
    if types.is_timestamp(arrow):
        return "time"
    if types.is_date32(arrow):
        return "date"
    if types.is_binary(arrow):
        return "binary"
    if types.is_decimal(arrow) and 0 <= arrow.scale <= arrow.precision <= MAX_DECIMAL_DIGITS:
        return "decimal"
    return None


def _dtype(kind: Kind, arrow: Any, *, nullable: bool) -> str:
    if kind == "integer":
        name = str(arrow)
        return name.capitalize() if nullable else name
    if kind == "number":
        return "float32" if arrow == pa.float32() else "float64"
    if kind == "boolean":
        return "boolean" if nullable else "bool"
    if kind == "time":
        return f"datetime64[us, {arrow.tz}]" if arrow.tz else "datetime64[us]"
    return "str" if kind == "text" else "object"


def _unknown(name: str, given: object, what: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"{what}= has {given!r:.80} for the column {name!r}, which is not a type: pass {ACCEPTED}"
    )

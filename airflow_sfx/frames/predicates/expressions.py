"""Which rows to load: pyarrow expressions, or lists of ``(column, operator, value)`` as pyarrow takes them."""

from __future__ import annotations

import functools
import io
import operator
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs, types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames._typing import AnyField, AnyType
from airflow_sfx.frames.column_names import unknown_column
from airflow_sfx.frames.pandas.metadata import column_specs
from airflow_sfx.frames.predicates.comparison import (
    COMPARE,
    comparison,
    membership,
    not_comparable_error,
)
from airflow_sfx.frames.schema.physical import physical_type
from airflow_sfx.frames.types.casts import convert_chunks, from_physical_array, to_physical_array
from airflow_sfx.frames.types.logical import LogicalSchema, schema_of

Condition: TypeAlias = tuple[str, str, Any]
Conditions: TypeAlias = tuple[tuple[Condition, ...], ...]
"""Lists of conditions: one list must hold, and holds if all of it do."""
Filters: TypeAlias = pc.Expression | Sequence[Condition] | Sequence[Sequence[Condition]]
"""One expression; or conditions that must all hold; or lists of such, of which one must hold."""

_OPERATORS = {**{name: name for name in COMPARE}, "=": "==", "in": "in", "not in": "not in"}
_NO_LIST = "it is no list of conditions"
_PARTS = 3  # of a condition


def read_filters(filters: object) -> pc.Expression | Conditions | None:
    """Read what a caller passed as filters, once: it may be an iterator.

    Args:
        filters: The argument.

    Returns:
        An expression, or lists of conditions; None where all rows are wanted, as of an empty list.

    Raises:
        SchemaMismatch: It is no filter.

    Example:
        >>> read_filters([("price", ">", 3), ("Day", "=", "2016-10-31")])
        ((('price', '>', 3), ('Day', '==', '2016-10-31')),)
        >>> read_filters([]) is None
        True
    """
    if filters is None or isinstance(filters, pc.Expression):
        return filters
    given = _items(filters, filters, f"it is a {type(filters).__name__}")
    plain = [_is_condition(item) for item in given]
    if any(plain) and not all(plain):
        raise _not_understood(filters, "it mixes conditions and lists of conditions")
    lists = [given] if all(plain) else [_items(item, filters, _NO_LIST) for item in given]
    read = tuple(tuple(_condition(one, filters) for one in some) for some in lists)
    return read if all(read) else None  # a list without conditions holds for all rows


def expression_of(filters: Filters, logical: LogicalSchema) -> pc.Expression | None:
    """Read and check a filter.

    A condition compares exactly, as Python compares its values: a null is in no comparison, and in
    a list only if None is. Text is compared letter by letter, ordered categories by their order.

    Args:
        filters: The filter.
        logical: The columns that there are.

    Returns:
        The filter as an expression on columns of the types that `comparable` gives; None where it
        keeps all rows.

    Raises:
        SchemaMismatch: A column is unknown, or a comparison does not fit its type.

    Example:
        >>> expression_of([("n", ">", 3.5)], LogicalSchema(pa.schema([("n", pa.int64())])))
        <pyarrow.compute.Expression (n >= 4)>
    """
    read = read_filters(filters)
    if read is None:
        return None
    if isinstance(read, pc.Expression):
        unfitting = evaluation_error(read, comparable_schema(logical.schema))
        if unfitting is not None:
            raise filter_mismatch(read, logical.schema, unfitting)
        return read
    return _joined(
        operator.or_, [_joined(operator.and_, [_one(c, logical) for c in some]) for some in read]
    )


def filter_mismatch(expression: pc.Expression, schema: pa.Schema, why: Exception) -> SchemaMismatch:
    """The error for an expression that fails on the columns' types, or on a value of theirs.

    Args:
        expression: The expression.
        schema: The columns that there are.
        why: How it failed.

    Returns:
        The error, to be raised.
    """
    text = str(expression)
    named = [
        f"{column.name}: {column.type}" for column in schema if column.name in text
    ] or schema.names
    return SchemaMismatch(
        f"the filter {text[:300]} does not fit the columns ({why}); they are"
        f" {', '.join(named)[:500]}: cast or compare them in the expression as their types need it"
    )


def names_in(filters: pc.Expression | Conditions | None) -> list[str]:
    """The columns that the conditions of a filter name, as they are spelt there.

    Args:
        filters: What `read_filters` gave.

    Returns:
        The names; none of an expression, which does not tell them.

    Example:
        >>> names_in(read_filters([("price", ">", 3), ("Day", "=", "2016-10-31")]))
        ['price', 'Day']
    """
    if filters is None or isinstance(filters, pc.Expression):
        return []
    return [name for conditions in filters for name, _, _ in conditions]


def filter_rows(table: pa.Table, expression: pc.Expression) -> pa.Table:
    """The rows of a table for which an expression holds, whatever types its columns have.

    Args:
        table: The table.
        expression: The expression, on columns as `comparable_schema` has them.

    Returns:
        The rows.

    Raises:
        SchemaMismatch: It cannot be applied to a value.

    Example:
        >>> filter_rows(pa.table({"s": pa.array(["a", "b"], pa.string_view())}), pc.field("s") == "b").to_pylist()
        [{'s': 'b'}]
    """
    schema = comparable_schema(table.schema)
    odd = [
        place for place, field in enumerate(schema) if field.type != table.schema.field(place).type
    ]
    plain = table
    for place in odd:
        plain = plain.set_column(
            place,
            schema.field(place),
            convert_chunks(
                plain.column(place),
                schema.field(place).type,
                functools.partial(to_physical_array, unit=""),
            ),
        )
    try:
        found = plain.filter(expression)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise filter_mismatch(expression, table.schema, error) from error
    for place in odd:
        field = table.schema.field(place)
        found = found.set_column(
            place,
            field,
            convert_chunks(
                found.column(place), field.type, functools.partial(from_physical_array, unit="")
            ),
        )
    return found


def comparable_schema(schema: pa.Schema) -> pa.Schema:
    """Columns in types that Arrow compares: it lacks that for some that hold the same values."""
    return schema_of(
        [field.with_type(_comparable(field.type)) for field in schema], schema.metadata
    )


def evaluation_error(expression: pc.Expression, schema: pa.Schema) -> Exception | None:
    """Why an expression cannot be applied to columns, if so.

    Args:
        expression: The expression.
        schema: The columns.

    Returns:
        The error, or None.
    """
    nulls: list[Any] = [pa.nulls(1, field.type) for field in schema]
    try:  # on a row without values, as some functions find out only from rows that they do not fit
        pa.Table.from_arrays(nulls, schema=schema).filter(expression)
    except (pa.ArrowException, TypeError, KeyError) as error:
        return error
    return None


def can_skip(expression: pc.Expression, schema: pa.Schema) -> bool:
    """Whether a scan that applies an expression may leave out rows by the least and greatest values in files' footers.

    Those leave NaN out, so a floating column may only be asked for what no NaN is, as ``price >
    3``: ``~(price > 3)`` holds for a NaN in rows of which the footer says that all are greater.

    Args:
        expression: The expression.
        schema: The columns that the scan can compare.

    Returns:
        Whether the scan gives every row for which the expression holds.

    Example:
        >>> prices = pa.schema([("price", pa.float64())])
        >>> can_skip(pc.field("price") > 3, prices), can_skip(~(pc.field("price") > 3), prices)
        (True, False)
    """
    if _by_position(expression) or evaluation_error(expression, schema) is not None:
        return False
    used = pa.schema([schema.field(name) for name in columns_used(expression, schema)])
    return all(
        _fails_for_nan(expression, column, used) for column in used if _has_floats(column.type)
    )


def columns_used(expression: pc.Expression, schema: pa.Schema) -> list[str]:
    """The columns that an expression cannot be applied without.

    Args:
        expression: The expression, which can be applied to the schema.
        schema: The columns that there are.

    Returns:
        Their names.

    Example:
        >>> columns_used(pc.field("b") > 3, pa.schema([("a", pa.int64()), ("b", pa.int64())]))
        ['b']
    """
    if _by_position(expression):
        return schema.names  # a position means nothing if one of them is missing
    text = str(expression)
    named = [
        column for column in schema if column.name in text
    ]  # and a few others whose names are short

    def works_without(gone: AnyField) -> bool:
        return (
            evaluation_error(
                expression, pa.schema([column for column in named if column is not gone])
            )
            is None
        )

    return [column.name for column in named if not works_without(column)]


def _by_position(expression: pc.Expression) -> bool:
    """Whether an expression may name a column by its number."""
    return "FieldPath(" in str(expression)


def _has_floats(kind: Any) -> bool:
    if types.is_nested(kind):
        return any(_has_floats(kind.field(position).type) for position in range(kind.num_fields))
    return types.is_floating(kind)


def _fails_for_nan(expression: pc.Expression, column: AnyField, schema: pa.Schema) -> bool:
    """Whether an expression cannot hold where a column is NaN, whatever the others are: Arrow skips a file that is known so."""
    import pyarrow.dataset as ds  # which imports pandas

    if types.is_nested(column.type):
        return False
    layout = ds.ParquetFileFormat()
    nan = pc.field(column.name) == pa.scalar(float("nan"), column.type)
    fragment = layout.make_fragment(io.BytesIO(), partition_expression=nan)
    dataset = ds.FileSystemDataset([fragment], schema, layout, fs.LocalFileSystem())
    try:
        return not list(dataset.get_fragments(filter=expression))
    except pa.ArrowException:
        return False  # it cannot be applied to NaN at all, as a cast to a whole number


def _comparable(kind: AnyType) -> AnyType:
    if types.is_run_end_encoded(kind):
        return _comparable(kind.value_type)
    if types.is_decimal(kind):
        return pa.decimal128(kind.precision, kind.scale)
    if kind in (pa.string_view(), pa.binary_view(), pa.float16()):
        return physical_type(kind)
    return physical_type(kind, finest="ns") if types.is_nested(kind) and _has_odd(kind) else kind


def _has_odd(kind: Any) -> bool:
    inner = [kind.field(position).type for position in range(kind.num_fields)]
    return any(_has_odd(one) if types.is_nested(one) else _comparable(one) != one for one in inner)


def _one(condition: Condition, logical: LogicalSchema) -> pc.Expression:
    name, sign, value = condition
    if name not in logical.schema.names:
        raise unknown_column(name, logical.schema.names)
    column = logical.schema.field(name)
    spec = column_specs(logical.schema).get(name) or {}
    plain = column.with_type(_comparable(column.type))
    if sign in COMPARE:
        return comparison(
            plain, sign, _ordinal(column, spec, value), logical.dictionaries.get(name)
        )
    values = [_ordinal(column, spec, one) for one in value]
    return membership(plain, values) if sign == "in" else ~membership(plain, values)


def _ordinal(column: AnyField, spec: Mapping[str, Any], value: Any) -> Any:
    """A period as its number, as which pandas and files have it, if the column's periods are as long."""
    if type(value).__name__ != "Period" or spec.get("kind") != "period":
        return value
    if f"period[{value.freqstr}]" != spec["freq"]:
        raise not_comparable_error(
            column, value, f"its values are {spec['freq']}. Use a period of that frequency"
        )
    return value.ordinal


def _joined(how: Any, conditions: Collection[pc.Expression]) -> pc.Expression:
    found: pc.Expression = functools.reduce(how, conditions)
    return found


def _items(given: Any, filters: object, why: str) -> list[Any]:
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise _not_understood(filters, why)
    try:
        return list(given)
    except TypeError as error:  # of an array without dimensions, which passes for an iterable
        raise _not_understood(filters, why) from error


def _is_condition(item: object) -> bool:
    return (
        isinstance(item, Sequence)
        and len(item) > 0
        and not isinstance(item, str)
        and isinstance(item[0], str)
    )


def _condition(given: Any, filters: object) -> Condition:
    if not _is_condition(given) or len(given) != _PARTS:
        raise _not_understood(
            filters, f"{given!r:.80} is no condition of a column, an operator and a value"
        )
    name, sign, value = given
    if not isinstance(sign, str) or sign not in _OPERATORS:
        raise _not_understood(
            filters, f"{sign!r:.80} is none of the operators {', '.join(_OPERATORS)}"
        )
    if sign not in ("in", "not in"):
        return name, _OPERATORS[sign], value
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise _not_understood(
            filters, f"{sign!r} needs a list of values, and {value!r:.80} is none"
        )
    return name, sign, tuple(value)


def _not_understood(filters: object, why: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"the filter {filters!r:.200} is not understood ({why}): pass a list of conditions, as in"
        " [('price', '>', 3)], or a pyarrow expression"
    )

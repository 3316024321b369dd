"""Filters on rows: pyarrow expressions, or lists of conditions."""

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
"""A disjunction of conjunctions of conditions."""
Filters: TypeAlias = pc.Expression | Sequence[Condition] | Sequence[Sequence[Condition]]
"""An expression, a conjunction of conditions, or a disjunction of such conjunctions."""

_OPERATORS = {**{name: name for name in COMPARE}, "=": "==", "in": "in", "not in": "not in"}
_NO_LIST = "it is not a list of conditions"
_PARTS = 3  # of a condition


def read_filters(filters: object) -> pc.Expression | Conditions | None:
    """Normalise the ``filters=`` argument, reading it once: it may be an iterator.

    Args:
        filters: The argument.

    Returns:
        An expression, or lists of conditions; None for all rows, such as for an empty list.

    Raises:
        SchemaMismatch: The argument is not a filter.

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
        raise _invalid_filter(filters, "it mixes conditions and lists of conditions")
    lists = [given] if all(plain) else [_items(item, filters, _NO_LIST) for item in given]
    read = tuple(tuple(_condition(one, filters) for one in some) for some in lists)
    return read if all(read) else None  # a list without conditions holds for all rows


def expression_of(filters: Filters, logical: LogicalSchema) -> pc.Expression | None:
    """Convert a filter to a pyarrow expression, and check it.

    Conditions compare as Python does. A comparison with null is false, and null is in a list only
    if the list has None. Text is compared by code points, ordered categories by their order.

    Args:
        filters: The filter.
        logical: The schema of the rows.

    Returns:
        The expression, on columns of the types that `comparable_schema` returns; or None if the
        filter keeps all rows.

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
        operator.or_,
        [
            _joined(operator.and_, [_condition_expression(c, logical) for c in some])
            for some in read
        ],
    )


def filter_mismatch(expression: pc.Expression, schema: pa.Schema, why: Exception) -> SchemaMismatch:
    """Create the error for an expression that fails on the types or values of columns.

    Args:
        expression: The expression.
        schema: The schema of the rows.
        why: The cause.

    Returns:
        The error to raise.
    """
    text = str(expression)
    named = [
        f"{column.name}: {column.type}" for column in schema if column.name in text
    ] or schema.names
    return SchemaMismatch(
        f"the filter {text[:300]} does not fit the columns ({why}); they are"
        f" {', '.join(named)[:500]}: cast them in the expression to types that it supports"
    )


def names_in(filters: pc.Expression | Conditions | None) -> list[str]:
    """Return the columns that the conditions of a filter name, as spelled there.

    Args:
        filters: The filter, as `read_filters` returns it.

    Returns:
        The names; none for an expression, which does not expose them.

    Example:
        >>> names_in(read_filters([("price", ">", 3), ("Day", "=", "2016-10-31")]))
        ['price', 'Day']
    """
    if filters is None or isinstance(filters, pc.Expression):
        return []
    return [name for conditions in filters for name, _, _ in conditions]


def filter_rows(table: pa.Table, expression: pc.Expression) -> pa.Table:
    """Filter a table by an expression, whatever the types of its columns.

    Args:
        table: The table.
        expression: The expression, on columns of the types that `comparable_schema` returns.

    Returns:
        The rows for which the expression is true.

    Raises:
        SchemaMismatch: The expression cannot be applied to a value.

    Example:
        >>> table = pa.table({"s": pa.array(["a", "b"], pa.string_view())})
        >>> filter_rows(table, pc.field("s") == "b").to_pylist()
        [{'s': 'b'}]
    """
    schema = comparable_schema(table.schema)
    converted = [
        position
        for position, field in enumerate(schema)
        if field.type != table.schema.field(position).type
    ]
    plain = table
    for position in converted:
        plain = plain.set_column(
            position,
            schema.field(position),
            convert_chunks(
                plain.column(position),
                schema.field(position).type,
                functools.partial(to_physical_array, unit=""),
            ),
        )
    try:
        found = plain.filter(expression)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise filter_mismatch(expression, table.schema, error) from error
    for position in converted:
        field = table.schema.field(position)
        found = found.set_column(
            position,
            field,
            convert_chunks(
                found.column(position), field.type, functools.partial(from_physical_array, unit="")
            ),
        )
    return found


def comparable_schema(schema: pa.Schema) -> pa.Schema:
    """Return a schema with types of the same values that Arrow can compare."""
    return schema_of(
        [field.with_type(_comparable(field.type)) for field in schema], schema.metadata
    )


def evaluation_error(expression: pc.Expression, schema: pa.Schema) -> Exception | None:
    """Return the error of applying an expression to columns.

    Args:
        expression: The expression.
        schema: The schema of the rows.

    Returns:
        The error, or None if the expression can be applied.
    """
    nulls: list[Any] = [pa.nulls(1, field.type) for field in schema]
    try:  # on one row of nulls: without rows, some functions do not check their arguments
        pa.Table.from_arrays(nulls, schema=schema).filter(expression)
    except (pa.ArrowException, TypeError, KeyError) as error:
        return error
    return None


def can_skip(expression: pc.Expression, schema: pa.Schema) -> bool:
    """Return whether a scan may skip row groups by their statistics for an expression.

    The minimum and maximum of a row group ignore NaN. A condition on a floating column is therefore
    safe only if it is false for NaN, such as ``price > 3``; ``~(price > 3)`` is true for NaN in a
    row group whose statistics say that all values are greater.

    Args:
        expression: The expression.
        schema: The columns that the scan can compare.

    Returns:
        Whether the scan returns every row for which the expression is true.

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
    """Return the columns that an expression needs.

    Args:
        expression: The expression, which can be applied to the schema.
        schema: The schema of the rows.

    Returns:
        Their names.

    Example:
        >>> columns_used(pc.field("b") > 3, pa.schema([("a", pa.int64()), ("b", pa.int64())]))
        ['b']
    """
    if _by_position(expression):
        return schema.names  # positions change if a column is missing
    text = str(expression)
    # The text may also contain short names by chance.
    named = [column for column in schema if column.name in text]

    def works_without(gone: AnyField) -> bool:
        return (
            evaluation_error(
                expression, pa.schema([column for column in named if column is not gone])
            )
            is None
        )

    return [column.name for column in named if not works_without(column)]


def _by_position(expression: pc.Expression) -> bool:
    """Return whether an expression may refer to a column by its position."""
    return "FieldPath(" in str(expression)


def _has_floats(kind: Any) -> bool:
    if types.is_nested(kind):
        return any(_has_floats(kind.field(position).type) for position in range(kind.num_fields))
    return types.is_floating(kind)


def _fails_for_nan(expression: pc.Expression, column: AnyField, schema: pa.Schema) -> bool:
    """Return whether an expression is false for every row with NaN in a column.

    Arrow decides it: it skips a file whose partition expression says that the column is NaN.
    """
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
        return False  # it cannot be applied to NaN, such as a cast to an integer


def _comparable(kind: AnyType) -> AnyType:
    if types.is_run_end_encoded(kind):
        return _comparable(kind.value_type)
    if types.is_decimal(kind):
        return pa.decimal128(kind.precision, kind.scale)
    if kind in (pa.string_view(), pa.binary_view(), pa.float16()):
        return physical_type(kind)
    return (
        physical_type(kind, finest="ns")
        if types.is_nested(kind) and _has_incomparable(kind)
        else kind
    )


def _has_incomparable(kind: Any) -> bool:
    inner = [kind.field(position).type for position in range(kind.num_fields)]
    return any(
        _has_incomparable(one) if types.is_nested(one) else _comparable(one) != one for one in inner
    )


def _condition_expression(condition: Condition, logical: LogicalSchema) -> pc.Expression:
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
    """Return the ordinal of a period, which files store, or another value."""
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
        raise _invalid_filter(filters, why)
    try:
        return list(given)
    except TypeError as error:  # a zero-dimensional array is an Iterable, and cannot be iterated
        raise _invalid_filter(filters, why) from error


def _is_condition(item: object) -> bool:
    return (
        isinstance(item, Sequence)
        and len(item) > 0
        and not isinstance(item, str)
        and isinstance(item[0], str)
    )


def _condition(given: Any, filters: object) -> Condition:
    if not _is_condition(given) or len(given) != _PARTS:
        raise _invalid_filter(
            filters, f"{given!r:.80} is not a condition of a column, an operator and a value"
        )
    name, sign, value = given
    if not isinstance(sign, str) or sign not in _OPERATORS:
        raise _invalid_filter(
            filters, f"{sign!r:.80} is not one of the operators {', '.join(_OPERATORS)}"
        )
    if sign not in ("in", "not in"):
        return name, _OPERATORS[sign], value
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise _invalid_filter(
            filters, f"{sign!r} needs a list of values, and {value!r:.80} is not one"
        )
    return name, sign, tuple(value)


def _invalid_filter(filters: object, why: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"the filter {filters!r:.200} is not understood ({why}): pass a list of conditions, as in"
        " [('price', '>', 3)], or a pyarrow expression"
    )

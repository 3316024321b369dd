"""Which rows to load: pyarrow expressions, or lists of ``(column, operator, value)`` as pyarrow takes them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs, types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames.arrow import AnyField
from airflow_sfx.frames.names import unknown_column

Condition = tuple[str, str, Any]
Filters = pc.Expression | Sequence[Condition] | Sequence[Sequence[Condition]]
"""One expression; or conditions that must all hold; or lists of such, of which one must hold."""


def expression_of(filters: Filters, schema: pa.Schema) -> pc.Expression:
    """Read and check a filter.

    Args:
        filters: The filter.
        schema: The columns that there are.

    Returns:
        The filter as an expression.

    Raises:
        SchemaMismatch: A column is unknown, or a comparison does not fit its type.

    Example:
        >>> expression_of([("n", ">", 3)], pa.schema([("n", pa.int64())]))
        <pyarrow.compute.Expression (n > 3)>
    """
    if isinstance(filters, pc.Expression):
        expression = filters
    else:
        for name in names_in(filters):
            if name not in schema.names:
                raise unknown_column(name, schema.names)
        try:
            expression = pq.filters_to_expression(filters)  # type: ignore[arg-type]
        except (ValueError, TypeError) as error:
            raise _not_understood(filters, str(error)) from error
    unfit = failure(expression, schema)
    if unfit is not None:
        raise SchemaMismatch(
            f"the filter {expression} does not fit the columns ({unfit}); they are {', '.join(map(str, schema))[:500]}"
        ) from unfit
    return expression


def failure(expression: pc.Expression, schema: pa.Schema) -> Exception | None:
    """Why an expression cannot be applied to columns, if so.

    Args:
        expression: The expression.
        schema: The columns.

    Returns:
        The error, or None.
    """
    try:
        schema.empty_table().filter(expression)
    except (pa.ArrowException, TypeError, KeyError) as error:
        return error
    return None


def can_skip(expression: pc.Expression, schema: pa.Schema) -> bool:
    """Whether a scan that applies an expression may leave out rows by the least and greatest values in files' footers.

    Those leave NaN out, so a floating column may only be asked for what no NaN is, as ``price > 3``: ``~(price > 3)`` holds
    for a NaN in rows of which the footer says that all are greater.

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
    if _by_position(expression) or failure(expression, schema) is not None:
        return False
    used = pa.schema([schema.field(name) for name in columns_used(expression, schema)])
    return all(_fails_for_nan(expression, column, used) for column in used if _has_floats(column.type))


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
    named = [column for column in schema if column.name in text]  # and a few others whose names are short

    def works_without(gone: AnyField) -> bool:
        return failure(expression, pa.schema([column for column in named if column is not gone])) is None

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


def names_in(filters: Any) -> list[str]:
    """The columns that the conditions of a filter name, as they are spelt there.

    Args:
        filters: The filter.

    Returns:
        The names; none of an expression, which does not tell them.

    Raises:
        SchemaMismatch: It is no filter.

    Example:
        >>> names_in([("price", ">", 3), ("Day", "=", "2016-10-31")])
        ['price', 'Day']
    """
    if filters is None or isinstance(filters, pc.Expression):
        return []
    if isinstance(filters, str | bytes | Mapping):
        raise _not_understood(filters, f"it is a {type(filters).__name__}")
    names: list[str] = []
    try:
        for item in filters:
            conditions = [item] if isinstance(item, tuple) and item and isinstance(item[0], str) else item
            names.extend(str(condition[0]) for condition in conditions)
    except (TypeError, IndexError, KeyError) as error:
        raise _not_understood(filters, "it is no list of conditions") from error
    return names


def _not_understood(filters: object, why: str) -> SchemaMismatch:
    return SchemaMismatch(
        f"the filter {filters!r:.200} is not understood ({why}): pass a list of conditions, as in [('price', '>', 3)], or "
        "a pyarrow expression"
    )

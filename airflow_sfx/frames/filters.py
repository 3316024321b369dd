"""Which rows to load: pyarrow expressions, or lists of ``(column, operator, value)`` as pyarrow takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from airflow_sfx.core.errors import SchemaMismatch
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
        if isinstance(filters, str | bytes | Mapping):
            raise _not_understood(filters, f"it is a {type(filters).__name__}")
        for name in _names(filters):
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


def _names(filters: Any) -> list[str]:
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

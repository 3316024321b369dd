"""Exact comparisons of a column with a Python value, as Python compares them.

If types differ, Arrow casts the value or the column to a type that may not hold both, and fails or
rounds. Here the value is converted to the column's type, and rounded so that the result is the
same: for integers, ``n < 2.5`` is ``n <= 2``, and ``n < 2**63`` is true for all 64-bit values. A
comparison of values without a common type is rejected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames._typing import AnyArray, AnyField
from airflow_sfx.frames.predicates.exact_values import (
    DAY,
    NANOSECONDS,
    NotComparable,
    exact_number,
    gridless_value,
    is_binary,
    python_value,
)
from airflow_sfx.frames.types.families import is_text
from airflow_sfx.frames.types.open_types import only_nulls

COMPARE: dict[str, Callable[[Any, Any], pc.Expression]] = {
    "==": lambda column, value: column == value,
    "!=": lambda column, value: column != value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
}
"""The comparisons of a column with a value, by operator."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The equidistant values of a type, numbered from zero in both directions.

    Args:
        step: The distance of two values, in the unit of `exact_number`.
        least: The number of the smallest value.
        greatest: The number of the greatest value.
    """

    step: Fraction
    least: int
    greatest: int


def null_expression() -> pc.Expression:
    """Return the result of a comparison with null, as in SQL.

    A function rather than a constant, since Arrow imports pandas to create it.
    """
    null: Any = pa.scalar(None, pa.bool_())  # the type stubs accept plain values only
    return pc.scalar(null)


def comparison(
    column: AnyField, operator: str, value: object, categories: AnyArray | None = None
) -> pc.Expression:
    """Compare a column with a value.

    Args:
        column: The column.
        operator: One of `COMPARE`.
        value: The value; null compares as null.
        categories: The categories of an ordered category column, whose order it is compared by; or
            None. Other categories are compared by value.

    Returns:
        The comparison; null in rows where the column is null.

    Raises:
        SchemaMismatch: No type holds the column's values and the value.

    Example:
        >>> comparison(pa.field("n", pa.int8()), "<", 2.5)
        <pyarrow.compute.Expression (n <= 2)>
    """
    kind: Any = column.type
    field: Any = pc.field(column.name)
    try:
        value = python_value(value)
        if value is None or only_nulls(kind):
            return null_expression()
        if types.is_dictionary(kind):
            if kind.ordered and categories is not None and operator not in ("==", "!="):
                return _by_order(field, operator, value, categories)
            kind = kind.value_type
        return _compared(field, kind, operator, value)
    except NotComparable as why:
        raise not_comparable_error(column, value, str(why)) from None


def membership(column: AnyField, values: Sequence[object]) -> pc.Expression:
    """Test whether a column's values are in a list, which may have null and NaN.

    Args:
        column: The column.
        values: The values.

    Returns:
        The condition, which is never null.

    Raises:
        SchemaMismatch: No type holds the column's values and one of the list.

    Example:
        >>> membership(pa.field("s", pa.string()), [])
        <pyarrow.compute.Expression false>
    """
    field: Any = pc.field(column.name)
    kind: Any = column.type.value_type if types.is_dictionary(column.type) else column.type
    nulls = False
    found: list[Any] = []
    for given in values:
        try:
            value = python_value(given)
            if value is None:
                nulls = True
            elif not types.is_null(kind):
                found.extend(_equal_values(kind, value))
        except NotComparable as why:
            raise not_comparable_error(column, given, str(why)) from None
    condition: Any = pc.scalar(False)
    if found:
        condition = field.isin(pa.concat_arrays([pa.array([one], kind) for one in found]))
    found_or_null: pc.Expression = condition | field.is_null() if nulls else condition
    return found_or_null


def not_comparable_error(column: AnyField, value: object, why: str) -> SchemaMismatch:
    """Create the error for a value that a column cannot be compared with.

    Args:
        column: The column.
        value: The value.
        why: The reason and the remedy.

    Returns:
        The error to raise.
    """
    return SchemaMismatch(
        f"a filter cannot compare column {column.name!r}, which is {column.type}, with"
        f" {value!r:.120}: {why}"
    )


def _compared(field: Any, kind: Any, operator: str, value: object) -> pc.Expression:
    if types.is_boolean(kind) or is_text(kind) or is_binary(kind):
        own = gridless_value(kind, value)
        if types.is_fixed_size_binary(kind) and len(own) != kind.byte_width:
            field, kind = field.cast(pa.binary()), pa.binary()
        return COMPARE[operator](field, pa.scalar(own, kind))
    exact = exact_number(kind, value)
    if isinstance(exact, float) and math.isnan(exact):
        return _always(field, operator == "!=")
    below, above = _neighbours(kind, exact)
    if below is not None and above is not None and below.equals(above):
        return COMPARE[operator](field, below)
    if operator in ("==", "!="):
        return _always(field, operator == "!=")
    less = operator in ("<", "<=")
    bound, other = (below, above) if less else (above, below)
    if bound is None or other is None:  # out of the type's range
        return _always(field, bound is not None)
    return COMPARE["<=" if less else ">="](field, bound)


def _by_order(field: Any, operator: str, value: object, categories: AnyArray) -> pc.Expression:
    values = categories.to_pylist()
    position = values.index(value) if value in values else None
    if position is None:
        raise NotComparable(
            "its categories are ordered, and the value is not one of them. Use one of these: "
            f"{values!r:.200}"
        )
    wanted = {
        "<": categories[:position],
        "<=": categories[: position + 1],
        ">": categories[position + 1 :],
        ">=": categories[position:],
    }[operator]
    found: pc.Expression = pc.if_else(field.is_null(), null_expression(), field.isin(wanted))
    return found


def _always(field: Any, truth: bool) -> pc.Expression:
    """Return an expression with the same result for every value, and null for null."""
    constant: pc.Expression = pc.if_else(field.is_null(), null_expression(), pc.scalar(truth))
    return constant


def _equal_values(kind: Any, value: object) -> list[Any]:
    """Return the values of a type that equal a value; both 0.0 and -0.0 for zero."""
    if types.is_boolean(kind) or is_text(kind) or is_binary(kind):
        own = gridless_value(kind, value)
        fits = not types.is_fixed_size_binary(kind) or len(own) == kind.byte_width
        return [pa.scalar(own, kind)] if fits else []
    exact = exact_number(kind, value)
    if isinstance(exact, float) and math.isnan(exact):
        return [pa.scalar(exact, kind)] if types.is_floating(kind) else []
    below, above = _neighbours(kind, exact)
    if below is None or above is None or not below.equals(above):
        return []
    return (
        [pa.scalar(zero, kind) for zero in (0.0, -0.0)]
        if types.is_floating(kind) and exact == 0
        else [below]
    )


def _neighbours(kind: Any, exact: Fraction | float) -> tuple[Any, Any]:
    """Return the nearest values of a type below and above a number, or None."""
    if types.is_floating(kind):
        return _floats_around(kind, exact)
    grid = _grid(kind)
    if isinstance(exact, float):  # infinite
        low, high = (
            (grid.greatest, grid.greatest + 1) if exact > 0 else (grid.least - 1, grid.least)
        )
    else:
        low, high = math.floor(exact / grid.step), math.ceil(exact / grid.step)
    below = _numbered(kind, min(low, grid.greatest)) if low >= grid.least else None
    above = _numbered(kind, max(high, grid.least)) if high <= grid.greatest else None
    return below, above


def _floats_around(kind: Any, exact: Fraction | float) -> tuple[Any, Any]:
    dtype = np.dtype(kind.to_pandas_dtype()).type
    if isinstance(exact, float):
        return pa.scalar(exact, kind), pa.scalar(exact, kind)
    with np.errstate(over="ignore"):
        try:
            near = dtype(float(exact))
        except OverflowError:
            near = dtype(math.inf if exact > 0 else -math.inf)
        below = above = near
        if not math.isinf(near) and Fraction(float(near)) == exact:
            pass
        elif float(near) > exact:
            below = np.nextafter(near, dtype(-math.inf))
        else:
            above = np.nextafter(near, dtype(math.inf))
    return pa.scalar(float(below), kind), pa.scalar(float(above), kind)


def _grid(kind: Any) -> Grid:
    if types.is_integer(kind):
        if types.is_signed_integer(kind):
            return Grid(Fraction(1), -(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1)
        return Grid(Fraction(1), 0, 2**kind.bit_width - 1)
    if types.is_decimal(kind):
        return Grid(Fraction(1, 10**kind.scale), 1 - 10**kind.precision, 10**kind.precision - 1)
    if types.is_date(kind):
        return Grid(Fraction(DAY), -(2**31), 2**31 - 1)
    width = 31 if types.is_time32(kind) else 63
    return Grid(Fraction(NANOSECONDS[kind.unit]), -(2**width), 2**width - 1)


def _numbered(kind: Any, number: int) -> Any:
    """Return the value of a type by its number on the grid."""
    if types.is_integer(kind):
        return pa.scalar(number, kind)
    if types.is_decimal(kind):
        digits = tuple(map(int, str(abs(number))))
        return pa.scalar(Decimal((int(number < 0), digits, -kind.scale)), kind)
    if types.is_date32(kind):
        return pa.array([number], pa.int32()).view(kind)[0]
    if types.is_date64(kind):
        return pa.array([number * 86_400_000], pa.int64()).view(kind)[0]
    return pa.array([number], pa.int32() if types.is_time32(kind) else pa.int64()).view(kind)[0]

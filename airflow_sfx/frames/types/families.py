"""Families of Arrow types without a predicate in pyarrow: lists, text, numbers."""

from __future__ import annotations

from pyarrow import types

from airflow_sfx.frames._typing import AnyType


def is_list(arrow: AnyType) -> bool:
    """Return whether a type is one of Arrow's list types (maps are not)."""
    return (
        types.is_list(arrow)
        or types.is_large_list(arrow)
        or types.is_fixed_size_list(arrow)
        or types.is_list_view(arrow)
        or types.is_large_list_view(arrow)
    )


def is_text(kind: AnyType) -> bool:
    """Return whether a type is one of Arrow's string types."""
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def is_number(kind: AnyType) -> bool:
    """Return whether a type is numeric.

    Example:
        >>> import pyarrow as pa
        >>> is_number(pa.decimal128(3, 1)), is_number(pa.bool_())
        (True, False)
    """
    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)

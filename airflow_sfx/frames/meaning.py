"""What the columns of a frame are, in words that are equal where they mean the same: for whoever compares two frames."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from pyarrow import types

from airflow_sfx.frames.arrow import AnyArray, AnyType
from airflow_sfx.frames.hive import is_list
from airflow_sfx.frames.kinds import parts_of
from airflow_sfx.frames.logical import LogicalSchema
from airflow_sfx.frames.pandas_frame import memory_of

_SHOWN = 6


def meanings_of(logical: LogicalSchema) -> dict[str, str]:
    """What each column is: its logical type, not how a library holds it.

    Units of time, time zones, frequencies and the order of categories are part of it. The widths of offsets and codes, and the
    categories of a column without an order, are not.

    Args:
        logical: The frame's schema.

    Returns:
        By the names in lower case.

    Example:
        >>> schema = pa.schema([("at", pa.timestamp("s", "Asia/Tokyo")), ("s", pa.large_string())])
        >>> meanings_of(LogicalSchema(schema))
        {'at': 'timestamp[s, tz=Asia/Tokyo]', 's': 'string'}
    """
    records: Mapping[str, Any] = (memory_of(logical.schema) or {}).get("columns", {})
    found = {}
    for column in logical.schema:
        own = parts_of(column.type, records.get(column.name)).get("")
        kind: Any = column.type
        if types.is_dictionary(kind):
            text = f"category of {own or _text(kind.value_type)}"
            if kind.ordered:
                text += f", ordered: {_in_order(logical.dictionaries[column.name])}"
        else:
            plain = _text(kind)
            text = plain if own is None or own in _TOLD else f"{own} as {plain}"
        found[column.name.lower()] = text
    return found


_TOLD = frozenset({"duration", "time of day", "timestamp with time zone", "uint64", "open"})
"""What Arrow's own type says, too."""


def _text(kind: AnyType) -> str:  # noqa: PLR0911  a table of types, in order
    if isinstance(kind, pa.BaseExtensionType):
        return str(kind)
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _text(kind.value_type)
    if types.is_large_string(kind) or types.is_string_view(kind):
        return "string"
    if types.is_large_binary(kind) or types.is_fixed_size_binary(kind) or types.is_binary_view(kind):
        return "binary"
    if types.is_decimal(kind):
        return f"decimal({kind.precision}, {kind.scale})"
    if types.is_date(kind):
        return "date"
    if is_list(kind):
        return f"list<{_text(kind.value_type)}>"
    if types.is_map(kind):
        return f"map<{_text(kind.key_type)}, {_text(kind.item_type)}>"
    if types.is_struct(kind):
        return f"struct<{', '.join(f'{field.name}: {_text(field.type)}' for field in kind.fields)}>"
    return str(kind)


def _in_order(categories: AnyArray) -> str:
    values = [str(value) for value in categories]
    if len(values) <= _SHOWN:
        return " < ".join(values)
    digest = hashlib.sha256(repr(values).encode()).hexdigest()[:8]
    return f"{' < '.join(values[:_SHOWN])} < … ({len(values)}, {digest})"

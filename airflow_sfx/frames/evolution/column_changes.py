"""Schemas without a column, or with a column under another name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import pyarrow as pa

from airflow_sfx.frames.pandas.metadata import (
    index_columns,
    pandas_metadata_of,
    with_pandas_metadata,
    without_specs,
)
from airflow_sfx.frames.types.logical import LogicalSchema, schema_of

T = TypeVar("T")


def is_index_column(logical: LogicalSchema, name: str) -> bool:
    """Return whether a column holds a level of a DataFrame's index."""
    return logical.resolve(name) in index_columns(logical.schema)


def without_column(logical: LogicalSchema, name: str) -> LogicalSchema:
    """Return a batch's schema without a column.

    Args:
        logical: The schema.
        name: The column, as the schema has it.

    Example:
        >>> without_column(LogicalSchema(pa.schema([("a", pa.int8()), ("b", pa.int8())])), "a")
        LogicalSchema(schema=b: int8, dictionaries={}, marks={}, open_names=True)
    """
    schema = without_specs(logical.schema, [name])
    kept = [field for field in schema if field.name != name]
    return replace(
        logical,
        schema=schema_of(kept, schema.metadata),
        dictionaries={key: one for key, one in logical.dictionaries.items() if key != name},
        marks={key: one for key, one in logical.marks.items() if key != name},
    )


def with_column_renamed(logical: LogicalSchema, name: str, to: str) -> LogicalSchema:
    """Return a batch's schema with another name of a column.

    Args:
        logical: The schema.
        name: The column, as the schema has it.
        to: Its new name.

    Example:
        >>> with_column_renamed(LogicalSchema(pa.schema([("a", pa.int8())])), "a", "b").schema.names
        ['b']
    """
    fields = [field.with_name(to) if field.name == name else field for field in logical.schema]
    schema: pa.Schema = schema_of(fields, logical.schema.metadata)
    pandas_metadata = pandas_metadata_of(schema)
    if pandas_metadata is not None and name in pandas_metadata.get("columns", {}):
        specs = renamed(pandas_metadata["columns"], name, to)
        schema = with_pandas_metadata(schema, {**pandas_metadata, "columns": specs})
    return replace(
        logical,
        schema=schema,
        dictionaries=renamed(logical.dictionaries, name, to),
        marks=renamed(logical.marks, name, to),
    )


def renamed(by_name: Mapping[str, T], name: str, to: str) -> dict[str, T]:
    """Return a mapping with another name of a column.

    Example:
        >>> renamed({"a": 1, "b": 2}, "a", "c")
        {'c': 1, 'b': 2}
    """
    return {to if key == name else key: value for key, value in by_name.items()}

"""Partition values, stored as text, as values of their types."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from airflow_sfx.core.errors import InconsistentBatch, SchemaMismatch
from airflow_sfx.frames._typing import AnyType
from airflow_sfx.frames.pandas.metadata import column_specs, without_specs
from airflow_sfx.frames.schema.kinds import kinds_by_path
from airflow_sfx.frames.types.hive import arrow_type_of_key, key_type_of
from airflow_sfx.frames.types.logical import LogicalSchema

_TRUTH = {"true": True, "false": False}


def key_scalar(text: str, hive: str, where: str = "") -> pa.Scalar[Any]:
    """Parse a partition value to an Arrow scalar.

    Args:
        text: The value as Hive writes it.
        hive: The key's Hive type.
        where: The file or partition that has the value, for messages.

    Returns:
        The scalar.

    Raises:
        SchemaMismatch: The type cannot be a partition key's.
        InconsistentBatch: The text is not a value of the type.

    Example:
        >>> key_scalar("2016-10-31", "date")
        <pyarrow.Date32Scalar: datetime.date(2016, 10, 31)>
    """
    kind = arrow_type_of_key(hive)
    value: object = text
    try:
        if hive == "date":
            value = dt.date.fromisoformat(text)
        elif hive == "timestamp":
            value = dt.datetime.fromisoformat(text)
        elif hive == "boolean":
            value = _TRUTH[text.lower()]
        elif hive != "string":
            value = int(text)
        return pa.scalar(value, kind)
    except (ValueError, KeyError, OverflowError, pa.ArrowException) as error:
        raise InconsistentBatch(
            f"the partition value {text!r} is not of the key's type"
            f" {hive}{f' ({where})' if where else ''}: the table was changed by another engine"
        ) from error


def kinds_of_keys(schema: pa.Schema, columns: Sequence[str]) -> dict[str, str]:
    """Return the kinds of key columns, where their Hive types do not determine them.

    Args:
        schema: The frame's schema.
        columns: The names of its key columns.

    Returns:
        The kinds by name in lower case; ordinary columns are absent.

    Example:
        >>> import pandas as pd
        >>> from airflow_sfx.frames.pandas.frame import pandas_to_arrow
        >>> months = pd.DataFrame({"Month": pd.PeriodIndex(["2016-10"], freq="M"), "n": [1]})
        >>> kinds_of_keys(pandas_to_arrow(months).schema, ["Month"])
        {'month': 'period[M]'}
    """
    specs = column_specs(schema)
    found = {
        name.lower(): kinds_by_path(schema.field(name).type, specs.get(name)).get("")
        for name in columns
    }
    return {name: kind for name, kind in found.items() if kind}


def unify_key_types(
    schemas: Sequence[LogicalSchema], key_types: Mapping[str, str]
) -> list[LogicalSchema]:
    """Give key columns the table's type where batches have them as different types.

    A partition value is a text. Each batch may have had it as a value of another type, or not as a
    column at all. Parsed by the type of one batch, the texts of others would become other values.

    Args:
        schemas: The batches' schemas.
        key_types: The Hive types of the table's keys by name.

    Returns:
        The schemas in the same order; unchanged ones are the same objects.

    Example:
        >>> typed = LogicalSchema(pa.schema([("k", pa.int64())]))
        >>> without_key = LogicalSchema(pa.schema([]))
        >>> [one.schema.types for one in unify_key_types([typed, without_key], {"k": "string"})]
        [[DataType(string)], []]
    """
    found = list(schemas)
    if len(found) < 2:  # noqa: PLR2004
        return found
    for key, hive in key_types.items():
        if len({_logical_type(one, key, hive) for one in schemas}) > 1:
            kind = arrow_type_of_key(hive)
            found = [_with_plain_key(one, key, kind) for one in found]
    return found


def _logical_type(
    logical: LogicalSchema, key: str, hive: str
) -> tuple[str, frozenset[tuple[str, str]]]:
    """Return the logical type of a key in a batch, by default the table's."""
    name = logical.resolve(key)
    if name is None:
        return hive, frozenset()
    kind = logical.schema.field(name).type
    spec = column_specs(logical.schema).get(name)
    try:
        found = key_type_of(kind)
    except SchemaMismatch:  # a file of another program may have any type here
        found = str(kind)
    return found, frozenset(kinds_by_path(kind, spec).items())


def _with_plain_key(logical: LogicalSchema, key: str, kind: AnyType) -> LogicalSchema:
    name = logical.resolve(key)
    if name is None:
        return logical
    position = logical.schema.get_field_index(name)
    schema = logical.schema.set(position, logical.schema.field(position).with_type(kind))
    schema = without_specs(schema, [name])
    dictionaries, marks = (
        {column: one for column, one in known.items() if column != name}
        for known in (logical.dictionaries, logical.marks)
    )
    return replace(logical, schema=schema, dictionaries=dictionaries, marks=marks)

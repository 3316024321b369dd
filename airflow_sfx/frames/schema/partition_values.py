"""Partition values, which the metastore and paths have as text, as values of their type."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from airflow_sfx.core.errors import InconsistentBatch, SchemaMismatch
from airflow_sfx.frames._typing import AnyType
from airflow_sfx.frames.pandas.frame import memory_of, with_memory
from airflow_sfx.frames.schema.kinds import parts_of
from airflow_sfx.frames.types.hive import arrow_type_of_key, key_type_of
from airflow_sfx.frames.types.logical import LogicalSchema

_TRUTH = {"true": True, "false": False}


def key_scalar(text: str, hive: str, where: str = "") -> pa.Scalar[Any]:
    """A partition value as an Arrow value.

    Args:
        text: The value as Hive writes it.
        hive: The key's Hive type.
        where: Whose value it is, for messages.

    Returns:
        The value.

    Raises:
        SchemaMismatch: A partition key cannot have that type.
        InconsistentBatch: The text is no value of it.

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
            f"the partition value {text!r} is no {hive}, which the key's type"
            f" is{f' ({where})' if where else ''}: the table was changed by something else"
        ) from error


def kinds_of_keys(schema: pa.Schema, columns: Sequence[str]) -> dict[str, str]:
    """What key columns are that their Hive types do not say.

    Args:
        schema: The frame's schema.
        columns: Its key columns.

    Returns:
        By name in lower case; ordinary columns are absent.

    Example:
        >>> import pandas as pd
        >>> from airflow_sfx.frames.pandas.frame import table_of_frame
        >>> months = pd.DataFrame({"Month": pd.PeriodIndex(["2016-10"], freq="M"), "n": [1]})
        >>> kinds_of_keys(table_of_frame(months).schema, ["Month"])
        {'month': 'period[M]'}
    """
    records = (memory_of(schema) or {}).get("columns", {})
    found = {
        name.lower(): parts_of(schema.field(name).type, records.get(name)).get("")
        for name in columns
    }
    return {name: kind for name, kind in found.items() if kind}


def agreed_keys(
    schemas: Sequence[LogicalSchema], key_types: Mapping[str, str]
) -> list[LogicalSchema]:
    """The batches' schemas, with key columns of the table's own type where the batches have them as different things.

    A partition's value is a text, which each batch may have had as a value of another type, or not
    as a column at all. Read together by one batch's type, the texts of the others would be other
    values, or none.

    Args:
        schemas: The batches' schemas.
        key_types: The Hive type of each of the table's keys.

    Returns:
        The schemas in the same order; the very same where nothing differs.

    Example:
        >>> number, none = (LogicalSchema(pa.schema(fields)) for fields in ([("k", pa.int64())], []))
        >>> [one.schema.types for one in agreed_keys([number, none], {"k": "string"})]
        [[DataType(string)], []]
    """
    found = list(schemas)
    if len(found) < 2:  # noqa: PLR2004
        return found
    for key, hive in key_types.items():
        if len({_meaning(one, key, hive) for one in schemas}) > 1:
            kind = arrow_type_of_key(hive)
            found = [_with_plain(one, key, kind) for one in found]
    return found


def _meaning(logical: LogicalSchema, key: str, hive: str) -> tuple[str, frozenset[tuple[str, str]]]:
    """What the values of a key are in a batch; without a column they are the table's."""
    name = logical.own(key)
    if name is None:
        return hive, frozenset()
    kind = logical.schema.field(name).type
    record = (memory_of(logical.schema) or {}).get("columns", {}).get(name)
    try:
        found = key_type_of(kind)
    except SchemaMismatch:  # a file of another program may have anything under that name
        found = str(kind)
    return found, frozenset(parts_of(kind, record).items())


def _with_plain(logical: LogicalSchema, key: str, kind: AnyType) -> LogicalSchema:
    name = logical.own(key)
    if name is None:
        return logical
    position = logical.schema.get_field_index(name)
    schema = logical.schema.set(position, logical.schema.field(position).with_type(kind))
    memory = memory_of(schema)
    if memory is not None and name in memory.get("columns", {}):
        records = {column: record for column, record in memory["columns"].items() if column != name}
        schema = with_memory(schema, {**memory, "columns": records})
    dictionaries, marks = (
        {column: one for column, one in known.items() if column != name}
        for known in (logical.dictionaries, logical.marks)
    )
    return replace(logical, schema=schema, dictionaries=dictionaries, marks=marks)

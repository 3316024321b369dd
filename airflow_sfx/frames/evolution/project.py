"""Rows of one batch, projected onto the schema of several batches."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyarrow import types

from airflow_sfx.core.errors import InconsistentBatch, SchemaMismatch
from airflow_sfx.frames._typing import AnyColumn, AnyField
from airflow_sfx.frames.evolution.remedies import APART, APART_CLI
from airflow_sfx.frames.evolution.unify import scan_together
from airflow_sfx.frames.schema.physical import file_name, from_physical, physical_type
from airflow_sfx.frames.types.casts import convert_chunks, to_physical_array, widen_array
from airflow_sfx.frames.types.logical import LogicalSchema
from airflow_sfx.frames.types.lossless import first_lossy_row, value_text


def conform(table: pa.Table, target: LogicalSchema) -> pa.Table:
    """Convert the rows of a batch to a unified schema.

    Args:
        table: The rows, with the types of their batch.
        target: The schema, as `unify` returns it for the batch and others.

    Returns:
        The rows with the target's columns; null in columns that the batch does not have.

    Raises:
        SchemaMismatch: A value does not fit the target's type.

    Example:
        >>> target = LogicalSchema(pa.schema([("n", pa.float64()), ("s", pa.string())]))
        >>> conform(pa.table({"N": [1]}), target).to_pylist()
        [{'n': 1.0, 's': None}]
    """
    names = {name.lower(): name for name in table.column_names}
    columns = []
    for column in target.schema:
        own = names.get(column.name.lower())
        if own is None:
            columns.append(pa.chunked_array([_nulls(len(table), column, target)], type=column.type))
        else:
            columns.append(_cast(table.column(own), column, target))
    return pa.Table.from_arrays(columns, schema=target.schema)


def _nulls(rows: int, column: AnyField, target: LogicalSchema) -> Any:
    if not isinstance(column.type, pa.DictionaryType):
        return pa.nulls(rows, column.type)
    codes: Any = pa.nulls(rows, column.type.index_type)
    return pa.DictionaryArray.from_arrays(
        codes, target.dictionaries[column.name], ordered=column.type.ordered
    )


def _cast(values: AnyColumn, column: AnyField, target: LogicalSchema) -> AnyColumn:
    if values.type == column.type and not types.is_dictionary(column.type):
        return values
    kind: Any = column.type
    _reject_losses(values, kind, column.name)
    try:
        if types.is_dictionary(kind):
            one = LogicalSchema(pa.schema([column]), target.dictionaries)
            stored = physical_type(kind.value_type, finest="ns")
            plain = [
                to_physical_array(widen_array(chunk, kind.value_type), stored, unit="")
                for chunk in values.chunks
            ]
            table = pa.Table.from_arrays([pa.chunked_array(plain)], [file_name(column)])
            return from_physical(table, one).column(0)
        return convert_chunks(values, kind, widen_array)
    except (pa.ArrowException, InconsistentBatch) as error:
        raise SchemaMismatch(
            f"column {column.name!r} is {values.type} in one batch and {column.type} in a newer"
            f" one, and cannot be converted ({error})",
            remedy=APART,
            cli_remedy=APART_CLI,
        ) from error


def _reject_losses(values: AnyColumn, kind: Any, name: str) -> None:
    """Reject values that the cast would change, such as 5 to True."""
    plain = kind.value_type if types.is_dictionary(kind) else kind
    if scan_together(values.type, plain) and not types.is_timestamp(plain):
        return  # the type is only wider
    for chunk in values.chunks:
        row = first_lossy_row(chunk, plain)
        if row is not None:
            raise SchemaMismatch(
                f"column {name!r} is {values.type} in one batch and {kind} in a newer one, which"
                f" would lose or change {value_text(chunk, row)}",
                remedy=APART,
                cli_remedy=APART_CLI,
            )

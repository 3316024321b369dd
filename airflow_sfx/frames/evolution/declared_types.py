"""Columns whose Hive type the caller says: the values are cast where none is lost."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyarrow as pa
from pyarrow import types

from airflow_sfx.core.errors import InvalidName, SchemaMismatch
from airflow_sfx.frames._typing import AnyArray, AnyColumn, AnyType
from airflow_sfx.frames.column_names import unknown_column
from airflow_sfx.frames.pandas.metadata import Spec, column_specs, without_specs
from airflow_sfx.frames.types.casts import widen_array
from airflow_sfx.frames.types.families import is_number
from airflow_sfx.frames.types.hive import arrow_type, hive_type
from airflow_sfx.frames.types.lossless import first_lossy_row, value_text
from airflow_sfx.frames.types.open_types import open_paths

Declared = Mapping[str, AnyType]
"""Arrow types by column name in lower case."""


def declared_types(given: Mapping[str, str]) -> dict[str, AnyType]:
    """Read the ``types=`` of a store.

    Args:
        given: Hive types by column name.

    Returns:
        The Arrow types by name in lower case.

    Raises:
        InvalidName: It is no mapping of names to types, or a name comes twice.
        SchemaMismatch: A type is none that frames have.

    Example:
        >>> declared_types({"Price": "decimal(10,2)"})
        {'price': Decimal128Type(decimal128(10, 2))}
    """
    found: dict[str, AnyType] = {}
    if not isinstance(given, Mapping):
        raise InvalidName(
            f"types={given!r:.80} is no mapping: pass column names with Hive types, as in"
            " {'price': 'double'}"
        )
    for name, text in given.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise InvalidName(
                f"types= has {name!r:.80}: {text!r:.80}: pass column names with Hive types, both as"
                " text"
            )
        if name.lower() in found:
            raise InvalidName(
                f"types= names the column {name!r} twice, as Hive ignores case: name it once"
            )
        if re.search(r"\b(var)?char\b", text, re.IGNORECASE):
            raise SchemaMismatch(
                f"types= has {text!r:.80} for the column {name!r}, and the length of text is not"
                " enforced: use string"
            )
        try:
            found[name.lower()] = arrow_type(text)
        except (SchemaMismatch, ValueError) as error:
            raise SchemaMismatch(
                f"types= has {text!r:.80} for the column {name!r}, which is no Hive type that"
                " frames have: use one such as bigint, decimal(10,2), timestamp or array<string>"
            ) from error
    return found


def with_declared(table: pa.Table, wanted: Declared) -> pa.Table:
    """Give columns of a frame the types that were said.

    Args:
        table: The frame.
        wanted: The types.

    Returns:
        The frame. A column that has the Hive type already stays as it is; of the others, pandas
        forgets what they were.

    Raises:
        SchemaMismatch: There is no such column, or a value does not fit; the message names column,
            row and value.

    Example:
        >>> with_declared(pa.table({"n": [1, 2]}), declared_types({"N": "double"})).schema.field("n").type
        DataType(double)
    """
    known = {name.lower(): position for position, name in enumerate(table.column_names)}
    specs = column_specs(table.schema)
    changed = []
    for name, kind in wanted.items():
        if name not in known:
            raise unknown_column(name, table.column_names)
        field = table.schema.field(known[name])
        if open_paths(field.type) or not _is_already(field.type, kind):
            _refuse_periods(field.name, specs.get(field.name))
            column = _cast(table.column(known[name]), kind, field.name)
            table = table.set_column(known[name], field.with_type(kind), column)
            changed.append(field.name)
    if not changed:
        return table
    return table.replace_schema_metadata(without_specs(table.schema, changed).metadata)


def _refuse_periods(name: str, spec: Spec | None) -> None:
    """Refuse to cast periods, whose values in Arrow are numbers that mean nothing without the frequency."""
    values = None if spec is None else spec.get("values", spec)
    if values is not None and values["kind"] == "period":
        raise SchemaMismatch(
            f"column {name!r} has values of {values['freq']}, and types= can give them no other"
            " Hive type: convert it with .astype(str) or .dt.to_timestamp() first"
        )


def _is_already(kind: AnyType, wanted: AnyType) -> bool:
    try:
        return hive_type(kind) == hive_type(wanted)
    except SchemaMismatch:  # a type that cannot be stored as it is
        return False


def _cast(column: AnyColumn, kind: AnyType, name: str) -> AnyColumn:
    chunks: list[AnyArray] = []
    row = 0
    for chunk in column.chunks:
        place = first_lossy_row(chunk, kind, parse=True)
        if place is not None:
            raise SchemaMismatch(
                f"column {name!r} ({column.type}) cannot be {hive_type(kind)} as types= says: row"
                f" {row + place} has {value_text(chunk, place)}, which {_why_lost(column.type, kind)}"
            )
        chunks.append(widen_array(chunk, kind))
        row += len(chunk)
    return pa.chunked_array(chunks, type=kind)


def _why_lost(given: AnyType, wanted: AnyType) -> str:
    """Why a value is refused, and what helps: only within one family of types is there a wider one."""
    if any(is_family(given) and is_family(wanted) for is_family in (is_number, types.is_temporal)):
        return "would be lost or changed. Round or convert the values, or name a wider type"
    return (
        f"cannot be converted to {hive_type(wanted)}. Convert the values first, or name another"
        " type"
    )

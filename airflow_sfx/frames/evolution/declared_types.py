"""Columns whose Hive types the caller declares: values are cast if none is lost."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyarrow as pa
from pyarrow import types

from airflow_sfx.core.errors import InvalidName, SchemaMismatch
from airflow_sfx.frames._typing import AnyColumn, AnyType
from airflow_sfx.frames.column_names import unknown_column
from airflow_sfx.frames.evolution.exact_cast import LostValue, cast_exactly
from airflow_sfx.frames.pandas.metadata import Spec, column_specs, without_specs
from airflow_sfx.frames.types.families import is_number
from airflow_sfx.frames.types.hive import arrow_type, hive_type
from airflow_sfx.frames.types.open_types import open_paths

Declared = Mapping[str, AnyType]
"""Arrow types by column name in lower case."""


def declared_types(given: Mapping[str, str]) -> dict[str, AnyType]:
    """Parse the ``types=`` argument of a store.

    Args:
        given: Hive types by column name.

    Returns:
        The Arrow types by name in lower case.

    Raises:
        InvalidName: The argument is not a mapping of names to types, or a name occurs twice.
        SchemaMismatch: A type is not one that frames can have.

    Example:
        >>> declared_types({"Price": "decimal(10,2)"})
        {'price': Decimal128Type(decimal128(10, 2))}
    """
    found: dict[str, AnyType] = {}
    if not isinstance(given, Mapping):
        raise InvalidName(
            f"types={given!r:.80} is not a mapping: pass column names with Hive types, as in"
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
                f"types= has the column {name!r} twice, since Hive ignores case: name it once"
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
                f"types= has {text!r:.80} for the column {name!r}, which is not a Hive type that"
                " frames can have: use one such as bigint, decimal(10,2), timestamp or"
                " array<string>"
            ) from error
    return found


def with_declared(table: pa.Table, wanted: Declared) -> pa.Table:
    """Cast columns of a frame to declared types.

    Args:
        table: The frame.
        wanted: The types by name in lower case.

    Returns:
        The frame. Columns that have the Hive type already are unchanged; the others lose their
        specs in the pandas metadata.

    Raises:
        SchemaMismatch: A column does not exist, or a value does not fit; the message names column,
            row and value.

    Example:
        >>> with_declared(pa.table({"n": [1, 2]}), declared_types({"N": "double"}))["n"].type
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
            _reject_periods(field.name, specs.get(field.name))
            column = _cast(table.column(known[name]), kind, field.name)
            table = table.set_column(known[name], field.with_type(kind), column)
            changed.append(field.name)
    if not changed:
        return table
    return table.replace_schema_metadata(without_specs(table.schema, changed).metadata)


def _reject_periods(name: str, spec: Spec | None) -> None:
    """Reject casts of periods, which Arrow has as numbers without their frequency."""
    values = None if spec is None else spec.get("values", spec)
    if values is not None and values["kind"] == "period":
        raise SchemaMismatch(
            f"column {name!r} has values of {values['freq']}, which types= cannot cast: convert it"
            " with .astype(str) or .dt.to_timestamp() first"
        )


def _is_already(kind: AnyType, wanted: AnyType) -> bool:
    try:
        return hive_type(kind) == hive_type(wanted)
    except SchemaMismatch:  # a type that cannot be stored as it is
        return False


def _cast(column: AnyColumn, kind: AnyType, name: str) -> AnyColumn:
    made = cast_exactly(column, kind, parse=True)
    if isinstance(made, LostValue):
        raise SchemaMismatch(
            f"column {name!r} ({column.type}) cannot be {hive_type(kind)} as in types=: row"
            f" {made.row} has {made.text}, which {_why_lost(column.type, kind)}"
        )
    return made


def _why_lost(given: AnyType, wanted: AnyType) -> str:
    """Explain why a value is rejected, and what helps."""
    if any(is_family(given) and is_family(wanted) for is_family in (is_number, types.is_temporal)):
        return "would be lost or changed. Round or convert the values, or name a wider type"
    return (
        f"cannot be converted to {hive_type(wanted)}. Convert the values first, or name another"
        " type"
    )

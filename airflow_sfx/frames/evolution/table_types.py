"""Columns of frames cast to the types of their table, where no value is lost.

A column of integers is ``double`` in a frame with a blank, and a column without values has any
type. What fits the table's type as it is, or widens it, is not cast.

In pandas, a column of a CSV that is blank in every row is ``float64``, whatever it holds on other
days. If the table has no type for it either, the column is stored as an open one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.schema import OPEN, Column
from airflow_sfx.frames._typing import AnyType
from airflow_sfx.frames.evolution.exact_cast import LostValue, cast_exactly
from airflow_sfx.frames.pandas.metadata import (
    as_blank,
    column_specs,
    index_columns,
    pandas_metadata_of,
    without_specs,
)
from airflow_sfx.frames.schema.kinds import kinds_by_path
from airflow_sfx.frames.types.families import is_list, is_number
from airflow_sfx.frames.types.hive import arrow_type, hive_type
from airflow_sfx.frames.types.open_types import is_open, open_paths
from airflow_sfx.frames.types.widening import widen


class TableTypes:
    """Casts the columns of frames to the types of a table.

    Args:
        columns: The table's columns.
        given: The columns whose types the caller declares for this frame, in lower case; they are
            not cast.

    Attributes:
        casts: The Hive types of columns before they were cast, by name.
        lost: The value that prevented a cast, as text, by name in lower case.

    Example:
        >>> night = TableTypes([Column("n", "bigint")])
        >>> night.fitted(pa.table({"n": [2.0, None]}))["n"].to_pylist(), night.casts
        ([2, None], {'n': 'double'})
    """

    def __init__(self, columns: Sequence[Column], given: Collection[str] = ()) -> None:
        self._given = frozenset(given)
        self._columns = {
            one.name.lower(): one for one in columns if one.name.lower() not in self._given
        }
        self._by_type = False
        self.casts: dict[str, str] = {}
        self.lost: dict[str, str] = {}

    def for_spark(self) -> TableTypes:
        """Cast by the types of columns alone, as no process has all of their values.

        `fitted` then raises `SchemaMismatch` for a value that would be lost, and columns without
        values are cast only if they are numbers.
        """
        self._by_type = True
        return self

    def fitted(self, table: pa.Table) -> pa.Table:
        """Return a frame, or a part of one, with columns cast as far as no value is lost."""
        table = self._with_open_blanks(table)
        specs, changed = column_specs(table.schema), []
        for position, field in enumerate(table.schema):
            column = self._columns.get(field.name.lower())
            if column is None:
                continue
            own, kinds = _hive_type(field.type), kinds_by_path(field.type, specs.get(field.name))
            same = own == column.type and kinds == column.kind.by_path
            if own is None or same or open_paths(field.type):
                continue
            special = bool(kinds)
            values = table.column(position)
            empty = values.null_count == len(values) and not self._by_type
            wanted = _target(column, field.type, empty=empty, special=special)
            if wanted is None:
                continue
            made = cast_exactly(values, wanted, parse=column.kind.declared, nan_as_null=True)
            if isinstance(made, LostValue) and self._by_type:
                raise SchemaMismatch(
                    f"the table has the column {field.name!r} as {column.type} and the frame as"
                    f" {own}, and a row has {made.text}, which {column.type} cannot hold: convert"
                    " the frame's column, or name another type with types="
                )
            if isinstance(made, LostValue):
                self.lost[field.name.lower()] = (
                    f"row {made.row} has {made.text}, which {column.type} cannot hold"
                )
                continue
            table = table.set_column(position, field.with_type(wanted), made)
            self.casts[field.name] = own
            changed.append(field.name)
        if not changed:
            return table
        return table.replace_schema_metadata(without_specs(table.schema, changed).metadata)

    def _with_open_blanks(self, table: pa.Table) -> pa.Table:
        """Return a table of pandas whose blank columns are open where the table has no type."""
        if self._by_type or not len(table) or pandas_metadata_of(table.schema) is None:
            return table
        kept = {*column_specs(table.schema), *index_columns(table.schema)}
        blank = [
            name
            for name, column in zip(table.column_names, table.columns, strict=True)
            if column.type == pa.float64() and column.null_count == len(column)
            if name not in kept and self._has_no_type(name.lower())
        ]
        for name in blank:
            position = table.schema.get_field_index(name)
            table = table.set_column(position, name, pa.nulls(len(table)))
        return table.replace_schema_metadata(as_blank(table.schema, blank).metadata)

    def _has_no_type(self, name: str) -> bool:
        column = self._columns.get(name)
        if column is None:
            return name not in self._given
        return column.kind.by_path.get("") == OPEN


def _target(column: Column, own: AnyType, *, empty: bool, special: bool) -> AnyType | None:
    """Return the type to cast a column to, or None to leave it as it is."""
    parts = column.kind.by_path
    if parts.get("") == OPEN:
        return None
    try:
        wanted = arrow_type(column.type)
    except SchemaMismatch:  # of another engine
        return None
    if special or parts:
        return pa.null() if empty and parts else wanted if empty else None
    wider = widen(wanted, _plain(own))
    if wider == wanted:
        return None  # it fits, or files have it wider
    if empty or column.kind.declared:
        return wanted
    families = _families(own, wanted)
    numbers = families is not None and any(one != other for one, other in families)
    return wanted if numbers else None


def _families(own: Any, wanted: Any) -> list[tuple[str, str]] | None:
    """Return the families of numbers at the same places of two types; None if others differ."""
    if is_number(own) and is_number(wanted):
        return [(_family(own), _family(wanted))]
    if own == wanted:
        return []
    if is_list(own) and is_list(wanted):
        pairs = [(own.value_type, wanted.value_type)]
    elif types.is_map(own) and types.is_map(wanted):
        pairs = [(own.key_type, wanted.key_type), (own.item_type, wanted.item_type)]
    elif types.is_struct(own) and types.is_struct(wanted):
        theirs = {field.name.lower(): field.type for field in wanted.fields}
        if {field.name.lower() for field in own.fields} != set(theirs):
            return None
        pairs = [(field.type, theirs[field.name.lower()]) for field in own.fields]
    else:
        return None
    found = [_families(*pair) for pair in pairs]
    return None if None in found else [one for some in found for one in some or ()]


def _family(kind: AnyType) -> str:
    if types.is_integer(kind):
        return "integer"
    return "float" if types.is_floating(kind) else "decimal"


def _plain(kind: AnyType) -> AnyType:
    """Return a type as the table has it, without what Hive types do not express."""
    return kind if is_open(kind) else arrow_type(hive_type(kind))


def _hive_type(kind: AnyType) -> str | None:
    try:
        return hive_type(kind)
    except SchemaMismatch:  # a type that cannot be stored as it is
        return None

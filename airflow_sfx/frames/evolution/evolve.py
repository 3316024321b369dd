"""The columns of a table after a frame with other columns is stored in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
from pyarrow import types

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.core.schema import OPEN, Column, ColumnKind, Evolve
from airflow_sfx.frames.column_names import is_unnamed_level_name
from airflow_sfx.frames.evolution.remedies import Source, of_absent, of_added, of_type
from airflow_sfx.frames.schema.kinds import conflicting_path, describe_part
from airflow_sfx.frames.types.hive import arrow_type, hive_type
from airflow_sfx.frames.types.open_types import fill_open, open_paths, with_open_parts
from airflow_sfx.frames.types.widening import widen


@dataclass(frozen=True, slots=True)
class MergeNotes:
    """What messages say about columns, by name in lower case.

    Args:
        brought: The batch that brought a column of the table.
        lost: The value of the frame that the table's type does not hold.
        of_files: Whether files have the columns that are merged into the table's.
        batch_id: The staged batch that has them; empty for a frame, and for files.
    """

    brought: Mapping[str, str] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)
    of_files: bool = False
    batch_id: str = ""

    @property
    def source(self) -> Source:
        """What has the columns that are merged into the table's."""
        if self.batch_id:
            return Source.STAGED
        return Source.FILES if self.of_files else Source.FRAME

    def of(self, column: Column) -> str:
        """Return which batch brought a column, as a relative clause, or empty text."""
        batch = self.brought.get(column.name.lower())
        return f", which {batch} brought," if batch else ""


def merge_columns(
    table_columns: Sequence[Column],
    frame_columns: Sequence[Column],
    *,
    evolve: Evolve,
    table_name: str,
    notes: MergeNotes | None = None,
) -> tuple[Column, ...]:
    """Merge a frame's columns into a table's, by case-insensitive names.

    Args:
        table_columns: The table's current columns, without partition keys.
        frame_columns: The frame's columns, without partition keys.
        evolve: ``none`` rejects every difference. ``safe`` allows new columns, and types that widen
            without changing a value, of the table or the frame. ``any`` also allows columns that
            the frame lacks (the table keeps them, and they read as null), and replaces types that
            cannot widen by the frame's. Columns of unnamed index levels, which a frame has or not
            depending on its rows, are never a difference.
        table_name: The table's name, for messages.
        notes: What messages say beyond the columns.

    Returns:
        The table's columns in their order, followed by new ones.

    Raises:
        SchemaMismatch: ``evolve`` does not allow the frame's columns.

    Example:
        >>> merge_columns([Column("n", "int")], [Column("N", "bigint"), Column("s", "string")],
        ...               evolve="safe", table_name="sales.sold_items")
        (Column(name='n', type='bigint'), Column(name='s', type='string'))
    """
    notes = notes or MergeNotes()
    incoming = {column.name.lower(): column for column in frame_columns}
    merged = []
    for column in table_columns:
        mine = incoming.pop(column.name.lower(), None)
        if mine is None:
            if evolve != "any" and not is_unnamed_level_name(column.name):
                known = {one.name.lower() for one in table_columns}
                others = {name: one for name, one in incoming.items() if name not in known}
                raise SchemaMismatch(
                    f"{table_name} has the column {column.name!r} ({column.type}){notes.of(column)}"
                    f" and {notes.source.has} not",
                    **of_absent(column, others, table_name, notes.source).arguments,
                    table=table_name,
                )
            merged.append(column)
        elif mine.declared(column.kind.declared) == replace(column, name=mine.name):
            merged.append(column.declared(column.kind.declared or mine.kind.declared))
        else:
            merged.append(_merged(column, mine, evolve, table_name, notes))
    if incoming and evolve == "none":
        added = next(iter(incoming.values()))
        raise SchemaMismatch(
            f"{notes.source.has} the column {added.name!r} ({added.type}) and {table_name} has not",
            **of_added(notes.source).arguments,
            table=table_name,
        )
    return (*merged, *incoming.values())


def _merged(
    table: Column, frame: Column, evolve: Evolve, table_name: str, notes: MergeNotes
) -> Column:
    """Return the table's column after the frame's values are stored in it."""
    mine, theirs = _open_type(table), _open_type(frame)
    wider = None
    if (
        mine is not None
        and theirs is not None
        and (evolve != "none" or _differ_only_where_open(mine, theirs))
    ):
        wider = widen(mine, theirs)
    if table.kind.declared and not frame.kind.declared and wider != mine:
        wider = None
    where = None if wider is None else conflicting_path(table, frame, (mine, theirs))
    if evolve == "any" and (wider is None or where is not None):
        return Column(table.name, frame.type, frame.kind)
    if wider is None or mine is None:
        raise _mismatch(table, frame, evolve, table_name, notes)
    if where is not None:
        raise SchemaMismatch(
            f"{table_name} has the column {table.name!r} as {describe_part(table, where)}"
            f"{notes.of(table)} and {notes.source.value} as {describe_part(frame, where)}, and"
            " values of the"
            " one cannot be read as the other: convert the frame's column, or store it under"
            " another name",
            table=table_name,
        )
    parts = {
        path: what for one in (table, frame) for path, what in one.kind.parts if what != OPEN
    } | open_paths(wider)
    marks = table.kind.merged(frame.kind, f"the column {table.name!r} of {table_name}")
    return Column(
        table.name,
        _type_of(table.type, mine, wider),
        ColumnKind(tuple(sorted(parts.items())), marks, table.kind.declared or frame.kind.declared),
    )


def _mismatch(
    table: Column, frame: Column, evolve: Evolve, table_name: str, notes: MergeNotes
) -> SchemaMismatch:
    """Return the error for a frame's column that the table's type does not hold."""
    why = notes.lost.get(table.name.lower(), "")
    if why:
        why = f", and {why}"
    elif table.kind.declared:
        why = ", and types= has declared the table's"
    elif evolve != "none":
        why = ", and neither holds every value of the other"
    mine, theirs = _open_type(table), _open_type(frame)
    remedy = of_type(
        table,
        frame,
        arrow=(mine, theirs),
        wider=None if mine is None or theirs is None else widen(mine, theirs),
        lost=table.name.lower() in notes.lost,
        evolve=evolve,
        source=notes.source,
        staged=(table_name, notes.batch_id),
    )
    return SchemaMismatch(
        f"{table_name} has the column {table.name!r} as {table.type}{notes.of(table)} and"
        f" {notes.source.value} as {frame.type}{why}",
        **remedy.arguments,
        table=table_name,
    )


def _open_type(column: Column) -> pa.DataType | None:
    """Return a column's type with null for open parts, or None if unsupported."""
    try:
        found: pa.DataType = with_open_parts(arrow_type(column.type), column.kind.by_path)
    except SchemaMismatch:
        return None
    return found


def _with_lower_names(kind: Any) -> pa.DataType:
    """Return a type with the names of struct fields in lower case."""
    if types.is_list(kind):
        return pa.list_(_with_lower_names(kind.value_type))
    if types.is_map(kind):
        return pa.map_(_with_lower_names(kind.key_type), _with_lower_names(kind.item_type))
    if types.is_struct(kind):
        return pa.struct(
            [(field.name.lower(), _with_lower_names(field.type)) for field in kind.fields]
        )
    return kind  # type: ignore[no-any-return]


def _differ_only_where_open(one: pa.DataType, other: pa.DataType) -> bool:
    mine, theirs = _with_lower_names(one), _with_lower_names(other)
    return bool(fill_open(mine, theirs) == fill_open(theirs, mine))


def _type_of(table: str, mine: pa.DataType, wider: pa.DataType) -> str:
    if wider != mine or table.lower().startswith(("varchar", "char")):  # Hive truncates longer text
        return hive_type(wider)
    return table

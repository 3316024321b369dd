"""Fit the columns of a frame to those of its table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import InvalidName, SchemaMismatch
from airflow_sfx.core.partition import PartitionKey
from airflow_sfx.core.schema import OPEN, Column, Evolve, TableFit
from airflow_sfx.metastore.base import TableInfo
from airflow_sfx.metastore.table_properties import refuse_long
from airflow_sfx.warehouse.batch.target import Target
from airflow_sfx.warehouse.log.table_columns import HeldColumns, demanded_columns, held_columns
from airflow_sfx.warehouse.table.table import Table

if TYPE_CHECKING:
    from airflow_sfx.frames.evolution.table_types import TableTypes


def fit(
    target: Target,
    keys: tuple[PartitionKey, ...],
    columns: tuple[Column, ...],
    *,
    evolve: Evolve,
    nameless: Collection[str] = (),
    lost: Mapping[str, str] = MappingProxyType({}),
    of_files: bool = False,
) -> tuple[Column, ...]:
    """Return the table's columns after storing the frame.

    Args:
        target: The table.
        keys: The table's partition keys.
        columns: The frame's columns.
        evolve: How the table's may change.
        nameless: The columns of an index without a name. Files have them, so that loading
            restores the frame; the table does not, because other frames may lack them.
        lost: The values that prevented casts, for messages, by column in lower case.
        of_files: Whether the columns are those of files, for messages, and not of a frame.

    Returns:
        The columns.

    Raises:
        SchemaMismatch: The frame does not fit, or the metastore cannot store a column's kind.
        InvalidName: A column has the name of a partition key.
    """
    have = demanded_columns(target.existing)
    known = {column.name.lower() for column in have}
    columns = tuple(one for one in columns if one.name not in nameless or one.name.lower() in known)
    if not columns:
        raise SchemaMismatch(
            f"the frame has no columns but the partition keys: {target.ref} needs at least one more"
        )
    names = {column.name.lower() for column in columns}
    for key in keys:
        if key.name in names:
            raise InvalidName(
                f"the frame has a column named {key.name!r}, which is a partition key of"
                f" {target.ref}: drop the column, or pass partition_by=[{key.name!r}] instead of"
                " partitions="
            )
    fitting = _merged(target, have, columns, evolve, lost, of_files) if have else columns
    if target.metastore.for_engines:
        refuse_long(fitting, str(target.ref))
    return fitting


def _merged(
    target: Target,
    have: tuple[Column, ...],
    columns: tuple[Column, ...],
    evolve: Evolve,
    lost: Mapping[str, str],
    of_files: bool,
) -> tuple[Column, ...]:
    from airflow_sfx.frames.evolution.evolve import MergeNotes, merge_columns

    merge = partial(merge_columns, evolve=evolve, table_name=str(target.ref))
    try:
        return merge(have, columns)
    except SchemaMismatch:
        learned = _learned(target, columns)
    with suppress(SchemaMismatch):
        if learned is not None:
            return merge(learned, columns)
    # What only batches had that are not current is asked of no frame.
    held = _held(target)
    places = {column.name.lower(): place for place, column in enumerate(have)}
    ordered = sorted(held.columns, key=lambda one: places.get(one.name.lower(), len(places)))
    return merge(ordered, columns, notes=MergeNotes(held.brought, lost, of_files))


def _held(target: Target) -> HeldColumns:
    if target.existing is None or target.adopted:
        return HeldColumns(demanded_columns(target.existing))
    return held_columns(Table.of(target.existing, target.store, target.metastore))


def table_types(target: Target, given: Collection[str]) -> TableTypes:
    """Return what casts the columns of frames to the table's types.

    Args:
        target: The table.
        given: The columns whose types the caller declares, in lower case.
    """
    from airflow_sfx.frames.evolution.table_types import TableTypes

    return TableTypes(demanded_columns(target.existing), given)


def fit_of(
    types: TableTypes,
    frame: Sequence[Column],
    merged: Sequence[Column],
    declared: Collection[str],
    evolve: Evolve,
) -> TableFit:
    """Return how a frame was fitted to its table, for the manifests of its batches.

    Args:
        types: What cast its columns.
        frame: Its columns with their kinds.
        merged: The table's columns afterwards.
        declared: The columns whose types the caller declared, in lower case.
        evolve: Which changes the caller allowed.
    """
    table = {column.name.lower(): column.type for column in merged}
    wider = {
        one.name: table[one.name.lower()]
        for one in frame
        if table.get(one.name.lower(), one.type) != one.type
        and OPEN not in one.kind.by_path.values()
    }
    named = tuple(one.name for one in frame if one.name.lower() in declared)
    return TableFit(dict(types.casts), wider, named, evolve)


def _learned(target: Target, columns: Sequence[Column]) -> tuple[Column, ...] | None:
    """Return the columns with kinds from batches, for tables of old versions.

    The kinds are recorded in the metastore. Returns None if that would not help a frame of
    these columns.
    """
    if target.existing is None or target.adopted:
        return None
    special = {column.name.lower() for column in columns if column.kind.parts}
    silent = {
        column.name.lower()
        for column in target.existing.columns
        if not column.kind and (column.name.lower() in special or _may_be_open(target, column))
    }
    if not silent:
        return None
    from airflow_sfx.warehouse.log.restore import kinds_in_batches

    kinds = kinds_in_batches(Table.of(target.existing, target.store, target.metastore), silent)
    if not kinds:
        return None

    def with_kinds(now: TableInfo) -> TableInfo:
        columns = (
            replace(one, kind=kinds.get(one.name.lower(), one.kind)) if not one.kind else one
            for one in now.columns
        )
        return replace(now, columns=tuple(columns))

    return target.metastore.update_table(target.ref, with_kinds).columns


def _may_be_open(target: Target, column: Column) -> bool:
    """Return whether an earlier version may have made a column without values text.

    Its files have it as text, too: engines would fail at them once the table says another type.
    """
    return not target.metastore.for_engines and "string" in column.type.lower()

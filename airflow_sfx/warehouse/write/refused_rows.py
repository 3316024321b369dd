"""The rows of a window that a table refuses for their values.

A store refuses a frame as a whole. Where the records of the other rows are to go on, the refused
rows are found by planning smaller and smaller parts of the frame, which writes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InvalidName, SchemaMismatch
from airflow_sfx.warehouse.batch.target import Target
from airflow_sfx.warehouse.log.compactions import WINDOW
from airflow_sfx.warehouse.write.store_plan import StoreOptions, plan_store, typed_partition
from airflow_sfx.warehouse.write.window import with_window

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_NUMBER = "number of the row"
_TRIED = 16
"""How many rows are tried alone before the columns are found to be what is refused."""


def refused_rows(target: Target, frame: pd.DataFrame, options: StoreOptions) -> dict[int, str]:
    """Return the rows that a store would refuse for their values, and why.

    Args:
        target: The table.
        frame: The rows.
        options: How they are stored; ``partition_by`` without the window.

    Returns:
        Messages by the number of the row; none if the columns do not fit the table, whatever is
        in them, as then no row is to blame.
    """
    found = _wrong_keys(target, frame, options)
    rest = [row for row in range(len(frame)) if row not in found]
    if not _fits_somehow(target, frame, rest, options):
        return {}
    parts = [rest]
    while parts:
        rows = parts.pop()
        why = _refusal(target, _part(frame, rows), options) if rows else ""
        if why and len(rows) == 1:
            found[rows[0]] = why
        elif why:
            half = len(rows) // 2
            parts += [rows[:half], rows[half:]]
    return found


def _part(frame: pd.DataFrame, rows: list[int]) -> pd.DataFrame:
    return frame.iloc[rows].reset_index(drop=True)


def _refusal(target: Target, data: object, options: StoreOptions) -> str:
    """Return why a store would refuse a frame; empty if it would not."""
    by = (*(options.partition_by or ()), WINDOW)
    try:
        plan = plan_store(target, with_window(data, None), replace(options, partition_by=by))
        for _, rows in plan.chunks:
            plan.encode(rows)
    except (InvalidName, SchemaMismatch) as error:
        return str(error)
    return ""


def _wrong_keys(target: Target, frame: pd.DataFrame, options: StoreOptions) -> dict[int, str]:
    """Return the rows whose partition values do not fit the types of the table's keys.

    There are none if the table has other keys, or if theirs are columns of another type.
    """
    import pyarrow as pa

    from airflow_sfx.frames.partitioning import key_columns, midnight_columns, split_by

    try:
        table = with_window(frame, None)
        by = key_columns(table.schema, (*(options.partition_by or ()), WINDOW))
        keys, _ = target.keys_of_columns(by, None, table.schema, midnight_columns(table, by))
    except (InvalidName, SchemaMismatch):
        return {}
    counted: Any = pa.array(range(len(frame)))
    found = dict[int, str]()
    for values, rows in split_by(table.select(by).append_column(_NUMBER, counted), by):
        try:
            typed_partition(values, keys)
        except InvalidName as error:
            numbers: Any = rows.column(_NUMBER)
            found |= dict.fromkeys(numbers.to_pylist(), str(error))
    return found


def _fits_somehow(
    target: Target, frame: pd.DataFrame, rows: list[int], options: StoreOptions
) -> bool:
    """Return whether the table takes these columns with other values, or one of the rows."""
    if not rows:
        return True
    for row in rows[:_TRIED]:
        one = _part(frame, [row])
        if not _refusal(target, one, options):
            return True
        plain = _plain(one, options)
        if plain is not None and not _refusal(target, plain, options):
            return True
    return False


def _plain(row: pd.DataFrame, options: StoreOptions) -> pa.Table | None:
    """Return a row with zeros in all columns but its keys, or None if it is no row of Arrow."""
    import pyarrow as pa

    from airflow_sfx.frames.inputs import frame_in_memory

    try:
        table = frame_in_memory(row)
    except SchemaMismatch:
        return None
    keys = set(options.partition_by or ())
    columns = [
        column if name in keys else _zero(column.type)
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=table.schema)


def _zero(kind: Any) -> Any:
    import pyarrow as pa

    for value in (0, "0", b"0", False):
        try:
            return pa.array([value], kind)
        except (pa.ArrowException, TypeError, ValueError):
            continue
    return pa.nulls(1, kind)

"""Checks before publishing: a batch that fails one stays staged, and the partition stays as it was.

A check is any callable that takes the frame: None or true means passed, false or a text means failed. Those here take
pandas, polars and Arrow frames alike.

Example:
    >>> import pandas as pd
    >>> rows_between(1, 3)(pd.DataFrame({"n": [1, 2]})) is None
    True
    >>> not_null("n")(pd.DataFrame({"n": [1.0, None]}))
    "column 'n' has 1 null"
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["not_null", "rows_between", "unique"]


@dataclass(frozen=True)
class rows_between:  # reads as a sentence where it is used
    """The frame has between ``low`` and ``high`` rows, both included."""

    low: int
    high: int

    @property
    def name(self) -> str:
        """As it was written."""
        return f"rows_between({self.low}, {self.high})"

    def __call__(self, frame: object) -> str | None:
        """Say what is wrong, or None."""
        rows = _table(frame).num_rows
        return None if self.low <= rows <= self.high else f"{rows} rows, not between {self.low} and {self.high}"


class not_null:
    """The columns have no nulls (and no NaN, in a pandas frame)."""

    def __init__(self, *columns: str) -> None:
        self.columns = columns

    @property
    def name(self) -> str:
        """As it was written."""
        return f"not_null({', '.join(map(repr, self.columns))})"

    def __call__(self, frame: object) -> str | None:
        """Say what is wrong, or None."""
        table = _table(frame)
        counts = {column: _column(table, column).null_count for column in self.columns}
        return "; ".join(f"column {c!r} has {n} null{'s' * (n > 1)}" for c, n in counts.items() if n) or None


class unique:
    """No two rows have the same values in the columns taken together."""

    def __init__(self, *columns: str) -> None:
        self.columns = columns

    @property
    def name(self) -> str:
        """As it was written."""
        return f"unique({', '.join(map(repr, self.columns))})"

    def __call__(self, frame: object) -> str | None:
        """Say what is wrong, or None."""
        table = _table(frame)
        for column in self.columns:
            _column(table, column)
        repeated = table.num_rows - table.group_by(list(self.columns)).aggregate([]).num_rows
        return f"{repeated} row{'s' * (repeated > 1)} repeat {', '.join(self.columns)}" if repeated else None


def _table(frame: object) -> pa.Table:
    from airflow_sfx.core.errors import SchemaMismatch
    from airflow_sfx.frames.source import to_source

    table = to_source(frame).table
    if table is None:
        raise SchemaMismatch(f"a check needs a frame in memory, not a {type(frame).__name__}")
    return table


def _column(table: pa.Table, name: str) -> pa.ChunkedArray[Any]:
    from airflow_sfx.core.errors import SchemaMismatch

    if name not in table.column_names:
        raise SchemaMismatch(f"the check names the column {name!r}, and the frame has {', '.join(table.column_names)}")
    return table.column(name)

"""The frame that a portable function gets, built anew for each call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.internals import create_dataframe_from_blocks

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.portability.columns import Array, array_builder, read_series
from airflow_sfx.portability.schema import Column
from airflow_sfx.portability.values import reader

_ONE = pd.RangeIndex(1)


class FrameBuilder:
    """Builds frames of declared columns, from a frame, from rows, or from one row.

    Columns of the same dtype of numpy share a block, as pandas has them.

    Args:
        columns: The columns.

    Example:
        >>> from airflow_sfx.portability.schema import columns_of
        >>> builder = FrameBuilder(columns_of({"n": "bigint", "x": "double"}, "inputs"))
        >>> builder.of_values(builder.read({"n": 1, "x": 2})).dtypes.astype(str).to_dict()
        {'n': 'Int64', 'x': 'float64'}
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = tuple(columns)
        self._names = pd.Index([one.name for one in columns], dtype=str)
        self._reads = tuple((one.name, reader(one)) for one in columns)
        self._builds = tuple(array_builder(one) for one in columns)
        self._groups = _groups(columns)

    def of_values(self, row: Sequence[Any]) -> pd.DataFrame:
        """Return the frame of one row that `read` has returned."""
        return self._frame([[one] for one in row], _ONE)

    def of_rows(self, rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
        """Return the frame of rows that `read` has returned."""
        lists = [list(one) for one in zip(*rows, strict=True)] or [[] for _ in self.columns]
        return self._frame(lists, pd.RangeIndex(len(rows)))

    def of_frame(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a frame with the declared columns only, in their dtypes, its rows numbered.

        Raises:
            SchemaMismatch: The frame lacks a column, or has a value that does not fit.
        """
        arrays = []
        for column, (name, read), build in zip(
            self.columns, self._reads, self._builds, strict=True
        ):
            if name not in frame.columns:
                raise self.lacks(name)
            values = frame[name]
            if values.ndim != 1:
                raise SchemaMismatch(f"the frame has the column {name!r} twice: rename one")
            arrays.append(read_series(column, read, build, values))
        return self._frame(arrays, pd.RangeIndex(len(frame)))

    def read(self, row: Mapping[str, Any]) -> list[Any]:
        """Return the values of a row as the columns have them.

        Raises:
            SchemaMismatch: The row lacks a column, or has a value that does not fit.
        """
        try:
            return [read(row[name]) for name, read in self._reads]
        except KeyError:
            for name, _ in self._reads:
                if name not in row:
                    raise self.lacks(name) from None
            raise

    def lacks(self, name: str) -> SchemaMismatch:
        """Return the error for a column that is not there."""
        names = ", ".join(name for name, _ in self._reads)
        return SchemaMismatch(
            f"the row has no column {name!r:.80}, which the function takes: pass {names}, with None"
            " where a value is missing"
        )

    def _frame(self, values: Sequence[Any], index: pd.RangeIndex) -> pd.DataFrame:
        """Return the frame of the columns' values: lists of them, or arrays."""
        blocks: list[tuple[Array, Any]] = []
        for dtype, place, positions in self._groups:
            if dtype is None:
                array = values[positions[0]]
                if type(array) is list:
                    array = self._builds[positions[0]](array)
                if isinstance(array, np.ndarray | pd.arrays.DatetimeArray):
                    array = array.reshape(1, -1)
                blocks.append((array, place))
            else:
                block = np.array([values[one] for one in positions], dtype=dtype)
                blocks.append((block.reshape(len(positions), len(index)), place))
        made: pd.DataFrame = create_dataframe_from_blocks(blocks, index=index, columns=self._names)
        return made


_Group = tuple[np.dtype[Any] | None, Any, tuple[int, ...]]


def _groups(columns: Sequence[Column]) -> tuple[_Group, ...]:
    """Return which columns are together in a block: its dtype, their place and positions.

    The dtype is None for a column that has a block, and a way to build it, of its own.
    """
    shared: dict[str, list[int]] = {}
    alone: list[_Group] = []
    for position, column in enumerate(columns):
        feature = column.feature
        if feature.categories is None and (
            feature.kind == "number"
            or (feature.kind in ("integer", "boolean") and not feature.nullable)
            or (feature.kind == "time" and column.zone is None)
        ):
            shared.setdefault(feature.dtype, []).append(position)
        else:
            alone.append((None, np.array([position]), (position,)))
    together: list[_Group] = [
        (np.dtype(dtype), np.array(positions), tuple(positions))
        for dtype, positions in shared.items()
    ]
    return (*together, *alone)

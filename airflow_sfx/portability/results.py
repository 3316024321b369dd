"""What a portable function returned, as the columns that it declared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.portability.frames import FrameBuilder
from airflow_sfx.portability.schema import Column
from airflow_sfx.portability.values import giver, reader


class ResultReader:
    """Reads what a function returned for a frame: a row for each row, in their order.

    Args:
        name: The function's name, for errors.
        columns: The declared columns.
    """

    def __init__(self, name: str, columns: Sequence[Column]) -> None:
        self._name, self.builder = name, FrameBuilder(columns)
        self._names = [one.name for one in columns]
        self._one = tuple((one.name, reader(one), giver(one)) for one in columns)

    def frame(self, result: object, given: pd.DataFrame) -> pd.DataFrame:
        """Return the declared columns of a result, in their dtypes.

        Args:
            result: What the function returned.
            given: The frame that it got.

        Raises:
            SchemaMismatch: It is not a frame of these rows, or a value does not fit.
        """
        found, _ = self._checked(result, given)
        try:
            return self.builder.of_frame(found)
        except SchemaMismatch as error:
            raise self._misfit(error) from error.__cause__

    def row(self, result: object, given: pd.DataFrame) -> dict[str, Any]:
        """Return the only row of a result, by the same rules.

        Args:
            result: What the function returned.
            given: The frame of one row that it got.

        Raises:
            SchemaMismatch: It is not a frame of this row, or a value does not fit.
        """
        found, names = self._checked(result, given)
        get, place_of = found.iat, names.index
        try:
            return {name: give(read(get[0, place_of(name)])) for name, read, give in self._one}
        except SchemaMismatch as error:
            raise self._misfit(error) from error.__cause__
        except (ValueError, OverflowError, ArithmeticError):  # an array with values Python has not
            return self.rows(self.frame(result, given))[0]

    def rows(self, frame: pd.DataFrame) -> list[dict[str, Any]]:
        """Return the rows of a frame that `frame` has returned, as `row` returns one."""
        columns = [
            [give(read(one)) for one in frame[name].tolist()] for name, read, give in self._one
        ]
        return [dict(zip(self._names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _checked(self, result: object, given: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
        """Return a result that is a frame of the given rows, and the names of its columns."""
        if isinstance(result, pd.Series) and len(self._names) == 1:
            result = result.to_frame(self._names[0])
        if not isinstance(result, pd.DataFrame):
            raise SchemaMismatch(
                f"the function {self._name} returned {type(result).__name__}: return a DataFrame"
                f" with {', '.join(self._names)}"
            )
        if len(result) != len(given):
            raise SchemaMismatch(
                f"the function {self._name} returned {len(result)} rows for {len(given)}: return"
                " one for each row that it gets"
            )
        index = result.index
        if not index.is_(given.index) and not np.array_equal(index, given.index):
            raise SchemaMismatch(
                f"the function {self._name} returned the rows in another order, or with another"
                " index: return them as it gets them"
            )
        names = list(result.columns)  # looking names up would build an index of them
        for name in self._names:
            found = names.count(name)
            if found != 1:
                times = f"the column {name!r} {found} times" if found else f"no column {name!r}"
                raise SchemaMismatch(
                    f"the function {self._name} returned {times}, which outputs= declares: return"
                    " it once"
                )
        return result, names

    def _misfit(self, error: SchemaMismatch) -> SchemaMismatch:
        return SchemaMismatch(f"what the function {self._name} returned does not fit: {error}")

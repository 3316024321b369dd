"""The decorator: one function in batch, online and for the records of a stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.portability.calls import Function, PortableCalls, pandas_of
from airflow_sfx.portability.schema import Declared, columns_of

if TYPE_CHECKING:
    from airflow_sfx.portability.check.report import PortabilityReport


class Portable(PortableCalls):
    """A function of rows with declared columns, as `airflow_sfx.portable` makes it.

    Args:
        function: The function: it gets a DataFrame, and returns one with a row for each.
        inputs: The columns that it takes.
        outputs: The columns that it returns.
    """

    __slots__ = ()

    def check(
        self, rows: Any, *, most: int = 1000, splits: int = 20, seed: int = 0
    ) -> PortabilityReport:
        """Compare what the function returns for rows together, one by one, and in other orders.

        Args:
            rows: A frame, a list of records, or a pin, whose batches are loaded.
            most: The most rows; of more, a random sample.
            splits: How many random divisions and orders of the rows are tried.
            seed: Which random ones.

        Returns:
            The report: whether all values are the same to the bit, else the smallest rows for
            which they differ, and a likely cause.

        Raises:
            SchemaMismatch: A row does not fit the declared columns.
            InvalidName: There are no rows, or a number is not positive.
        """
        from airflow_sfx.portability.check.check import checked

        return checked(self, _rows(rows), most=most, splits=splits, seed=seed)

    def compare(self, rows: Any, *, most: int = 1000) -> str | None:
        """Compare a frame that has the function's columns with what it gives online.

        Args:
            rows: The frame; without these columns, there is nothing to compare.
            most: The most rows; of more, a random sample.

        Returns:
            What differs first, or None.

        Raises:
            SchemaMismatch: A row does not fit the declared columns.
        """
        from airflow_sfx.portability.check.check import compared

        return compared(self, pandas_of(rows), most)


def portable(
    *, inputs: Mapping[str, Declared], outputs: Mapping[str, Declared]
) -> Callable[[Function], Portable]:
    """Declare a function of rows that runs in batch, online and for a stream.

    The function gets a DataFrame and returns one, with a row for each row that it gets, made from
    that row alone. In all three, values pass through the declared columns, so that the 1 of a JSON
    document, of an Int64 column and of a float column with missing values are the same value.

    Args:
        inputs: Types by column: a Hive type, as ``double`` or ``decimal(10,2)``; with ``not null``
            behind it if no value may be missing; ``timestamp[us, tz=UTC]`` for times with a zone;
            a list of the values of a category; or a column of a model's signature.
        outputs: The columns that it returns, likewise. Other columns are left out.

    Returns:
        The decorator.

    Raises:
        InvalidName: There are no columns, or a name is not valid.
        SchemaMismatch: A type is unknown, or nested.

    Example:
        >>> import pandas as pd
        >>> import airflow_sfx as sfx
        >>> @sfx.portable(
        ...     inputs={"distance": "double", "carrier": ["AA", "UA"]}, outputs={"late": "double"}
        ... )
        ... def late(flights):
        ...     slow = flights["carrier"].eq("UA") * 4.0
        ...     return pd.DataFrame({"late": flights["distance"] * 0.02 + slow})
        >>> late.online(distance=1400, carrier="UA")
        {'late': 32.0}
        >>> frame = pd.DataFrame({"distance": [1400, 200], "carrier": ["UA", "AA"]})
        >>> late(frame)["late"].tolist(), bool(late.check(frame))
        ([32.0, 4.0], True)
    """
    taken, given = columns_of(inputs, "inputs"), columns_of(outputs, "outputs")

    def decorate(function: Function) -> Portable:
        if not callable(function):
            raise InvalidName(f"{function!r:.80} is not a function: put the decorator above one")
        return Portable(function, taken, given)

    return decorate


def _rows(rows: Any) -> Any:
    """Return the rows to check: a frame of pandas, or a list of records."""
    if isinstance(rows, BatchPin):
        from airflow_sfx._default import connect

        return connect().load_dataframe(rows)
    if isinstance(rows, list | tuple):
        return list(rows)
    return pandas_of(rows)

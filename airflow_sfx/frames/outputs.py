"""What the caller gets: a pandas or polars DataFrame or an Arrow table, of the rows that were read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

import pyarrow as pa

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames.pandas.frame import arrow_to_pandas
from airflow_sfx.frames.parquet.reader import SourceFile, iter_batches, read_table
from airflow_sfx.frames.types.polars import polars_table

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Refused: TypeAlias = tuple[type[BaseException], ...]
_OF_PANDAS: Refused = (pa.ArrowException, ValueError, OverflowError, LookupError)
"""What pandas and Python say of values, dates and time zones that they lack."""

Output = Literal["pandas", "polars", "arrow"]


@overload
def to_output(table: pa.Table, as_: Literal["pandas"]) -> pd.DataFrame: ...
@overload
def to_output(table: pa.Table, as_: Literal["polars"]) -> pl.DataFrame: ...
@overload
def to_output(table: pa.Table, as_: Literal["arrow"]) -> pa.Table: ...
def to_output(table: pa.Table, as_: Output) -> pd.DataFrame | pl.DataFrame | pa.Table:
    """Convert a table that was read to what the caller wants.

    Args:
        table: The table, with the frame's types and metadata.
        as_: ``pandas``, ``polars`` or ``arrow``.

    Returns:
        The frame.

    Raises:
        SchemaMismatch: There is no such kind of frame, or its library cannot hold the columns, or
            is not installed.

    Example:
        >>> to_output(pa.table({"n": [1, 2]}), "pandas")["n"].sum()
        np.int64(3)
    """
    if not isinstance(as_, str):
        raise _unknown(as_)
    if as_ == "arrow":
        return table
    if as_ == "pandas":
        try:
            return arrow_to_pandas(table)
        except _OF_PANDAS as error:
            raise _not_held(
                "pandas", _culprit(table, arrow_to_pandas, _OF_PANDAS), error
            ) from error
    if as_ != "polars":
        raise _unknown(as_)
    try:
        import polars as pl
    except ImportError as error:
        raise SchemaMismatch(
            "polars is not installed: pip install 'airflow-sfx[polars]', or use as_=\"pandas\""
        ) from error
    of_polars = (
        Exception,
        pl.exceptions.PanicException,
    )  # polars has its own tree of errors, and panics beside it
    try:
        made = pl.from_arrow(polars_table(table))
    except SchemaMismatch:
        raise
    except of_polars as error:
        culprit = _culprit(table, lambda one: pl.from_arrow(polars_table(one)), of_polars)
        raise _not_held("polars", culprit, error) from error
    return made if isinstance(made, pl.DataFrame) else made.to_frame()


def _culprit(table: pa.Table, convert: Callable[[pa.Table], object], refused: Refused) -> str:
    """The column that cannot be converted, or all of the frame."""
    for name in table.column_names:
        try:
            convert(table.select([name]))
        except refused:
            return f"the column {name!r}"
    return "the columns together"


def _not_held(library: str, what: str, error: BaseException) -> SchemaMismatch:
    told = (str(error).splitlines() or [type(error).__name__])[0]
    return SchemaMismatch(
        f"{library} cannot hold the frame, because of {what} ({told}): leave it out with columns=,"
        ' or use as_="arrow"'
    )


def _unknown(as_: object) -> SchemaMismatch:
    return SchemaMismatch(
        f"as_={as_!r:.80} is no kind of frame: use 'pandas', 'polars', 'arrow' or 'spark'"
    )


__all__ = ["Output", "SourceFile", "iter_batches", "read_table", "to_output"]

"""Frames that callers get: the rows that were read as pandas, polars or Arrow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

import pyarrow as pa

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames.pandas.frame import arrow_to_pandas
from airflow_sfx.frames.pandas.metadata import unnamed_index_columns
from airflow_sfx.frames.parquet.reader import SourceFile, iter_batches, read_table
from airflow_sfx.frames.types.polars import polars_table

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Errors: TypeAlias = tuple[type[BaseException], ...]
_PANDAS_ERRORS: Errors = (pa.ArrowException, ValueError, OverflowError, LookupError)
"""Errors of pandas and Python for values, dates and time zones that they do not support."""

Output = Literal["pandas", "polars", "arrow"]


@overload
def to_output(table: pa.Table, as_: Literal["pandas"]) -> pd.DataFrame: ...
@overload
def to_output(table: pa.Table, as_: Literal["polars"]) -> pl.DataFrame: ...
@overload
def to_output(table: pa.Table, as_: Literal["arrow"]) -> pa.Table: ...
def to_output(table: pa.Table, as_: Output) -> pd.DataFrame | pl.DataFrame | pa.Table:
    """Convert a table that was read to a frame of the given library.

    Args:
        table: The table, with the frame's types and metadata.
        as_: ``pandas``, ``polars`` or ``arrow``.

    Returns:
        The frame.

    Raises:
        SchemaMismatch: The library is unknown, is not installed, or cannot hold the columns.

    Example:
        >>> to_output(pa.table({"n": [1, 2]}), "pandas")["n"].sum()
        np.int64(3)
    """
    if not isinstance(as_, str):
        raise _unknown_output(as_)
    if as_ == "arrow":
        return table
    if as_ == "pandas":
        try:
            return arrow_to_pandas(table)
        except _PANDAS_ERRORS as error:
            raise _conversion_error(
                "pandas", _failing_column(table, arrow_to_pandas, _PANDAS_ERRORS), error
            ) from error
    if as_ != "polars":
        raise _unknown_output(as_)
    try:
        import polars as pl
    except ImportError as error:
        raise SchemaMismatch(
            "polars is not installed: pip install 'airflow-sfx[polars]', or use as_=\"pandas\""
        ) from error
    polars_errors = (Exception, pl.exceptions.PanicException)  # panics are not Exceptions
    try:
        made = pl.from_arrow(polars_table(named_columns(table)))
    except SchemaMismatch:
        raise
    except polars_errors as error:
        failing = _failing_column(
            table, lambda one: pl.from_arrow(polars_table(one)), polars_errors
        )
        raise _conversion_error("polars", failing, error) from error
    return made if isinstance(made, pl.DataFrame) else made.to_frame()


def named_columns(table: pa.Table) -> pa.Table:
    """Leave out the columns of an index without a name, which only pandas can restore.

    Args:
        table: The table, with the frame's metadata.

    Returns:
        The table; unchanged if it has no other columns.

    Example:
        >>> import pandas as pd
        >>> from airflow_sfx.frames.pandas.frame import pandas_to_arrow
        >>> frame = pd.DataFrame({"price": [5.0, 0.0, 7.0, 8.0]})
        >>> named_columns(pandas_to_arrow(frame[frame.price > 0])).column_names
        ['price']
    """
    nameless = unnamed_index_columns(table.schema)
    kept = [name for name in table.column_names if name not in nameless]
    return table.select(kept) if kept else table


def _failing_column(table: pa.Table, convert: Callable[[pa.Table], object], errors: Errors) -> str:
    """Find the column that cannot be converted; else name all columns."""
    for name in table.column_names:
        try:
            convert(table.select([name]))
        except errors:
            return f"the column {name!r}"
    return "the columns together"


def _conversion_error(library: str, what: str, error: BaseException) -> SchemaMismatch:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return SchemaMismatch(
        f"{library} cannot hold the frame, because of {what} ({reason}): leave it out with"
        ' columns=, or use as_="arrow"'
    )


def _unknown_output(as_: object) -> SchemaMismatch:
    return SchemaMismatch(
        f"as_={as_!r:.80} is not a kind of frame: use 'pandas', 'polars', 'arrow' or 'spark'"
    )


__all__ = ["Output", "SourceFile", "iter_batches", "read_table", "to_output"]

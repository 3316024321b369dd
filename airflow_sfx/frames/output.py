"""What the caller gets: a pandas or polars DataFrame or an Arrow table, of the rows that were read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

import pyarrow as pa

from airflow_sfx.core.errors import SchemaMismatch
from airflow_sfx.frames.pandas_frame import frame_of_table
from airflow_sfx.frames.polars_types import polars_table
from airflow_sfx.frames.reading import SourceFile, iter_batches, read_table

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

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
        SchemaMismatch: There is no such kind of frame, or its library cannot hold the columns, or is not installed.

    Example:
        >>> to_output(pa.table({"n": [1, 2]}), "pandas")["n"].sum()
        np.int64(3)
    """
    if as_ == "arrow":
        return table
    if as_ == "pandas":
        try:
            return frame_of_table(table)
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise SchemaMismatch(
                f'pandas cannot hold the frame ({error}): leave the column out with columns=, or use as_="arrow"'
            ) from error
    if as_ != "polars":
        raise SchemaMismatch(f"as_={as_!r} is no kind of frame: use 'pandas', 'polars', 'arrow' or 'spark'")
    try:
        import polars as pl
    except ImportError as error:
        raise SchemaMismatch(
            "polars is not installed: pip install 'airflow-sfx[polars]', or use as_=\"pandas\""
        ) from error
    try:
        made = pl.from_arrow(polars_table(table))
    except SchemaMismatch:
        raise
    except (
        Exception,
        pl.exceptions.PanicException,
    ) as error:  # polars has its own tree of errors, and panics beside it
        raise SchemaMismatch(
            f"polars cannot hold the frame ({str(error).splitlines()[0]}): leave the column out with columns=, or use "
            'as_="pandas" or as_="arrow"'
        ) from error
    return made if isinstance(made, pl.DataFrame) else made.to_frame()


__all__ = ["Output", "SourceFile", "iter_batches", "read_table", "to_output"]

"""Column statistics: bounds from footers, sums from the values."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from airflow_sfx.core.schema import Bound, Column, ColumnStatistics
from airflow_sfx.frames._typing import AnyColumn
from airflow_sfx.frames.column_names import open_name

MAX_TEXT = 64
CUT = "…"
"""The mark at the end of a truncated text."""
_FEW = 64


class HasStatistics(Protocol):
    """A file with column statistics."""

    @property
    def rows(self) -> int:
        """The number of rows of the file."""

    @property
    def statistics(self) -> Mapping[str, ColumnStatistics]:
        """The statistics by column."""


@dataclass(frozen=True, slots=True)
class LeafColumn:
    """The position of a flat column among the leaf columns of files of one schema.

    Args:
        position: Its number among the leaves.
        decimal: Whether it holds decimals, whose bounds are text and compared as numbers.
    """

    position: int
    decimal: bool


def statistics_of(
    footer: pq.FileMetaData,
    names: Sequence[str],
    leaf_columns: Mapping[str, LeafColumn] | None = None,
) -> dict[str, ColumnStatistics]:
    """Read the statistics of a file's columns.

    Args:
        footer: The file's metadata.
        names: The columns' names in the frame; the file has them in lower case.
        leaf_columns: Their positions, as `leaf_columns_of` returns them for a file of the same
            schema; or None to look them up.

    Returns:
        The statistics by name; nested columns, and columns without statistics, are absent.
    """
    found: dict[str, ColumnStatistics] = {}
    row_groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    for name, leaf_column in (leaf_columns or leaf_columns_of(footer, names)).items():
        groups = [_of_chunk(group.column(leaf_column.position)) for group in row_groups]
        merged = (
            _merge([one for one in groups if one is not None], leaf_column.decimal)
            if None not in groups
            else None
        )
        if merged is not None:
            found[name] = merged[1]
    return found


def number_columns_of(schema: pa.Schema, names: Sequence[str]) -> dict[str, int]:
    """Return the places of numbers and booleans by their names in the frame.

    Args:
        schema: The schema of the files, with names in lower case.
        names: The columns' names in the frame.
    """
    places = {name: schema.get_field_index(name.lower()) for name in names}
    return {
        name: place
        for name, place in places.items()
        if place >= 0 and is_number(schema.field(place).type)
    }


def is_number(kind: pa.DataType) -> bool:
    """Return whether values of a type have a sum: numbers, and booleans as 0 and 1."""
    kinds = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean)
    return any(is_kind(kind) for is_kind in kinds)


def with_totals(
    statistics: Mapping[str, ColumnStatistics], table: pa.Table, numbers: Mapping[str, int]
) -> dict[str, ColumnStatistics]:
    """Add the sums of a file's numbers, which footers do not have.

    Args:
        statistics: What the footer has.
        table: The file's rows.
        numbers: The places of its numbers, as `number_columns_of` returns them.

    Example:
        >>> with_totals({"N": ColumnStatistics(0, 1, 2)}, pa.table({"n": [1, 2]}), {"N": 0})
        {'N': ColumnStatistics(null_count=0, minimum=1, maximum=2, total=3.0, nans=0)}
    """
    found = dict(statistics)
    for name, place in numbers.items():
        one = found.get(name)
        if one is not None:
            total, nans = total_of(table.column(place), one.null_count)
            found[name] = ColumnStatistics(
                one.null_count, one.minimum, one.maximum, total=total, nans=nans
            )
    return found


def total_of(numbers: AnyColumn, nulls: int) -> tuple[float | None, int]:
    """Return the sum of numbers, or of true values, and how many are NaN.

    The sum leaves out nulls and NaN. It is None if there are no numbers, or if one is infinite.

    Args:
        numbers: The column.
        nulls: The number of its nulls.

    Example:
        >>> total_of(pa.chunked_array([[1.5, None, float("nan")]]), 1)
        (1.5, 1)
    """
    import numpy as np

    count = len(numbers)
    if count <= _FEW:  # as in the many small files of a partitioned frame: Arrow's calls are slower
        known = numbers.to_pylist()
        few = float(sum(known)) if known and not nulls else math.nan
        if math.isnan(few):
            known = [one for one in known if one is not None and one == one]  # noqa: PLR0124
            few = float(sum(known)) if known else math.nan
        return (few if math.isfinite(few) else None), count - nulls - len(known)
    if not nulls and not types.is_decimal(numbers.type):
        with np.errstate(all="ignore"):
            total = float(numbers.to_numpy().sum(dtype="float64"))
        if math.isfinite(total):
            return total, 0
    # Arrow's sums of whole numbers and decimals overflow without an error.
    values: Any = numbers.cast(pa.float64(), safe=False)
    values = values.filter(pc.invert(pc.is_nan(values)))
    found = pc.sum(values).as_py()
    finite = found is not None and math.isfinite(found)
    return (found if finite else None), count - len(values) - nulls


def leaf_columns_of(footer: pq.FileMetaData, names: Sequence[str]) -> dict[str, LeafColumn]:
    """Return the flat columns of a file by their names in the frame."""
    wanted = {path: name for name in names for path in (name.lower(), open_name(name))}
    schema = footer.schema
    leaves = ((position, schema.column(position)) for position in range(footer.num_columns))
    return {
        wanted[leaf.path]: LeafColumn(position, leaf.logical_type.type == "DECIMAL")
        for position, leaf in leaves
        if leaf.path in wanted
    }


def merge_statistics(
    files: Iterable[HasStatistics], columns: Iterable[Column]
) -> dict[str, ColumnStatistics]:
    """Merge the statistics of several files.

    Args:
        files: The files.
        columns: The table's columns; bounds of decimals are text, and compared as numbers.

    Returns:
        The statistics by column; columns without statistics in one of the files are absent.

    Example:
        >>> from airflow_sfx.frames.parquet.writer import ParquetFacts
        >>> one = ParquetFacts(2, 9, {"n": ColumnStatistics(0, 1, 5, 6.0)})
        >>> two = ParquetFacts(3, 9, {"n": ColumnStatistics(1, 4, 8, 12.0)})
        >>> merge_statistics([one, two], [Column("n", "bigint")])
        {'n': ColumnStatistics(null_count=1, minimum=1, maximum=8, total=18.0, nans=0)}
    """
    facts = [one for one in files if one.rows]
    if not facts:
        return {}
    if len(facts) == 1:
        return dict(facts[0].statistics)
    decimals = {column.name.lower() for column in columns if column.type.startswith("decimal")}
    merged: dict[str, ColumnStatistics] = {}
    for name in facts[0].statistics:
        if all(name in one.statistics for one in facts):
            found = _merge(
                [(one.rows, one.statistics[name]) for one in facts], name.lower() in decimals
            )
            if found is not None:
                merged[name] = found[1]
    return merged


def _of_chunk(chunk: pq.ColumnChunkMetaData) -> tuple[int, ColumnStatistics] | None:
    statistics = chunk.statistics
    nulls = None if statistics is None else statistics.null_count
    if statistics is None or nulls is None:
        return None
    low = high = None
    if statistics.has_min_max:
        try:
            low, high = _bound(statistics.min), _bound(statistics.max)
        except (ValueError, OverflowError):  # a time that Python cannot represent
            low = high = None
    return chunk.num_values, ColumnStatistics(nulls, low, high)


def _merge(
    parts: Sequence[tuple[int, ColumnStatistics]], decimals: bool
) -> tuple[int, ColumnStatistics] | None:
    """Merge statistics with their numbers of rows; missing bounds stay unknown."""
    if len(parts) <= 1:  # the common case: a small file has one row group, a small batch one file
        return parts[0] if parts else None
    rows = sum(count for count, _ in parts)
    nulls = sum(one.null_count for _, one in parts)
    bounded = [one for count, one in parts if one.null_count < count]  # the others have no values
    lows: list[Any] = [one.minimum for one in bounded]
    highs: list[Any] = [one.maximum for one in bounded]
    totals = [one.total for one in bounded]
    known = [total for total in totals if total is not None]
    return rows, ColumnStatistics(
        nulls,
        _extreme(min, lows, decimals),
        _extreme(max, highs, decimals),
        math.fsum(known) if known and len(known) == len(totals) else None,
        sum(one.nans for _, one in parts),
    )


def _extreme(pick: Any, values: list[Any], decimals: bool) -> Bound | None:
    kinds = {str if isinstance(value, str) else float for value in values}
    if not values or None in values or len(kinds) > 1:
        return None
    chosen: Bound = pick(values, key=decimal.Decimal if decimals else None)
    return chosen


def _bound(value: object) -> Bound | None:
    """Convert a bound to a JSON value."""
    if isinstance(value, int | float):
        return value if isinstance(value, int) or math.isfinite(value) else None
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else value[: MAX_TEXT - 1] + CUT
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return None

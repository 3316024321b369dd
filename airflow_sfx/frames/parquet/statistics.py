"""Column statistics from a Parquet footer, where the writer has put them anyway, and those of several files as one."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow.parquet as pq

from airflow_sfx.core.schema import Bound, Column, ColumnStatistics
from airflow_sfx.frames.column_names import open_name

MAX_TEXT = 64
CUT = "…"
"""What marks a text that was cut: the value goes on after it."""


class HasStatistics(Protocol):
    """A file's facts, as far as statistics go."""

    @property
    def rows(self) -> int:
        """How many rows the file has."""

    @property
    def statistics(self) -> Mapping[str, ColumnStatistics]:
        """The statistics by column."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where files of one schema have a column.

    Args:
        position: Its number among the leaves.
        decimal: Whether it holds decimals, whose bounds are text and compared as numbers.
    """

    position: int
    decimal: bool


def statistics_of(
    footer: pq.FileMetaData, names: Sequence[str], places: Mapping[str, Place] | None = None
) -> dict[str, ColumnStatistics]:
    """Read the statistics of a file's columns.

    Args:
        footer: The file's metadata.
        names: The columns' names as the frame has them; the file has them in lower case.
        places: Where the file has them, as `leaf_columns_of` tells of another file of the same schema.

    Returns:
        By name; nested columns, and those that Parquet keeps no statistics of, are absent.
    """
    found: dict[str, ColumnStatistics] = {}
    row_groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    for name, place in (places or leaf_columns_of(footer, names)).items():
        groups = [_of_chunk(group.column(place.position)) for group in row_groups]
        merged = (
            _merge([one for one in groups if one is not None], place.decimal)
            if None not in groups
            else None
        )
        if merged is not None:
            found[name] = merged[1]
    return found


def leaf_columns_of(footer: pq.FileMetaData, names: Sequence[str]) -> dict[str, Place]:
    """Where a file has the columns of a frame, by the frame's names; nested ones are absent."""
    wanted = {path: name for name in names for path in (name.lower(), open_name(name))}
    schema = footer.schema
    leaves = ((position, schema.column(position)) for position in range(footer.num_columns))
    return {
        wanted[leaf.path]: Place(position, leaf.logical_type.type == "DECIMAL")
        for position, leaf in leaves
        if leaf.path in wanted
    }


def merge_statistics(
    files: Iterable[HasStatistics], columns: Iterable[Column]
) -> dict[str, ColumnStatistics]:
    """The statistics of several files together.

    Args:
        files: The files' facts.
        columns: Their columns: bounds of decimals are text, and compared as numbers.

    Returns:
        By column; a column that one of the files has no statistics of is absent.

    Example:
        >>> from airflow_sfx.frames.parquet.writer import ParquetFacts
        >>> one = ParquetFacts(2, 9, {"n": ColumnStatistics(0, 1, 5)})
        >>> two = ParquetFacts(3, 9, {"n": ColumnStatistics(1, 4, 8)})
        >>> merge_statistics([one, two], [Column("n", "bigint")])
        {'n': ColumnStatistics(null_count=1, minimum=1, maximum=8)}
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
        except (ValueError, OverflowError):  # a time that Python has no object for
            low = high = None
    return chunk.num_values, ColumnStatistics(nulls, low, high)


def _merge(
    parts: Sequence[tuple[int, ColumnStatistics]], decimals: bool
) -> tuple[int, ColumnStatistics] | None:
    """One for several, each with its number of rows; a bound that one of them does not know is not known."""
    if len(parts) <= 1:  # the common case: a small file has one row group, a small batch one file
        return parts[0] if parts else None
    rows = sum(count for count, _ in parts)
    nulls = sum(one.null_count for _, one in parts)
    bounded = [one for count, one in parts if one.null_count < count]  # the others have no values
    lows: list[Any] = [one.minimum for one in bounded]
    highs: list[Any] = [one.maximum for one in bounded]
    return rows, ColumnStatistics(
        nulls, _extreme(min, lows, decimals), _extreme(max, highs, decimals)
    )


def _extreme(pick: Any, values: list[Any], decimals: bool) -> Bound | None:
    kinds = {str if isinstance(value, str) else float for value in values}
    if not values or None in values or len(kinds) > 1:
        return None
    chosen: Bound = pick(values, key=decimal.Decimal if decimals else None)
    return chosen


def _bound(value: object) -> Bound | None:
    """A value as JSON has it."""
    if isinstance(value, int | float):
        return value if isinstance(value, int) or math.isfinite(value) else None
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else value[: MAX_TEXT - 1] + CUT
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return None

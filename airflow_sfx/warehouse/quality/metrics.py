"""The metrics of a table over its partitions, each with its usual band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import BatchNotFound, InconsistentBatch, InvalidName
from airflow_sfx.core.manifest import CheckResult
from airflow_sfx.core.partition import Partition
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.quality.band import WINDOW, Band, Figure, bands
from airflow_sfx.warehouse.quality.figures import ColumnFigures, count_figures, counted_figures
from airflow_sfx.warehouse.quality.metric import LEAST_CHANGES, Metric, described, low_of
from airflow_sfx.warehouse.quality.series import (
    Batch,
    all_series,
    current,
    current_line,
    day_of_partition,
    series_of,
)
from airflow_sfx.warehouse.results import Tabular
from airflow_sfx.warehouse.table.table import Table

if TYPE_CHECKING:
    import pandas as pd

JUDGED: tuple[Metric, ...] = ("nulls", "distinct", "mean")
"""The metrics of a column whose figures outside of the band are anomalies; beside the rows.

The sum follows from the mean and the rows, and the bounds are single values, which vary."""

_COUNTED_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A figure outside of its usual band.

    Args:
        partition: The partition.
        batch_id: The batch.
        column: The column, or empty for the number of rows.
        metric: The metric.
        value: The figure; nulls are a part of the rows.
        low: The smallest usual figure.
        usual: The median of the earlier figures.
        high: The greatest usual figure.
        text: A sentence about it.
    """

    partition: str
    batch_id: str
    column: str
    metric: Metric
    value: float
    low: float
    usual: float
    high: float
    text: str


@dataclass(frozen=True, slots=True)
class PartitionMetrics:
    """The figures of the current batch of a partition.

    Args:
        partition: The partition.
        batch_id: The batch.
        day: The day that the partition is of, or None.
        at: When the batch was complete, in UTC.
        rows: Its rows.
        columns: The figures of its columns.
        checks: What its checks found before it was published.
    """

    partition: str
    batch_id: str
    day: date | None
    at: datetime
    rows: int
    columns: Mapping[str, ColumnFigures]
    checks: tuple[CheckResult, ...]

    def value(self, column: str, metric: Metric) -> float | None:
        """Return a figure as a number, or None if it is unknown.

        Args:
            column: The column; for the rows, any.
            metric: The metric.
        """
        if metric == "rows":
            return self.rows
        figures = self.columns.get(column)
        return figures.value(metric, self.rows) if figures else None


@dataclass(frozen=True, slots=True)
class SeriesPoint:
    """A figure of a series.

    Args:
        partition: The partition.
        batch_id: The batch.
        value: The figure, or None if it is unknown.
        band: The usual band of the figures before it, or None for too few of them.
    """

    partition: str
    batch_id: str
    value: float | None
    band: Band | None

    @property
    def anomalous(self) -> bool:
        """Whether the figure lies outside of the band."""
        return self.value is not None and self.band is not None and not self.band.holds(self.value)


@dataclass(frozen=True, slots=True)
class _Series:
    """Batches of one series, oldest first: those shown, and those before them."""

    batches: tuple[PartitionMetrics, ...]
    shown: frozenset[str]
    """The IDs of the batches that are shown, with their partitions."""


def _id(one: PartitionMetrics) -> str:
    return f"{one.partition}/{one.batch_id}"


@dataclass(frozen=True)
class TableMetrics(Tabular):
    """The metrics of a table over its partitions.

    Args:
        table: The table.
        columns: The columns, in the order of the newest batch.
        partitions: The figures, oldest first; of a table with several keys, one series after the
            other.
    """

    table: str
    columns: tuple[str, ...]
    partitions: tuple[PartitionMetrics, ...]
    _series: tuple[_Series, ...] = field(default=(), repr=False)

    def series(self, column: str, metric: Metric) -> list[SeriesPoint]:
        """Return the line of a metric, with the usual band of each figure.

        Args:
            column: The column; empty for the rows.
            metric: The metric.
        """
        return [point for one in self._series for point in _line(one, column, metric)]

    @cached_property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """The figures outside of their bands: rows, and nulls, distinct and mean of columns."""
        order = {(one.partition, one.batch_id): at for at, one in enumerate(self.partitions)}
        found = self._unusual(self._series)
        return tuple(sorted(found, key=lambda one: order[(one.partition, one.batch_id)]))

    @cached_property
    def newest_anomalies(self) -> tuple[Anomaly, ...]:
        """The anomalies of the newest batch of each series."""
        newest = [
            _Series(one.batches, one.shown & {_id(one.batches[-1])})
            for one in self._series
            if one.batches
        ]
        return tuple(self._unusual(newest))

    def _unusual(self, series: Sequence[_Series]) -> list[Anomaly]:
        wanted: list[tuple[str, Metric]] = [("", "rows")]
        wanted += [(column, metric) for column in self.columns for metric in JUDGED]
        return [
            _anomaly(point, column, metric)
            for column, metric in wanted
            for one in series
            for point in _line(one, column, metric)
            if point.anomalous
        ]

    def to_pandas(self) -> pd.DataFrame:
        """Return a frame with a row for each column of each partition.

        Its columns are partition, batch_id, column, rows, nulls (a count), distinct, mean, sum,
        least, greatest, and anomalies: the metrics outside of their bands, as text.
        """
        import pandas as pd

        unusual: dict[tuple[str, str, str], list[str]] = {}
        for one in self.anomalies:
            for column in [one.column] if one.column else self.columns:
                unusual.setdefault((one.partition, one.batch_id, column), []).append(one.metric)
        rows = [
            {
                "partition": one.partition,
                "batch_id": one.batch_id,
                "column": column,
                "rows": one.rows,
                "nulls": figures.nulls,
                "distinct": figures.distinct,
                "mean": figures.mean,
                "sum": figures.sum,
                "least": figures.least,
                "greatest": figures.greatest,
                "anomalies": ", ".join(unusual.get((one.partition, one.batch_id, column), [])),
            }
            for one in self.partitions
            for column, figures in one.columns.items()
        ]
        names = ["partition", "batch_id", "column", "rows", "nulls", "distinct", "mean", "sum"]
        frame = pd.DataFrame(rows, columns=[*names, "least", "greatest", "anomalies"])
        return frame.astype({"nulls": "Int64", "distinct": "Int64", "mean": float, "sum": float})


def _line(series: _Series, column: str, metric: Metric) -> list[SeriesPoint]:
    figures = [Figure(one.value(column, metric), one.day) for one in series.batches]
    places = [at for at, one in enumerate(series.batches) if _id(one) in series.shown]
    if not places:
        return []
    found = list(bands(figures, least_change=LEAST_CHANGES.get(metric, 0), since=places[0]))
    points = [
        SeriesPoint(one.partition, one.batch_id, figure.value, band)
        for one, figure, band in zip(
            series.batches[places[0] :], figures[places[0] :], found, strict=True
        )
    ]
    return [points[at - places[0]] for at in places]


def _anomaly(point: SeriesPoint, column: str, metric: Metric) -> Anomaly:
    value, band = point.value, point.band
    assert value is not None
    assert band is not None
    return Anomaly(
        point.partition,
        point.batch_id,
        column,
        metric,
        value,
        low_of(metric, band),
        band.middle,
        band.high,
        described(metric, column, value, band),
    )


def table_metrics(
    table: Table,
    log: PartitionLog,
    columns: Sequence[str] | None,
    wanted: Sequence[Partition] | None,
    *,
    like: str | None,
    last: int,
    read: bool,
    memory: int | None = None,
) -> TableMetrics:
    """Return the metrics of a table; see `Warehouse.metrics`.

    Args:
        table: The table.
        log: Its log.
        columns: The columns, or None for all.
        wanted: The partitions, or None for the last ones of each series.
        like: A partition of the only series that is wanted, or None.
        last: How many partitions of each series.
        read: Whether to count what manifests lack.
        memory: The most memory in bytes that counting may take, or None for no limit.
    """
    found = [
        _read_series(table, before, shown, columns, read=read, memory=memory)
        for before, shown in _chosen(table, log, wanted, like, last)
    ]
    shown = [one for series in found for one in series.batches if _id(one) in series.shown]
    names = dict.fromkeys(name for one in reversed(shown) for name in one.columns)
    _refuse_unknown(table, columns, names)
    return TableMetrics(str(table.ref), tuple(names), tuple(shown), tuple(found))


def _chosen(
    table: Table,
    log: PartitionLog,
    wanted: Sequence[Partition] | None,
    like: str | None,
    last: int,
) -> list[tuple[list[Batch], set[Batch]]]:
    """Return the batches of each series, and those of them that are shown."""
    if not table.info.keys:
        line = current_line(table, log, last + WINDOW)
        return [(line, set(line[-last:]))] if line else []
    found = [series_of(table, like)] if like is not None else all_series(table)
    names = None if wanted is None else {table.layout.name(one) for one in wanted}
    chosen = []
    for series in found:
        places = [at for at, one in enumerate(series) if names is None or one in names]
        places = places if names is not None else places[-last:]
        if places:
            shown = {series[at] for at in places}
            batches = current(table, log, series[max(0, places[0] - WINDOW) : places[-1] + 1])
            chosen.append((batches, {one for one in batches if one[0] in shown}))
    missing = (names or set()) - {name for _, shown in chosen for name, _ in shown}
    if missing:
        raise table.missing(min(missing))
    return chosen


def _read_series(
    table: Table,
    batches: Sequence[Batch],
    shown: set[Batch],
    columns: Sequence[str] | None,
    *,
    read: bool,
    memory: int | None,
) -> _Series:
    known = {column.name.lower() for column in table.info.columns}

    def metrics_of(item: Batch) -> PartitionMetrics | None:
        try:
            manifest = table.manifest(*item)
        except (BatchNotFound, InconsistentBatch):
            return None  # `verify` reports it
        counted = counted_figures(table, manifest)
        if counted is None and read:
            each = None if memory is None else memory // _COUNTED_AT_ONCE
            counted = count_figures(table, manifest, each)
        # without the columns of an index without a name, which a table does not have
        names = [one.name for one in manifest.columns if one.name.lower() in known]
        return PartitionMetrics(
            manifest.partition,
            manifest.batch_id,
            day_of_partition(table, manifest.partition),
            manifest.created_at,
            manifest.rows,
            {
                name: ColumnFigures.of(manifest, name, counted)
                for name in names
                if columns is None or name in columns
            },
            manifest.checks,
        )

    at_once = _COUNTED_AT_ONCE if read else table.store.concurrency
    found = [one for one in map_concurrently(metrics_of, batches, at_once) if one is not None]
    return _Series(
        tuple(found), frozenset(_id(one) for one in found if (one.partition, one.batch_id) in shown)
    )


def _refuse_unknown(
    table: Table, columns: Sequence[str] | None, names: Mapping[str, object]
) -> None:
    have = [column.name for column in table.info.columns]
    for name in columns or ():
        if name not in names and name not in have:
            raise InvalidName(
                f"{table.ref} has no column {name!r}: name one of {', '.join(have)}",
            )

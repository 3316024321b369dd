"""The figures of a batch: from its manifest, or counted from its files.

Counting reads the files once; what was counted is kept beside the manifest. Nothing is counted on
a write path.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import InconsistentBatch, WarehouseUnavailable
from airflow_sfx.core.manifest import Manifest
from airflow_sfx.core.schema import Bound, ColumnStatistics
from airflow_sfx.core.serde import Count, Record, compact, decode
from airflow_sfx.warehouse.quality.metric import Metric
from airflow_sfx.warehouse.read.load import BatchFiles, load_manifests
from airflow_sfx.warehouse.table.table import Table

if TYPE_CHECKING:
    from airflow_sfx.frames._typing import AnyColumn

MOST_ROWS = 50_000_000
"""The most rows of a batch whose distinct values are counted."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Counted:
    """The figures of a batch that its manifest lacks.

    Args:
        distinct: The numbers of distinct values without nulls, by column; nested columns are
            absent.
        totals: The sums and the numbers of NaN values of columns whose manifest has no sum.
    """

    distinct: Mapping[str, int] = field(default_factory=dict)
    totals: Mapping[str, tuple[float | None, int]] = field(default_factory=dict)


class _CountedRecord(Record):
    distinct: dict[str, Count]
    totals: dict[str, tuple[float | None, Count]]


@dataclass(frozen=True, slots=True)
class ColumnFigures:
    """The figures of a column of a batch; None for those that are unknown.

    Args:
        nulls: The number of nulls.
        distinct: The number of distinct values, without nulls.
        mean: The mean of its numbers, or the part of true values; without nulls and NaN.
        sum: Their sum.
        least: The smallest value; long text is cut.
        greatest: The greatest value.
    """

    nulls: int | None = None
    distinct: int | None = None
    mean: float | None = None
    sum: float | None = None
    least: Bound | None = None
    greatest: Bound | None = None

    @classmethod
    def of(cls, manifest: Manifest, column: str, counted: Counted | None) -> ColumnFigures:
        """Return the figures of a column.

        Args:
            manifest: The batch's manifest.
            column: The column.
            counted: What was counted of the batch, or None.
        """
        known = manifest.statistics.get(column)
        distinct = counted.distinct.get(column) if counted else None
        if known is None:
            return cls(distinct=distinct)
        if known.total is None and counted and column in counted.totals:
            total, nans = counted.totals[column]
            known = ColumnStatistics(
                known.null_count, known.minimum, known.maximum, total=total, nans=nans
            )
        return cls(
            known.null_count,
            distinct,
            known.mean(manifest.rows),
            known.total,
            known.minimum,
            known.maximum,
        )

    def value(self, metric: Metric, rows: int) -> float | None:
        """Return a metric as a number, or None if it is unknown or not a number.

        Args:
            metric: The metric.
            rows: The batch's number of rows.

        Example:
            >>> ColumnFigures(nulls=1, least="2.50").value("nulls", 4)
            0.25
        """
        if metric == "rows":
            return rows
        if metric == "nulls":
            return None if self.nulls is None else self.nulls / max(1, rows)
        found = getattr(self, metric)
        return _number(found) if metric in ("least", "greatest") else found


def _number(bound: Bound | None) -> float | None:
    """Return a bound as a number; decimals are text, as other values are."""
    if not isinstance(bound, str):
        return bound
    try:
        number = Decimal(bound)
    except InvalidOperation:
        return None
    return float(number) if number.is_finite() and "-" not in bound[1:] else None


def counted_figures(table: Table, manifest: Manifest) -> Counted | None:
    """Return what was counted of a batch earlier, or None."""
    path = table.layout.figures(manifest.partition, manifest.batch_id)
    data = table.store.get(path)
    if data is None:
        return None
    try:
        record = decode(data, _CountedRecord, path)
    except InconsistentBatch as error:
        _log.warning("%s; the figures are counted again", error)
        return None
    return Counted(record.distinct, record.totals)


def count_figures(table: Table, manifest: Manifest, memory: int | None = None) -> Counted | None:
    """Count the distinct values of a batch, and the sums that its manifest lacks.

    What is counted is kept beside the manifest, if the object store allows it. Reads one column at
    a time.

    Args:
        table: The table.
        manifest: The batch's manifest.
        memory: The most memory in bytes, estimated from the files' footers; or None for no limit.

    Returns:
        What was counted, or None for a batch of more than `MOST_ROWS` rows, or one that needs more
        memory.
    """
    from airflow_sfx.frames.parquet.statistics import total_of

    if manifest.rows > MOST_ROWS or (memory is not None and _memory_of(table, manifest) > memory):
        return None
    distinct: dict[str, int] = {}
    totals: dict[str, tuple[float | None, int]] = {}
    for column in manifest.columns:
        read = load_manifests(
            table, [manifest], columns=[column.name], filters=None, as_="arrow", stream=False
        )
        values = read.column(column.name)
        count = distinct_values(values)
        if count is not None:
            distinct[column.name] = count
        known = manifest.statistics.get(column.name)
        if known is not None and known.total is None and _has_numbers(values):
            totals[column.name] = total_of(values, values.null_count)
    counted = Counted(distinct, totals)
    path = table.layout.figures(manifest.partition, manifest.batch_id)
    text = compact({"distinct": distinct, "totals": totals})
    try:
        table.store.put_if_absent(path, text.encode())
    except (WarehouseUnavailable, OSError) as error:  # such as for a role that may read only
        _log.info("The figures of %s are not kept: %s", path, error)
    return counted


def _memory_of(table: Table, manifest: Manifest) -> int:
    from airflow_sfx.frames.parquet.memory_estimate import memory_to_compare

    return sum(map(memory_to_compare, BatchFiles(table, [manifest], whole=False).footers()))


def distinct_values(values: AnyColumn) -> int | None:
    """Return the number of distinct values without nulls, or None for nested columns.

    Example:
        >>> import pyarrow as pa
        >>> distinct_values(pa.chunked_array([[1, 1, None, 2]]))
        2
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_null(values.type):
        return 0
    try:
        if pa.types.is_dictionary(values.type):  # its plain values may be much larger
            return len(pc.unique(values.unify_dictionaries()).drop_null())
        return int(pc.count_distinct(values, mode="only_valid").as_py())
    except (pa.ArrowNotImplementedError, pa.ArrowTypeError):
        return None


def _has_numbers(values: AnyColumn) -> bool:
    from airflow_sfx.frames.parquet.statistics import is_number

    return is_number(values.type) and values.null_count < len(values)

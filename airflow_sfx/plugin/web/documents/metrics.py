"""Response bodies of the metrics and check results of a table."""

from __future__ import annotations

from pydantic import BaseModel

from airflow_sfx.core.manifest import Severity
from airflow_sfx.warehouse.quality.metric import Metric
from airflow_sfx.warehouse.quality.metrics import Anomaly


class LineDocument(BaseModel):
    """A metric over the partitions, each member with one item for each of them.

    Args:
        metric: The metric; nulls are a part of the rows, between 0 and 1.
        values: The figures; null if unknown.
        lows: The smallest usual figures; null for too few figures before.
        middles: The medians of the figures before.
        highs: The greatest usual figures.
        anomalous: Whether each figure lies outside of its band.
    """

    metric: Metric
    values: list[float | None]
    lows: list[float | None]
    middles: list[float | None]
    highs: list[float | None]
    anomalous: list[bool]


class CheckSeriesDocument(BaseModel):
    """What a check found in each batch.

    Args:
        name: The check.
        severity: `fail` or `warn`.
        passed: Whether each batch passed; null if the check did not run on it.
        details: What was wrong, or empty.
    """

    name: str
    severity: Severity
    passed: list[bool | None]
    details: list[str]


class MetricsDocument(BaseModel):
    """The metrics of a column over the partitions of one series, oldest first.

    Args:
        table: The table, as `database.table`.
        column: The column.
        columns: All columns of the table.
        series: The newest partition of each series of a table of several keys; else empty.
        partitions: The partitions, as named in pins.
        batches: Their current batches.
        lines: The metrics.
        anomalies: What is unusual in the newest batch, in any column.
        checks: The results of checks.
        uncounted: Batches whose distinct values are not counted yet.
    """

    table: str
    column: str
    columns: list[str]
    series: list[str]
    partitions: list[str]
    batches: list[str]
    lines: list[LineDocument]
    anomalies: list[Anomaly]
    checks: list[CheckSeriesDocument]
    uncounted: int

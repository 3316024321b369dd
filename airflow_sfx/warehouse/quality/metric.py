"""The metrics, and the sentence about one that is unusual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.warehouse.quality.band import Band

Metric: TypeAlias = Literal["rows", "nulls", "distinct", "mean", "sum", "least", "greatest"]
METRICS: tuple[Metric, ...] = get_args(Metric)
"""All metrics. The nulls are a part of the rows, between 0 and 1."""

LEAST_CHANGES: Mapping[Metric, float] = {"rows": 1, "nulls": 0.01, "distinct": 1}
"""How much a metric may always differ: one row, one distinct value, 1 % of nulls."""

COUNTS: tuple[Metric, ...] = ("rows", "nulls", "distinct")
"""The metrics that are never negative."""


def low_of(metric: Metric, band: Band) -> float:
    """Return the smallest usual figure, which is not below what the metric can be.

    Example:
        >>> low_of("rows", Band(-2, 3, 8, 7, weekday=False))
        0
    """
    return max(band.low, 0) if metric in COUNTS else band.low


def described(metric: Metric, column: str, value: float, band: Band) -> str:
    """Describe a figure outside of its usual band.

    Example:
        >>> described("mean", "price", 0.4, Band(36, 40, 44, 4, weekday=True))
        "the mean of 'price' is 0.4, usually 36 to 44 (median 40 of 4 on this weekday)"
    """
    names = {"nulls": "part of nulls", "distinct": "number of distinct values"}
    what = "number of rows" if metric == "rows" else f"{names.get(metric, metric)} of {column!r}"
    when = " on this weekday" if band.weekday else ""
    low = low_of(metric, band)
    return (
        f"the {what} is {value:.6g}, usually {low:.6g} to {band.high:.6g} (median"
        f" {band.middle:.6g} of {band.figures}{when})"
    )


def checked_metric(metric: object) -> Metric:
    """Return the argument if it is a metric.

    Raises:
        InvalidName: It is not.
    """
    for one in METRICS:
        if metric == one:
            return one
    raise InvalidName(f"{metric!r:.80} is not a metric: pass one of {', '.join(METRICS)}")

"""The route of a table's metrics and of what its checks found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import APIRouter, Depends, Query

from airflow_sfx.core.manifest import CheckResult
from airflow_sfx.plugin.web.cache import snapshots
from airflow_sfx.plugin.web.comparison_queue import MEMORY, comparisons
from airflow_sfx.plugin.web.documents.metrics import (
    CheckSeriesDocument,
    LineDocument,
    MetricsDocument,
)
from airflow_sfx.plugin.web.documents.tables import MAX_NAME, TOO_MANY_COMPARISONS
from airflow_sfx.plugin.web.security import READ_ACCESS, cancel_on_disconnect, in_page_threads
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.quality.metric import METRICS, low_of
from airflow_sfx.warehouse.quality.metrics import PartitionMetrics, TableMetrics, table_metrics
from airflow_sfx.warehouse.quality.series import all_series

MOST_PARTITIONS = 400
"""The most partitions of a chart."""

router = APIRouter(dependencies=[*READ_ACCESS, Depends(cancel_on_disconnect)], tags=["read"])


@router.get(
    "/tables/{db}/{table}/metrics", response_model=MetricsDocument, responses=TOO_MANY_COMPARISONS
)
async def metrics(
    db: str,
    table: str,
    user: GetUserDep,
    column: Annotated[
        str, Query(max_length=MAX_NAME, description="The column; empty for the first.")
    ] = "",
    like: Annotated[
        str,
        Query(max_length=MAX_NAME, description="A partition of the series; empty for the first."),
    ] = "",
    last: Annotated[int, Query(ge=1, le=MOST_PARTITIONS)] = 91,
    read: Annotated[
        bool, Query(description="Count distinct values, which reads the files of batches once.")
    ] = False,
) -> Any:
    """Get the metrics of a column over the partitions, with their usual band."""
    if not read:
        return await found(db, table, column, like, last, read=False)
    async with comparisons.of(user.get_id()):
        return await found(db, table, column, like, last, read=True)


@in_page_threads
def found(db: str, table: str, column: str, like: str, last: int, *, read: bool) -> MetricsDocument:
    """Return the metrics of a column."""
    opened = snapshots.open(db, table)
    series = [one[-1] for one in all_series(opened)] if len(opened.info.keys) > 1 else []
    chosen = like or (series[0] if series else "")
    if chosen:
        opened.layout.partition(chosen)
    result = table_metrics(
        opened,
        PartitionLog(opened),
        None,
        None,
        like=chosen or None,
        last=last,
        read=read,
        memory=MEMORY,
    )
    columns = [one.name for one in opened.info.columns]
    # the batches may have written a name in other letters
    named = {name.lower(): name for name in (*columns, *result.columns)}
    shown = named.get(column.lower(), column) if column else (columns[0] if columns else "")
    return MetricsDocument(
        table=f"{db}.{table}",
        column=shown,
        columns=[named[one.lower()] for one in columns],
        series=series,
        partitions=[one.partition for one in result.partitions],
        batches=[one.batch_id for one in result.partitions],
        lines=_lines(result, shown),
        anomalies=list(result.newest_anomalies),
        checks=_checks(result.partitions),
        uncounted=sum(
            all(figures.distinct is None for figures in one.columns.values())
            for one in result.partitions
        ),
    )


def _lines(result: TableMetrics, column: str) -> list[LineDocument]:
    lines = []
    for metric in METRICS:
        points = result.series(column, metric)
        bands = [point.band for point in points]
        line = LineDocument(
            metric=metric,
            values=[point.value for point in points],
            lows=[None if band is None else low_of(metric, band) for band in bands],
            middles=[None if band is None else band.middle for band in bands],
            highs=[None if band is None else band.high for band in bands],
            anomalous=[point.anomalous for point in points],
        )
        if any(value is not None for value in line.values):
            lines.append(line)
    return lines


def _checks(partitions: Sequence[PartitionMetrics]) -> list[CheckSeriesDocument]:
    by_name: list[dict[str, CheckResult]] = [
        {result.name: result for result in one.checks} for one in partitions
    ]
    names = dict.fromkeys(name for one in reversed(by_name) for name in one)
    series = []
    for name in names:
        results = [one.get(name) for one in by_name]
        newest = next(one for one in reversed(results) if one is not None)
        series.append(
            CheckSeriesDocument(
                name=name,
                severity=newest.severity,
                passed=[None if one is None else one.passed for one in results],
                details=[one.detail if one else "" for one in results],
            )
        )
    return series

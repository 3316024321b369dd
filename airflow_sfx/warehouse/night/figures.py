"""The figures and the checks of a night's batches, from their manifests."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from airflow_sfx.core.manifest import CheckResult
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.quality.metrics import Anomaly, table_metrics
from airflow_sfx.warehouse.quality.series import Batch
from airflow_sfx.warehouse.table.table import Table

MOST_PARTITIONS = 100
"""Of how many partitions of a table the figures are looked at, the last ones by name."""


@dataclass(slots=True)
class Judgement:
    """What is unusual in a batch.

    Args:
        decides: Whether its rows have a band by the days of partitions, which decides.
        rows: What is unusual about its rows, or None.
        columns: The anomalies of its columns.
        warned: The failed checks that only warn.
    """

    decides: bool = False
    rows: Anomaly | None = None
    columns: list[Anomaly] = field(default_factory=list)
    warned: list[CheckResult] = field(default_factory=list)


def judged(table: Table, names: Collection[str]) -> Mapping[Batch, Judgement]:
    """Return what is unusual in the current batches of partitions, as `Warehouse.metrics` has it.

    No data file is read.

    Args:
        table: The table.
        names: The partitions.
    """
    if not names:
        return {}
    wanted = [table.layout.partition(name) for name in sorted(names)[-MOST_PARTITIONS:]]
    last = MOST_PARTITIONS if table.info.keys else 1
    metrics = table_metrics(
        table,
        PartitionLog(table),
        None,
        wanted if table.info.keys else None,
        like=None,
        last=last,
        read=False,
    )
    found = {
        (one.partition, one.batch_id): Judgement(decides=one.day is not None)
        for one in metrics.partitions
    }
    for point in metrics.series("", "rows"):
        if point.band is None:
            found[point.partition, point.batch_id].decides = False
    for anomaly in metrics.anomalies:
        one = found[anomaly.partition, anomaly.batch_id]
        if anomaly.metric == "rows":
            one.rows = anomaly
        else:
            one.columns.append(anomaly)
    for partition in metrics.partitions:
        found[partition.partition, partition.batch_id].warned = [
            result for result in partition.checks if not result.passed
        ]
    return found


def in_one_sentence(texts: Sequence[tuple[str, str]], shown: int = 3) -> str:
    """Return texts of partitions as one text: each once, some of them.

    Args:
        texts: Partition names and texts.
        shown: How many are shown.

    Example:
        >>> in_one_sentence([("a", "3 rows"), ("b", "3 rows")]), in_one_sentence([("a", "3 rows")])
        ('3 rows', '3 rows')
        >>> in_one_sentence([("a", "3 rows"), ("b", "4 rows")], shown=1)
        'a: 3 rows; and 1 more'
    """
    if len({text for _, text in texts}) <= 1:
        return texts[0][1] if texts else ""
    more = [f"and {len(texts) - shown} more"] if len(texts) > shown else []
    return "; ".join([*(f"{name}: {text}" for name, text in texts[:shown]), *more])

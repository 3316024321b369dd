"""Column statistics as a manifest has them."""

from __future__ import annotations

import json

import pytest

from airflow_sfx.core.errors import InconsistentBatch
from airflow_sfx.core.schema import ColumnStatistics, StatisticsRecord
from airflow_sfx.core.serde import decode


@pytest.mark.parametrize(
    "statistics",
    [
        ColumnStatistics(0, 1, 5),
        ColumnStatistics(3, -1.5, 2.25),
        ColumnStatistics(0, False, True),
        ColumnStatistics(1, "a", "ä…"),
        ColumnStatistics(7),
        ColumnStatistics(0, 1, 2, 3.0, nans=4),
        ColumnStatistics(0, None, "b"),
    ],
)
def test_statistics_survive_json(statistics: ColumnStatistics) -> None:
    record = decode(json.dumps(statistics.to_json()), StatisticsRecord, "m")
    assert ColumnStatistics.of(record) == statistics


@pytest.mark.parametrize(
    "data", [{}, {"nulls": -1}, {"nulls": True}, {"nulls": 1, "min": [1]}, {"nulls": "1"}]
)
def test_statistics_that_were_changed_are_noticed(data: dict[str, object]) -> None:
    with pytest.raises(InconsistentBatch):
        decode(json.dumps(data), StatisticsRecord, "m")

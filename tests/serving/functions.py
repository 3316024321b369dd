"""Functions that the tests serve."""

from __future__ import annotations

import time

import pandas as pd

import airflow_sfx as sfx

MEAN = sfx.aggregate("crm.clients", "age", "mean")


@sfx.portable(inputs={"age": "double"}, outputs={"older": "double"})
def older(clients: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"older": clients["age"] - MEAN.value})


@sfx.portable(
    inputs={
        "distance": "bigint not null",
        "carrier": ["AA", "UA"],
        "at": "timestamp[us, tz=UTC]",
        "day": "date",
        "price": "decimal(8,2)",
    },
    outputs={
        "far": "boolean",
        "carrier": ["AA", "UA"],
        "at": "timestamp[us, tz=UTC]",
        "day": "date",
        "price": "decimal(9,2)",
        "ratio": "double",
    },
)
def typed(flights: pd.DataFrame) -> pd.DataFrame:
    return flights.assign(far=flights["distance"] > 1000, ratio=1 / (flights["distance"] - 7.0))


ROW = {
    "distance": 1400,
    "carrier": "UA",
    "at": "2016-10-31T12:00:00+01:00",
    "day": "2016-10-31",
    "price": "12.5",
}
"""A row of `typed`."""


@sfx.portable(inputs={"n": "bigint"}, outputs={"n": "bigint"})
def slow(rows: pd.DataFrame) -> pd.DataFrame:
    time.sleep(0.05)
    if (rows["n"] == 13).any():
        raise ValueError("thirteen")
    return rows


def plain(rows: pd.DataFrame) -> pd.DataFrame:
    return rows

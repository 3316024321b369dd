"""A shop of the quality tests: nights of orders, whose revenue goes wrong."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd

import airflow_sfx as sfx

FIRST = date(2016, 10, 1)


def night(number: int, factor: float = 1.0) -> pd.DataFrame:
    """Return the orders of a night, fewer at weekends."""
    chance = np.random.default_rng(number)
    rows = 120 if (FIRST + timedelta(number)).weekday() < 5 else 60
    return pd.DataFrame(
        {
            "id": np.arange(rows),
            "revenue": chance.normal(50, 5, rows) * factor,
            "kind": chance.choice(["hat", "shoe", "tie"], rows),
        }
    )


def day(number: int) -> str:
    """Return the partition of a night."""
    return f"{FIRST + timedelta(number):%Y%m%d}"


def nights(warehouse: sfx.Warehouse, count: int) -> None:
    """Store nights of shop.orders, in one commit."""
    frames = [night(number).assign(day=day(number)) for number in range(count)]
    warehouse.store_dataframe(pd.concat(frames), "shop", "orders", partition_by=["day"])

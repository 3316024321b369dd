"""The frames that the benchmarks store."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dags_examples.flights_of_2013 import source


def mixed(rows: int = 2_000_000) -> pd.DataFrame:
    """Return eight mixed columns: integers, floats, text, a category, times, booleans."""
    random = np.random.default_rng(20161031)
    return pd.DataFrame(
        {
            "item_id": np.arange(rows),
            "client_id": random.integers(0, 50_000, rows),
            "price": random.normal(50, 10, rows).round(2),
            "score": random.random(rows),
            "state": pd.Categorical(
                np.array(["CA", "NY", "TX", "WA"])[random.integers(0, 4, rows)]
            ),
            "sku": np.char.add("sku-", random.integers(0, 20_000, rows).astype(str)),
            "sold_at": pd.Timestamp("2016-10-31")
            + pd.to_timedelta(random.integers(0, 86_400_000_000, rows), unit="us"),
            "returned": random.random(rows) < 0.1,
        }
    )


def flights() -> pd.DataFrame:
    """Return a year of flights: 336,776 rows, 19 columns, the local day as text."""
    frame = source("flights")
    day = frame["year"] * 10_000 + frame["month"] * 100 + frame["day"]
    return frame.assign(date=day.astype(str))

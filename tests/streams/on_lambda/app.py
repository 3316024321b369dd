"""A Lambda function as its author writes it: `app.py` of the tests."""

from __future__ import annotations

import os
import time
from datetime import timedelta

import pandas as pd

import airflow_sfx as sfx


@sfx.portable(
    inputs={"n": "bigint not null", "at": "timestamp[us, tz=UTC]"},
    outputs={"n": "bigint", "double": "bigint", "at": "timestamp[us, tz=UTC]"},
)
def double(rows: pd.DataFrame) -> pd.DataFrame:
    time.sleep(float(os.environ.get("SLOWLY", "0")) * len(rows))
    if rows["n"].eq(13).any():
        raise ValueError("n is 13")
    return rows.assign(double=rows["n"] * 2)


rules = {
    "partition_by": ["day", "hour"],
    "event_time": "at",
    "late_after": timedelta(hours=1),
    "on_error": os.environ.get("ON_ERROR", "dead_letter"),
    "max_attempts": 1,
}
handler = sfx.streams.lambda_handler(double, "web.doubles", **rules)

"""The delay features of a flight: one function for a night, for a request and for a stream."""

from __future__ import annotations

import pandas as pd

import airflow_sfx as sfx

LOCAL_TIME = "timestamp[us, tz=America/New_York]"
FEATURES = {
    "day": "string",
    "time_hour": LOCAL_TIME,
    "carrier": "string",
    "flight": "int",
    "origin": "string",
    "local_hour": "int",
    "is_weekend": "boolean",
    "minutes_in_air": "double",
    "over_usual": "double",
    "is_late": "boolean",
}
KEY = ["time_hour", "carrier", "flight", "origin"]
LATE = 15
"""From how many minutes on a departure is late."""
usual = sfx.aggregate("ways.history", "dep_delay", "mean")
"""The mean delay of the days before: a number of all rows, computed in batch."""


@sfx.portable(
    inputs={
        "time_hour": f"{LOCAL_TIME} not null",
        "carrier": "string",
        "flight": "int",
        "origin": ["EWR", "JFK", "LGA"],
        "distance": "double",
        "dep_delay": "double",
    },
    outputs=FEATURES,
)
def delay_features(flights: pd.DataFrame) -> pd.DataFrame:
    """Return what a model would know of each flight; a cancelled one has no delay."""
    left = flights["time_hour"].dt
    delay = flights["dep_delay"]
    return pd.DataFrame(
        {
            "day": left.strftime("%Y%m%d"),
            **{name: flights[name] for name in KEY},
            "local_hour": left.hour,
            "is_weekend": left.dayofweek >= 5,  # noqa: PLR2004
            "minutes_in_air": flights["distance"] / 8.0,
            "over_usual": delay - usual.value,
            "is_late": delay.gt(LATE).astype("boolean").mask(delay.isna()),
        }
    )

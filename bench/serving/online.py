"""A portable function for one row, beside the function alone and pandas' usual way."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pandas as pd

import airflow_sfx as sfx
from bench.timing import interleaved

_CALLS = 1000
CARRIERS = ["AA", "UA", "WN"]
ROW = {"distance": 1400.0, "carrier": "UA", "hour": 7}


@sfx.portable(
    inputs={"distance": "double", "carrier": CARRIERS, "hour": "int"},
    outputs={"late": "double"},
)
def late(flights: pd.DataFrame) -> pd.DataFrame:
    slow = flights["carrier"].eq("UA") * 4.0
    return pd.DataFrame({"late": flights["distance"] * 0.02 + slow})


def one_row(_: Path, runs: int) -> dict[str, object]:
    """Return the microseconds of a call: medians of runs in turns, each of 1,000 calls."""
    frame = late(pd.DataFrame([ROW])).assign(**ROW).astype({"carrier": "category"})
    ready = frame[list(ROW)]

    def by_pandas() -> Any:
        return late.function(pd.DataFrame([ROW])).to_dict("records")[0]

    def repeated(call: Any) -> Any:
        return lambda: [call() for _ in range(_CALLS)]

    seconds = interleaved(
        {
            "function": repeated(lambda: late.function(ready)),
            "pandas": repeated(by_pandas),
            "online": repeated(lambda: late.online(**ROW)),
        },
        runs,
    )
    found = {name: statistics.median(all_) / _CALLS * 1e6 for name, all_ in seconds.items()}
    over = statistics.median(
        (one - other) / _CALLS * 1e6
        for one, other in zip(seconds["online"], seconds["function"], strict=True)
    )
    return {
        "online": {
            **{f"{name}_us": round(value, 1) for name, value in found.items()},
            "over_the_function_us": round(over, 1),
            "of_pandas": round(found["online"] / found["pandas"], 2),
        }
    }

"""Portable functions of the tests."""

from __future__ import annotations

import pandas as pd

import airflow_sfx as sfx

POISON = 13
FLAKY = 17
failing = {"left": 0}
"""How often the function still fails on FLAKY."""


@sfx.portable(inputs={"n": "bigint not null"}, outputs={"n": "bigint not null", "square": "bigint"})
def squares(frame: pd.DataFrame) -> pd.DataFrame:
    if (frame["n"] % 1000 == POISON).any():
        raise ZeroDivisionError("the number is unlucky")
    if (frame["n"] == FLAKY).any() and failing["left"]:
        failing["left"] -= 1
        raise OSError("not now")
    return frame.assign(square=frame["n"] * frame["n"])


@sfx.portable(
    inputs={"n": "bigint not null", "at": "timestamp", "area": "string"},
    outputs={"n": "bigint", "at": "timestamp", "area": "string", "price": "decimal(10,2)"},
)
def events(frame: pd.DataFrame) -> pd.DataFrame:
    from decimal import Decimal

    return frame.assign(price=[None if n % 2 else Decimal(n) for n in frame["n"]])

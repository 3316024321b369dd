"""Functions of rows: pure ones, and ones with a planted cause."""

from __future__ import annotations

import random
import time
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

import airflow_sfx as sfx

INPUTS = {
    "x": "double",
    "n": "bigint",
    "s": "string",
    "t": "timestamp",
    "z": "timestamp[us, tz=America/New_York]",
    "c": ["AA", "UA", "WN"],
    "b": "boolean",
    "d": "date",
    "p": "decimal(12,2)",
    "f": "float",
    "k": "int not null",
}
SEEN: dict[Any, int] = {}
MEMO: dict[float, float] = {}
calls = 0


def of(kind: str) -> Any:
    return sfx.portable(inputs=INPUTS, outputs={"y": kind})


def y(values: Any, like: pd.DataFrame | None = None) -> pd.DataFrame:
    return pd.DataFrame({"y": values}, index=None if like is None else like.index)


@of("double")
def scaled(rows):
    return y(rows["x"] * 0.02 + rows["f"])


@of("double")
def logged(rows):
    return y(np.log1p(rows["x"].abs()) * np.sqrt(rows["k"].abs()))


@of("bigint")
def doubled(rows):
    return y(rows["n"] // 3 + rows["k"])


@of("string")
def labelled(rows):
    return y(rows["s"].fillna("?").str.upper() + "-" + rows["c"].astype("str"))


@of("boolean")
def flagged(rows):
    return y(rows["b"] & (rows["n"] > 0))


@of("timestamp[us, tz=Europe/Berlin]")
def later(rows):
    return y(rows["z"] + pd.Timedelta(minutes=90))


@of("int")
def weekday(rows):
    return y(rows["t"].dt.day_of_week.astype("Int32"))


@of("date")
def day(rows):
    return y(rows["d"])


@of("decimal(14,2)")
def price(rows):
    return y([None if one is None else one * 2 for one in rows["p"]], rows)


@of(["AA", "UA", "WN"])
def carrier(rows):
    return y(rows["c"])


@of("int")
def code(rows):
    return y(rows["c"].cat.codes)


@of("double")
def remembered(rows):
    return y([MEMO.setdefault(one, one * 2) for one in rows["x"].fillna(0.0)], rows)


PURE = [scaled, logged, doubled, labelled, flagged, later, weekday, day, price, carrier, code]
PURE += [remembered]


@of("double")
def centred(rows):
    return y(rows["x"] - rows["x"].mean())


@of("double")
def ranked(rows):
    return y(rows["x"].rank())


@of("double")
def filled(rows):
    return y(rows["x"].fillna(rows["x"].mean()))


@of("double")
def filled_otherwise(rows):
    known = rows["x"].to_numpy()
    mean = np.nanmean(known) if np.isfinite(known).any() else np.nan
    return y(np.where(np.isnan(known), mean, known))


@of("int")
def coded(rows):
    return y(rows["s"].astype("category").cat.codes)


@of("string")
def this_year(rows):
    return y(rows["s"] + str(datetime.now().year))


def _age(moment: Any) -> float:
    return time.time() - moment


@of("double")
def aged(rows):
    return y(rows["k"].map(_age))


@of("double")
def lucky(rows):
    return y(rows["x"].fillna(0.0) + random.random())


@of("string")
def texts(rows):
    found = [{0: 10, 1: 20}.get(one % 3) for one in rows["k"]]
    return y(pd.Series(found).astype(str))


@of("bigint")
def lost_digits(rows):
    return y(pd.Series([np.nan if one is pd.NA else int(one) + (1 << 60) + 1 for one in rows["n"]]))


@of("double")
def summed(rows):
    return y(rows["x"].fillna(0.0).cumsum())


@of("double")
def earlier(rows):
    return y(rows["x"].shift(1).fillna(0.0))


@of("double")
def sorted_(rows):
    return y(rows["x"]).sort_values("y")


@of("double")
def seconds(rows):
    return y([one.to_pydatetime().timestamp() if one is not pd.NaT else 0.0 for one in rows["t"]])


@of("int")
def numbered(rows):
    return y([SEEN.setdefault(one, len(SEEN)) for one in rows["s"].fillna("?")])


@of("int")
def counted(rows):
    global calls  # noqa: PLW0603  the planted cause
    calls += 1
    return y([calls] * len(rows))


PLANTED = {
    centred: "mean over the batch",
    ranked: "rank",
    filled: "fillna of a mean",
    filled_otherwise: "fillna of a mean",
    coded: "category codes",
    this_year: "clock",
    aged: "clock",
    lucky: "randomness",
    texts: "dtype upcast",
    lost_digits: "dtype upcast",
    summed: "order",
    earlier: "order",
    sorted_: "order",
    seconds: "naive times",
    numbered: "global state",
    counted: "global state",
}

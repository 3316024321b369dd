"""Frames between R and Python, through a warehouse."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pandas as pd

import airflow_sfx as sfx
from tests.r.conftest import RunR

GENERATOR = Path(__file__).with_name("frames.R")
FRAMES = 100
ALL = """
    all <- data.frame(
      l = c(TRUE, NA), i = c(NA, -5L), x = c(NA, NaN), s = c("Z\\u00fcrich", NA),
      o = factor(c("low", NA), levels = c("low", "high"), ordered = TRUE),
      d = as.Date(c("2016-10-31", NA)),
      t = as.POSIXct(c("2016-10-31 12:00:00.25", NA), tz = "Europe/Berlin"),
      span = as.difftime(c(1.5, NA), units = "mins"), r = as.raw(c(0, 255)))
    all$big <- bit64::as.integer64(c("9223372036854775807", NA))
    all$parts <- list(c(1.5, NA), NULL)
    all$blob <- list(as.raw(1:3), NULL)
"""


def test_random_frames_come_back_identical_from_a_warehouse(run_r: RunR) -> None:
    done = run_r(f"""
        source("{GENERATOR}"); set.seed(7)
        for (i in seq_len({FRAMES})) {{
          frame <- random_frame(4)
          pin <- sf_writer(frame, "random", paste0("t", i))
          if (!identical(sf_reader(pin = pin), frame)) {{ str(frame); str(sf_reader(pin = pin)) }}
        }}
        cat("done", i)
    """)
    assert done.stdout == f"done {FRAMES}"


def test_python_reads_the_values_that_r_has(run_r: RunR, warehouse: sfx.Warehouse) -> None:
    run_r(ALL + 'sf_writer(all, "r", "every", 1)')
    found = warehouse.load_dataframe("r", "every", ["1"])
    first = found.iloc[0]
    assert first["l"] is True or bool(first["l"])
    assert first["s"] == "Zürich"
    assert first["big"] == 2**63 - 1
    assert first["d"] == date(2016, 10, 31)
    assert first["t"] == pd.Timestamp("2016-10-31 12:00:00.25", tz="Europe/Berlin")
    assert first["span"] == timedelta(seconds=90)
    assert (first["blob"], list(first["parts"])[:1]) == (b"\x01\x02\x03", [1.5])
    assert list(found["o"].cat.categories) == ["low", "high"]
    assert found["o"].cat.ordered
    assert found["r"].tolist() == [0, 255]
    table = warehouse.load_dataframe("r", "every", ["1"], as_="arrow")
    assert table["x"].null_count == 1  # NaN is a value, NA is none
    assert [table[name].null_count for name in ("l", "i", "s", "o", "d", "t", "span", "big")] == (
        [1] * 8
    )


def test_r_writes_what_it_read_from_python_as_it_was(run_r: RunR, warehouse: sfx.Warehouse) -> None:
    frame = pd.DataFrame(
        {
            "n": pd.array([2**53 + 1, None], "Int64"),
            "i": pd.array([1, None], "Int32"),
            "x": [0.1, float("inf")],
            "s": ["ключ", None],
            "c": pd.Categorical(["b", None], categories=["b", "a"], ordered=True),
            "t": pd.to_datetime([1478000000123456, None], unit="us").tz_localize("Asia/Tokyo"),
            "b": pd.array([True, None], "boolean"),
        },
        index=["first", "second"],
    )
    warehouse.store_dataframe(frame, "p", "frames")
    run_r('sf_writer(sf_reader("p", "frames"), "p", "again")')
    before, after = (
        warehouse.load_dataframe("p", name, as_="arrow") for name in ("frames", "again")
    )
    assert after.to_pydict() == before.to_pydict()
    assert warehouse.load_dataframe("p", "again").index.tolist() == ["first", "second"]
    assert [str(field.type) for field in after.schema if field.name in "nixbt"] == [
        str(field.type) for field in before.schema if field.name in "nixbt"
    ]

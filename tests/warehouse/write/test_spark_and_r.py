"""Frames between R and Spark."""

from __future__ import annotations

import os
import subprocess
from datetime import date

import pandas as pd
import pyarrow as pa

from airflow_sfx.warehouse.connect import connect
from tests.r.conftest import SFX, install
from tests.r.test_frames import ALL


def test_spark_and_r_read_each_other(spark, stack_uri, tmp_path) -> None:
    """On S3 and Hive: Spark reads what R stored, and R what Spark stored."""
    warehouse, library = connect(stack_uri), tmp_path / "library"
    install(library)
    environment = {**os.environ, "R_LIBS": str(library), "SFX_BIN": str(SFX)}

    def r(script: str) -> None:
        done = subprocess.run(
            ["Rscript", "-e", f"library(sfx)\n{script}"],
            check=False,
            env={**environment, "SFX_WAREHOUSE": stack_uri},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    r(ALL + 'sf_writer(all, "from_r", "every", 1)')
    row, empty = warehouse.load_dataframe("from_r", "every", ["1"], as_="spark").collect()
    assert (row["l"], row["s"], row["o"], row["big"]) == (True, "Zürich", "low", 2**63 - 1)
    assert (row["d"], row["span"], row["r"]) == (date(2016, 10, 31), 90_000_000, 0)
    at = pd.Timestamp("2016-10-31 11:00:00.25", tz="UTC")
    assert pd.Timestamp(row["t"].astimezone()) == at
    assert (row["parts"], bytes(row["blob"])) == ([1.5, None], b"\x01\x02\x03")
    assert [empty[name] for name in ("l", "s", "o", "d", "t", "span", "big")] == [None] * 7
    made = spark.createDataFrame([(1, 0.5, "ключ", date(2016, 10, 31)), (2, None, None, None)])
    warehouse.store_dataframe(made.toDF("n", "x", "s", "d"), "from_spark", "plain", ["1"])
    r("""
        got <- sf_reader("from_spark", "plain", 1)
        got <- got[order(got$s), ]
        row.names(got) <- NULL
        wanted <- data.frame(n = bit64::as.integer64(1:2), x = c(0.5, NA),
          s = c("\\u043a\\u043b\\u044e\\u0447", NA), d = as.Date(c("2016-10-31", NA)))
        stopifnot(identical(got, wanted))
        sf_writer(got, "from_r", "again", 1)
    """)
    again = warehouse.load_dataframe("from_r", "again", ["1"], as_="arrow")
    assert again["s"].to_pylist() == ["ключ", None]
    assert again.schema.field("n").type == pa.int64()

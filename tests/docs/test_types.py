"""The table of types in `docs/warehouse.md`: each type is stored and loaded."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from airflow_sfx.frames.outputs import read_table, to_output
from airflow_sfx.frames.schema.kinds import table_columns
from tests.frames.builders import arrow, category, objects, stored

PAGE = Path(__file__).parents[2] / "docs/warehouse.md"
HEADINGS = ("in the frame", "in Parquet", "in Hive", "beyond Hive's type", "comes back as")
TIMES = pd.to_datetime(["2016-10-31 05:00:00"])
DAY = dt.date(2016, 10, 31)

ROWS: dict[str, list[Any]] = {
    "`int8`, `Int8`": [pd.Series([1], dtype="int8"), pd.Series([1, None], dtype="Int8")],
    "`int16`, `uint8`": [pd.Series([1], dtype=kind) for kind in ("int16", "uint8")],
    "`int32`": [pd.Series([1], dtype="int32")],
    "`uint16`": [pd.Series([1], dtype="uint16")],
    "`int64`, `Int64`": [pd.Series([1]), pd.Series([1, None], dtype="Int64")],
    "`uint32`": [pd.Series([1], dtype="uint32")],
    "`uint64`": [pd.Series([2**63], dtype="uint64")],
    "`float32`, `float16`": [pd.Series([1.5], dtype="float32"), pd.Series([1.5], dtype="float16")],
    "`float64`": [pd.Series([1.5])],
    "`bool`, `boolean`": [pd.Series([True]), pd.Series([True, None], dtype="boolean")],
    "text": [pd.Series(["a"]), pd.Series(["a"], dtype="string"), objects("a", None)],
    "a category of text": [category(["a"], ["b", "a"])],
    "`bytes`": [objects(b"a"), arrow(pa.binary(1), b"a")],
    "`Decimal`": [objects(Decimal("1.50")), arrow(pa.decimal128(3, 2), Decimal("1.50"))],
    "`datetime64[s]`, `[ms]`, `[us]`, `[ns]`": [
        pd.Series(TIMES).astype(f"datetime64[{u}]") for u in ("s", "ms", "us", "ns")
    ],
    "`datetime64[ns]` with finer values": [pd.Series(np.array([1], dtype="datetime64[ns]"))],
    "`datetime64[us, Europe/Berlin]`": [pd.Series(TIMES.tz_localize("Europe/Berlin"))],
    "`date`": [objects(DAY), arrow(pa.date32(), DAY)],
    "`time`; Arrow's `time32`, `time64`": [objects(dt.time(5)), arrow(pa.time32("s"), dt.time(5))],
    "`timedelta64[s]`, `[ms]`, `[us]`, `[ns]`": [
        pd.Series(pd.to_timedelta([1], unit="s")).astype(f"timedelta64[{u}]")
        for u in ("s", "ms", "us", "ns")
    ],
    "`timedelta64[ns]` that begins with finer values": [
        pd.Series(np.array([1], dtype="timedelta64[ns]"))
    ],
    "`period[M]`": [pd.Series(pd.PeriodIndex(["2016-10"], freq="M"))],
    "an interval": [pd.Series(pd.arrays.IntervalArray.from_breaks([0, 1]))],
    "`UUID`": [objects(uuid.UUID(int=5))],
    "a list of numbers": [objects([1, 2]), arrow(pa.list_(pa.int64()), [1])],
    "a tuple": [objects((1, 2))],
    "a dictionary": [objects({"a": 1, "b": "x"})],
    "Arrow's map": [arrow(pa.map_(pa.string(), pa.duration("s")), [("k", 1)])],
    "no value yet": [objects(None, None)],
    "empty lists": [objects([], [])],
}


def parquet_types(file: Any) -> str:
    schema = pq.ParquetFile(pa.BufferReader(file.source)).schema
    leaves = [schema.column(position) for position in range(len(schema))]
    names = [
        leaf.physical_type
        + ("" if leaf.logical_type.type == "NONE" else f" ({leaf.logical_type.type})")
        for leaf in leaves
    ]
    apart = all(leaf.path.startswith("__sfx_open__") for leaf in leaves)
    return f"{' + '.join(names)}{', under a name of its own' if apart else ''}"


def row(label: str, examples: list[pd.Series]) -> str:
    found = set()
    for example in examples:
        frame = pd.DataFrame({"c": example})
        (file,) = stored(frame)
        back = to_output(read_table([file]), "pandas")
        pd.testing.assert_frame_equal(back, frame)
        (column,) = table_columns(file.logical)
        found.add((parquet_types(file), column.type, column.kind.description))
    ((parquet, hive, kind),) = found
    return f"| {label} | {parquet} | {hive} | {kind} | the same |"


def test_the_table_of_types_says_what_happens() -> None:
    lines = [
        f"| {' | '.join(HEADINGS)} |",
        "|---|---|---|---|---|",
        *(row(*one) for one in ROWS.items()),
    ]
    table = "\n".join(lines)
    assert table in PAGE.read_text(), f"docs/warehouse.md is to have this table:\n{table}"

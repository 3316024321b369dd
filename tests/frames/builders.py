"""Frames of every dtype, and the way through real Parquet bytes and back."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from airflow_sfx.frames.inputs import to_source
from airflow_sfx.frames.outputs import SourceFile, read_table, to_output
from airflow_sfx.frames.parquet.writer import Encoder
from airflow_sfx.frames.partitioning import split_by
from airflow_sfx.frames.schema.codec import schema_from_text, schema_to_text
from airflow_sfx.frames.schema.kinds import table_columns
from airflow_sfx.frames.schema.physical import units_of

NS = "datetime64[ns]"
TIMES = ["2016-10-31 01:02:03", None, "1969-12-31 23:59:59"]


def objects(*values: Any) -> pd.Series:
    """A column of exactly these objects."""
    made = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        made[i] = value
    return pd.Series(made, dtype=object)


def arrow(kind: pa.DataType, *values: Any) -> pd.Series:
    """A pandas column of an Arrow type."""
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([pa.array(values, kind)])))


def category(values: Any, categories: Any, *, ordered: bool = False) -> pd.Series:
    """A categorical column."""
    return pd.Series(pd.Categorical(values, categories=categories, ordered=ordered))


COLUMNS: dict[str, pd.Series] = {
    **{kind: pd.Series([0, 1, 100], dtype=kind) for kind in ("int8", "int16", "int32", "int64")},
    **{kind: pd.Series([0, 1, 200], dtype=kind) for kind in ("uint8", "uint16", "uint32")},
    "uint64 above 2**63": pd.Series([0, 2**63 + 5, 2**64 - 1], dtype="uint64"),
    "float16": pd.Series([1.5, np.nan, -0.0], dtype="float16"),
    "float32": pd.Series([1.5, np.nan, np.inf], dtype="float32"),
    "float64": pd.Series([0.1, np.nan, -np.inf]),
    "float64 all NaN": pd.Series([np.nan, np.nan]),
    "bool": pd.Series([True, False, True]),
    **{
        kind: pd.Series([1, None, 100], dtype=kind)
        for kind in (
            "Int8",
            "Int16",
            "Int32",
            "Int64",
            "UInt8",
            "UInt16",
            "UInt32",
            "Float32",
            "Float64",
        )
    },
    "UInt64": pd.Series([2**63 + 5, None, 1], dtype="UInt64"),
    "Int64 above 2**53": pd.Series([2**60 + 1, None, 1], dtype="Int64"),
    "boolean": pd.Series([True, None, False], dtype="boolean"),
    "str": pd.Series(["a", None, "ä\U0001f600", ""]),
    "string[python]": pd.Series(["a", None], dtype="string[python]"),
    "string[pyarrow]": pd.Series(["a", None], dtype="string[pyarrow]"),
    "str in python": pd.Series(["a", None], dtype=pd.StringDtype("python", na_value=np.nan)),
    "object of str": objects("a", None, "b"),
    "object of str with nan": objects("a", np.nan, "b"),
    "object of str with NA": objects("a", pd.NA),
    "object of bytes": objects(b"a\x00", None),
    "object of Decimal": objects(Decimal("1.50"), None, Decimal("-12345678901234567890.25")),
    "object of date": objects(dt.date(2016, 10, 31), None, dt.date(1, 1, 1)),
    "object of time": objects(dt.time(1, 2, 3, 4), None),
    "object of datetime": objects(dt.datetime(2016, 10, 31, 5), None),
    "object of datetime with zone": objects(dt.datetime(2016, 10, 31, 5, tzinfo=dt.UTC), None),
    "object of timedelta": objects(dt.timedelta(days=-1, microseconds=5), None),
    "object of Timestamp": objects(pd.Timestamp("2016-10-31 00:00:00.000000001"), pd.NaT),
    "object of bool": objects(True, None, False),
    "object of bool without nulls": objects(True, False),
    "object of int": objects(1, 2**62, -5),
    "object of int with None": objects(1, None),
    "object of int above 2**63": objects(2**63 + 5, None),
    "object of float": objects(1.5, float("nan"), None),
    "object of numpy scalars": objects(np.int16(5), None),
    "object of UUID": objects(uuid.UUID(int=5), None),
    "object of list": objects([1, 2], None, []),
    "object of list of list": objects([[1], [None, 2]], None),
    "object of empty lists": objects([], []),
    "object of tuple": objects((1, 2), None),
    "object of dict": objects({"a": 1, "b": ["x"]}, None),
    "object of dict of None": objects({"a": None}, {"a": None}),
    "object of ndarray": objects(np.array([1.5, np.nan]), None),
    "object of None": objects(None, None),
    "object of nan": objects(np.nan, np.nan),
    "object of NaT": objects(pd.NaT, pd.NaT),
    **{
        f"datetime64[{unit}]": pd.Series(pd.to_datetime(TIMES)).astype(f"datetime64[{unit}]")
        for unit in ("s", "ms", "us", "ns")
    },
    "datetime64[ns] with nanoseconds": pd.Series(np.array([1, 1_000_000_001], dtype=NS)),
    "datetime64[s] far away": pd.Series(
        np.array(["0001-01-01", "9999-12-31"], dtype="datetime64[s]")
    ),
    "datetime64[us, UTC]": pd.Series(pd.to_datetime(TIMES, utc=True)),
    "datetime64[ns, Europe/Berlin]": pd.Series(pd.to_datetime(TIMES))
    .astype(NS)
    .dt.tz_localize("Europe/Berlin"),
    "datetime64[ns, Asia/Kolkata] with nanoseconds": pd.Series(
        np.array([1, 2], dtype=NS)
    ).dt.tz_localize("Asia/Kolkata"),
    "datetime64[us, +02:00]": pd.Series(pd.to_datetime(TIMES)).dt.tz_localize(
        dt.timezone(dt.timedelta(hours=2))
    ),
    **{
        f"timedelta64[{unit}]": pd.Series(np.array([1, -1, "NaT"], dtype=f"timedelta64[{unit}]"))
        for unit in ("s", "ms", "us", "ns")
    },
    "period[M]": pd.Series(pd.PeriodIndex(["2016-10", None], freq="M")),
    "period[W-MON]": pd.Series(pd.PeriodIndex(["2016-10-31"], freq="W-MON")),
    "interval of int": pd.Series(pd.arrays.IntervalArray.from_breaks([0, 1, 5], closed="left")),
    "interval of time": pd.Series(
        pd.arrays.IntervalArray.from_breaks(pd.date_range("2016", periods=3, tz="UTC"))
    ),
    "interval with NaN": pd.Series(
        pd.arrays.IntervalArray.from_arrays([1.5, np.nan], [2.5, np.nan])
    ),
    "category": category(["a", None, "b", "a"], ["b", "a", "unused"]),
    "category, ordered": category(["low", "high"], ["low", "mid", "high"], ordered=True),
    "category of str objects": category(["a", "b"], pd.Index(["b", "a"], dtype=object)),
    "category of int": category([3, None, 1], [3, 1, 2]),
    "category of float": category([1.5, 2.5], [2.5, 1.5]),
    "category of bool": category([True, None], [True, False]),
    "category of Int64": category([1, 2], pd.array([2, 1], dtype="Int64")),
    "category of string": category(["a"], pd.array(["b", "a"], dtype="string")),
    "category of date": category(
        [dt.date(2016, 10, 31)], pd.Index([dt.date(2016, 10, 31)], dtype=object)
    ),
    "category of Decimal": category(
        [Decimal("1.5")], pd.Index([Decimal("1.5"), Decimal("2.0")], dtype=object)
    ),
    "category of datetime": category(pd.to_datetime(["2016"]), pd.to_datetime(["2017", "2016"])),
    "category of zoned datetime": category(
        pd.to_datetime(["2016"]).tz_localize("Europe/Berlin"),
        pd.to_datetime(["2016"]).tz_localize("Europe/Berlin"),
    ),
    "category of timedelta": category(
        pd.to_timedelta([1], unit="s"), pd.to_timedelta([1, 2], unit="s")
    ),
    "category of period": category(
        pd.PeriodIndex(["2016-10"], freq="M"), pd.PeriodIndex(["2016-10"], freq="M")
    ),
    "category of interval": pd.Series(pd.cut([1.0, 2.0, np.nan, 4.0], 3)),
    "category without categories": category([None, None], []),
    "arrow int8": arrow(pa.int8(), 1, None),
    "arrow double with NaN and null": arrow(pa.float64(), float("nan"), None, 1.5),
    "arrow string": arrow(pa.string(), "a", None),
    "arrow decimal": arrow(pa.decimal128(10, 2), Decimal("1.50"), None),
    "arrow date64": arrow(pa.date64(), dt.date(2016, 10, 31), None),
    "arrow time32": arrow(pa.time32("s"), dt.time(1, 2, 3), None),
    "arrow timestamp": arrow(pa.timestamp("ns", "Asia/Tokyo"), 1001, None),
    "arrow list": arrow(pa.list_(pa.int64()), [1, None], None, []),
    "arrow list of null": arrow(pa.list_(pa.null()), [None], []),
    "arrow fixed list": arrow(pa.list_(pa.int16(), 2), [1, 2], None),
    "arrow struct": arrow(
        pa.struct([("A", pa.duration("s")), ("b", pa.list_(pa.uint8()))]), {"A": 5, "b": [1]}, None
    ),
    "arrow map": arrow(pa.map_(pa.string(), pa.time64("us")), [("k", dt.time(5))], None, []),
}

REFUSED: dict[str, tuple[pd.Series, str]] = {
    "mixed": (objects(1, "a"), "mixes values of the types int, str"),
    "int and float": (objects(1, 2.5), "mixes values of the types float, int"),
    "None and nan": (objects("a", None, np.nan), "several kinds of null"),
    "set": (objects({1}), "builtins.set"),
    "bytearray": (objects(bytearray(b"a")), "bytearray"),
    "dicts of other keys": (objects({"a": 1}, {"b": 2}), "would change when loaded"),
    "empty dict": (objects({}), "without fields"),
    "list of int and float": (objects([1, 2.5]), "would change when loaded"),
    "nested tuple": (objects([(1, 2)]), "would change when loaded"),
    "zoned time": (objects(dt.time(1, tzinfo=dt.UTC)), "would change when loaded"),
    "integer too large": (objects(2**70), "cannot be converted"),
    "decimal too long": (objects(Decimal("1e40")), "38"),
    "decimal NaN": (objects(Decimal("NaN")), "cannot be converted"),
    "half a surrogate pair": (objects("\ud800"), "surrogates"),
    "complex": (pd.Series([1 + 2j]), "real and imaginary"),
    "sparse": (pd.Series(pd.arrays.SparseArray([0, 1])), "to_dense"),
    "long double": (pd.Series(np.array([1], dtype=np.longdouble)), "float64"),
    "big-endian": (pd.Series(np.array([1], dtype=">i8")), "dtype >i8"),
    "mixed categories": (category([1, "a"], pd.Index([1, "a"], dtype=object)), "categories"),
    "arrow decimal256": (arrow(pa.decimal256(50, 2), Decimal("1.50")), "38 digits"),
    "arrow interval": (arrow(pa.month_day_nano_interval(), (1, 2, 3)), "no equivalent"),
    "arrow dictionary in a list": (
        arrow(pa.list_(pa.dictionary(pa.int8(), pa.string())), ["a"]),
        "categories inside a nested type",
    ),
}


def parquet(table: pa.Table, **options: Any) -> pa.Buffer:
    """The bytes of a file with the table's rows."""
    options.setdefault("units", units_of(table_columns(to_source(table).logical)))
    sink = pa.BufferOutputStream()
    Encoder(table.schema, **options).write(table, sink)
    return sink.getvalue()


def stored(data: Any) -> list[SourceFile]:
    """A frame as one file in memory, its schema gone through text."""
    source = to_source(data)
    assert source.table is not None
    logical = schema_from_text(schema_to_text(source.logical))
    return [SourceFile(parquet(source.table), logical, {}, len(source.table))]


def stored_by(data: Any, keys: list[str]) -> list[SourceFile]:
    """A frame as a file in memory for each partition."""
    source = to_source(data, partition_by=keys)
    assert source.table is not None
    logical = schema_from_text(schema_to_text(source.logical))
    units = units_of(table_columns(logical))
    return [
        SourceFile(
            parquet(part, keys=keys, units=units),
            logical,
            dict(zip(keys, values, strict=True)),
            len(part),
        )
        for values, part in split_by(source.table, keys)
    ]


def sales() -> pd.DataFrame:
    """A frame with columns of many kinds, and rows to be filtered."""
    return pd.DataFrame(
        {
            "Day": pd.Series([dt.date(2016, 10, 31), dt.date(2016, 11, 1)] * 50, dtype=object),
            "price": np.arange(100) / 4,
            "n": np.arange(100, dtype="uint16"),
            "shop": pd.Categorical(["Oslo", "Lima"] * 50, categories=["Lima", "Oslo", "Rome"]),
            "took": pd.to_timedelta(np.arange(100), unit="s"),
            "at": pd.date_range("2016-10-31", periods=100, freq="h", tz="Europe/Berlin").as_unit(
                "us"
            ),
            "note": ["x", None] * 50,
        }
    )


def pandas(files: list[SourceFile], **options: Any) -> pd.DataFrame:
    """Files loaded as a DataFrame."""
    return to_output(read_table(files, **options), "pandas")


def round_trip(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame that a load returns after a store."""
    return pandas(stored(frame))


def assert_same(back: pd.DataFrame, frame: pd.DataFrame) -> None:
    """Assert that frames are equal, and that their objects have the same types."""
    pd.testing.assert_frame_equal(back, frame, check_exact=True, check_column_type="exact")
    for position, dtype in enumerate(frame.dtypes):
        if str(dtype) == "object":
            assert list(map(type, back.iloc[:, position])) == list(
                map(type, frame.iloc[:, position])
            )

"""The Hive types that a caller names with ``types=``."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.schema import ColumnKind
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.frames.builders import objects


@pytest.fixture
def warehouse(embedded_uri) -> Warehouse:
    return connect(embedded_uri)


PRICES = {"Price": [19.99, 0.1, None], "n": [1, 2, 3]}
KINDS = {
    "pandas": lambda: pd.DataFrame(PRICES),
    "polars": lambda: pl.DataFrame(PRICES),
    "arrow": lambda: pa.table(PRICES),
    "a stream": lambda: iter([pd.DataFrame(PRICES).head(1), pd.DataFrame(PRICES).tail(2)]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_gets_the_type_that_is_named_and_its_values_come_back_so(warehouse, kind) -> None:
    pin = warehouse.store_dataframe(
        KINDS[kind](), "db", "t", types={"price": "decimal(10,2)", "n": "smallint"}
    )
    assert {one.name: one.type for one in warehouse.show("db", "t").columns} == {
        "Price": "decimal(10,2)",
        "n": "smallint",
    }
    found = warehouse.load_dataframe(pin, as_="arrow")
    assert found.column("Price").to_pylist() == [Decimal("19.99"), Decimal("0.10"), None]
    assert warehouse.load_dataframe(pin)["Price"].tolist() == [
        Decimal("19.99"),
        Decimal("0.10"),
        None,
    ]
    assert warehouse.load_dataframe(pin)["n"].dtype == "int16"


def test_a_spark_frame_gets_the_types_that_are_named(stack_uri, spark) -> None:
    warehouse = connect(stack_uri)
    frame = spark.createDataFrame([(1.5, "7"), (2.25, "8")], "price double, day string")
    types = {"price": "decimal(10,2)", "day": "int"}
    pin = warehouse.store_dataframe(frame, "db", "t", partition_by=["day"], types=types)
    assert sorted(pin.batches) == ["7", "8"]
    assert warehouse.show("db", "t").keys[0].type == "int"
    assert sorted(row["price"] for row in spark.sql("select price from db.t").collect()) == [
        Decimal("1.50"),
        Decimal("2.25"),
    ]
    with pytest.raises(Exception, match=r"row 0 has (1.5|2.25)"):
        warehouse.store_dataframe(frame, "db", "other", types={"price": "int"})


CASTS: dict[str, tuple[Any, str, Any]] = {
    "text to days": (["2016-10-31"], "date", [dt.date(2016, 10, 31)]),
    "text to decimals": (["1.5"], "decimal(10,2)", [Decimal("1.50")]),
    "whole numbers to decimals": ([5], "decimal(10,2)", [Decimal("5.00")]),
    "whole floats": ([5.0, None], "bigint", [5, None]),
    "numbers to text": ([5], "string", ["5"]),
    "midnights": ([dt.datetime(2016, 10, 31)], "date", [dt.date(2016, 10, 31)]),
    "days to times": ([dt.date(2016, 10, 31)], "timestamp", [dt.datetime(2016, 10, 31)]),
    "nothing": ([None], "array<struct<a:int>>", [None]),
    "empty lists": ([[]], "array<date>", [[]]),
    "nested": ([{"A": [1.0]}], "struct<a:array<int>,b:string>", [{"a": [1], "b": None}]),
    "categories": (pa.array([1.5, 1.5]).dictionary_encode(), "decimal(3,1)", [Decimal("1.5")] * 2),
    "text to floats": (
        ["99.99", "1e3", "1.50", "-0", "inf", None],
        "double",
        [99.99, 1000.0, 1.5, 0.0, float("inf"), None],
    ),
    "short text to short floats": (["99.99", "1.50"], "float", [float(np.float32("99.99")), 1.5]),
    "text to whole numbers": (["-5", "007", None], "bigint", [-5, 7, None]),
    "a category that no row has": (
        pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int32()), pa.array(["1", "x"])),
        "int",
        [1, 1],
    ),
}


@pytest.mark.parametrize("name", CASTS)
def test_values_are_cast_where_none_is_lost(warehouse, name) -> None:
    values, hive, expected = CASTS[name]
    pin = warehouse.store_dataframe(pa.table({"c": values}), "db", "t", types={"C": hive})
    (column,) = warehouse.show("db", "t").columns
    assert column.type == hive
    assert column.kind == ColumnKind(declared=True)
    assert warehouse.load_dataframe(pin, as_="arrow").column("c").to_pylist() == expected


LOST: dict[str, tuple[Any, str, str]] = {
    "cents": ([1.5, 1.005], "decimal(10,2)", "row 1 has 1.005"),
    "too many digits": ([1, 10**9], "decimal(10,2)", "row 1 has 1000000000"),
    "not a number": ([1.0, float("nan")], "decimal(10,2)", "row 1 has nan"),
    "fractions": (
        [1.0, 1.5],
        "int",
        "row 1 has 1.5, which would be lost or changed. Round or convert",
    ),
    "large numbers": ([2**60 + 1], "double", "row 0 has 1152921504606846977"),
    "doubles": ([0.1], "float", "row 0 has 0.1"),
    "the time of day": (
        [dt.datetime(2016, 10, 31, 5)],
        "date",
        "row 0 has 2016-10-31 05:00:00, which would be lost",
    ),
    "truth": ([0, 1, 2], "boolean", "row 2 has 2, which cannot be converted to boolean. Convert"),
    "no number": (["1", "x"], "bigint", "row 1 has x, which cannot be converted to bigint"),
    "numbers as times": (
        [None, 5],
        "timestamp",
        "row 1 has 5, which cannot be converted to timestamp",
    ),
    "a field": ([{"a": 1, "b": 2}], "struct<a:int>", "row 0"),
    "numbers in lists": ([[1], [2**40]], "array<int>", "row 1"),
    "lists": ([[1]], "bigint", "row 0"),
    "text too large for floats": (["1", "1e400"], "double", "row 1 has 1e400"),
    "text too small for floats": (["1e-400"], "double", "row 0 has 1e-400"),
    "text too fine for floats": (
        [None, "0.1234567890123456789"],
        "double",
        "row 1 has 0.1234567890123456789",
    ),
    "text too fine for short floats": (["0.123456789"], "float", "row 0 has 0.123456789"),
    "hexadecimal text": (["0x10"], "bigint", "row 0 has 0x10"),
    "text in lists": ([["1"], ["1e400"]], "array<double>", "row 1"),
    "durations as text": (pa.array([5], pa.duration("s")), "string", "row 0 has 0:00:05"),
    "numbers as times in lists": ([None, [], [None], [5]], "array<timestamp>", "row 3"),
    "numbers as days in maps": (
        pa.array([[], [("k", 5)]], pa.map_(pa.string(), pa.int64())),
        "map<string,date>",
        "row 1",
    ),
    "moments as days": (pa.array([0], pa.timestamp("us", "Asia/Tokyo")), "date", "row 0"),
}


@pytest.mark.parametrize("name", LOST)
def test_a_value_that_would_be_lost_is_refused_with_column_row_and_value(warehouse, name) -> None:
    values, hive, told = LOST[name]
    with pytest.raises(sfx.SchemaMismatch, match=f"'c'.*types=.*{told}"):
        warehouse.store_dataframe(pa.table({"c": values}), "db", "t", types={"c": hive})
    assert warehouse.tables() == []


PERIODS = pd.period_range("2020-01", periods=2, freq="M")


@pytest.mark.parametrize(
    "values", [PERIODS, pd.Categorical(PERIODS)], ids=["periods", "categories"]
)
@pytest.mark.parametrize("hive", ["string", "decimal(20,0)", "int", "timestamp"])
def test_periods_get_no_type_that_has_their_ordinals_only(warehouse, values, hive) -> None:
    with pytest.raises(sfx.SchemaMismatch, match=r"'c'.*period\[M\].*astype\(str\)"):
        warehouse.store_dataframe(pd.DataFrame({"c": values}), "db", "t", types={"c": hive})
    assert warehouse.tables() == []


def test_periods_that_are_stored_as_bigint_stay_periods(warehouse) -> None:
    pin = warehouse.store_dataframe(pd.DataFrame({"c": PERIODS}), "db", "t", types={"c": "bigint"})
    assert warehouse.load_dataframe(pin)["c"].tolist() == PERIODS.tolist()


def test_a_column_that_has_the_type_already_stays_what_it_is(warehouse) -> None:
    frame = pd.DataFrame(
        {
            "s": pd.Categorical(["a"]),
            "d": pd.to_timedelta([1], unit="s"),
            "u": np.array([1], dtype="uint8"),
        }
    )
    types = {"s": "string", "d": "bigint", "u": "smallint"}
    pd.testing.assert_frame_equal(
        warehouse.load_dataframe(warehouse.store_dataframe(frame, "db", "t", types=types)), frame
    )


def test_keys_of_partitions_have_the_type_that_is_named(warehouse) -> None:
    frame = pd.DataFrame({"day": ["2016-10-31", "2016-11-01"], "n": [1, 2]})
    pin = warehouse.store_dataframe(frame, "db", "t", partition_by=["day"], types={"day": "date"})
    assert warehouse.show("db", "t").keys[0].type == "date"
    assert sorted(warehouse.load_dataframe(pin)["day"]) == [
        dt.date(2016, 10, 31),
        dt.date(2016, 11, 1),
    ]


def test_a_column_of_no_values_that_is_given_a_type_is_not_open(warehouse) -> None:
    warehouse.store_dataframe(
        pd.DataFrame({"c": objects(None), "n": 1}), "db", "t", ["1"], types={"c": "date"}
    )
    assert [one.type for one in warehouse.show("db", "t").columns] == ["date", "bigint"]
    with pytest.raises(sfx.SchemaMismatch, match="'c'"):
        warehouse.store_dataframe(pd.DataFrame({"c": ["x"], "n": 1}), "db", "t", ["2"])


@pytest.mark.parametrize(
    ("types", "error", "told"),
    [
        ({"pirce": "double"}, sfx.SchemaMismatch, "pirce.*did you mean 'price'"),
        ({"price": "money"}, sfx.SchemaMismatch, "'money' for the column 'price'"),
        ({"price": "char(3)"}, sfx.SchemaMismatch, "length of text is not enforced: use string"),
        ({"price": "array<VARCHAR(10)>"}, sfx.SchemaMismatch, "length of text is not enforced"),
        ({"price": "decimal(99,2)"}, sfx.SchemaMismatch, r"decimal\(99,2\)"),
        ({"price": "double", "PRICE": "float"}, sfx.InvalidName, "twice"),
        ({"price": float}, sfx.InvalidName, "both as text"),
        ([("price", "double")], sfx.InvalidName, "not a mapping"),
    ],
    ids=str,
)
def test_types_that_cannot_be_meant_are_refused(warehouse, types, error, told) -> None:
    with pytest.raises(error, match=told):
        warehouse.store_dataframe(pd.DataFrame({"price": [1.5]}), "db", "t", types=types)


def test_the_function_takes_types_too(embedded_uri, monkeypatch) -> None:
    monkeypatch.setenv("SFX_WAREHOUSE", embedded_uri)
    frame = pd.DataFrame({"price": [1.5]})
    pin = sfx.store_dataframe(frame, "db", "t", types={"price": "decimal(5,2)"})
    assert sfx.load_dataframe(pin)["price"].tolist() == [Decimal("1.50")]

"""Numbers as nights bring them: cast to the table's type where no value is lost."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

NAN = float("nan")


@pytest.fixture
def embedded(embedded_uri) -> Warehouse:
    return connect(embedded_uri)


def store(warehouse: Warehouse, night: str, data: Any, **options: Any) -> sfx.BatchPin:
    return warehouse.store_dataframe(data, "shop", "orders", [night], **options)


def types(warehouse: Warehouse) -> dict[str, str]:
    return {one.name: one.type for one in warehouse.show("shop", "orders").columns}


def values(warehouse: Warehouse, pin: sfx.BatchPin) -> list[Any]:
    found: list[Any] = warehouse.load_dataframe(pin, as_="arrow").column("n").to_pylist()
    return found


KINDS = {
    "pandas": lambda numbers: pd.DataFrame({"n": numbers}),
    "polars": lambda numbers: pl.DataFrame({"n": numbers}),
    "arrow": lambda numbers: pa.table({"n": numbers}),
    "stream": lambda numbers: iter(
        [pa.table({"n": numbers}), pa.table({"n": numbers}).slice(0, 0)]
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_night_of_floats_without_fractions_fits_integers(warehouse, kind, caplog) -> None:
    make = KINDS[kind]
    store(warehouse, "1", make([1, 2]))
    with caplog.at_level(logging.INFO, "airflow_sfx"):
        pin = store(warehouse, "2", make([2.0, NAN]))
    assert values(warehouse, pin) == [2, None]
    assert types(warehouse) == {"n": "bigint"}
    assert "shop.orders: cast without losing a value: n from double to bigint" in caplog.text
    (manifest,) = warehouse.manifests(pin)
    assert dict(manifest.fit.casts) == {"n": "double"}
    assert [one.type for one in manifest.columns] == ["bigint"]
    whole = warehouse.load_dataframe("shop", "orders", as_="arrow").column("n")
    assert whole.type == pa.int64()
    assert sorted(whole.to_pylist(), key=str) == [1, 2, 2, None]


def test_a_zero_without_its_sign_is_the_same_integer_and_keeps_it_as_a_float(
    embedded, caplog
) -> None:
    store(embedded, "1", pa.table({"n": [1], "price": [1.0]}))
    with caplog.at_level(logging.INFO, "airflow_sfx"):
        pin = store(embedded, "2", pa.table({"n": [-0.0], "price": [-0.0]}))
    found = embedded.load_dataframe(pin, as_="arrow").to_pydict()
    assert str(found["n"]) == "[0]"
    assert str(found["price"]) == "[-0.0]"
    assert "n from double to bigint (NaN to null, and -0.0 to 0, which equals it)" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_night_of_integers_fits_floats(embedded, kind) -> None:
    make = KINDS[kind]
    store(embedded, "1", make([0.5]))
    pin = store(embedded, "2", make([3, 2**53]))
    assert values(embedded, pin) == [3.0, 2.0**53]
    with pytest.raises(
        sfx.SchemaMismatch, match=r"'n'.*double.*bigint.*row 1 has 9007199254740993"
    ):
        store(embedded, "3", make([1, 2**53 + 1]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_that_would_be_lost_is_refused_with_column_value_types_and_remedy(
    embedded, kind
) -> None:
    make = KINDS[kind]
    first = store(embedded, "1", make([1, 2]))
    with pytest.raises(
        sfx.SchemaMismatch,
        match=f"'n' as bigint, which the batch {first.batch_id} of the partition 1 brought, and the"
        ' frame as double, and row 1 has 2.5, which bigint cannot hold: convert.*evolve="any"',
    ):
        store(embedded, "2", make([2.0, 2.5]))
    assert list(embedded.pin("shop", "orders").batches) == ["1"]
    store(embedded, "2", make([2.0, 2.5]), evolve="any")
    assert types(embedded) == {"n": "double"}


NO_VALUES = {
    "object": pd.Series([None, None], dtype=object),
    "float64": pd.Series([NAN, NAN]),
    "Int64": pd.array([None, None], "Int64"),
    "string": pd.array([None, None], "string"),
    "datetime64": pd.to_datetime([None, None]),
    "boolean": pd.array([None, None], "boolean"),
    "category": pd.Categorical([None, None], []),
}
COLUMNS = {
    "integers": [1, 2],
    "floats": [0.5, 1.5],
    "text": ["a", "b"],
    "times": pd.to_datetime(["2026-11-18", "2026-11-19"]),
    "truth": [True, False],
    "durations": pd.to_timedelta([5, 6], unit="s"),
    "months": pd.PeriodIndex(["2026-11", "2026-12"], freq="M"),
    "lists": [[1], [2]],
}


@pytest.mark.parametrize("empty", NO_VALUES)
@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_without_values_fits_any_column(embedded, name, empty) -> None:
    store(embedded, "1", pd.DataFrame({"n": COLUMNS[name]}))
    before = types(embedded)
    pin = store(embedded, "2", pd.DataFrame({"n": NO_VALUES[empty]}))
    assert types(embedded) == before
    assert values(embedded, pin) == [None, None]
    assert len(embedded.load_dataframe("shop", "orders")) == 4
    store(embedded, "3", pd.DataFrame({"n": COLUMNS[name]}))


def test_numbers_are_cast_in_every_partition_of_a_store(embedded) -> None:
    frame = pd.DataFrame({"day": ["1", "2"], "n": [1, 2]})
    embedded.store_dataframe(frame, "shop", "orders", partition_by=["day"])
    blank = frame.assign(n=[NAN, 4.0])
    pin = embedded.store_dataframe(blank, "shop", "orders", partition_by=["day"])
    found = embedded.load_dataframe(pin, as_="arrow")
    assert found.column("n").to_pylist() == [None, 4]
    assert found.schema.field("n").type == pa.int64()


def test_numbers_in_lists_and_structs_are_cast(embedded) -> None:
    store(embedded, "1", pa.table({"n": [[{"a": 1}]]}))
    pin = store(embedded, "2", pa.table({"n": [[{"a": 2.0}, {"a": None}]]}))
    assert values(embedded, pin) == [[{"a": 2}, {"a": None}]]
    with pytest.raises(sfx.SchemaMismatch, match="row 0 has"):
        store(embedded, "3", pa.table({"n": [[{"a": 2.5}]]}))


def test_narrow_integers_widen_to_fractions_and_wide_ones_do_not(embedded) -> None:
    store(embedded, "1", pa.table({"n": pa.array([1], pa.int32()), "m": [1]}))
    pin = store(embedded, "2", pa.table({"n": [2.0], "m": [1]}))
    assert types(embedded) == {"n": "int", "m": "bigint"}
    assert values(embedded, pin) == [2]
    store(embedded, "3", pa.table({"n": [2.5], "m": [1]}))
    assert types(embedded) == {"n": "double", "m": "bigint"}
    with pytest.raises(sfx.SchemaMismatch, match="'m'"):
        store(embedded, "3", pa.table({"n": [2.5], "m": [1.5]}))


@pytest.mark.parametrize("evolve", ["none", "safe", "any"])
def test_numbers_are_cast_whatever_may_change(embedded, evolve) -> None:
    store(embedded, "1", pa.table({"n": [1]}))
    assert values(embedded, store(embedded, "2", pa.table({"n": [2.0]}), evolve=evolve)) == [2]
    assert types(embedded) == {"n": "bigint"}


def test_types_are_said_once(warehouse) -> None:
    said = {"n": "decimal(10,2)", "code": "string"}
    store(warehouse, "1", pa.table({"n": [1.5], "code": [7], "day": ["x"]}), types=said)
    for night, n, code in (("2", [2], [8]), ("3", ["3.25"], ["009"]), ("4", [NAN], [None])):
        pin = store(warehouse, night, pa.table({"n": n, "code": code, "day": ["x"]}))
        (column, text) = (warehouse.load_dataframe(pin, as_="arrow").column(i) for i in (0, 1))
        assert column.type == pa.decimal128(10, 2)
        assert text.type == pa.string() or text.null_count == 1
    assert types(warehouse)["n"] == "decimal(10,2)"
    with pytest.raises(sfx.SchemaMismatch, match=r"'n' as decimal\(10,2\).*row 0 has 1.005"):
        store(warehouse, "5", pa.table({"n": [1.005], "code": ["1"], "day": ["x"]}))
    wide = pa.table({"n": pa.array([Decimal("1.125")]), "code": ["1"], "day": ["x"]})
    with pytest.raises(sfx.SchemaMismatch, match=r"row 0 has 1.125"):
        store(warehouse, "5", wide)
    store(warehouse, "5", wide, types={"n": "decimal(12,3)"})
    assert types(warehouse)["n"] == "decimal(12,3)"


def test_types_that_a_staged_batch_said_are_remembered_from_its_publication_on(embedded) -> None:
    store(embedded, "1", pa.table({"n": pa.array([1], pa.int32())}))
    staged = store(embedded, "2", pa.table({"n": [2]}), types={"n": "int"}, publish=False)
    embedded.publish(staged)
    with pytest.raises(sfx.SchemaMismatch, match="row 0 has 2.5"):
        store(embedded, "3", pa.table({"n": [2.5]}))
    assert values(embedded, store(embedded, "3", pa.table({"n": [3]}))) == [3]


def test_a_csv_night_after_night(embedded, tmp_path) -> None:
    nights = ["n,note\n1,a\n2,b\n", "n,note\n3,\n,\n", "n,note\n,c\n4,d\n", "n,note\n5,7\n"]
    for number, text in enumerate(nights[:3]):
        (tmp_path / "night.csv").write_text(text)
        store(embedded, str(number), pd.read_csv(tmp_path / "night.csv"))
    whole = embedded.load_dataframe("shop", "orders", as_="arrow")
    assert whole.schema.field("n").type == pa.int64()
    assert whole.column("n").to_pylist() == [1, 2, 3, None, None, 4]
    with pytest.raises(sfx.SchemaMismatch, match=r"'note' as string.* the frame as bigint"):
        store(
            embedded,
            "3",
            pd.read_csv((tmp_path / "n.csv").write_text(nights[3]) and tmp_path / "n.csv"),
        )


def test_spark_casts_on_its_executors(warehouse, spark) -> None:
    frame = spark.createDataFrame([(1,), (2,)], "n bigint")
    store(warehouse, "1", frame)
    pin = store(warehouse, "2", spark.createDataFrame([(3.0,), (None,), (NAN,)], "n double"))
    assert sorted(values(warehouse, pin), key=str) == [3, None, None]
    assert dict(warehouse.manifests(pin)[0].fit.casts) == {"n": "double"}
    with pytest.raises(Exception, match="2.5, which bigint cannot hold"):
        store(warehouse, "3", spark.createDataFrame([(2.5,)], "n double"))
    assert sorted(warehouse.pin("shop", "orders").batches) == ["1", "2"]


def test_numpy_kinds_of_integers_fit_one_table(embedded) -> None:
    store(embedded, "0", pd.DataFrame({"n": np.array([1], "int64")}))
    for number, kind in enumerate(("int8", "uint16", "float32", "Int32", "Float64"), 1):
        pin = store(embedded, str(number), pd.DataFrame({"n": pd.array([number], kind)}))
        assert values(embedded, pin) == [number]
    assert types(embedded) == {"n": "bigint"}

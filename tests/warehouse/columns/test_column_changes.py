"""Columns that are dropped or renamed, in the table and in its current batches."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.log_entry import Operation
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.warehouse.faults import KILLED, run_until_call

GOOD = {
    "n": [1, 2],
    "city": pd.Categorical(["Oslo", "Bern"]),
    "Since": pd.to_timedelta([1, 2], "s"),
}


@pytest.fixture
def embedded(embedded_uri) -> Warehouse:
    return connect(embedded_uri)


def store(warehouse: Warehouse, night: str, data: Any, **options: Any) -> sfx.BatchPin:
    return warehouse.store_dataframe(pd.DataFrame(data), "shop", "orders", [night], **options)


def columns(warehouse: Warehouse) -> list[str]:
    return [one.name.lower() for one in warehouse.show("shop", "orders").columns]


def test_a_dropped_column_is_gone_from_the_table_and_from_current_batches_only(warehouse) -> None:
    old = [store(warehouse, night, GOOD) for night in ("1", "2")]
    pin = warehouse.drop_column("shop", "orders", "CITY", reason="a person's")
    assert columns(warehouse) == ["n", "since"]
    assert sorted(pin.batches) == ["1", "2"]
    whole = warehouse.load_dataframe("shop", "orders")
    assert list(whole.columns) == ["n", "Since", "partition"]
    pd.testing.assert_frame_equal(warehouse.load_dataframe(old[0]), pd.DataFrame(GOOD))
    entry = warehouse.history("shop", "orders", ["1"])[0]
    assert (entry.operation, entry.reason) == (
        Operation.PUBLISH,
        "drop the column CITY: a person's",
    )
    assert len({one.commit for one in warehouse.history("shop", "orders")[:2]}) == 1
    warehouse.verify(pin)
    store(warehouse, "3", {name: GOOD[name] for name in ("n", "Since")})
    warehouse.rollback("shop", "orders", ["1", "2"])
    assert sorted(columns(warehouse)) == ["city", "n", "since"]


def test_a_renamed_column_is_read_under_its_new_name_by_all(warehouse) -> None:
    old = store(warehouse, "1", GOOD)
    store(warehouse, "2", GOOD)
    pin = warehouse.rename_column("shop", "orders", "city", "Town")
    warehouse.rename_column("shop", "orders", "since", "until")
    assert columns(warehouse) == ["n", "town", "until"]
    whole = warehouse.load_dataframe("shop", "orders")
    assert whole["Town"].tolist() == ["Oslo", "Bern"] * 2
    assert str(whole["Town"].dtype) == "category"
    assert whole["until"].tolist() == [pd.Timedelta(seconds=one) for one in (1, 2)] * 2
    assert "city" in warehouse.load_dataframe(old)
    assert list(warehouse.load_dataframe(pin)["Since"][:2]) == list(GOOD["Since"])
    with pytest.raises(sfx.SchemaMismatch, match="'[Tt]own'"):
        store(warehouse, "3", GOOD)
    warehouse.rename_column("shop", "orders", "town", "city")
    warehouse.rename_column("shop", "orders", "until", "Since")
    store(warehouse, "3", GOOD)


def test_spark_reads_renamed_columns_of_all_partitions(stack_uri, spark) -> None:
    warehouse = connect(stack_uri)
    for night in ("1", "2"):
        store(warehouse, night, {"n": [int(night)], "city": ["Oslo"]})
    warehouse.rename_column("shop", "orders", "n", "number")
    warehouse.drop_column("shop", "orders", "city")
    found = spark.sql("select * from shop.orders").toPandas()
    assert sorted(found.columns) == ["number", "partition"]
    assert sorted(found["number"]) == [1, 2]


def test_partitions_by_columns_and_types_that_were_said_stay(embedded) -> None:
    frame = pa.table({"day": ["1", "2"], "n": [1, 2], "price": [1.5, 2.5]})
    said = {"price": "decimal(10,2)"}
    embedded.store_dataframe(frame, "shop", "orders", partition_by=["day"], types=said)
    pin = embedded.rename_column("shop", "orders", "price", "cost")
    assert {name: len(batch) for name, batch in pin.batches.items()} == {"1": 14, "2": 14}
    embedded.drop_column("shop", "orders", "n")
    again = pa.table({"day": ["3"], "cost": [9.75]})
    embedded.store_dataframe(again, "shop", "orders", partition_by=["day"])
    whole = embedded.load_dataframe("shop", "orders", as_="arrow")
    assert whole.schema.field("cost").type == pa.decimal128(10, 2)
    assert sorted(whole.column("day").to_pylist()) == ["1", "2", "3"]


def test_batches_without_the_column_stay(embedded) -> None:
    first = store(embedded, "1", {"n": [1]})
    store(embedded, "2", {"n": [1], "note": ["x"]})
    pin = embedded.drop_column("shop", "orders", "note")
    assert list(pin.batches) == ["2"]
    assert embedded.pin("shop", "orders", ["1"]) == first


def test_a_column_of_the_metastore_alone_is_dropped_without_a_batch(embedded) -> None:
    store(embedded, "1", {"n": [1], "note": ["x"]})
    store(embedded, "1", {"n": [1]}, evolve="any")
    assert columns(embedded) == ["n", "note"]
    assert embedded.drop_column("shop", "orders", "note").batches == {}
    assert columns(embedded) == ["n"]


@pytest.mark.parametrize(
    ("act", "error", "why"),
    [
        (lambda w: w.drop_column("shop", "orders", "cty"), sfx.SchemaMismatch, "'city'"),
        (lambda w: w.rename_column("shop", "orders", "n", "City"), sfx.InvalidName, "already"),
        (lambda w: w.rename_column("shop", "orders", "n", ""), sfx.InvalidName, "is empty"),
        (lambda w: w.rename_column("shop", "orders", "n", "a,b"), sfx.InvalidName, "comma"),
        (lambda w: w.rename_column("shop", "orders", "n", "partition"), sfx.InvalidName, "key"),
        (lambda w: w.drop_column("shop", "orders", "partition"), sfx.InvalidName, "key"),
        (lambda w: w.drop_column("shop", "orders", 5), sfx.InvalidName, "not a column's name"),
        (lambda w: w.drop_column("shop", "none", "n"), sfx.TableNotFound, "no table"),
    ],
)
def test_a_change_that_cannot_be_is_refused(embedded, act, error, why) -> None:
    store(embedded, "1", GOOD)
    with pytest.raises(error, match=why):
        act(embedded)
    assert len(embedded.history("shop", "orders")) == 1


def test_the_only_column_and_an_index_are_not_dropped(embedded) -> None:
    store(embedded, "1", {"n": [1]})
    with pytest.raises(sfx.SchemaMismatch, match="only column"):
        embedded.drop_column("shop", "orders", "n")
    indexed = pd.DataFrame({"n": [1]}, index=pd.Index(["a"], name="key"))
    embedded.store_dataframe(indexed, "shop", "indexed")
    with pytest.raises(sfx.SchemaMismatch, match="reset_index"):
        embedded.rename_column("shop", "indexed", "key", "id")


def rename(warehouse: Warehouse) -> None:
    warehouse.rename_column("shop", "orders", "n", "number")


def test_a_process_that_dies_at_any_call_leaves_all_names_old_or_new(new_embedded_uri) -> None:
    outcomes = set()
    for calls in range(1, 120):
        uri = new_embedded_uri()
        warehouse = connect(uri)
        for night in ("1", "2"):
            store(warehouse, night, {"n": [1], "m": [2]})
        code = run_until_call(uri, rename, calls, after=True)
        whole = warehouse.load_dataframe("shop", "orders")
        new = "number" in whole.columns
        assert whole["number" if new else "n"].tolist() == [1, 1]
        outcomes.add(new)
        known = columns(warehouse)
        for manifest in warehouse.manifests(warehouse.pin("shop", "orders")):
            assert {one.name for one in manifest.columns} <= set(known), "engines cannot read it"
        if code and calls % 2 and "n" in known:
            rename(warehouse)
        elif new and code:
            store(warehouse, "3", {"number": [1], "m": [2]})  # no name that is not current any more
            assert "n" not in columns(warehouse)
        elif code:
            store(warehouse, "3", {"n": [1], "m": [2]})  # no name that did not become current
            rename(warehouse)  # and trying again succeeds
        if code:
            assert sorted(columns(warehouse)) == ["m", "number"]
        if code == 0:
            break
        assert code == KILLED
    assert outcomes == {False, True}


def test_a_dry_run_names_the_batches_and_changes_nothing(embedded) -> None:
    pin = embedded.store_dataframe(pd.DataFrame({"n": [1], "note": ["x"]}), "shop", "dry")
    for plan in (
        embedded.drop_column("shop", "dry", "note", dry_run=True),
        embedded.rename_column("shop", "dry", "note", "remark", dry_run=True),
    ):
        assert plan == pin
    assert embedded.drop_column("shop", "dry", "note") != pin
    with pytest.raises(sfx.SchemaMismatch, match="there is no column 'nn'"):
        embedded.drop_column("shop", "dry", "nn", dry_run=True)
    with pytest.raises(sfx.InvalidName, match="dry_run=1 is neither True nor False"):
        embedded.drop_column("shop", "dry", "n", dry_run=1)

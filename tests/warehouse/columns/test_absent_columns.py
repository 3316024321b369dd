"""Columns that the table has and none of the batches read.

A named column reads as null; an unnamed one is absent.
"""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import airflow_sfx as sfx
from airflow_sfx.frames.parquet import scan
from airflow_sfx.warehouse.warehouse import Warehouse

WHOLE = pd.DataFrame(
    {
        "n": [1, 2, 3],
        "S": ["a", "b", "c"],
        "at": pd.to_datetime(["2016-10-31"] * 3).as_unit("us"),
        "shop": pd.Categorical(["x", "y", "x"]),
        "i": pd.array([1, 2, 3], dtype="int32"),
        "many": [[1], [2, 3], []],
    }
)
REST = WHOLE[["n", "shop"]]
GONE = {"S": pa.string(), "at": pa.timestamp("us"), "i": pa.int32(), "many": pa.list_(pa.int64())}


@pytest.fixture
def pin(warehouse: Warehouse) -> sfx.BatchPin:
    """A batch without some of the table's columns."""
    warehouse.store_dataframe(WHOLE, "sales", "items", ["a"])
    return warehouse.store_dataframe(REST, "sales", "items", ["a"], evolve="any")


def test_a_load_that_names_no_columns_is_what_was_stored(warehouse, pin) -> None:
    pd.testing.assert_frame_equal(warehouse.load_dataframe(pin), REST)
    pd.testing.assert_frame_equal(
        warehouse.load_dataframe("sales", "items"), REST.assign(partition="a")
    )
    found = warehouse.load_dataframe(pin, filters=[("n", ">", 1)])
    pd.testing.assert_frame_equal(found, REST.iloc[1:].reset_index(drop=True))
    assert sorted(GONE) == sorted(set(WHOLE) - set(warehouse.load_dataframe(pin).columns))


@pytest.mark.parametrize("name", GONE)
@pytest.mark.parametrize("chosen", ["pin", "partition", "table"])
def test_a_named_column_that_no_batch_has_reads_as_null_with_its_type(
    warehouse, pin, name, chosen
) -> None:
    of = {"pin": (pin,), "partition": ("sales", "items", ["a"]), "table": ("sales", "items")}[
        chosen
    ]
    for columns in ([name], ["n", name], [name, "shop"]):
        table = warehouse.load_dataframe(*of, columns=columns, as_="arrow")
        assert table.column_names == columns
        assert (table.schema.field(name).type, table.column(name).null_count) == (GONE[name], 3)
    assert warehouse.load_dataframe(*of, columns=["n", name])[name].isna().all()
    pieces = list(warehouse.load_dataframe(*of, columns=["n", name], batches=True))
    assert [piece[name].isna().all() for piece in pieces] == [True]


def test_filters_take_it_for_null_and_give_the_columns_of_the_batches(warehouse, pin) -> None:
    for of in ((pin,), ("sales", "items", ["a"])):
        assert warehouse.load_dataframe(*of, filters=[("S", "=", "a")]).empty
        assert warehouse.load_dataframe(*of, filters=[("i", ">", 1)], columns=["n"]).empty
        pd.testing.assert_frame_equal(
            warehouse.load_dataframe(*of, filters=pc.field("at").is_null()), REST
        )
        both = pc.field("i").is_null() & (pc.field("n") < 3)
        assert warehouse.load_dataframe(*of, filters=both, columns=["S", "n"])["n"].tolist() == [
            1,
            2,
        ]
    pd.testing.assert_frame_equal(
        warehouse.load_dataframe("sales", "items", filters=pc.field("i").is_null()),
        REST.assign(partition="a"),
    )
    none = list(warehouse.load_dataframe(pin, filters=[("S", "=", "a")], batches=True))
    assert [list(one.columns) for one in none] == [["n", "shop"]]


def test_where_another_batch_has_it_only_the_rows_of_the_others_are_null(warehouse, pin) -> None:
    warehouse.store_dataframe(WHOLE, "sales", "items", ["b"])
    found = warehouse.load_dataframe("sales", "items", columns=["S", "partition"])
    assert found["S"].isna().tolist() == [True] * 3 + [False] * 3
    assert warehouse.load_dataframe("sales", "items", filters=[("S", "=", "b")])["n"].tolist() == [
        2
    ]


def test_batches_that_no_one_scan_can_read_have_it_too(warehouse, pin) -> None:
    for day, unit in (("a", "s"), ("b", "ms")):
        took = pd.to_timedelta([1, 2, 3], unit="s").as_unit(unit)
        warehouse.store_dataframe(REST.assign(took=took), "sales", "items", [day], evolve="any")
    found = warehouse.load_dataframe(
        "sales", "items", columns=["took", "S"], filters=pc.field("at").is_null()
    )
    assert found["S"].isna().tolist() == [True] * 6


def test_a_column_added_later_reads_as_null_in_an_older_batch_and_a_misspelt_one_is_still_refused(
    warehouse, pin
) -> None:
    warehouse.store_dataframe(WHOLE.assign(note="new"), "sales", "items", ["a"])
    assert warehouse.load_dataframe(pin, columns=["note"])["note"].isna().tolist() == [True] * 3
    with pytest.raises(sfx.SchemaMismatch, match="'nto'"):
        warehouse.load_dataframe(pin, columns=["nto"])
    with pytest.raises(sfx.SchemaMismatch, match="'notes'.*'note'"):
        warehouse.load_dataframe(pin, filters=[("notes", "=", "new")])


def test_an_index_comes_along(warehouse, pin) -> None:
    labelled = REST.set_index(pd.Index(["x", "y", "z"], name="label"))
    last = warehouse.store_dataframe(labelled, "sales", "items", ["a"], evolve="any")
    found = warehouse.load_dataframe(last, columns=["S"])
    assert (found.index.tolist(), found.index.name, found["S"].isna().all()) == (
        ["x", "y", "z"],
        "label",
        True,
    )


def test_a_file_of_many_rows_whose_text_is_looked_at_beforehand_has_it_too(
    warehouse, monkeypatch, pin
) -> None:
    monkeypatch.setattr(scan, "_MANY_ROWS", 1)
    assert warehouse.load_dataframe(pin, columns=["S"])["S"].isna().tolist() == [True] * 3

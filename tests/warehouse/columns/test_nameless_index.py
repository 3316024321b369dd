"""An index without a name, as of a filtered frame.

It comes back with its batch, and is not a column of the table.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.checks import has_columns
from airflow_sfx.core.schema import Column
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

PLAIN = pd.DataFrame({"Item": list("abcd"), "price": [1.0, 0.0, 3.0, 0.5]})
FILTERED = PLAIN[PLAIN.price != 0]
LEVELS = PLAIN.set_index(pd.MultiIndex.from_tuples([("x", 1), ("x", 2), ("y", 1), ("y", 2)]))
LABELS = PLAIN.set_index(pd.Index(["w", "x", "y", "z"]))
DATES = PLAIN.set_index(pd.date_range("2016-10-31", periods=4, freq="D"))
HALF_NAMED = PLAIN.set_index(
    pd.MultiIndex.from_tuples([(1, 5), (2, 6), (3, 7), (4, 8)], names=["shelf", None])
)


@pytest.fixture
def warehouse(embedded_uri) -> Warehouse:
    return connect(embedded_uri)


def columns(warehouse: Warehouse, table: str = "nightly") -> list[str]:
    return [column.name for column in warehouse.show("sales", table).columns]


@pytest.mark.parametrize("evolve", ["none", "safe", "any"])
@pytest.mark.parametrize("first", [PLAIN, FILTERED], ids=["plain", "filtered"])
def test_nights_with_and_without_an_index_follow_each_other_and_come_back_as_they_were(
    warehouse, first, evolve
) -> None:
    nights = [first, FILTERED, PLAIN, LEVELS, PLAIN, LABELS, DATES, FILTERED, PLAIN]
    pins = [
        warehouse.store_dataframe(night, "sales", "nightly", ["a"], evolve=evolve)
        for night in nights
    ]
    for pin, night in zip(pins, nights, strict=True):
        pd.testing.assert_frame_equal(warehouse.load_dataframe(pin), night)
        assert warehouse.verify(pin).rows == len(night)
    assert columns(warehouse) == ["Item", "price"]


def test_a_named_level_is_a_column_and_the_one_beside_it_is_not(warehouse) -> None:
    pin = warehouse.store_dataframe(HALF_NAMED, "sales", "nightly", ["a"])
    assert columns(warehouse) == ["Item", "price", "shelf"]
    pd.testing.assert_frame_equal(warehouse.load_dataframe(pin), HALF_NAMED)
    warehouse.store_dataframe(PLAIN.assign(shelf=1), "sales", "nightly", ["a"])
    with pytest.raises(sfx.SchemaMismatch, match="'shelf'"):
        warehouse.store_dataframe(PLAIN, "sales", "nightly", ["a"])


@pytest.mark.parametrize(
    "other", [PLAIN, LEVELS, LABELS, DATES], ids=["plain", "levels", "labels", "dates"]
)
@pytest.mark.parametrize("filtered_last", [False, True])
def test_the_whole_of_batches_that_have_it_in_part_is_numbered_anew(
    warehouse, other, filtered_last
) -> None:
    frames = [other, FILTERED] if filtered_last else [FILTERED, other]
    for day, one in zip("ab", frames, strict=True):
        warehouse.store_dataframe(one, "sales", "nightly", [day])
    expected = pd.concat(frames, ignore_index=True).assign(
        partition=["a"] * len(frames[0]) + ["b"] * len(frames[1])
    )
    pd.testing.assert_frame_equal(warehouse.load_dataframe("sales", "nightly"), expected)
    pieces = list(warehouse.load_dataframe("sales", "nightly", batches=True))
    pd.testing.assert_frame_equal(pd.concat(pieces, ignore_index=True), expected)
    found = warehouse.load_dataframe(
        "sales", "nightly", columns=["Item"], filters=[("price", ">", 2)]
    )
    pd.testing.assert_frame_equal(found, pd.DataFrame({"Item": ["c", "c"]}))
    assert (
        "__index_level_0__"
        not in warehouse.load_dataframe("sales", "nightly", as_="arrow").column_names
    )


def test_batches_that_all_have_it_keep_it_together(warehouse) -> None:
    for day in "ab":
        warehouse.store_dataframe(FILTERED, "sales", "nightly", [day])
    assert warehouse.load_dataframe("sales", "nightly").index.tolist() == [0, 2, 3, 0, 2, 3]
    one = warehouse.load_dataframe(
        "sales", "nightly", ["a"], columns=["price"], filters=[("Item", "!=", "a")]
    )
    pd.testing.assert_frame_equal(one, FILTERED[["price"]].iloc[1:])


def test_keys_with_hive_types_and_rows_divided_by_a_column_keep_it(tmp_path) -> None:
    warehouse = connect(f"embedded://{tmp_path}/w?layout=hive")
    for one in (FILTERED, PLAIN, FILTERED):
        pin = warehouse.store_dataframe(
            one, "sales", "days", ["2016-10-31"], partition_keys={"day": "date"}
        )
        pd.testing.assert_frame_equal(warehouse.load_dataframe(pin), one)
    for one in (FILTERED, PLAIN, LEVELS, PLAIN):
        pin = warehouse.store_dataframe(one, "sales", "items", partition_by=["Item"])
        pd.testing.assert_frame_equal(warehouse.load_dataframe(pin), one)
    assert (columns(warehouse, "days"), columns(warehouse, "items")) == (
        ["Item", "price"],
        ["price"],
    )


def test_a_table_that_has_such_a_column_already_keeps_it_and_takes_frames_without_it(
    warehouse, tmp_path
) -> None:
    (tmp_path / "old").mkdir()
    FILTERED.rename(columns=str.lower).to_parquet(tmp_path / "old/one.parquet")
    pin = warehouse.adopt("sales", "nightly", str(tmp_path / "old"))
    assert columns(warehouse) == ["item", "price", "__index_level_0__"]
    for one in (PLAIN, FILTERED, PLAIN):
        last = warehouse.store_dataframe(one.rename(columns=str.lower), "sales", "nightly")
    assert columns(warehouse) == ["item", "price", "__index_level_0__"]
    assert len(warehouse.load_dataframe(pin)) == 3
    assert warehouse.diff(pin, last).columns_removed == ("__index_level_0__",)


def test_batches_that_differ_in_it_are_told_apart(warehouse) -> None:
    before, after, same = (
        warehouse.store_dataframe(one, "sales", "nightly", ["a"])
        for one in (PLAIN, FILTERED, FILTERED)
    )
    found = warehouse.diff(before, after, keys=["Item"])
    assert (found.removed, found.changed, found.columns_added) == (1, 0, ("__index_level_0__",))
    assert warehouse.diff(after, same).identical
    assert [entry.batch_id for entry in warehouse.audit("sales", "nightly").entries]


def test_no_table_made_of_manifests_has_it_as_a_column(tmp_path) -> None:
    uri = f"embedded://{tmp_path}/lost"
    pin = connect(uri).store_dataframe(FILTERED, "sales", "nightly", ["a"])
    create = connect(uri).pinned_table_sql(pin, "scratch.fixed")[0]
    assert "(`Item` string, `price` double)" in create
    for path in (Path(tmp_path) / "lost/_sfx").glob("metastore.sqlite*"):
        path.unlink()
    connect(uri).repair("sales", "nightly")
    assert connect(uri).show("sales", "nightly").columns == (
        Column("Item", "string"),
        Column("price", "double"),
    )
    pd.testing.assert_frame_equal(connect(uri).load_dataframe(pin), FILTERED)


def test_a_check_of_columns_does_not_take_it_for_one(warehouse) -> None:
    checks = [has_columns({"Item": "string", "price": "double"})]
    for one in (PLAIN, FILTERED, LEVELS):
        assert warehouse.store_dataframe(one, "sales", "nightly", ["a"], checks=checks)


@pytest.mark.parametrize("night", [FILTERED, LEVELS, LABELS], ids=["filtered", "levels", "labels"])
def test_libraries_without_an_index_do_not_show_it_and_pandas_restores_it(warehouse, night) -> None:
    pin = warehouse.store_dataframe(night, "sales", "nightly", ["a"])
    frame = warehouse.load_dataframe(pin, as_="polars")
    assert frame.columns == ["Item", "price"]
    for piece in warehouse.load_dataframe(pin, as_="polars", batches=True):
        assert piece.columns == ["Item", "price"]
    again = warehouse.store_dataframe(frame, "sales", "again", ["a"])
    assert columns(warehouse, "again") == ["Item", "price"]
    assert warehouse.load_dataframe(again)["Item"].tolist() == night["Item"].tolist()
    whole = warehouse.load_dataframe(pin, as_="arrow")  # keeps it, and how to restore it
    pd.testing.assert_frame_equal(
        warehouse.load_dataframe(warehouse.store_dataframe(whole, "sales", "arrow", ["a"])), night
    )
    pd.testing.assert_frame_equal(warehouse.load_dataframe(pin), night)

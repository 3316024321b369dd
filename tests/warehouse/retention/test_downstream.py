"""An erasure follows what was made from the rows, whatever happened to the tables since."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.retention.erasure import ErasureReport
from airflow_sfx.warehouse.warehouse import Warehouse

ROWS = pd.DataFrame({"id": [1, 2, 3], "v": [1, 2, 3]})


def store(
    warehouse: Warehouse, table: str, *inputs: sfx.BatchPin, rows: pd.DataFrame = ROWS
) -> sfx.BatchPin:
    return warehouse.store_dataframe(rows, "shop", table, ["a"], inputs=inputs)


def erase(
    warehouse: Warehouse, table: str = "orders", where: str = "id = 1", **options: object
) -> ErasureReport:
    return warehouse.erase(
        "shop",
        table,
        where=where,
        grace=timedelta(0),
        **{"downstream": True, "dry_run": False, **options},
    )


def erased(report: ErasureReport) -> dict[str, int | None]:
    return {one.table: one.report and one.report.erased for one in report.downstream}


def ids(warehouse: Warehouse, table: str) -> list[int]:
    return warehouse.load_dataframe("shop", table)["id"].tolist()


@pytest.mark.parametrize("change", ["rename", "drop", "erase"])
def test_what_was_made_from_a_rewritten_batch_is_followed(warehouse, change: str) -> None:
    items = store(warehouse, "items", store(warehouse, "orders"))
    early = store(warehouse, "early", items)
    if change == "rename":
        warehouse.rename_column("shop", "items", "v", "value")
    elif change == "drop":
        warehouse.drop_column("shop", "items", "v")
    else:
        erase(warehouse, "items", "id = 3", downstream=False)
    now = warehouse.pin("shop", "items")
    assert now != items
    assert {one.pin for one in warehouse.readers(items)} == {early, now}
    store(warehouse, "late", now)
    report = erase(warehouse)
    assert set(erased(report)) == {"shop.items", "shop.early", "shop.late"}
    assert all(erased(report).values())
    for table in ("items", "early", "late"):
        assert 1 not in ids(warehouse, table)


def test_what_was_made_before_an_erasure_is_followed_from_what_is_left(warehouse) -> None:
    orders = store(warehouse, "orders")
    store(warehouse, "items", orders)
    for done in ("id = 3", "id = 2"):
        erase(warehouse, where=done, downstream=False)
    assert ids(warehouse, "items") == [1, 2, 3]
    assert erased(erase(warehouse)) == {"shop.items": 1}
    assert ids(warehouse, "items") == [2, 3]


def test_what_was_made_from_a_table_under_its_old_name_is_followed(warehouse) -> None:
    store(warehouse, "items", store(warehouse, "orders"))
    warehouse.rename("shop", "orders", "shop", "sold")
    assert erased(erase(warehouse, "sold")) == {"shop.items": 1}
    assert ids(warehouse, "items") == [2, 3]


def test_a_table_that_was_renamed_since_is_erased_from(warehouse) -> None:
    orders = store(warehouse, "orders")
    items = store(warehouse, "items", orders)
    warehouse.rename("shop", "items", "shop", "things")
    store(warehouse, "late", warehouse.pin("shop", "things"))
    store(warehouse, "things", orders)
    for dry_run in (True, False):
        report = erase(warehouse, dry_run=dry_run)
        assert erased(report) == {"shop.things": 2, "shop.late": 1}
        (things,) = (one for one in report.downstream if one.table == "shop.things")
        assert items.entries[0] in things.batches
    assert ids(warehouse, "things") == ids(warehouse, "late") == [2, 3]


def test_a_table_that_took_the_old_name_of_the_source_is_erased_from(warehouse) -> None:
    orders = store(warehouse, "orders")
    warehouse.rename("shop", "orders", "shop", "sold")
    store(warehouse, "orders", orders)
    assert erased(erase(warehouse, "sold")) == {"shop.orders": 1}
    assert ids(warehouse, "orders") == [2, 3]


def test_a_batch_is_erased_from_whose_column_the_table_no_longer_has(warehouse) -> None:
    orders = store(warehouse, "orders")
    store(warehouse, "items", rows=ROWS[["v"]])
    rolled_back = store(warehouse, "items", orders)
    warehouse.rollback("shop", "items", ["a"])
    (made,) = erase(warehouse).downstream
    assert (made.missing, made.report.erased) == ((), 1)
    with pytest.raises(sfx.BatchNotFound, match="retired"):
        warehouse.load_dataframe(rolled_back)


def test_batches_without_a_column_of_the_condition_are_reported(warehouse) -> None:
    store(warehouse, "items", store(warehouse, "orders"))
    warehouse.rename_column("shop", "items", "id", "number")
    (made,) = erase(warehouse).downstream
    assert len(made.batches) == 2
    assert made.missing == ("id",), "the current batch has the rows under another name"
    assert made.report.erased == 1
    assert warehouse.load_dataframe("shop", "items")["number"].tolist() == [1, 2, 3]

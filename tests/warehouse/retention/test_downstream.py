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

"""The shop's nightly DAG: three CSVs become three tables, and these become the night's sales."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.sdk import dag, task
from csvs import CSVS

from airflow_sfx.checks import not_null, rows_between, unique

if TYPE_CHECKING:
    import pandas as pd


def no_negative_price(frame: pd.DataFrame) -> str | None:
    """Require prices that are not negative."""
    negative = int((frame["price"] < 0).sum())
    return f"{negative} prices are negative" if negative else None


def delivered(name: str, ds: str) -> pd.DataFrame:
    """Return a CSV of a night's latest delivery."""
    import pandas as pd

    latest = max(Path(os.environ[CSVS], ds).iterdir(), key=lambda folder: int(folder.name))
    return pd.read_csv(latest / f"{name}.csv")


@dag(
    schedule="@daily",
    start_date=datetime(2026, 11, 1),
    end_date=datetime(2026, 11, 11),
    catchup=False,
    tags=["sfx", "example"],
)
def nightly_shop():
    """Load a night's orders, customers and items, and sum up what was sold.

    If the shop delivers a night again, clear the tasks of its run: they load the latest delivery.
    """
    options = {"partition_keys": ["day"], "reason": "the night of {{ ds }}"}

    @task.batch(
        table="shop.orders",
        checks=[
            rows_between(100, 1_000),
            not_null("order", "customer", "item", "quantity", "price"),
            unique("order"),
            no_negative_price,
        ],
        **options,
    )
    def orders(ds: str) -> pd.DataFrame:
        return delivered("orders", ds)

    @task.batch(table="shop.customers", checks=[unique("customer"), not_null("country")], **options)
    def customers(ds: str) -> pd.DataFrame:
        return delivered("customers", ds)

    @task.batch(table="shop.items", checks=[unique("item"), not_null("price")], **options)
    def items(ds: str) -> pd.DataFrame:
        return delivered("items", ds)

    @task.batch(table="shop.sales", checks=[rows_between(1, 100)], **options)
    def sales(orders: pd.DataFrame, customers: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
        """Sum up quantity and revenue by country and item, from exactly the pinned batches."""
        sold = orders.merge(customers, on="customer", validate="many_to_one")
        sold = sold.assign(revenue=sold["quantity"] * sold["price"])
        by_item = sold.groupby(["country", "item"], as_index=False)[["quantity", "revenue"]].sum()
        return by_item.merge(items[["item", "stock"]], on="item", validate="many_to_one")

    sales(orders(), customers(), items())


nightly_shop()

"""Store a day of a database table as a batch.

The rows are streamed, so the day may be larger than memory.
"""

from __future__ import annotations

from datetime import datetime

from airflow.sdk import dag

from airflow_sfx.operators import SqlToBatchOperator


@dag(schedule="@daily", start_date=datetime(2013, 1, 1), catchup=False, tags=["sfx", "example"])
def orders_from_sql():
    """Copy `orders`; needs a connection `shop_db` to a database with this table."""
    SqlToBatchOperator(
        task_id="copy",
        conn_id="shop_db",
        sql="SELECT id, item, price FROM orders WHERE day = %(day)s ORDER BY id",
        parameters={"day": "{{ ds }}"},
        table="shop.orders",
        partition_keys=["date"],
        reason="nightly copy of the shop",
    )


orders_from_sql()

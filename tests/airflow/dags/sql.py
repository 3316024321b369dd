"""DAGs that the tests of `SqlToBatchOperator` run."""

from __future__ import annotations

from airflow.sdk import dag

from airflow_sfx.operators import SqlToBatchOperator


@dag(schedule=None)
def sql_to_batch():
    """A day of a PostgreSQL table, with a parameter."""
    SqlToBatchOperator(
        task_id="copy",
        conn_id="shop_db",
        sql="SELECT * FROM sales WHERE day = %(day)s ORDER BY id",
        parameters={"day": "{{ ds }}"},
        table="sql.sales",
        partition_keys=["date"],
        fetch_rows=2,
        reason="copied from the shop",
    )


@dag(schedule=None)
def sql_all_days():
    """All of it, a partition a day."""
    SqlToBatchOperator(
        task_id="copy",
        conn_id="shop_db",
        sql="SELECT id, price, day::text AS day FROM sales",
        table="sql.by_day",
        partition_by="day",
    )


@dag(schedule=None)
def sql_nothing():
    SqlToBatchOperator(
        task_id="copy", conn_id="shop_db", sql="CREATE TABLE IF NOT EXISTS x (n int)", table="sql.nothing"
    )


sql_to_batch()
sql_all_days()
sql_nothing()

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
def sql_sparse():
    """Copy columns whose values come late or never, or have several Python classes."""
    SqlToBatchOperator(
        task_id="copy",
        conn_id="shop_db",
        sql="SELECT n, CASE WHEN n > 4 THEN n + 0.125 END AS late, "
        "CASE WHEN day = %(day)s THEN NULL ELSE n * 1.5 END AS never, "
        "CASE WHEN n > 4 THEN ARRAY[n] ELSE ARRAY[]::numeric[] END AS many, document "
        "FROM sparse WHERE day = %(day)s ORDER BY n",
        parameters={"day": "{{ ds }}"},
        table="sql.sparse",
        partition_keys=["date"],
        fetch_rows=2,
    )


@dag(schedule=None)
def sql_unfit():
    """Values that have no type in a file."""
    for name, expression in {
        "offset": "CASE WHEN n > 4 THEN timetz '05:00+02' END",
        "nan": "CASE WHEN n > 4 THEN 'NaN'::numeric ELSE n END",
    }.items():
        SqlToBatchOperator(
            task_id=name,
            conn_id="shop_db",
            sql=f"SELECT n, {expression} AS x FROM sparse ORDER BY n",
            table=f"sql.unfit_{name}",
            fetch_rows=2,
        )


@dag(schedule=None)
def sql_nothing():
    SqlToBatchOperator(
        task_id="copy",
        conn_id="shop_db",
        sql="CREATE TABLE IF NOT EXISTS x (n int)",
        table="sql.nothing",
    )


sql_to_batch()
sql_all_days()
sql_sparse()
sql_unfit()
sql_nothing()

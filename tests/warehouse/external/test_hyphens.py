"""Names with a hyphen, which Glue allows.

They are read and adopted, but nothing new gets one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

import airflow_sfx as sfx
from airflow_sfx.assets.event_payload import asset_uri
from airflow_sfx.cli.main import app
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.metastore.glue_server import drop_glue_databases, glue_client

DATABASE, TABLE, KEY = "web-shop", "sold-items", "event-day"
PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    },
}


@pytest.fixture
def glue(glue_endpoint: str) -> Any:
    drop_glue_databases(glue_endpoint)
    return glue_client(glue_endpoint)


@pytest.fixture
def warehouse(
    glue: Any, glue_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Warehouse:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    return connect(
        f"glue://us-east-1?location=file://{tmp_path}/w&glue_endpoint_url={glue_endpoint}"
    )


@pytest.fixture
def crawled(glue: Any, warehouse: Warehouse, tmp_path: Path) -> Path:
    """A table of another program, as a crawler makes one; beside it some that no call can name."""
    place = tmp_path / "w" / "crawled"
    (place / "20161031").mkdir(parents=True)
    frame = pd.DataFrame({"n": [1, 2]})
    frame.to_parquet(place / "20161031" / "part-0.parquet")
    columns = [{"Name": "n", "Type": "bigint"}]
    glue.create_database(DatabaseInput={"Name": DATABASE})
    for table in (TABLE, "with space", "with.dot", "../up"):
        glue.create_table(
            DatabaseName=DATABASE,
            TableInput={
                "Name": table,
                "TableType": "EXTERNAL_TABLE",
                "PartitionKeys": [{"Name": KEY, "Type": "string"}],
                "StorageDescriptor": {"Columns": columns, "Location": f"file://{place}", **PARQUET},
            },
        )
    glue.create_partition(
        DatabaseName=DATABASE,
        TableName=TABLE,
        PartitionInput={
            "Values": ["20161031"],
            "StorageDescriptor": {
                "Columns": columns,
                "Location": f"file://{place}/20161031",
                **PARQUET,
            },
        },
    )
    return place


def test_a_table_whose_names_have_hyphens_is_adopted_and_used_like_any_other(
    crawled, warehouse: Warehouse
) -> None:
    adopted = warehouse.adopt(DATABASE, TABLE)
    assert warehouse.load_dataframe(adopted)["n"].tolist() == [1, 2]
    stored = warehouse.store_dataframe(pd.DataFrame({"n": [3]}), DATABASE, TABLE, ["20161031"])
    assert sfx.BatchPin.from_json(stored.to_json()) == stored
    by_column = pd.DataFrame({"n": [4], KEY: ["20161101"]})
    warehouse.store_dataframe(by_column, DATABASE, TABLE, partition_by=[KEY])
    whole = warehouse.load_dataframe(DATABASE, TABLE, filters=[(KEY, ">", "20161031")])
    assert whole.to_dict("list") == {"n": [4], KEY: ["20161101"]}
    assert warehouse.rollback(DATABASE, TABLE, ["20161031"]) == adopted
    assert warehouse.load_dataframe(DATABASE, TABLE, ["20161031"])["n"].tolist() == [1, 2]
    warehouse.verify(stored)
    assert warehouse.diff(adopted, stored).identical is False
    assert warehouse.repair(DATABASE, TABLE) == []
    assert [
        entry.operation.value for entry in warehouse.history(DATABASE, TABLE, ["20161031"])
    ] == [
        "rollback",
        "publish",
        "adopt",
    ]
    (made, *_) = warehouse.pinned_table_sql(stored, "web.pinned")
    assert f"`{KEY}`" in made
    assert asset_uri(stored.ref) == f"sfx://{DATABASE}/{TABLE}"


def test_the_command_line_takes_such_names(crawled, warehouse: Warehouse) -> None:
    warehouse.adopt(DATABASE, TABLE)
    done = CliRunner().invoke(
        app, ["--warehouse", warehouse.uri, "show", f"{DATABASE}.{TABLE}", "--json"]
    )
    assert done.exit_code == 0, done.output
    assert "20161031" in json.dumps(json.loads(done.stdout))


def test_tables_that_no_call_can_name_keep_nobody_from_all_the_others(
    crawled, warehouse: Warehouse, caplog
) -> None:
    assert [str(ref) for ref in warehouse.tables()] == [f"{DATABASE}.{TABLE}"]
    assert "Skipping 3 tables whose names" in caplog.text
    for name in ("with space", "with.dot", "../up", "-x", "a/b", "a\n"):
        with pytest.raises(sfx.InvalidName):
            sfx.TableRef(DATABASE, name)


@pytest.mark.parametrize(
    ("database", "table", "keys", "what"),
    [
        (DATABASE, "new-items", None, "a new table"),
        ("new-shop", "items", None, "a new database"),
        ("shop", "items", ["event-day"], "a new partition key"),
    ],
)
def test_nothing_new_gets_a_name_with_a_hyphen(
    crawled, warehouse: Warehouse, database, table, keys, what
) -> None:
    frame = pd.DataFrame({"n": [1]})
    with pytest.raises(sfx.InvalidName, match=f"cannot be the name of {what}: Hive accepts"):
        warehouse.store_dataframe(frame, database, table, ["20161031"], partition_keys=keys)
    with pytest.raises(sfx.InvalidName):
        warehouse.open_batch(database, table, ["20161031"], partition_keys=keys)
    with pytest.raises(sfx.InvalidName):
        warehouse.adopt(database, table, str(crawled), partition_keys=keys)
    assert [str(ref) for ref in warehouse.tables()] == [f"{DATABASE}.{TABLE}"]


def test_a_new_table_in_a_database_that_the_catalog_calls_so_is_made(
    crawled, warehouse: Warehouse
) -> None:
    pin = warehouse.store_dataframe(pd.DataFrame({"n": [1]}), DATABASE, "items")
    assert warehouse.load_dataframe(pin)["n"].tolist() == [1]


def test_on_a_warehouse_without_such_names_a_table_of_that_name_is_just_not_there(
    embedded_uri: str,
) -> None:
    with pytest.raises(sfx.TableNotFound):
        connect(embedded_uri).load_dataframe(DATABASE, TABLE)
    with pytest.raises(sfx.InvalidName, match="new table"):
        connect(embedded_uri).store_dataframe(pd.DataFrame({"n": [1]}), "shop", TABLE)

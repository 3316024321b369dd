"""Empty tables that another engine has made."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.schema import Column
from airflow_sfx.metastore.base import PartitionInfo, TableInfo
from airflow_sfx.warehouse.warehouse import Warehouse

REF = sfx.TableRef("sales", "items")
FRAME = pd.DataFrame({"n": [1, 2]})


@pytest.fixture(params=["inside", "outside"])
def made(request, warehouse: Warehouse, tmp_path) -> TableInfo:
    """Create a table as ``CREATE EXTERNAL TABLE`` does, without a batch."""
    if request.param == "outside" and warehouse.uri.startswith("embedded"):
        pytest.skip("nothing else makes tables in an embedded warehouse")
    inside = f"{warehouse.store.uri}/sales.db/items"
    outside = f"{warehouse.store.uri.rpartition('/')[0]}/elsewhere-{tmp_path.name}"
    place = inside if request.param == "inside" else outside
    return TableInfo(REF, place, (Column("n", "bigint"),), (PartitionKey("day", "string"),))


@pytest.mark.parametrize("keyed", [True, False])
def test_it_is_stored_into_like_a_new_one(
    warehouse: Warehouse, made: TableInfo, keyed: bool
) -> None:
    warehouse.metastore.create_table(made if keyed else replace(made, keys=()))
    days = ["20161031"] if keyed else None
    pin = warehouse.store_dataframe(FRAME, "sales", "items", days)
    again = warehouse.store_dataframe(FRAME + 1, "sales", "items", days)
    assert warehouse.load_dataframe(again)["n"].tolist() == [2, 3]
    assert warehouse.rollback("sales", "items", days) == pin
    assert warehouse.load_dataframe("sales", "items", days)["n"].tolist() == [1, 2]
    assert warehouse.audit("sales", "items").foreign == ()


def test_what_does_not_fit_its_columns_is_refused_and_it_stays_as_it_is(
    warehouse: Warehouse, made: TableInfo
) -> None:
    before = warehouse.metastore.create_table(made)
    with pytest.raises(sfx.SchemaMismatch):
        warehouse.store_dataframe(FRAME.astype(str), "sales", "items", ["20161031"])
    with pytest.raises(sfx.InvalidName, match="partition key"):
        warehouse.store_dataframe(FRAME, "sales", "items")
    assert warehouse.metastore.get_table(REF) == before


def test_one_with_partitions_is_to_be_adopted_first(warehouse: Warehouse, made: TableInfo) -> None:
    warehouse.metastore.create_table(made)
    warehouse.metastore.repoint(REF, [PartitionInfo(Partition(("a",)), f"{made.location}/a")])
    with pytest.raises(sfx.ForeignChange, match="adopt it first"):
        warehouse.store_dataframe(FRAME, "sales", "items", ["20161031"])

"""A partition of a null, which no batch can be in, does not block the others."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.table import TableRef
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.metastore.test_metastores import NULL, add_foreign

DAY, NEXT = "20161031", "20161101"
REF = TableRef("sales", "items")


@pytest.fixture
def warehouse(uri) -> Warehouse:
    """A warehouse with a table of two days, and a partition of rows whose day is null.

    Hive and Spark create such a partition.
    """
    made = connect(uri)
    frame = pd.DataFrame({"n": [1, 2], "day": [DAY, NEXT]})
    made.store_dataframe(frame, "sales", "items", partition_by=["day"])
    add(made, NULL, f"{made.store.uri}/elsewhere/day={NULL}")
    return made


def add(warehouse: Warehouse, value: str, location: str) -> None:
    kind, _, rest = warehouse.uri.partition("://")
    where = (
        f"embedded:{rest}/_sfx/metastore.sqlite"
        if kind == "embedded"
        else f"hive:{rest.partition('?')[0]}"
    )
    add_foreign(where, [value], location)


def numbers(frame: pd.DataFrame) -> list[int]:
    return sorted(frame["n"])


def test_a_load_reads_what_the_log_has_and_an_audit_warns_of_the_others(warehouse, caplog) -> None:
    caplog.set_level("WARNING")
    assert numbers(warehouse.load_dataframe("sales", "items")) == [1, 2]
    assert numbers(warehouse.load_dataframe("sales", "items", [DAY])) == [1]
    assert caplog.messages == []
    (found,) = warehouse.audit("sales", "items").foreign
    assert NULL in str(found)
    (told,) = caplog.messages
    assert NULL in told
    assert "skipping 1 partition(s) created by other engines, with all rows" in told


def test_every_call_about_the_whole_table_goes_on(warehouse) -> None:
    assert sorted(warehouse.pin("sales", "items").batches) == [DAY, NEXT]
    assert [one.partition for one in warehouse.show("sales", "items").partitions] == [DAY, NEXT]
    assert len(warehouse.history("sales", "items")) == 2
    warehouse.store_dataframe(pd.DataFrame({"n": [3]}), "sales", "items", [DAY])
    warehouse.rollback("sales", "items", [DAY])
    warehouse.retain("sales", "items", keep_last=1, older_than=timedelta(0), dry_run=False)
    assert numbers(warehouse.load_dataframe("sales", "items")) == [1, 2]


def test_audit_and_repair_name_the_value_the_rule_and_the_remedy(warehouse) -> None:
    (found,) = warehouse.audit("sales", "items").foreign
    assert (found.partition, found.batch_id, found.files) == (f"day={NULL}", None, ())
    assert found.location == f"{warehouse.store.uri}/elsewhere/day={NULL}"
    (told,) = warehouse.repair("sales", "items")
    assert (told.partition, told.done) == (f"day={NULL}", "")
    for text in (found.refused, told.found):
        assert "Hive's name for a null partition value" in text
        assert "drop or rename the partition in the engine that made it" in text


def test_adopt_says_what_it_cannot_take(warehouse) -> None:
    with pytest.raises(sfx.InvalidName, match=f"nothing to adopt.*day={NULL}.*drop or rename"):
        warehouse.adopt("sales", "items")


def test_no_batch_is_deleted_that_such_a_partition_points_at(warehouse) -> None:
    first = warehouse.pin("sales", "items", [DAY])
    (there,) = warehouse.metastore.get_partitions(REF, [Partition((DAY,))]).values()
    add(warehouse, "a\tb", there.location)
    warehouse.store_dataframe(pd.DataFrame({"n": [3]}), "sales", "items", [DAY])
    for _ in range(2):
        none = timedelta(0)
        warehouse.retain("sales", "items", keep_last=1, older_than=none, grace=none, dry_run=False)
    assert numbers(warehouse.load_dataframe(first)) == [1]

"""The state of each partition, from one bulk read and the heads of the partitions."""

from __future__ import annotations

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.checks import rows_between
from airflow_sfx.core.partition import Partition
from airflow_sfx.core.producer import Producer
from airflow_sfx.warehouse.history.overview import State
from airflow_sfx.warehouse.warehouse import Warehouse


def of(day: str, rows: int = 1) -> pd.DataFrame:
    return pd.DataFrame({"day": [day] * rows, "n": range(rows)})


def store(warehouse: Warehouse, day: str, rows: int = 1, **options: object) -> sfx.BatchPin:
    return warehouse.store_dataframe(
        of(day, rows), "sales", "items", partition_by=["day"], **options
    )


@pytest.fixture
def seen(warehouse: Warehouse) -> Warehouse:
    """One partition in each state."""
    for day in ("calm", "undone", "moved"):
        store(warehouse, day, 3)
    store(warehouse, "undone", 9)
    warehouse.rollback("sales", "items", ["undone"])
    store(warehouse, "waits", 5, publish=False)
    with pytest.raises(sfx.CheckFailed):
        store(warehouse, "refused", 5, checks=[rows_between(100, 200)])
    table = warehouse.overview("sales", "items").table
    (info,) = warehouse.metastore.get_partitions(table.ref, [Partition(("moved",))]).values()
    move(warehouse, table, info)
    return warehouse


def move(warehouse: Warehouse, table, info) -> None:
    """Move the pointer as another engine does, without an entry in the log."""
    from dataclasses import replace

    elsewhere = replace(info, location=f"{table.location}/elsewhere")
    assert warehouse.metastore.repoint(table.ref, [replace(elsewhere, version=info.version)])


def test_each_partition_is_in_the_state_that_a_person_should_know_of_first(seen: Warehouse) -> None:
    overview = seen.overview("sales", "items")
    found = {one.partition: one for one in overview.partitions(overview.names)}
    assert {name: one.state for name, one in found.items()} == {
        "calm": State.CURRENT,
        "undone": State.ROLLED_BACK,
        "moved": State.FOREIGN_CHANGE,
        "waits": State.STAGED,
        "refused": State.FAILED_CHECK,
    }
    assert found["undone"].rows == 3
    assert (found["waits"].batch_id, found["waits"].rows) == (None, None)
    assert found["waits"].staged is not None
    assert found["calm"].at is not None
    assert found["calm"].at <= (overview.newest or found["calm"].at)


def test_totals_are_of_what_is_current(seen: Warehouse) -> None:
    overview = seen.overview("sales", "items")
    assert overview.rows == 9
    assert overview.usual_rows == 3
    assert overview.bytes > 0


def test_a_table_without_partition_keys_is_one_partition(warehouse: Warehouse) -> None:
    pin = warehouse.store_dataframe(pd.DataFrame({"n": [1, 2]}), "sales", "totals")
    overview = warehouse.overview("sales", "totals")
    (only,) = overview.partitions(overview.names)
    assert (only.partition, only.batch_id, only.rows) == ("", pin.batch_id, 2)
    assert overview.pin("") == pin


def test_what_a_run_changed_is_told_across_tables(warehouse: Warehouse) -> None:
    night, other = (Producer(dag_id="nightly", run_id=run, task_id="t") for run in ("r1", "r2"))
    for name in ("items", "totals"):
        for producer in (night, other):
            warehouse.store_dataframe(
                of("d"), "sales", name, partition_by=["day"], producer=producer
            )
    reports = warehouse.audit_run(dag_id="nightly", run_id="r1")
    assert [report.table for report in reports] == ["sales.items", "sales.totals"]
    assert [entry.producer.run_id for report in reports for entry in report.entries] == ["r1", "r1"]
    assert warehouse.audit_run(dag_id="nightly", run_id="r3") == []

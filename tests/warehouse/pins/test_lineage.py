"""Downstream batches are found from a batch, without reading all manifests."""

from __future__ import annotations

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.checks import rows_between
from airflow_sfx.warehouse.warehouse import Warehouse

NIGHTLY = sfx.Producer(dag_id="nightly", run_id="r1", task_id="report", try_number=1)


def store(warehouse: Warehouse, table: str, *days: str, **options: object) -> sfx.BatchPin:
    frame = pd.DataFrame({"day": list(days), "n": 1})
    return warehouse.store_dataframe(frame, "sales", table, partition_by=["day"], **options)


def test_what_was_made_from_a_batch_is_found(warehouse: Warehouse) -> None:
    old, new = store(warehouse, "items", "a", "b"), store(warehouse, "items", "a", "b")
    first = store(warehouse, "report", "a", inputs=[old], producer=NIGHTLY)
    second = store(warehouse, "totals", "a", inputs=[warehouse.pin("sales", "items", ["b"]), first])
    assert [(one.pin, one.producer) for one in warehouse.readers(old)] == [(first, NIGHTLY)]
    assert [one.pin for one in warehouse.readers(new)] == [second]
    assert warehouse.readers(warehouse.pin("sales", "items", ["a"])) == []
    assert [one.pin for one in warehouse.readers(first)] == [second]
    assert warehouse.readers(second) == []


def test_what_is_staged_or_failed_its_checks_has_read_as_well(warehouse: Warehouse) -> None:
    source = store(warehouse, "items", "a")
    staged = store(warehouse, "report", "a", inputs=[source], publish=False)
    with pytest.raises(sfx.CheckFailed) as failed:
        store(warehouse, "totals", "a", inputs=[source], checks=[rows_between(5, 9)])
    found = {one.pin.table: one.pin for one in warehouse.readers(source)}
    assert found["report"] == staged
    assert found["totals"].batch_id == failed.value.batch_id


def test_a_batch_of_another_warehouse_is_not_noted_here(warehouse: Warehouse, tmp_path) -> None:
    elsewhere = sfx.connect(f"embedded://{tmp_path}/other")
    source = store(elsewhere, "items", "a")
    store(warehouse, "report", "a", inputs=[source])
    assert list(warehouse.store.list("_sfx/readers")) == []

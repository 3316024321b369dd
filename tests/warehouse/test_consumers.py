"""Which changes a consumer has taken: each once, in the order in which they were made."""

from __future__ import annotations

import pandas as pd

from airflow_sfx.core.pin import BatchPin
from airflow_sfx.warehouse.warehouse import Warehouse


def published(warehouse: Warehouse, number: int) -> BatchPin:
    return warehouse.store_dataframe(pd.DataFrame({"n": [number]}), "sales", "items", ["a"])


def test_a_late_consumer_takes_a_publish_another_and_the_rollback_to_the_first_one_by_one(warehouse: Warehouse) -> None:
    first, second = published(warehouse, 1), published(warehouse, 2)
    back = warehouse.rollback("sales", "items", ["a"])
    assert back == first
    for run, pin in (("r1", first), ("r2", second), ("r3", back)):
        assert warehouse.take(pin, consumer="report", run=run) == {}
    assert warehouse.take(back, consumer="report", run="r4") == {"a": "r3"}
    assert warehouse.missed("sales", "items", consumer="report") is None


def test_a_run_takes_again_what_it_took_before_the_rollback(warehouse: Warehouse) -> None:
    first = published(warehouse, 1)
    assert warehouse.take(first, consumer="report", run="r1") == {}
    second = published(warehouse, 2)
    assert warehouse.take(second, consumer="report", run="r2") == {}
    back = warehouse.rollback("sales", "items", ["a"])
    assert warehouse.take(back, consumer="report", run="r3") == {}
    for run, pin in (("r1", first), ("r2", second), ("r3", back)):
        assert warehouse.take(pin, consumer="report", run=run) == {}
    assert warehouse.take(second, consumer="report", run="r1") == {"a": "r2"}


def test_what_was_missed_is_taken_once_though_its_batch_became_current_before(warehouse: Warehouse) -> None:
    first = published(warehouse, 1)
    published(warehouse, 2)
    warehouse.rollback("sales", "items", ["a"])
    missed = warehouse.missed("sales", "items", consumer="report")
    assert missed == first
    assert warehouse.take(missed, consumer="report", run="r1", newest=True) == {}
    assert warehouse.missed("sales", "items", consumer="report") is None

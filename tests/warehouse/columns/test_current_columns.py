"""The columns of a table are those of its current batches: others are asked of no frame."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.warehouse.faults import KILLED, run_until_call

GOOD = {"n": [1, 2], "city": ["Oslo", "Bern"]}
MORE = {**GOOD, "note": ["a", "b"]}
OTHER = {**GOOD, "note": [1.5, 2.5]}


@pytest.fixture
def embedded(embedded_uri) -> Warehouse:
    return connect(embedded_uri)


def store(warehouse: Warehouse, night: str, data: Any, **options: Any) -> sfx.BatchPin:
    return warehouse.store_dataframe(pd.DataFrame(data), "shop", "orders", [night], **options)


def columns(warehouse: Warehouse) -> dict[str, str]:
    return {one.name: one.type for one in warehouse.show("shop", "orders").columns}


def fails(frame: pd.DataFrame) -> bool:
    return False


def test_a_staged_batch_leaves_the_columns_alone_until_it_is_published(warehouse) -> None:
    store(warehouse, "1", GOOD)
    staged = store(warehouse, "2", MORE, publish=False)
    assert columns(warehouse) == {"n": "bigint", "city": "string"}
    store(warehouse, "3", GOOD)
    warehouse.publish(staged)
    assert columns(warehouse) == {"n": "bigint", "city": "string", "note": "string"}
    assert len(warehouse.load_dataframe("shop", "orders").columns) == 4
    with pytest.raises(sfx.SchemaMismatch, match=f"batch {staged.batch_id} of the partition 2"):
        store(warehouse, "4", GOOD)


def test_a_batch_whose_check_failed_leaves_the_columns_alone(warehouse) -> None:
    store(warehouse, "1", GOOD)
    with pytest.raises(sfx.CheckFailed):
        store(warehouse, "2", {**MORE, "n": [1.5, 2.0]}, checks=[fails], evolve="any")
    assert columns(warehouse) == {"n": "bigint", "city": "string"}
    store(warehouse, "2", GOOD)
    store(warehouse, "3", OTHER)
    assert columns(warehouse)["note"] == "double"


def test_what_evolve_allowed_a_staged_batch_takes_effect_when_it_is_published(embedded) -> None:
    store(embedded, "1", GOOD)
    staged = store(embedded, "2", {"n": ["x", "y"]}, publish=False, evolve="any")
    assert columns(embedded)["n"] == "bigint"
    embedded.publish(staged)
    assert columns(embedded) == {"n": "string", "city": "string"}


def test_a_new_table_of_a_staged_batch_asks_for_nothing(warehouse) -> None:
    staged = store(warehouse, "1", MORE, publish=False)
    assert warehouse.load_dataframe(staged)["note"].tolist() == ["a", "b"]
    store(warehouse, "1", {"n": [1.0, 2.0]})
    assert columns(warehouse) == {"n": "double"}
    with pytest.raises(sfx.CommitConflict):
        warehouse.publish(staged)


def test_a_new_table_has_the_columns_of_the_staged_batch_that_is_published(warehouse) -> None:
    warehouse.publish(store(warehouse, "1", MORE, publish=False))
    with pytest.raises(sfx.SchemaMismatch, match="'note'"):
        store(warehouse, "2", GOOD)


def test_a_staged_batch_that_does_not_fit_any_more_is_refused_with_the_batch_that_does(
    embedded,
) -> None:
    store(embedded, "1", GOOD)
    staged = store(embedded, "2", OTHER, publish=False)
    other = store(embedded, "3", MORE)
    with pytest.raises(sfx.SchemaMismatch, match=f"batch {other.batch_id} of the partition 3"):
        embedded.publish(staged)
    assert len(embedded.pin("shop", "orders").batches) == 2


@pytest.mark.parametrize("after", [GOOD, OTHER], ids=["without it", "of another type"])
def test_after_a_rollback_the_next_night_needs_no_column_of_the_bad_batch(warehouse, after) -> None:
    store(warehouse, "1", GOOD)
    store(warehouse, "2", GOOD)
    bad = store(warehouse, "2", MORE)
    warehouse.rollback("shop", "orders", ["2"])
    assert columns(warehouse) == {"n": "bigint", "city": "string"}
    store(warehouse, "3", after)
    warehouse.rollback("shop", "orders", ["2"], to=bad.batch_id)  # an undo is never refused
    if after is GOOD:
        assert columns(warehouse)["note"] == "string"
        assert warehouse.load_dataframe("shop", "orders", columns=["note"])["note"].count() == 2


def test_a_type_that_only_the_bad_batch_had_goes_with_it(warehouse) -> None:
    store(warehouse, "1", {"n": pd.array([1, 2], "int32")})
    store(warehouse, "2", {"n": pd.array([1, 2], "int32")})
    store(warehouse, "2", {"n": [1.5, 2.5]})
    assert columns(warehouse) == {"n": "double"}
    warehouse.rollback("shop", "orders", ["2"])
    assert columns(warehouse) == {"n": "int"}
    store(warehouse, "3", {"n": [2**60, 2]})
    assert columns(warehouse) == {"n": "bigint"}


def test_a_type_that_files_were_written_with_stays(embedded) -> None:
    store(embedded, "1", {"n": pd.array([1], "int32")})
    store(embedded, "2", {"n": pd.array([1], "int32")})
    store(embedded, "2", {"n": [1.5]})
    written = store(embedded, "3", {"n": pd.array([7], "int32")})
    assert embedded.manifests(written)[0].fit.wider == {"n": "double"}
    embedded.rollback("shop", "orders", ["2"])
    assert columns(embedded) == {"n": "double"}


def test_a_column_that_another_current_batch_has_stays_after_a_rollback(embedded) -> None:
    store(embedded, "1", GOOD)
    store(embedded, "2", GOOD)
    store(embedded, "2", MORE)
    store(embedded, "3", MORE)
    embedded.rollback("shop", "orders", ["2"])
    assert columns(embedded)["note"] == "string"
    with pytest.raises(
        sfx.SchemaMismatch, match=r"'note' \(string\), which the batch .* 3 brought"
    ):
        store(embedded, "4", GOOD)


def test_a_run_that_is_rolled_back_to_no_batch_leaves_a_table_that_asks_for_nothing(
    warehouse,
) -> None:
    run = sfx.Producer(dag_id="shop", run_id="r1", task_id="store", try_number=1)
    store(warehouse, "1", MORE, producer=run)
    warehouse.rollback_run(dag_id="shop", run_id="r1", reason="bad")
    store(warehouse, "1", {"n": ["x"]})
    assert columns(warehouse) == {"n": "string"}


def store_more(warehouse: Warehouse) -> None:
    store(warehouse, "2", MORE)


def test_a_writer_that_dies_at_any_call_leaves_no_demand(new_embedded_uri) -> None:
    outcomes = set()
    for calls in range(1, 60):
        uri = new_embedded_uri()
        warehouse = connect(uri)
        store(warehouse, "1", GOOD)
        code = run_until_call(uri, store_more, calls, after=True)
        current = "2" in warehouse.pin("shop", "orders").batches
        outcomes.add((current, "note" in columns(warehouse)))
        if current:
            assert "note" in columns(warehouse)  # engines need it as soon as the batch is current
        else:
            store(warehouse, "3", GOOD)
            store(warehouse, "3", OTHER)
        if code == 0:
            break
        assert code == KILLED
    assert outcomes == {(False, False), (False, True), (True, True)}

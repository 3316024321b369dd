"""A retry after an attempt whose outcome is unknown takes that attempt's batch over."""

from __future__ import annotations

import pandas as pd
import pytest

from airflow_sfx.core.producer import Producer

DAYS = pd.DataFrame({"day": ["a", "a", "b"], "n": [1, 2, 3]})


def attempt(number: int, run_id: str = "r1") -> Producer:
    return Producer(dag_id="nightly", run_id=run_id, task_id="load", try_number=number)


def write(warehouse, producer: Producer, frame: pd.DataFrame = DAYS, **more):
    return warehouse.store_dataframe(frame, "sales", "items", partition_by=["day"], producer=producer, **more)


def changes(warehouse) -> int:
    return len(warehouse.history("sales", "items", limit=None))


def test_a_retry_that_writes_the_same_rows_takes_over_the_batch_that_is_there(warehouse) -> None:
    first = write(warehouse, attempt(1))
    again = write(warehouse, attempt(2))
    assert again == first
    assert changes(warehouse) == 2
    assert warehouse.load_dataframe(again)["n"].tolist() == [1, 2, 3]
    assert warehouse.verify(again).rows == 3


def test_a_retry_completes_what_the_metastore_was_not_told(warehouse, monkeypatch) -> None:
    write(warehouse, attempt(1, "before"), DAYS.assign(n=0))
    with monkeypatch.context() as dying:
        dying.setattr("airflow_sfx.warehouse.commit.move_pointers", lambda *_: None)
        first = write(warehouse, attempt(1))
    assert write(warehouse, attempt(2)) == first
    pointers = warehouse.metastore.get_partitions(first.ref)
    assert {pointer.batch_id for pointer in pointers.values()} == set(first.batches.values())


@pytest.mark.parametrize("what", ["rows", "inputs", "another task", "the same attempt", "a later batch", "undone"])
def test_what_is_not_the_same_is_published_again(warehouse, what: str) -> None:
    source = warehouse.store_dataframe(DAYS, "sales", "source", ["x"])
    first = write(warehouse, attempt(1))
    frame, more, producer = DAYS, {}, attempt(2)
    if what == "rows":
        frame = DAYS.assign(n=[1, 2, 4])
    elif what == "inputs":
        more = {"inputs": [source]}
    elif what == "another task":
        producer = attempt(2, "r2")
    elif what == "the same attempt":
        producer = attempt(1)
    elif what == "a later batch":
        warehouse.store_dataframe(DAYS[["n"]], "sales", "items", ["a"])
    else:
        warehouse.rollback_run(dag_id="nightly", run_id="r1")
    before = changes(warehouse)
    again = write(warehouse, producer, frame, **more)
    assert again != first
    assert changes(warehouse) == before + 2
    assert warehouse.load_dataframe("sales", "items")["n"].tolist() == frame["n"].tolist()

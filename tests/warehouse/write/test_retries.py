"""A retry after an attempt whose outcome is unknown takes that attempt's batch over."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

from airflow_sfx.core.producer import Producer

DAYS = pd.DataFrame({"day": ["a", "a", "b"], "n": [1, 2, 3]})


def attempt(number: int, run_id: str = "r1") -> Producer:
    return Producer(dag_id="nightly", run_id=run_id, task_id="load", try_number=number)


def write(warehouse, producer: Producer, frame: pd.DataFrame = DAYS, **more):
    return warehouse.store_dataframe(
        frame, "sales", "items", partition_by=["day"], producer=producer, **more
    )


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
        dying.setattr("airflow_sfx.warehouse.log.commit.move_pointers", lambda *_: None)
        first = write(warehouse, attempt(1))
    assert write(warehouse, attempt(2)) == first
    pointers = warehouse.metastore.get_partitions(first.ref)
    assert {pointer.batch_id for pointer in pointers.values()} == set(first.batches.values())


@pytest.mark.parametrize(
    "what", ["rows", "inputs", "another task", "the same attempt", "a later batch", "undone"]
)
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


def put(
    warehouse, number: int, day: str = "a", table: str = "items", producer: Producer | None = None
):
    return warehouse.store_dataframe(
        pd.DataFrame({"n": [number]}), "sales", table, [day], producer=producer
    )


def undo(number: int) -> Producer:
    return Producer(dag_id="undo", run_id="r1", task_id="undo", try_number=number)


def test_a_retention_in_between_is_no_reason_for_a_retried_rollback_to_go_further_back(
    warehouse,
) -> None:
    for number in range(4):
        write(warehouse, attempt(1, f"before {number}"), DAYS.assign(n=number))
    done = warehouse.rollback("sales", "items", ["a"], producer=attempt(1))
    assert warehouse.retain(
        "sales", "items", keep_last=3, older_than=timedelta(0), dry_run=False
    ).retired
    assert warehouse.rollback("sales", "items", ["a"], producer=attempt(2)) == done


def test_a_retry_of_a_rollback_goes_no_further_back(warehouse) -> None:
    first, second, third = (put(warehouse, number) for number in (1, 2, 3))
    assert warehouse.rollback("sales", "items", ["a"], producer=undo(1), expected=third) == second
    assert warehouse.rollback("sales", "items", ["a"], producer=undo(2), expected=third) == second
    assert changes(warehouse) == 4, "the second attempt has nothing left to do"
    assert (
        warehouse.rollback("sales", "items", ["a"], to=first.batch_id, producer=undo(2)) == first
    ), "that is another"
    assert warehouse.rollback("sales", "items", ["a"], to=third.batch_id, producer=undo(3)) == third


def test_a_retry_of_a_rollback_does_what_is_still_to_do_in_each_partition(warehouse) -> None:
    pins = {day: [put(warehouse, number, day) for number in (1, 2, 3)] for day in "ab"}
    warehouse.rollback("sales", "items", ["a"], producer=undo(1))
    done = warehouse.rollback("sales", "items", ["a", "b"], producer=undo(2))
    assert done.batches == {day: pins[day][1].batch_id for day in "ab"}


@pytest.mark.parametrize(
    "who", ["the same attempt", "another task", "somebody has changed it since"]
)
def test_a_rollback_that_is_no_retry_goes_one_further_back(warehouse, who: str) -> None:
    first, second, _ = (put(warehouse, number) for number in (1, 2, 3))
    warehouse.rollback("sales", "items", ["a"], producer=undo(1))
    if who == "somebody has changed it since":
        put(warehouse, 4)
    expected = second if who == "somebody has changed it since" else first
    by = {"the same attempt": undo(1), "another task": attempt(2)}.get(who, undo(2))
    assert warehouse.rollback("sales", "items", ["a"], producer=by) == expected


def test_a_retry_of_an_undone_run_tells_what_the_attempt_before_has_undone(warehouse) -> None:
    before = put(warehouse, 1)
    put(warehouse, 2, producer=attempt(1))
    for day, table in (("new", "items"), ("a", "totals")):
        put(warehouse, 2, day, table, producer=attempt(1))
    first = warehouse.rollback_run(dag_id="nightly", run_id="r1", producer=undo(1))
    again = warehouse.rollback_run(dag_id="nightly", run_id="r1", producer=undo(2))
    assert again == first
    assert first[0].pin == before
    assert first[0].rolled_back == {"a": before.batch_id, "new": None}
    assert len(warehouse.history("sales", "items", ["a"])) == 3
    (other,) = {
        *warehouse.rollback_run(dag_id="nightly", run_id="r1", producer=attempt(2))[0].kept
    } - {"new"}
    assert other == "a", "another task has not undone it"


def test_a_retry_undoes_a_second_run_that_the_attempt_before_did_not_come_to(warehouse) -> None:
    before = put(warehouse, 1)
    for run_id in ("r1", "r2"):
        put(warehouse, 2, producer=attempt(1, run_id))
    warehouse.rollback_run(dag_id="nightly", run_id="r2", producer=undo(1))
    again = warehouse.rollback_run(dag_id="nightly", run_id="r2", producer=undo(2))
    assert list(again[0].rolled_back) == ["a"]
    last = warehouse.rollback_run(dag_id="nightly", run_id="r1", producer=undo(2))
    assert last[0].pin == before == warehouse.pin("sales", "items")

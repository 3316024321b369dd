"""Staged batches end: discarded in the history, expired by retention, overtaken by later ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.checks import rows_between
from airflow_sfx.core.log_entry import Operation
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.warehouse.history.overview import partition_names
from airflow_sfx.warehouse.history.staged import StagedState
from airflow_sfx.warehouse.retention.expire import RetentionReport
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.warehouse.faults import KILLED, run_until_call

DAY, NEXT = "20161031", "20161101"
NOW = timedelta(0)
LONG = timedelta(days=365)


def put(warehouse: Warehouse, mark: int, *days: str, **options: object) -> BatchPin:
    frame = pd.DataFrame({"day": list(days or [DAY]), "mark": mark})
    return warehouse.store_dataframe(frame, "sales", "items", partition_by=["day"], **options)


def states(warehouse: Warehouse) -> dict[str, StagedState]:
    """The state of each staged batch, which is the same in all of its partitions."""
    found: dict[str, set[StagedState]] = {}
    for one in warehouse.staged("sales", "items"):
        found.setdefault(one.batch_id, set()).add(one.state)
    assert all(len(kinds) == 1 for kinds in found.values())
    return {batch_id: kind for batch_id, (kind,) in found.items()}


def retain(warehouse: Warehouse, **rule: object) -> RetentionReport:
    return warehouse.retain(
        "sales", "items", **{"keep_last": 1, "older_than": LONG, "grace": NOW, **rule}
    )


def test_a_discarded_batch_is_in_the_history_and_not_published(warehouse) -> None:
    good = put(warehouse, 1)
    staged = put(warehouse, 2, publish=False)
    assert warehouse.discard(staged, reason="half of it is missing") == staged
    newest = warehouse.history("sales", "items", [DAY])[0]
    assert (newest.operation, newest.batch_id, newest.discarded, newest.reason) == (
        Operation.DISCARD,
        good.batch_id,
        (staged.batch_id,),
        "half of it is missing",
    )
    assert warehouse.show("sales", "items").staged == ()
    assert states(warehouse) == {staged.batch_id: StagedState.DISCARDED}
    with pytest.raises(sfx.CommitConflict, match=r"discarded on .*half of it is missing.*force"):
        warehouse.publish(staged)
    assert warehouse.pin("sales", "items") == good
    assert warehouse.load_dataframe(staged)["mark"].tolist() == [2], "no file is deleted"
    assert warehouse.repair("sales", "items") == []


def test_a_discard_is_taken_back_by_force_and_told_once(warehouse) -> None:
    put(warehouse, 1)
    staged = put(warehouse, 2, publish=False)
    warehouse.discard(staged)
    warehouse.discard(staged)
    assert len(warehouse.history("sales", "items", [DAY])) == 2
    put(warehouse, 3)
    warehouse.publish(staged, force=True)
    assert warehouse.pin("sales", "items") == staged
    assert states(warehouse) == {}
    with pytest.raises(sfx.CommitConflict, match="was published"):
        warehouse.discard(staged)
    assert warehouse.repair("sales", "items") == []


def test_a_discard_is_remembered_behind_later_changes(warehouse) -> None:
    put(warehouse, 1)
    staged = put(warehouse, 2, publish=False)
    warehouse.discard(staged)
    put(warehouse, 3)
    put(warehouse, 4)
    warehouse.rollback("sales", "items", [DAY])
    warehouse.rollback("sales", "items", [DAY])  # a batch before the staged one is current
    with pytest.raises(sfx.CommitConflict, match="was discarded"):
        warehouse.publish(staged)
    assert states(warehouse) == {staged.batch_id: StagedState.DISCARDED}


def test_a_partition_that_only_a_discarded_batch_had_is_not_in_the_metastore(warehouse) -> None:
    put(warehouse, 1)
    typo = put(warehouse, 2, "2016-10-30", NEXT, publish=False)
    warehouse.discard(typo, reason="the wrong name")
    assert list(warehouse.overview("sales", "items").pointers) == [DAY]
    assert [one.partition for one in warehouse.show("sales", "items").partitions] == [DAY]
    (entry,) = warehouse.history("sales", "items", ["2016-10-30"])
    assert (entry.operation, entry.batch_id) == (Operation.DISCARD, None)
    assert warehouse.repair("sales", "items") == []
    assert partition_names(warehouse.overview("sales", "items").table) == [DAY]
    with pytest.raises(sfx.PartitionNotFound):
        warehouse.pin("sales", "items", [NEXT])
    later = put(warehouse, 3, NEXT)
    assert warehouse.pin("sales", "items", [NEXT]) == later


def test_a_published_batch_is_not_taken_for_discarded_as_another_one_was(warehouse) -> None:
    published, discarded = (put(warehouse, mark, publish=False) for mark in (1, 2))
    warehouse.publish(published)
    warehouse.discard(discarded)
    put(warehouse, 3)
    assert states(warehouse) == {discarded.batch_id: StagedState.DISCARDED}
    with pytest.raises(sfx.CommitConflict, match=f"{published.batch_id} .* was published"):
        warehouse.discard(published)


def test_only_staged_batches_are_discarded(warehouse) -> None:
    pin = put(warehouse, 1)
    with pytest.raises(sfx.BatchNotFound, match="no staged batch"):
        warehouse.discard(pin)
    staged = put(warehouse, 2, publish=False)
    warehouse.publish(staged)
    put(warehouse, 3)
    with pytest.raises(sfx.CommitConflict, match="nothing was discarded"):
        warehouse.discard(staged)


def test_a_batch_that_a_later_one_has_overtaken_does_not_wait(warehouse) -> None:
    staged = put(warehouse, 1, DAY, NEXT, publish=False)
    assert warehouse.show("sales", "items").staged == (staged,)
    later = put(warehouse, 2)
    state = warehouse.show("sales", "items")
    assert [pin.batches for pin in state.staged] == [{NEXT: staged.batches[NEXT]}]
    assert [pin.batches for pin in state.overtaken] == [{DAY: staged.batches[DAY]}]
    assert warehouse.overview("sales", "items").staged == {NEXT: staged.batches[NEXT]}
    found = {one.partition: one for one in warehouse.staged("sales", "items")}
    assert (found[DAY].state, found[DAY].current) == (StagedState.OVERTAKEN, later.batch_id)
    put(warehouse, 3)
    warehouse.discard(staged)
    assert warehouse.show("sales", "items").overtaken == ()


def test_a_failed_check_is_listed_with_its_text(warehouse) -> None:
    with pytest.raises(sfx.CheckFailed):
        put(warehouse, 1, checks=[rows_between(50, 200)])
    (one,) = warehouse.staged("sales", "items")
    (failed,) = one.failed
    assert "50" in failed.detail
    assert (one.rows, one.problem, one.state) == (1, "", StagedState.WAITING)


def test_retention_keeps_staged_batches_unless_it_is_told_how_long(warehouse) -> None:
    put(warehouse, 1)
    staged = put(warehouse, 2, publish=False)
    assert retain(warehouse, older_than=NOW).retired == ()
    plan = retain(warehouse, staged_older_than=NOW)
    assert [(one.batch_id, one.rows, one.staged) for one in plan.retired] == [
        (staged.batch_id, 1, True)
    ]
    assert warehouse.show("sales", "items").staged == (staged,), "a plan changes nothing"
    done = retain(warehouse, staged_older_than=NOW, dry_run=False, reason="monthly")
    assert done.retired[0].batch_id == staged.batch_id
    assert warehouse.show("sales", "items").staged == ()
    operations = [one.operation for one in warehouse.history("sales", "items", [DAY])]
    assert operations == [Operation.RETIRE, Operation.DISCARD, Operation.PUBLISH]
    with pytest.raises(sfx.BatchNotFound, match="retired"):
        warehouse.publish(staged, force=True)
    assert retain(warehouse, dry_run=False).deleted == ((DAY, staged.batch_id),)
    assert states(warehouse) == {}
    with pytest.raises(sfx.BatchNotFound):
        warehouse.load_dataframe(staged)


def test_retention_expires_a_discarded_batch_and_keeps_young_staged_ones(warehouse) -> None:
    put(warehouse, 1)
    discarded, young = (put(warehouse, mark, publish=False) for mark in (2, 3))
    warehouse.discard(discarded)
    assert retain(warehouse).retired == ()
    done = retain(warehouse, older_than=NOW, staged_older_than=LONG, dry_run=False)
    assert [one.batch_id for one in done.retired] == [discarded.batch_id]
    assert states(warehouse) == {young.batch_id: StagedState.WAITING}
    assert warehouse.publish(young) == young


def test_a_held_staged_batch_outlives_retention(warehouse) -> None:
    put(warehouse, 1)
    staged = put(warehouse, 2, publish=False)
    warehouse.hold(staged, "being looked at", until=None)
    done = retain(warehouse, staged_older_than=NOW, dry_run=False)
    assert (done.retired, done.pinned) == ((), 1)
    assert warehouse.show("sales", "items").staged == (staged,)


def test_rows_are_erased_from_discarded_batches_which_stay_discarded(warehouse) -> None:
    put(warehouse, 1)
    discarded = put(warehouse, 2, publish=False)
    warehouse.discard(discarded)
    report = warehouse.erase("sales", "items", where="mark = 2", grace=NOW, dry_run=False)
    assert report.erased == 1
    ((new, state),) = states(warehouse).items()
    assert new != discarded.batch_id
    assert state is StagedState.DISCARDED


def test_of_a_publish_and_a_discard_at_once_exactly_one_wins(warehouse) -> None:
    put(warehouse, 0, DAY, NEXT)
    for mark in range(1, 9):
        staged = put(warehouse, mark, DAY, NEXT, publish=False)
        with ThreadPoolExecutor(2) as pool:
            both = [pool.submit(act, staged) for act in (warehouse.publish, warehouse.discard)]
        failed = [one.exception() for one in both]
        assert [type(one) for one in failed if one] == [sfx.CommitConflict]
        published = failed[0] is None
        assert (warehouse.pin("sales", "items") == staged) == published
        assert (staged.batches[DAY] in states(warehouse)) == (not published)
    assert warehouse.repair("sales", "items") == []


def discard_staged(warehouse: Warehouse) -> None:
    warehouse.discard(warehouse.show("sales", "items").staged[-1])


def test_a_discard_that_is_killed_at_any_call_is_whole_or_did_not_happen(new_embedded_uri) -> None:
    ends = set()
    for calls in range(1, 100):
        uri = new_embedded_uri()
        warehouse = sfx.connect(uri)
        put(warehouse, 1, DAY, NEXT)
        staged = put(warehouse, 2, DAY, NEXT, publish=False)
        code = run_until_call(uri, discard_staged, calls, after=True)
        (found,) = set(states(warehouse).values())
        ends.add(found)
        warehouse.repair("sales", "items")
        assert set(warehouse.load_dataframe("sales", "items")["mark"]) == {1}
        warehouse.discard(staged)
        assert set(states(warehouse).values()) == {StagedState.DISCARDED}
        if code == 0:
            break
        assert code == KILLED
    assert ends == {StagedState.WAITING, StagedState.DISCARDED}

"""Retention: what expires, what never does, and that nothing else deletes."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.log.partition_log import PartitionLog
from airflow_sfx.warehouse.retention import expire
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.warehouse.faults import KILLED, run_until_call
from tests.warehouse.write.test_external_batch import write

NOW = timedelta(0)
DAYS = ["20161031", "20161101"]


def store(warehouse: Warehouse, version: int, **options: object) -> sfx.BatchPin:
    frame = pd.DataFrame({"version": version, "day": DAYS})
    return warehouse.store_dataframe(frame, "sales", "items", partition_by=["day"], **options)


def retain(warehouse: Warehouse, keep_last: int = 1, **options: object):
    rule = {"older_than": NOW, "grace": NOW, "dry_run": False, **options}
    return warehouse.retain("sales", "items", keep_last=keep_last, **rule)


def wait_until(moment: datetime) -> None:
    while (left := (moment - datetime.now(UTC)).total_seconds()) > 0:
        time.sleep(left)


def hold_until_it_is_over(warehouse: Warehouse, pin: sfx.BatchPin, name: str) -> sfx.Hold:
    soon = datetime.now(UTC) + timedelta(seconds=2)
    held = warehouse.hold(pin, name, until=soon)
    wait_until(soon)
    return held


def gone(warehouse: Warehouse, pin: sfx.BatchPin) -> bool:
    """Return whether a batch is deleted; it has all of its files, or none."""
    layout = warehouse.overview(pin.database, pin.table).table.layout
    left = [
        [*warehouse.store.list(layout.batch_dir(name, batch_id))] for name, batch_id in pin.entries
    ]
    assert all(left) or not any(left)
    return not any(left)


def test_a_dry_run_tells_and_does_nothing(warehouse: Warehouse) -> None:
    first, second = store(warehouse, 1), store(warehouse, 2)
    report = warehouse.retain("sales", "items", keep_last=1, older_than=NOW)
    assert {(one.partition, one.batch_id) for one in report.retired} == set(first.batches.items())
    assert report.dry_run
    assert report.bytes > 0
    assert warehouse.load_dataframe(first)["version"].tolist() == [1, 1]
    assert warehouse.rollback("sales", "items", DAYS) == first
    assert second != first


def test_a_batch_is_retired_first_and_deleted_after_its_time_of_grace(warehouse: Warehouse) -> None:
    first, _ = store(warehouse, 1), store(warehouse, 2)
    report = retain(warehouse, grace=timedelta(days=7), reason="old")
    assert len(report.retired) == 2
    assert warehouse.load_dataframe(first)["version"].tolist() == [1, 1], (
        "whoever reads it now goes on"
    )
    for refer in (
        lambda: warehouse.hold(first, name="late", until=None),
        lambda: warehouse.rollback("sales", "items", DAYS),
        lambda: warehouse.publish(first, force=True),
    ):
        with pytest.raises(
            sfx.BatchNotFound, match=r"was retired on .* \(old\), and its files are deleted from"
        ):
            refer()
    with pytest.raises(sfx.BatchNotFound, match="was retired on"):
        warehouse.hold(first, name="late", until=None)  # the second time as well
    again = retain(warehouse)
    assert (again.retired, again.deleted, again.waiting) == ((), (), 2)
    assert not gone(warehouse, first)
    assert warehouse.history("sales", "items", [DAYS[0]])[0].operation.value == "retire"


def test_what_was_deleted_is_told_so_and_the_history_stays(warehouse: Warehouse) -> None:
    first, second = store(warehouse, 1), store(warehouse, 2)
    retain(warehouse)
    report = retain(warehouse)
    assert set(report.deleted) == set(first.batches.items())
    assert gone(warehouse, first)
    with pytest.raises(sfx.BatchNotFound, match="was retired on"):
        warehouse.load_dataframe(first)
    assert warehouse.load_dataframe("sales", "items")["version"].tolist() == [2, 2]
    assert warehouse.pin("sales", "items") == second
    assert [entry.batch_id for entry in warehouse.history("sales", "items", [DAYS[0]])][
        -1
    ] == first.batches[DAYS[0]]
    assert store(warehouse, 3).batches[DAYS[0]] > second.batches[DAYS[0]]
    nothing = retain(warehouse, keep_last=2)
    assert (nothing.retired, nothing.deleted, nothing.waiting) == ((), (), 0)


def test_what_is_current_or_new_or_among_the_last_or_pinned_or_staged_stays(
    warehouse: Warehouse,
) -> None:
    pins = [store(warehouse, version) for version in range(1, 6)]
    warehouse.hold(pins[1], name="report", until=None)
    hold_until_it_is_over(warehouse, pins[2], "over")
    staged = store(warehouse, 9, publish=False)
    assert retain(warehouse, older_than=timedelta(hours=1)).retired == ()
    warehouse.rollback("sales", "items", DAYS, to=pins[3].batches[DAYS[0]])
    report = retain(warehouse, keep_last=2)
    assert {one.batch_id for one in report.retired} == {
        pin.batches[DAYS[0]] for pin in (pins[0], pins[2])
    }
    assert report.pinned == 2
    retain(warehouse, keep_last=2)
    assert [gone(warehouse, pin) for pin in pins] == [True, False, True, False, False]
    assert not gone(warehouse, staged)
    assert warehouse.publish(staged) == staged


def test_a_pin_that_came_before_the_deletion_keeps_its_batch_until_it_is_over(
    warehouse: Warehouse,
) -> None:
    first, _ = store(warehouse, 1), store(warehouse, 2)
    soon = datetime.now(UTC) + timedelta(seconds=4)
    warehouse.hold(first, name="report", until=soon)
    assert retain(warehouse).pinned == 2
    assert not gone(warehouse, first)
    wait_until(soon)
    for _ in range(2):
        retain(warehouse)
    assert gone(warehouse, first)


def test_what_is_held_while_a_retention_plans_does_not_expire_so_that_its_hold_is_renewed(
    warehouse: Warehouse, monkeypatch
) -> None:
    """A retention of many batches plans for seconds."""
    first, second, third = (store(warehouse, version) for version in range(3))
    retire = expire.retire

    def hold_first(*arguments: object, **options: object) -> object:
        monkeypatch.setattr(expire, "retire", retire)
        warehouse.hold(second, "report")
        return retire(*arguments, **options)

    monkeypatch.setattr(expire, "retire", hold_first)
    report = retain(warehouse)
    assert {one.batch_id for one in report.retired} == {first.batch_id}
    assert report.pinned == len(DAYS)
    assert warehouse.hold(second, "report", renew=True).number == 2
    warehouse.release("sales", "items", "report")
    retain_twice(warehouse)
    assert [gone(warehouse, pin) for pin in (first, second, third)] == [True, True, False]


def test_a_name_whose_pin_is_over_holds_what_it_is_given_next(embedded_uri) -> None:
    warehouse = connect(embedded_uri)
    first, second = store(warehouse, 1), store(warehouse, 2)
    over = hold_until_it_is_over(warehouse, first, "report")
    held = warehouse.hold(second, name="report", until=datetime(2999, 1, 1, tzinfo=UTC))
    assert (held.number, held.pin) == (over.number + 1, second)
    assert warehouse.hold(first, name="report") == held, "a pin that is not over stays the name's"
    assert warehouse.holding("sales", "items") == [held]
    store(warehouse, 3)
    for _ in range(2):
        retain(warehouse)
    assert (gone(warehouse, first), gone(warehouse, second)) == (True, False)


def test_what_is_released_may_go_unless_another_name_holds_it(warehouse: Warehouse) -> None:
    first, second, _ = (store(warehouse, version) for version in (1, 2, 3))
    for pin, name in ((first, "lawsuit"), (first, "report"), (second, "lawsuit")):
        warehouse.hold(pin, name=name, until=None, renew=True)
    assert retain(warehouse).pinned == 4
    ended = warehouse.release("sales", "items", "lawsuit", reason="settled")
    assert (ended.released, ended.reason) == (True, "settled")
    assert warehouse.release("sales", "items", "lawsuit") is None
    assert {one.name for one in warehouse.holding("sales", "items")} == {"report"}
    report = retain(warehouse)
    assert ({one.batch_id for one in report.retired}, report.pinned) == (
        {second.batches[DAYS[0]]},
        2,
    )
    with pytest.raises(sfx.BatchNotFound, match="was retired"):
        warehouse.hold(second, name="lawsuit")
    with pytest.raises(sfx.BatchNotFound, match="was retired"):
        warehouse.hold(second, name="report", renew=True)
    assert [one.pin for one in warehouse.holding("sales", "items")] == [first], (
        "what the name held stays held"
    )
    assert warehouse.hold(first, name="lawsuit").pin == first, "a name may hold again"


def test_adopted_files_stay_where_they_lie(warehouse: Warehouse, tmp_path) -> None:
    pin = store(warehouse, 1)
    (tmp_path / "theirs").mkdir()
    pd.DataFrame({"version": [7]}).to_parquet(tmp_path / "theirs" / "one.parquet", index=False)
    ref = sfx.TableRef("sales", "items")
    info = next(
        one
        for one in warehouse.metastore.get_partitions(ref).values()
        if one.partition.values == (DAYS[0],)
    )
    if not warehouse.uri.startswith("embedded"):
        pytest.skip(
            "the metastore's files are on S3 there; what is adopted is tested with the embedded one"
        )
    from dataclasses import replace

    warehouse.metastore.repoint(ref, [replace(info, location=f"file://{tmp_path}/theirs")])
    warehouse.adopt("sales", "items")
    store(warehouse, 2)
    for _ in range(2):
        retain(warehouse)
    assert (tmp_path / "theirs" / "one.parquet").exists()
    assert gone(warehouse, pin)


def test_a_table_without_partition_keys_keeps_its_notes_and_its_current_batch(
    warehouse: Warehouse,
) -> None:
    pins = [warehouse.store_dataframe(pd.DataFrame({"n": [n]}), "sales", "totals") for n in (1, 2)]
    for _ in range(2):
        warehouse.retain("sales", "totals", keep_last=1, older_than=NOW, grace=NOW, dry_run=False)
    assert gone(warehouse, pins[0])
    assert warehouse.load_dataframe("sales", "totals")["n"].tolist() == [2]
    assert len(warehouse.history("sales", "totals")) == 3


@pytest.mark.parametrize(
    "rule", [{"keep_last": 0}, {"older_than": timedelta(days=-1)}, {"grace": timedelta(days=-1)}]
)
def test_a_rule_that_cannot_be_meant_is_refused(embedded_uri, rule) -> None:
    warehouse = connect(embedded_uri)
    store(warehouse, 1)
    with pytest.raises(sfx.InvalidName):
        warehouse.retain("sales", "items", **{"keep_last": 1, "older_than": NOW, **rule})


def retain_twice(warehouse: Warehouse) -> None:
    for _ in range(2):
        retain(warehouse)


@pytest.mark.parametrize("kind", ["embedded", "stack"])
def test_a_process_killed_at_any_call_leaves_what_is_current_and_pinned_and_the_next_completes(
    request, kind
) -> None:
    new_uri = request.getfixturevalue(f"new_{kind}_uri")
    killed = 0
    for calls in range(1, 300, 1 if kind == "embedded" else 7):
        uri = new_uri()
        warehouse = connect(uri)
        first, held, _ = (store(warehouse, version) for version in (1, 2, 3))
        warehouse.hold(held, name="report", until=None)
        code = run_until_call(uri, retain_twice, calls, after=True)
        assert warehouse.load_dataframe("sales", "items")["version"].tolist() == [3, 3]
        assert warehouse.load_dataframe(held)["version"].tolist() == [2, 2]
        retain_twice(warehouse)
        assert gone(warehouse, first)
        assert warehouse.load_dataframe("sales", "items")["version"].tolist() == [3, 3]
        assert warehouse.load_dataframe(held)["version"].tolist() == [2, 2]
        if code == 0:
            break
        assert code == KILLED
        killed += 1
    else:
        pytest.fail("retention never ended")
    assert killed > 2


@pytest.mark.parametrize("by", ["the next attempt", "somebody else", "an erasure"])
def test_what_an_attempt_noted_before_it_died_stops_neither_later_attempts_nor_others(
    embedded_uri, monkeypatch, by
) -> None:
    warehouse = connect(embedded_uri)
    first = store(warehouse, 1)

    def attempt(number: int) -> sfx.Producer:
        return sfx.Producer(
            dag_id="keep", run_id="r1", task_id="retain", try_number=number, user="ada"
        )

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    store(warehouse, 2)
    with monkeypatch.context() as dying:
        dying.setattr(PartitionLog, "create", die)
        with pytest.raises(KeyboardInterrupt):
            retain(warehouse, producer=attempt(1))
    store(warehouse, 3, producer=attempt(2))
    if by == "an erasure":  # it is not retention, and leaves the expiring to it
        erased = warehouse.erase(
            "sales", "items", where="version = 2", dry_run=False, producer=attempt(3)
        )
        assert (erased.erased, erased.deleted) == (2, ())
        assert not gone(warehouse, first)
    report = retain(warehouse, producer=attempt(4) if by != "somebody else" else None)
    assert {one.batch_id for one in report.retired} >= set(first.batches.values())
    assert report.deleted == ()
    assert set(retain(warehouse).deleted) >= set(first.batches.items())
    assert gone(warehouse, first)
    told = [
        entry
        for entry in warehouse.history("sales", "items", [DAYS[0]], limit=None)
        if entry.retired
    ]
    assert [
        entry.producer.try_number for entry in told if first.batches[DAYS[0]] in entry.retired
    ] == [None if by == "somebody else" else 4]


def test_a_batch_that_another_program_wrote_for_us_is_given_up_like_others(
    warehouse: Warehouse,
) -> None:
    pins = []
    for version in (1, 2):
        batch = warehouse.open_batch("sales", "items", [DAYS[0]], partition_keys=["day"])
        write(warehouse, batch, pd.DataFrame({"version": [version]}))
        pins.append(batch.close())
    assert [one.batch_id for one in retain(warehouse).retired] == [pins[0].batch_id]
    assert retain(warehouse).deleted == ((DAYS[0], pins[0].batch_id),)
    assert gone(warehouse, pins[0])
    assert warehouse.load_dataframe("sales", "items", [DAYS[0]])["version"].tolist() == [2]


def test_nothing_but_retention_deletes() -> None:
    package = Path(sfx.__file__).parent
    callers = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(r"\.delete\(|unlink\(|rmtree\(|os\.remove\(", path.read_text())
    }
    assert callers == {
        "storage/local.py",  # `delete`, and its own unfinished files
        "storage/object_store.py",  # `delete`
        "warehouse/retention/deletion.py",
        "jobs/runners/process.py",  # the directory of a job that ended, beside the warehouse
        "operators/container.py",  # what Airflow keeps of a task's attempts
        "session/exchange.py",  # frames on their way from R, in its temporary directory
        "session/server.py",  # those, and the address there
        *(
            caller for caller in callers if caller.startswith("stack/")
        ),  # the local stack's own folder
    }

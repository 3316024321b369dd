"""Writers with wrong clocks: the order is the log's."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.warehouse.batch import batch_writer
from airflow_sfx.warehouse.log import commit
from airflow_sfx.warehouse.table import tombstones
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.builders import put

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
NONE = dt.timedelta(0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[dt.timedelta], None]:
    """Set the clock of writers only, not of readers and waiters."""

    def set_clock(by: dt.timedelta) -> None:
        class Shifted(dt.datetime):
            @classmethod
            def now(cls, tz=None):
                return dt.datetime.now(tz) + by

        for module in (commit, batch_writer):
            monkeypatch.setattr(module, "datetime", Shifted)

    return set_clock


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def put_both(warehouse: Warehouse, number: int) -> sfx.BatchPin:
    frame = pd.DataFrame({"n": [number] * 2, "partition": ["a", "b"]})
    return warehouse.store_dataframe(frame, "sales", "items", partition_by=["partition"])


def numbers(warehouse: Warehouse, **options: object) -> list[int]:
    return sorted(warehouse.load_dataframe("sales", "items", **options)["n"])


def test_audits_are_in_the_order_of_the_log_whatever_the_clocks_say(warehouse, clock) -> None:
    for number, by in enumerate([NONE, -HOUR, -2 * DAY, dt.timedelta(minutes=-5), NONE]):
        clock(by)
        put(warehouse, number)
    put_both(warehouse, 5)
    entries = warehouse.audit("sales", "items").entries
    assert [one.version for one in entries if one.partition == "a"] == [6, 5, 4, 3, 2, 1]
    assert [one.at for one in entries] == sorted((one.at for one in entries), reverse=True)
    for limit in range(1, len(entries) + 1):
        assert warehouse.audit("sales", "items", limit=limit).entries == entries[:limit]


@pytest.mark.parametrize("ahead", [HOUR, 3 * DAY], ids=str)
def test_what_was_written_after_a_clock_that_was_ahead_is_found_now(
    warehouse, clock, ahead
) -> None:
    put_both(warehouse, 0)
    time.sleep(1.1)  # a storage may have times in whole seconds
    before = now()
    clock(ahead)
    put_both(warehouse, 1)
    clock(NONE)
    put(warehouse, 2)
    time.sleep(1.1)
    seen = warehouse.audit("sales", "items", until=now()).entries
    assert [(one.partition, one.version) for one in seen] == [
        ("a", 3),
        ("b", 2),
        ("a", 2),
        ("b", 1),
        ("a", 1),
    ]
    assert warehouse.audit("sales", "items", since=before, until=now()).entries == seen[:3]
    assert warehouse.audit("sales", "items", until=before).entries == seen[3:]
    assert warehouse.audit("sales", "items", until=now(), limit=1).entries == seen[:1]
    assert numbers(warehouse, as_of=now()) == [1, 2]
    assert numbers(warehouse, as_of=before) == [0, 0]
    assert numbers(warehouse, as_of=now() + 2 * ahead) == [1, 2]


def test_a_change_of_several_partitions_by_a_clock_that_was_ahead_is_seen_whole_at_any_time(
    warehouse, clock
) -> None:
    put_both(warehouse, 0)
    begun = now()
    clock(HOUR)
    put_both(warehouse, 1)
    clock(NONE)
    moments = [begun + dt.timedelta(seconds=tenth / 10) for tenth in range(25)]
    assert {tuple(numbers(warehouse, as_of=moment)) for moment in moments} == {(0, 0), (1, 1)}


def test_times_that_are_not_yet_to_come_ask_the_storage_nothing(warehouse, monkeypatch) -> None:
    for number in range(3):
        put(warehouse, number)
    looked = []
    head = type(warehouse.store).head
    monkeypatch.setattr(
        type(warehouse.store), "head", lambda self, path: looked.append(path) or head(self, path)
    )
    numbers(warehouse, as_of=now())
    assert not [path for path in looked if "/log/" in path]


def test_two_erasures_at_once_after_a_clock_that_was_ahead_delete_what_both_expire(
    warehouse, clock, monkeypatch
) -> None:
    """Both take the microsecond after the last commit, and the same number."""
    clock(HOUR)
    pins = [put(warehouse, number) for number in range(3)]
    clock(NONE)

    def erase(number: int) -> None:
        warehouse.erase("sales", "items", where=f"n = {number}", grace=NONE, dry_run=False)

    write = tombstones.write

    def write_beside_another(*arguments: object) -> None:
        monkeypatch.setattr(tombstones, "write", write)
        write(*arguments)
        erase(1)

    monkeypatch.setattr(tombstones, "write", write_beside_another)
    erase(2)
    for number in (1, 2):
        assert warehouse.erase("sales", "items", where=f"n = {number}").batches == ()
    assert numbers(warehouse, partitions=["a"]) == []
    warehouse.rollback("sales", "items", ["a"])
    assert numbers(warehouse, partitions=["a"]) == []  # without the row 1
    erase(3)
    for pin in pins[1:]:
        assert warehouse.store.paths(f"sales.db/items/a/{pin.batch_id}") == []

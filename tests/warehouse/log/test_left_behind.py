"""Remains of dead writers, lost answers and wrong clocks.

A change of several partitions stays atomic, and the history shows it correctly.
"""

from __future__ import annotations

import datetime as dt

import pytest

import airflow_sfx as sfx
from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.warehouse.log import commit, metastore_sync
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.builders import put, put_both


def put_both_and_die(warehouse: Warehouse, value: int, monkeypatch) -> sfx.BatchPin:
    """Store with a writer that dies once its change is in the log, before the metastore has it."""
    with monkeypatch.context() as dying:
        dying.setattr(commit, "move_pointers", lambda *_: None)
        return put_both(warehouse, value)


def shown(warehouse: Warehouse) -> dict[str, str | None]:
    """Return the current batches, as other engines see them."""
    found = warehouse.metastore.get_partitions(sfx.TableRef("sales", "items"))
    return {partition.values[0]: info.batch_id for partition, info in found.items()}


def numbers(warehouse: Warehouse, **options: object) -> list[int]:
    return warehouse.load_dataframe("sales", "items", **options)["n"].tolist()


def test_a_store_completes_the_change_of_several_partitions_that_it_comes_after(
    warehouse, monkeypatch
) -> None:
    put_both(warehouse, 1)
    both = put_both_and_die(warehouse, 2, monkeypatch)
    third = put(warehouse, 3)
    assert shown(warehouse) == {"a": third.batch_id, "b": both.batches["b"]}
    assert numbers(warehouse) == [3, 2]


def test_a_large_change_is_left_to_its_writer_until_it_is_surely_dead(
    warehouse, monkeypatch
) -> None:
    """A read or a store meanwhile does not wait for thousands of pointers to move."""
    before = put_both(warehouse, 1)
    monkeypatch.setattr(metastore_sync, "_MOST_FOR_OTHERS", 1)
    both = put_both_and_die(warehouse, 2, monkeypatch)
    assert numbers(warehouse) == [2, 2], "the log says what is current"
    third = put(warehouse, 3)
    assert shown(warehouse) == {"a": third.batch_id, "b": before.batches["b"]}
    monkeypatch.setattr(metastore_sync, "_SURELY_MOVED", dt.timedelta(0))
    fourth = put(warehouse, 4)
    assert shown(warehouse) == {"a": fourth.batch_id, "b": both.batches["b"]}
    assert numbers(warehouse) == [4, 2]


def test_a_read_completes_a_change_that_a_later_one_of_a_dead_writer_has_covered(
    warehouse, monkeypatch
) -> None:
    put_both(warehouse, 1)
    both = put_both_and_die(warehouse, 2, monkeypatch)
    with monkeypatch.context() as dying:
        dying.setattr(commit, "move_pointers", lambda *_: None)
        third = put(warehouse, 3)
    assert warehouse.pin("sales", "items", ["a"]) == third
    assert shown(warehouse) == {"a": third.batch_id, "b": both.batches["b"]}


def test_a_read_of_several_partitions_is_of_one_moment_though_one_is_changed_twice_meanwhile(
    warehouse, monkeypatch
) -> None:
    put_both(warehouse, 1)
    pointers, calls = type(warehouse.metastore).get_partitions, []

    def with_writers(self, *arguments, **options):
        if not calls:
            calls.append(True)
            put_both(warehouse, 2)
            put(warehouse, 3)
        return pointers(self, *arguments, **options)

    monkeypatch.setattr(type(warehouse.metastore), "get_partitions", with_writers)
    pin = warehouse.pin("sales", "items", ["b", "a"])
    assert calls
    assert sorted(warehouse.load_dataframe(pin)["n"]) in ([1, 1], [2, 2], [2, 3])


@pytest.fixture
def clock(monkeypatch):
    """Set the clock of the log."""

    def set_ahead(by: dt.timedelta) -> None:
        class Ahead(dt.datetime):
            @classmethod
            def now(cls, tz=None):
                return dt.datetime.now(tz) + by

        monkeypatch.setattr(commit, "datetime", Ahead)

    return set_ahead


def test_the_state_of_a_time_has_a_change_of_several_partitions_whole(warehouse, clock) -> None:
    put_both(warehouse, 0)
    clock(dt.timedelta(hours=1))
    put(warehouse, 1)
    clock(dt.timedelta(0))
    put_both(warehouse, 2)
    now = dt.datetime.now(dt.UTC)
    for minutes in (30, 120):
        found = numbers(warehouse, as_of=now + dt.timedelta(minutes=minutes))
        assert found in ([0, 0], [1, 0], [2, 2])


def test_a_change_whose_answer_is_lost_is_looked_for(warehouse, monkeypatch) -> None:
    put_both(warehouse, 1)
    put_if_absent, lost = type(warehouse.store).put_if_absent, []

    def losing(self, path, data):
        done = put_if_absent(self, path, data)
        if not lost and "/log/" in path:
            lost.append(path)
            raise WarehouseUnavailable("the answer was lost")
        return done

    monkeypatch.setattr(type(warehouse.store), "put_if_absent", losing)
    put_both(warehouse, 2)
    assert lost
    assert numbers(warehouse) == [2, 2]


def test_where_a_change_may_still_arrive_the_error_says_so(warehouse, monkeypatch) -> None:
    put_both(warehouse, 1)
    put_if_absent = type(warehouse.store).put_if_absent

    def unreachable(self, path, data):
        if "/log/" in path:
            raise WarehouseUnavailable("the storage does not answer.")
        return put_if_absent(self, path, data)

    monkeypatch.setattr(type(warehouse.store), "put_if_absent", unreachable)
    with pytest.raises(
        WarehouseUnavailable, match=r"does not answer\. If the request still arrives there"
    ):
        put(warehouse, 2)
    monkeypatch.undo()
    assert numbers(warehouse) == [1, 1]


def test_a_store_is_done_though_what_it_was_made_from_could_not_be_noted(
    warehouse, monkeypatch, caplog
) -> None:
    source = put(warehouse, 1)

    def full(*_: object) -> None:
        raise WarehouseUnavailable("no space left")

    monkeypatch.setattr("airflow_sfx.warehouse.write.store.record_downstream", full)
    pin = put(warehouse, 2, "b", inputs=[source])
    assert warehouse.pin("sales", "items", ["b"]) == pin
    assert warehouse.manifests(pin)[0].inputs == (source,)
    assert "no space left" in caplog.text

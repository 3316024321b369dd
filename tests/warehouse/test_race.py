"""Many processes change one partition at once.

Every change is kept, in one order, and every read is whole.
"""

from __future__ import annotations

import multiprocessing
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.io.timeouts import timeouts_of
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.warehouse.faults import FORKS, process

WRITERS, STORES, ROWS = 8, 50, 40
ONE_ROW = pd.DataFrame({"n": [1]})


def write(uri: str, writer: int) -> None:
    warehouse = connect(uri)
    for number in range(STORES):
        frame = pd.DataFrame({"mark": [writer * STORES + number] * ROWS})
        warehouse.store_dataframe(frame, "sales", "items", ["20161031"])


def read(uri: str, stop, results) -> None:
    warehouse = connect(uri)
    reads = torn = 0
    while not stop.is_set() or reads == 0:
        frame = warehouse.load_dataframe("sales", "items", ["20161031"])
        reads += 1
        torn += len(frame) != ROWS or frame["mark"].nunique() != 1
    results.put((reads, torn))


def test_eight_processes_storing_fifty_times_each_lose_nothing_and_tear_no_read(uri) -> None:
    warehouse = connect(uri)
    warehouse.store_dataframe(pd.DataFrame({"mark": [-1] * ROWS}), "sales", "items", ["20161031"])
    stop, results = FORKS.Event(), FORKS.Queue()
    readers = [process(read, uri, stop, results) for _ in range(2)]
    writers = [process(write, uri, writer) for writer in range(WRITERS)]
    for one in (*readers, *writers):
        one.start()
    for one in writers:
        one.join(240)
    stop.set()
    seen = [results.get(timeout=60) for _ in readers]
    for one in readers:
        one.join(60)

    assert [one.exitcode for one in (*readers, *writers)] == [0] * (len(readers) + WRITERS)
    entries = warehouse.history("sales", "items", ["20161031"], limit=None)[::-1]
    assert len(entries) == 1 + WRITERS * STORES
    assert [entry.version for entry in entries] == list(range(1, len(entries) + 1))
    batches = [entry.batch_id for entry in entries]
    assert batches == sorted(set(batches))
    assert [entry.previous for entry in entries[1:]] == batches[:-1]
    stored = {
        int(warehouse.load_dataframe("sales", "items", ["20161031"], batch_id=b)["mark"][0])
        for b in batches
    }
    assert stored == set(range(-1, WRITERS * STORES))
    assert all(torn == 0 and reads > 0 for reads, torn in seen)


def write_two(uri: str, mark: int) -> None:
    warehouse = connect(uri)
    for number in range(10):
        frame = pd.DataFrame({"day": ["a", "b", "c"], "mark": [mark * 100 + number] * 3})
        warehouse.store_dataframe(frame, "sales", "items", partition_by=["day"])


def test_commits_of_several_partitions_at_once_are_seen_whole_and_in_one_order(uri) -> None:
    warehouse = connect(uri)
    first = pd.DataFrame({"day": ["a", "b", "c"], "mark": [-1] * 3})
    warehouse.store_dataframe(first, "sales", "items", partition_by=["day"])
    writers = [process(write_two, uri, mark) for mark in range(4)]
    for one in writers:
        one.start()
    torn = 0
    while any(one.is_alive() for one in writers):
        torn += warehouse.load_dataframe("sales", "items")["mark"].nunique() != 1
    for one in writers:
        one.join(60)
    assert [one.exitcode for one in writers] == [0] * 4
    assert torn == 0
    orders = [
        [e.batch_id for e in warehouse.history("sales", "items", [day], limit=None)]
        for day in "abc"
    ]
    assert orders[0] == orders[1] == orders[2]
    assert len(orders[0]) == 41


def test_a_child_that_was_forked_after_a_store_stores_too(embedded_uri) -> None:
    warehouse = connect(embedded_uri)
    frame = pd.DataFrame({"n": [1]})
    warehouse.store_dataframe(frame, "sales", "items", ["20161031"])

    child = multiprocessing.get_context("fork").Process(
        target=warehouse.store_dataframe, args=(frame.assign(n=2), "sales", "items", ["20161031"])
    )
    child.start()
    child.join(60)
    if child.exitcode is None:
        child.kill()

    assert child.exitcode == 0
    assert warehouse.load_dataframe("sales", "items", ["20161031"])["n"].tolist() == [2]


class Overtaken:
    """Storage in which another writer always creates the next entry of the log first."""

    def __init__(self, real: Any, other: Warehouse) -> None:
        self._real, self._other, self.races = real, other, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        if "/_sfx/log/" in path:
            self.races += 1
            self._other.store_dataframe(ONE_ROW, "race", "items", ["other"])
        return bool(self._real.put_if_absent(path, data))


def test_a_caller_in_a_hurry_does_not_race_for_as_long_as_a_task(embedded_uri) -> None:
    other = connect(embedded_uri)
    other.store_dataframe(ONE_ROW, "race", "items", ["mine"])
    store: Any = Overtaken(other.store, other)
    overtaken = Warehouse(replace(other.connection, store=store))
    with timeouts_of(1), pytest.raises(sfx.CommitConflict, match="again and again for 1 s"):
        overtaken.store_dataframe(ONE_ROW, "race", "items", ["mine"])
    assert store.races > 1
    assert len(other.history("race", "items", ["mine"])) == 1

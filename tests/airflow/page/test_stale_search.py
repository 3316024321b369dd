"""The search for stale batches behind the page: one at a time, and no request waits for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

import airflow_sfx as sfx
from airflow_sfx.plugin.web import stale_search
from airflow_sfx.plugin.web.stale_search import StaleSearch


class Warehouse:
    """Searches that end when they are allowed to, and the changes of a page."""

    def __init__(self) -> None:
        self.searches, self.changes = 0, 0
        self.allowed = threading.Event()
        self.error: Exception | None = None
        self.search = StaleSearch(self._stale, lambda: self.changes, 1.0)

    def _stale(self) -> list[int]:
        self.searches += 1
        self.allowed.wait(10)
        if self.error:
            raise self.error
        return [self.searches]

    def found(self) -> tuple[list[int] | None, bool]:
        found, complete = self.search.result()
        return (list(found.batches) if found else None), complete


@pytest.fixture
def warehouse(monkeypatch) -> Warehouse:
    monkeypatch.setattr(stale_search, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(stale_search, "LEAST_SECONDS", 60.0)
    return Warehouse()


def until(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_requests_share_a_search_and_do_not_wait_for_its_end(warehouse) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: warehouse.found(), range(8)))
    assert answers == [(None, False)] * 8
    warehouse.allowed.set()
    until(lambda: warehouse.found()[1])
    assert warehouse.found() == ([1], True)
    assert warehouse.searches == 1


def test_a_change_makes_the_result_out_of_date_also_during_the_search(warehouse) -> None:
    warehouse.found()
    warehouse.changes += 1
    warehouse.allowed.set()
    until(lambda: warehouse.found()[1])
    assert warehouse.found() == ([2], True), "the first search began before the change"
    warehouse.allowed.clear()
    warehouse.changes += 1
    assert warehouse.found() == ([2], False), "what was found before is shown meanwhile"
    warehouse.allowed.set()
    until(lambda: warehouse.found() == ([3], True))


def test_a_search_that_fails_is_reported_and_repeated(warehouse) -> None:
    warehouse.error = sfx.WarehouseUnavailable("it is down")
    warehouse.allowed.set()
    with pytest.raises(sfx.WarehouseUnavailable, match="it is down"):
        warehouse.found()
    warehouse.error = None
    until(lambda: warehouse.found()[1])
    assert warehouse.found() == ([2], True)


def test_a_long_search_is_fresh_for_longer(warehouse, monkeypatch) -> None:
    monkeypatch.setattr(stale_search, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(stale_search, "TIMES", 0)
    warehouse.allowed.set()
    warehouse.found()
    until(lambda: warehouse.found()[0] is not None)
    first = warehouse.searches
    warehouse.found()
    until(lambda: warehouse.searches > first)

"""The number of requests of each operation, in young and in old tables."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.metastore.hive import reader as hive
from airflow_sfx.metastore.hive.client import HiveClients
from airflow_sfx.storage.base import ObjectInfo
from airflow_sfx.storage.object_store import RemoteStore
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

DAY = "20161031"
STORAGE = (
    *("put", "put_if_absent", "view", "view_part", "head", "copy", "list"),
    *("list_directories", "names_after"),
)
FRAME = pd.DataFrame({"n": range(10)})


@pytest.fixture
def counted(monkeypatch) -> Counter[str]:
    """Requests by server, counted where they leave this process."""
    found: Counter[str] = Counter()

    def count(owner: type, name: str, server: str) -> None:
        original = getattr(owner, name)

        def counting(self: object, *arguments: object, **options: object) -> object:
            found[server] += 1
            return original(self, *arguments, **options)

        monkeypatch.setattr(owner, name, counting)

    for name in STORAGE:
        count(RemoteStore, name, "storage")
    count(HiveClients, "call_once", "metastore")
    return found


@pytest.fixture
def warehouse(stack_uri) -> Warehouse:
    made = connect(stack_uri)
    for _ in range(3):
        made.store_dataframe(FRAME, "trips", "items", [DAY], partition_keys=["day"])
    return made


def requests_of(action: Callable[[], object], counted: Counter[str]) -> dict[str, int]:
    counted.clear()
    action()
    return dict(counted)


def test_a_commit_costs_the_same_requests_however_many_went_before(warehouse, counted) -> None:
    def store() -> object:
        return warehouse.store_dataframe(FRAME, "trips", "items", [DAY])

    # One of the seven is the event for the night, written just before the log entry.
    assert requests_of(store, counted) == {"metastore": 7, "storage": 7}
    for _ in range(5):
        store()
    assert requests_of(store, counted) == {"metastore": 7, "storage": 7}


def test_a_window_costs_the_same_requests_however_many_went_before(stack_uri, counted) -> None:
    warehouse, at = connect(stack_uri), 0

    def add(numbers: object = FRAME) -> object:
        nonlocal at
        at += 1
        consumed = sfx.Consumed("kinesis:clicks", {"0": (str(at - 1) if at > 1 else "", str(at))})
        return warehouse.store_window(numbers, "trips", "clicks", consumed=consumed)

    for _ in range(3):
        add()
    assert requests_of(add, counted) == {"metastore": 8, "storage": 7}
    many = pd.DataFrame({"n": range(100), "window": [str(n) for n in range(100)]})
    warehouse.store_dataframe(many, "trips", "clicks", partition_by=["window"])
    add()
    assert requests_of(add, counted) == {"metastore": 8, "storage": 7}
    alone = requests_of(lambda: add(FRAME[:0]), counted)
    assert alone == {"metastore": 2, "storage": 4}, "positions without rows"


def test_a_pinned_load_costs_a_look_at_the_table_and_one_request_an_object(
    warehouse, counted
) -> None:
    pin = warehouse.pin("trips", "items", [DAY])
    assert requests_of(lambda: warehouse.load_dataframe(pin), counted) == {
        "metastore": 1,
        "storage": 2,
    }


def test_a_load_reads_the_manifest_while_it_looks_for_later_changes(
    warehouse, counted, monkeypatch
) -> None:
    begun = threading.Event()
    head, view = RemoteStore.head, RemoteStore.view

    def looking(self: RemoteStore, path: str) -> ObjectInfo | None:
        assert begun.wait(20), "the manifest is not asked for before the log has answered"
        return head(self, path)

    def reading(self: RemoteStore, path: str) -> memoryview | None:
        if path.endswith("/manifest"):
            begun.set()
        return view(self, path)

    monkeypatch.setattr(RemoteStore, "head", looking)
    monkeypatch.setattr(RemoteStore, "view", reading)
    load = lambda: warehouse.load_dataframe("trips", "items", [DAY])  # noqa: E731
    assert requests_of(load, counted) == {"metastore": 2, "storage": 4}


def test_a_rollback_moves_no_data(warehouse, counted) -> None:
    done = requests_of(lambda: warehouse.rollback("trips", "items", [DAY]), counted)
    assert done["metastore"] == 7
    # The event for the night is written before the log entry. Two manifests say which
    # columns the table gets and loses: those of the batches that end and become current.
    assert done["storage"] <= 10


def test_pins_of_a_whole_table_are_one_bulk_call_and_one_look(warehouse, counted) -> None:
    frame = pd.DataFrame({"day": [f"2016{number:04d}" for number in range(300)], "n": 1})
    warehouse.store_dataframe(frame, "trips", "wide", partition_by=["day"])
    assert requests_of(lambda: warehouse.pin("trips", "wide"), counted) == {
        "metastore": 2,
        "storage": 3,
    }


def test_an_audit_of_a_commit_of_many_partitions_reads_it_and_not_each_entry(
    warehouse, counted
) -> None:
    frame = pd.DataFrame({"day": [f"2016{number:04d}" for number in range(300)], "n": 1})
    warehouse.store_dataframe(frame, "trips", "wide", partition_by=["day"], reason="many")
    warehouse.store_dataframe(frame.head(1), "trips", "wide", partition_by=["day"], reason="one")
    newest = [
        one for day in ("20160000", "20160299") for one in warehouse.history("trips", "wide", [day])
    ]
    found = {}

    def audit() -> None:
        found["entries"] = warehouse.audit("trips", "wide", files=False).entries

    assert requests_of(audit, counted)["storage"] < 20
    assert len(found["entries"]) == 301
    assert set(newest) <= set(found["entries"])
    assert found["entries"][0].reason == "one"


def test_a_store_of_many_partitions_reads_what_was_current_from_one_object(
    warehouse, counted
) -> None:
    frame = pd.DataFrame({"day": [f"2016{number:04d}" for number in range(300)], "n": 1})

    def store() -> object:
        return warehouse.store_dataframe(frame, "trips", "wide", partition_by=["day"])

    store()
    warehouse.store_dataframe(frame.head(2), "trips", "wide", partition_by=["day"])
    assert requests_of(store, counted)["storage"] < 300 + 20, "a file for each"
    assert [
        len(warehouse.history("trips", "wide", [f"2016{number:04d}"])) for number in (0, 1, 2)
    ] == [3, 3, 2]


def test_the_newest_changes_are_told_without_reading_all_others(warehouse, counted) -> None:
    frame = pd.DataFrame({"day": [f"2016{number:04d}" for number in range(900)], "n": 1})
    for night in range(3):
        warehouse.store_dataframe(frame.assign(n=night), "trips", "wide", partition_by=["day"])
    warehouse.store_dataframe(frame.head(1), "trips", "wide", partition_by=["day"])
    everything = warehouse.audit("trips", "wide", foreign=False).entries
    found = {}

    def audit(limit: int) -> dict[str, int]:
        return requests_of(
            lambda: found.update(
                entries=warehouse.audit("trips", "wide", limit=limit, foreign=False).entries
            ),
            counted,
        )

    assert audit(1)["storage"] < 12
    assert found["entries"] == everything[:1]
    assert audit(20)["storage"] < 40
    assert found["entries"] == everything[:20]
    for limit in (901, 1000, 2701, 5000):
        audit(limit)
        assert found["entries"] == everything[:limit]


def test_one_partition_of_many_is_looked_at_alone(warehouse, counted) -> None:
    frame = pd.DataFrame({"day": [f"2016{number:04d}" for number in range(300)], "n": 1})
    warehouse.store_dataframe(frame, "trips", "wide", partition_by=["day"])
    pin = warehouse.store_dataframe(
        frame.head(1).assign(n=2), "trips", "wide", partition_by=["day"], publish=False
    )
    warehouse.publish(pin)
    overview = {}

    def look() -> None:
        overview["one"] = warehouse.overview("trips", "wide", ["20160000"])

    assert requests_of(look, counted)["metastore"] == 2
    assert overview["one"].names == ["20160000"]
    assert overview["one"].staged == {}


def test_a_table_of_more_partitions_than_one_call_gives_is_read_by_several(
    warehouse, counted, monkeypatch
) -> None:
    frame = pd.DataFrame({"day": [f"2016{number:04d}" for number in range(30)], "n": 1})
    stored = warehouse.store_dataframe(frame, "trips", "wider", partition_by=["day"])
    monkeypatch.setattr(hive, "CHUNK", 8)
    # One more request counts them, and four requests read eight each.
    for most, calls in [
        (30, 3),
        (29, 7),
        (31, 2),
    ]:
        monkeypatch.setattr(hive, "ALL_AT_ONCE", most)
        counted.clear()
        found = warehouse.metastore.get_partitions(sfx.TableRef("trips", "wider"))
        assert {str(one): info.batch_id for one, info in found.items()} == stored.batches
        assert counted["metastore"] == calls


def test_a_feed_reads_what_is_new_and_nothing_of_what_was(warehouse, counted) -> None:
    def new() -> object:
        return warehouse.changes("trips", "items", since=last)

    (last,) = [entry.version for entry in warehouse.history("trips", "items", limit=1)]
    assert requests_of(new, counted) == {"metastore": 1, "storage": 2}  # that entry, what follows
    warehouse.store_dataframe(FRAME, "trips", "items", [DAY])
    assert requests_of(new, counted) == {"metastore": 1, "storage": 3}

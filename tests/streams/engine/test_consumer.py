"""Consumers read a stream into a table: shared, resharded, stopped, killed, each record once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import airflow_sfx as sfx
from airflow_sfx.core.errors import InvalidName, PartitionNotFound, RecordsExpired, TableNotFound
from airflow_sfx.core.table import TableRef
from airflow_sfx.portability.function import Portable
from airflow_sfx.streams.consumer import Consumer, Pace, Progress
from airflow_sfx.streams.consuming.intake import Intake
from airflow_sfx.streams.consuming.leases import Leases, directory_of, known_start, share, start_of
from airflow_sfx.streams.consuming.shards import ShardOrder
from airflow_sfx.streams.engine import Rules
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse
from tests.streams.functions import POISON, squares
from tests.streams.memory import MemoryStream, many

TABLE = TableRef("web", "clicks")
QUICK = Pace(window=0.02, lease=0.6)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return connect(f"embedded://{tmp_path}/w")


@contextmanager
def consuming(
    warehouse: Warehouse,
    stream: MemoryStream,
    *,
    pace: Pace = QUICK,
    start: Any = "trim_horizon",
    rules: Rules | None = None,
    seen: list[Progress] | None = None,
    function: Portable = squares,
) -> Iterator[Consumer]:
    """Run a consumer in a thread; it must end without an error."""
    consumer = Consumer(
        connect(warehouse.uri),
        stream,
        function,
        TABLE,
        rules or Rules(max_attempts=1),
        start=start,
        pace=pace,
        report=(seen if seen is not None else []).append,
    )
    errors: list[BaseException] = []

    def run() -> None:
        try:
            consumer.run()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield consumer
    finally:
        consumer.stop()
        thread.join(30)
    assert not thread.is_alive()
    assert errors == []


def numbers(warehouse: Warehouse) -> list[int]:
    try:
        return sorted(int(n) for n in warehouse.load_dataframe("web", "clicks")["n"])
    except (TableNotFound, PartitionNotFound):
        return []


def eventually(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def good(sent: list[int]) -> list[int]:
    return [n for n in sent if n % 1000 != POISON]


def test_what_was_read_is_stored_when_a_consumer_is_stopped(warehouse: Warehouse) -> None:
    stream = MemoryStream(2)
    sent = many(stream, 500)
    seen: list[Progress] = []
    slow = Pace(window=60)
    with consuming(warehouse, stream, pace=slow, seen=seen):
        eventually(lambda: stream.given == 500)
        assert seen == []
    assert numbers(warehouse) == good(sent)
    assert (seen[0].records, seen[0].rows, seen[0].dead) == (500, 499, 1)
    assert seen[0].behind == timedelta(0)


def test_shards_that_split_and_merge_are_read_after_their_parents(warehouse: Warehouse) -> None:
    stream = MemoryStream(2)
    stream.longest_read = 40
    first, second = stream.records
    sent = many(stream, 300)
    with consuming(warehouse, stream), consuming(warehouse, stream):
        stream.split(first)
        sent += many(stream, 300)
        stream.split(second)
        sent += many(stream, 300)
        eventually(lambda: len(numbers(warehouse)) > 500)
        stream.merge(stream.open[0], stream.open[1])
        sent += many(stream, 300)
        eventually(lambda: len(numbers(warehouse)) == len(good(sent)))
    assert numbers(warehouse) == good(sent)
    assert_order_of_keys(warehouse, stream)


def test_a_shard_waits_for_records_that_are_two_shards_before_it() -> None:
    stream = MemoryStream(1)
    (first,) = stream.records
    many(stream, 10)
    stream.split(first)
    empty = stream.open
    stream.merge(*empty)  # at once: the shards between have no records
    (last,) = stream.open
    order = ShardOrder(stream, "trim_horizon")
    assert order.ready(stream.shards(), {last}, set(), {}) == (set(), True)
    read = {first: stream.records[first][-1].sequence}
    assert order.ready(stream.shards(), {last}, set(), read) == ({last}, False)


def assert_order_of_keys(warehouse: Warehouse, stream: MemoryStream) -> None:
    """The versions of the table have the shards of a family one after the other."""
    last: dict[str, int] = {}
    first: dict[str, int] = {}
    frame = warehouse.load_dataframe("web", "clicks")
    version = {
        entry.batch_id: entry.version for entry in warehouse.history("web", "clicks", limit=None)
    }
    of = {int(n): version[window] for n, window in zip(frame["n"], frame["window"], strict=True)}
    for shard, records in stream.records.items():
        versions = [of[n] for one in records if (n := int(one.data[6:-1])) in of]
        assert versions == sorted(versions)
        first[shard], last[shard] = versions[0], versions[-1]
    for shard, parents in stream.parents.items():
        assert all(last[parent] <= first[shard] for parent in parents)


def test_the_shards_of_a_consumer_that_died_are_taken_over(warehouse: Warehouse) -> None:
    stream = MemoryStream(4)
    sent = many(stream, 100)
    dead = Leases(warehouse.store, directory_of(TABLE, stream.stream), 0.6)
    dead.renew()  # and never again
    seen: list[Progress] = []
    with consuming(warehouse, stream, seen=seen):
        eventually(lambda: len(numbers(warehouse)) == len(good(sent)))
    assert seen[0].shards == 2
    assert seen[-1].shards == 4


def test_consumers_share_shards_evenly() -> None:
    shards, consumers = [f"{n:02d}" for n in range(7)], ["c", "a", "b"]
    shares = [share(shards, consumers, name) for name in consumers]
    assert sorted(len(one) for one in shares) == [2, 2, 3]
    assert set().union(*shares) == set(shards)


def test_a_released_lease_ends_at_once(warehouse: Warehouse) -> None:
    one, other = (Leases(warehouse.store, "_sfx/streams/a/b", 60) for _ in range(2))
    one.renew()
    assert other.renew() == sorted([one.name, other.name]) == one.renew()
    one.release()
    assert other.renew() == [other.name]


def test_a_shard_that_stopped_is_tried_again_and_others_go_on(warehouse: Warehouse) -> None:
    stream = MemoryStream(2)
    bad, fine = stream.records
    stream.put_into(bad, "k", {"n": 1})
    stream.put_into(bad, "k", {"n": POISON})
    stream.put_into(bad, "k", {"n": 2})
    seen: list[Progress] = []
    rules = Rules(on_error="stop", max_attempts=1)
    with consuming(
        warehouse, stream, rules=rules, seen=seen, pace=Pace(window=0.02, lease=0.6, hold=0.2)
    ):
        for n in range(100, 110):
            stream.put_into(fine, "k", {"n": n})
        eventually(lambda: sum(bool(one.stopped) for one in seen) > 2)
        assert numbers(warehouse) == [1, *range(100, 110)]
        assert "ZeroDivisionError: the number is unlucky" in seen[0].stopped.get(bad, "") or any(
            "unlucky" in why for one in seen for why in one.stopped.values()
        )
        stream.records[bad][1] = stream.put_into(fine, "k", {"n": 3})  # as if it were corrected
        stream.records[fine].pop()


def test_a_stream_that_does_not_answer_is_read_again(warehouse: Warehouse) -> None:
    stream = MemoryStream(2)
    stream.longest_read = 20
    sent = many(stream, 200)
    stream.failures = 3
    with consuming(warehouse, stream):
        eventually(lambda: len(numbers(warehouse)) == len(good(sent)))


def test_a_table_that_starts_with_the_latest_record_misses_nothing_later(
    warehouse: Warehouse,
) -> None:
    stream = MemoryStream(2)
    many(stream, 20)
    one, other = stream.records
    now = datetime.now(UTC)
    with consuming(warehouse, stream, start="latest"):
        stream.put_into(one, "k", {"n": 100}, now + timedelta(minutes=1))
        eventually(lambda: numbers(warehouse) == [100])
    stream.put_into(other, "k", {"n": 101}, now + timedelta(minutes=1))  # nobody reads
    with consuming(warehouse, stream, start="latest"):
        eventually(lambda: numbers(warehouse) == [100, 101])


def test_what_waits_in_memory_is_bounded() -> None:
    stream = MemoryStream(4)
    stream.longest_read = 10
    many(stream, 2000)
    intake = Intake(stream, "trim_horizon", max_records=100, max_bytes=1 << 20)
    stop = threading.Event()
    intake.follow(dict.fromkeys(stream.records, ""))
    try:
        got = 0
        while got < 2000:
            taken = intake.take(5, 5, stop)
            size = sum(len(some) for some in taken.records.values())
            assert size <= 100 + 4 * 10
            got += size
    finally:
        intake.close()
    assert got == 2000


def test_an_error_that_is_not_the_services_ends_the_consumer(warehouse: Warehouse) -> None:
    class Broken(MemoryStream):
        def reader(self, *args: Any) -> Any:
            raise LookupError("a bug")

    stream = Broken(1)
    consumer = Consumer(warehouse, stream, squares, TABLE, Rules(), pace=QUICK)
    with pytest.raises(LookupError, match="a bug"):
        consumer.run()


def test_aggregates_are_followed_and_stay_if_they_cannot_be(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFX_WAREHOUSE", warehouse.uri)
    ages = sfx.aggregate("crm.clients", "age", "max")

    @sfx.portable(inputs={"n": "bigint"}, outputs={"n": "bigint", "oldest": "double"})
    def oldest(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(oldest=float(ages.value))

    def found() -> dict[int, float]:
        rows = warehouse.load_dataframe("web", "clicks") if numbers(warehouse) else pd.DataFrame()
        return dict(zip(rows["n"], rows["oldest"], strict=True)) if len(rows) else {}

    stream = MemoryStream(1)
    warehouse.store_dataframe(pd.DataFrame({"age": [30.0]}), "crm", "clients")
    with consuming(warehouse, stream, function=oldest):
        many(stream, 1)
        eventually(lambda: found() == {0: 30})
        warehouse.store_dataframe(pd.DataFrame({"age": [40.0]}), "crm", "clients")
        eventually(lambda: many(stream, 1) and 40 in found().values())
        warehouse.drop("crm", "clients")
        time.sleep(2 * QUICK.lease / 3)
        sent = many(stream, 1)
        eventually(lambda: found().get(sent[0]) == 40)


def test_a_pace_that_is_not_positive_is_refused() -> None:
    with pytest.raises(InvalidName, match="window=0 is not a positive number"):
        Pace(window=0)


def test_a_consumer_that_died_before_its_first_commit_has_lost_nothing(
    warehouse: Warehouse,
) -> None:
    stream = MemoryStream(1)
    many(stream, 20)
    with consuming(warehouse, stream, start="latest"):
        pass  # it ends before the first record comes
    (shard,) = stream.records
    stream.put_into(shard, "k", {"n": 100}, datetime.now(UTC))
    time.sleep(0.01)
    with consuming(warehouse, stream, start="latest"):
        eventually(lambda: numbers(warehouse) == [100])


def test_another_start_counts_until_the_table_has_records(warehouse: Warehouse) -> None:
    directory = directory_of(TABLE, "memory:clicks")
    first = start_of(warehouse.store, directory, "latest", begun=False)
    assert start_of(warehouse.store, directory, "latest", begun=False) == first
    assert known_start(warehouse.store, directory) == first
    assert start_of(warehouse.store, directory, "trim_horizon", begun=False) == "trim_horizon"
    later = start_of(warehouse.store, directory, "latest", begun=False)
    assert later != first
    assert start_of(warehouse.store, directory, "trim_horizon", begun=True) == later


def test_a_shard_that_expired_unread_is_not_skipped_silently(warehouse: Warehouse) -> None:
    stream = MemoryStream(1)
    (first,) = stream.records
    many(stream, 10)
    stream.split(first)
    more = many(stream, 10)
    read = {first: stream.records[first][5].sequence}
    del stream.parents[first]  # its retention is over, and it is listed no more
    shards, children = stream.shards(), set(stream.open)
    with pytest.raises(RecordsExpired, match=f"{first} .* lists that shard"):
        ShardOrder(stream, "trim_horizon").ready(shards, children, set(), read)
    some = read | {stream.open[0]: "1"}
    found = ShardOrder(stream, "trim_horizon").ready(shards, children, set(), some)
    assert found == (children, False), "it was finished before what continues it"
    ended = ShardOrder(stream, "trim_horizon")
    ended.finished.add(first)
    assert ended.ready(shards, children, set(), read) == (children, False)
    stream.on_expired = "continue"
    with consuming(warehouse, stream):
        eventually(lambda: numbers(warehouse) == good(more))


def test_a_table_with_other_keys_is_refused_before_the_first_record(warehouse: Warehouse) -> None:
    frame = pd.DataFrame({"n": [1], "day": ["20161101"]})
    warehouse.store_dataframe(frame, "web", "clicks", partition_by=["day"])
    consumer = Consumer(warehouse, MemoryStream(1), squares, TABLE, Rules(("day",)))
    with pytest.raises(InvalidName, match="the partition keys day, and rows .* day, window: name"):
        consumer.run()

"""What every source does, on each server that runs here."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

import airflow_sfx as sfx
from airflow_sfx.streams.lag import stream_lag
from airflow_sfx.streams.source import Source, Start, StreamRecord
from tests.streams.servers.streams import KafkaStream, KinesisStream, TestStream

PATIENCE = 20
New = Callable[[int], TestStream]


@pytest.fixture(params=["kinesalite", "kinesis_local", "kafka"])
def new(request) -> New:
    """Makes streams of a server, with a number of shards."""
    server = request.getfixturevalue(request.param)
    if request.param == "kafka":
        return lambda shards: KafkaStream(server, shards)
    return lambda shards: KinesisStream(server.url, shards)


def read(
    source: Source,
    shard: str,
    after: str = "",
    start: Start = "trim_horizon",
    *,
    least: int = 0,
    limit: int = 1000,
) -> list[StreamRecord]:
    """Read a shard to its present end, and further until there are enough records."""
    reader, found, at_end = source.reader(shard, after, start), [], False
    give_up = time.monotonic() + PATIENCE
    try:
        while not (at_end and len(found) >= least):
            assert time.monotonic() < give_up, f"{len(found)} of {least} records"
            chunk = reader.read(limit)
            assert len(chunk.records) <= limit
            found += chunk.records
            at_end = chunk.ended or (not chunk.records and not chunk.behind)
            if chunk.ended:
                break
    finally:
        reader.close()
    return found


def sent(records: list[StreamRecord]) -> list[bytes]:
    return [record.data for record in records]


def numbered(count: int, first: int = 0, keys: int = 7) -> list[tuple[str, bytes]]:
    return [(f"key-{n % keys}", b"%d" % n) for n in range(first, first + count)]


def test_all_records_are_read_in_order_with_their_keys_and_times(new: New) -> None:
    stream = new(2)
    before = datetime.now(UTC) - timedelta(seconds=1)
    stream.put(numbered(200))
    with stream.source() as source:
        shards = [shard.id for shard in source.shards()]
        assert len(shards) == 2
        records = {shard: read(source, shard) for shard in shards}
    assert sorted(int(one.data) for some in records.values() for one in some) == [*range(200)]
    for shard, some in records.items():
        places = [int(one.sequence) for one in some]
        assert places == sorted(set(places))
        numbers = [int(one.data) for one in some]
        for key in {one.key for one in some}:
            of_key = [int(one.data) for one in some if one.key == key]
            assert of_key == sorted(of_key)
        assert {f"key-{number % 7}" for number in numbers} == {one.key for one in some}
        assert {one.shard for one in some} <= {shard}
        assert all(before <= one.arrived <= datetime.now(UTC) for one in some)


def test_a_reader_resumes_after_each_record(new: New) -> None:
    stream = new(1)
    stream.put(numbered(6))
    with stream.source() as source:
        (shard,) = source.shards()
        all_ = read(source, shard.id, least=6)
        assert len(all_) == 6
        for place, record in enumerate(all_):
            assert read(source, shard.id, record.sequence, "latest") == all_[place + 1 :]


def test_a_limit_is_kept_and_loses_nothing(new: New) -> None:
    stream = new(1)
    stream.put(numbered(25))
    with stream.source() as source:
        (shard,) = source.shards()
        found = read(source, shard.id, limit=4, least=25)
        assert sent(found) == [b"%d" % n for n in range(25)]
        assert read(source, shard.id, found[3].sequence, limit=1, least=21) == found[4:]


def test_latest_starts_behind_the_newest_record(new: New) -> None:
    stream = new(1)
    stream.put([("a", b"old")])
    with stream.source() as source:
        (shard,) = source.shards()
        reader = source.reader(shard.id, "", "latest")
        assert list(reader.read(10).records) == []
        stream.put([("a", b"new")])
        assert sent(until(reader, 1)) == [b"new"]
        reader.close()


def until(reader, count: int, limit: int = 1000) -> list[StreamRecord]:
    """Read until there are so many records."""
    found: list[StreamRecord] = []
    give_up = time.monotonic() + PATIENCE
    while len(found) < count:
        assert time.monotonic() < give_up, f"{len(found)} of {count} records"
        found += reader.read(limit).records
    return found


def test_a_time_starts_at_the_first_record_since_then(new: New) -> None:
    stream = new(1)
    stream.put([("a", b"old")])
    time.sleep(0.05)
    between = datetime.now(UTC)
    time.sleep(0.05)
    stream.put([("a", b"new")])
    with stream.source() as source:
        (shard,) = source.shards()
        assert sent(read(source, shard.id, "", between, least=1)) == [b"new"]
        ages_ago = datetime.now(UTC) - timedelta(days=30)
        assert sent(read(source, shard.id, "", ages_ago, least=2)) == [b"old", b"new"]


def test_an_empty_shard_has_no_records_and_is_not_behind(new: New) -> None:
    with new(1).source() as source:
        (shard,) = source.shards()
        reader = source.reader(shard.id, "", "trim_horizon")
        give_up = time.monotonic() + PATIENCE
        while (chunk := reader.read(10)).behind is None:
            assert time.monotonic() < give_up
        reader.close()
    assert (list(chunk.records), chunk.behind, chunk.ended) == ([], timedelta(0), False)


def test_the_lag_of_a_table_is_the_age_of_the_oldest_record_that_it_lacks(new: New) -> None:
    stream = new(1)
    stream.put(numbered(3))
    with stream.source() as source:
        (shard,) = source.shards()
        records = read(source, shard.id, least=3)
        (lacks,) = stream_lag(source, {shard.id: records[0].sequence}).shards
        assert lacks.oldest == records[1].arrived
        (has_all,) = stream_lag(source, {shard.id: records[2].sequence}).shards
        assert has_all.oldest is None


def test_any_bytes_come_back(new: New) -> None:
    stream = new(1)
    everything = [bytes(range(256)), b"\x00", b"\xff\xfe", "größer".encode(), b"x" * 900_000]
    stream.put([("ä", data) for data in everything])
    with stream.source() as source:
        (shard,) = source.shards()
        found = read(source, shard.id, least=5)
    assert sent(found) == everything
    assert {record.key for record in found} == {"ä"}


def test_a_start_that_is_none_is_rejected(new: New) -> None:
    with new(1).source() as source:
        (shard,) = source.shards()
        for wrong in ("now", datetime(2026, 1, 1)):
            with pytest.raises(sfx.InvalidName, match="with a zone"):
                source.reader(shard.id, "", wrong)


def test_a_missing_shard_and_stream_are_named(new: New) -> None:
    stream = new(1)
    with stream.source() as source:
        wrong = "shardId-000000000099" if source.stream.startswith("kinesis") else "99"
        with pytest.raises(sfx.StreamUnavailable, match=stream.name):
            source.reader(wrong, "", "latest")
    stream.name = "missing"
    with (
        stream.source() as source,
        pytest.raises(sfx.StreamUnavailable, match="'missing'.*check the"),
    ):
        source.shards()

"""Kinesis alone: shards that split and merge, what expires, and what goes wrong on the way."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import airflow_sfx as sfx
from airflow_sfx.core.io.timeouts import timeouts_of
from airflow_sfx.streams.consumer import Consumer
from airflow_sfx.streams.engine import Rules
from airflow_sfx.streams.kinesis import KinesisSource
from airflow_sfx.warehouse.connect import connect
from tests.streams.functions import squares
from tests.streams.servers.faults import faulty
from tests.streams.servers.streams import KinesisStream
from tests.streams.sources.test_sources import numbered, read, sent, until

AN_ITERATOR, A_DAY = 301, 25 * 3600
"""After how many seconds, and more, an iterator and a record expire."""


@pytest.fixture(params=["kinesalite", "kinesis_local"])
def server(request):
    return request.getfixturevalue(request.param)


def test_split_and_merged_shards_end_and_name_their_parents(server) -> None:
    stream = KinesisStream(server.url, 2)
    stream.put(numbered(50))
    for shard in stream.open_shards():
        stream.split(shard)
    stream.put(numbered(50, 50))
    stream.merge(*stream.open_shards()[1:3])
    stream.put(numbered(50, 100))
    with stream.source() as source:
        parents = {int(one.id[-3:]): [int(p[-3:]) for p in one.parents] for one in source.shards()}
        assert {one: sorted(some) for one, some in parents.items()} == {
            **{0: [], 1: [], 2: [0], 3: [0], 4: [1], 5: [1]},
            6: [3, 4],
        }
        of_shard = {one.id: read(source, one.id) for one in source.shards()}
        ended = {one.id: ends(source, one.id) for one in source.shards()}
    assert Counter(int(data) for some in of_shard.values() for data in sent(some)) == Counter(
        range(150)
    )
    assert ended == {one: one not in stream.open_shards() for one in ended}
    in_order = [int(one.data) for shard in sorted(of_shard) for one in of_shard[shard]]
    for key in range(7):  # parents first
        of_key = [number for number in in_order if number % 7 == key]
        assert of_key == sorted(of_key)


def ends(source, shard: str) -> bool:
    """Whether a shard is closed: as it says behind its last record, and again if it is reopened."""
    reader = source.reader(shard, "", "trim_horizon")
    chunk = reader.read(10_000)
    last = ""
    while not chunk.ended and (chunk.records or chunk.behind):
        last = chunk.records[-1].sequence if chunk.records else last
        chunk = reader.read(10_000)
    if chunk.ended and last:
        assert read(source, shard, last) == []
    return chunk.ended


def test_shards_are_listed_page_by_page(kinesis_local) -> None:
    stream = KinesisStream(kinesis_local.url, 5)
    with faulty(kinesis_local.port) as proxy:
        proxy.page = 2
        source = stream.source(endpoint_url=proxy.url)
        assert len({one.id for one in source.shards()}) == 5
        assert proxy.calls["ListShards"] == 3


def test_throttled_broken_and_lost_answers_are_asked_for_again(server) -> None:
    stream = KinesisStream(server.url, 1)
    stream.put(numbered(60))
    with faulty(server.port) as proxy:
        proxy.page = 1
        proxy.plan("ListShards", "limited", "lost")
        proxy.plan("GetShardIterator", "throttled", "broken")
        proxy.plan("GetRecords", "", "throttled", "lost", "broken", "", "expired", "lost")
        source = stream.source(endpoint_url=proxy.url)
        (shard,) = source.shards()
        assert sent(read(source, shard.id, limit=10)) == [b"%d" % n for n in range(60)]
        assert proxy.done == Counter(limited=1, lost=3, throttled=2, broken=2, expired=1)


def test_a_listing_whose_token_expired_begins_again(kinesis_local) -> None:
    stream = KinesisStream(kinesis_local.url, 3)
    with faulty(kinesis_local.port) as proxy:
        proxy.page = 2
        proxy.plan("ListShards", "", "expired token")
        assert len(stream.source(endpoint_url=proxy.url).shards()) == 3
        assert proxy.calls["ListShards"] == 4


def test_a_stream_that_stays_throttled_is_unavailable_and_can_be_read_later(server) -> None:
    stream = KinesisStream(server.url, 1)
    stream.put(numbered(3))
    with faulty(server.port) as proxy:
        source = stream.source(endpoint_url=proxy.url)
        (shard,) = source.shards()
        reader = source.reader(shard.id, "", "trim_horizon")
        proxy.odds = {"GetRecords": {"throttled": 1.0}}
        with timeouts_of(0.3), pytest.raises(sfx.StreamUnavailable, match=r"Throughput.*region"):
            reader.read(10)
        proxy.odds = {}
        assert sent(until(reader, 3)) == [b"0", b"1", b"2"]


def test_a_consumer_that_is_stopped_does_not_wait_for_throttled_reads(
    kinesalite, tmp_path: Path
) -> None:
    stream = KinesisStream(kinesalite.url, 2)
    stream.put([(str(n), b'{"n": %d}' % n) for n in range(20)])
    warehouse = connect(f"embedded://{tmp_path}/w")
    table = sfx.TableRef("web", "clicks")
    with faulty(kinesalite.port) as proxy:
        source = stream.source(endpoint_url=proxy.url)
        consumer = Consumer(warehouse, source, squares, table, Rules(max_attempts=1))
        thread = threading.Thread(target=consumer.run)
        thread.start()
        wait_until(lambda: warehouse.stream_positions("web", "clicks"))
        proxy.odds = {name: {"throttled": 1.0} for name in ("GetRecords", "ListShards")}
        wait_until(lambda: proxy.done["throttled"] >= 10)  # pauses are of seconds by then
        consumer.stop()
        thread.join(4)
        assert not thread.is_alive()


def wait_until(condition: Callable[[], object]) -> None:
    give_up = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.02)


def test_a_time_that_the_clock_of_kinesis_has_not_reached_is_waited_for(kinesalite) -> None:
    stream = KinesisStream(kinesalite.url, 1)
    start = datetime.now(UTC)
    with stream.source() as source, kinesalite.ahead(-60):
        (shard,) = source.shards()
        reader = source.reader(shard.id, "", start)
        stream.put([("a", b"before")])
        assert list(reader.read(10).records) == []
        with kinesalite.ahead(10):
            stream.put([("a", b"after")])
            assert sent(until(reader, 1)) == [b"after"]


def test_one_read_after_the_last_record_of_a_closed_shard_ends_it(server) -> None:
    stream = KinesisStream(server.url, 1)
    stream.put(numbered(3))
    (shard,) = stream.open_shards()
    stream.split(shard)
    with stream.source() as source:
        last = read(source, shard)[-1].sequence
        chunk = source.reader(shard, last, "trim_horizon").read(1)
    assert (list(chunk.records), chunk.ended) == ([], True)


def test_an_error_that_repeats_nothing_is_not_tried_again(server) -> None:
    stream = KinesisStream(server.url, 1)
    with faulty(server.port) as proxy:
        proxy.plan("ListShards", "denied")
        with pytest.raises(sfx.StreamUnavailable, match="AccessDenied.*kinesis:ListShards"):
            stream.source(endpoint_url=proxy.url).shards()
        assert proxy.calls["ListShards"] == 1


def test_iterators_that_expire_are_renewed(kinesalite) -> None:
    stream = KinesisStream(kinesalite.url, 1)
    stream.put([("a", b"before")])
    with stream.source() as source, kinesalite.ahead(0):
        (shard,) = source.shards()
        newest, oldest = (
            source.reader(shard.id, "", start) for start in ("latest", "trim_horizon")
        )
        resumed = source.reader(shard.id, read(source, shard.id)[0].sequence, "latest")
        stream.put(numbered(5))
        assert sent(until(oldest, 2, limit=2)) == [b"before", b"0"]
        with kinesalite.ahead(AN_ITERATOR):
            assert sent(until(oldest, 4)) == [b"1", b"2", b"3", b"4"]
            assert sent(until(resumed, 5)) == [b"0", b"1", b"2", b"3", b"4"]
            found = sent(until(newest, 5))
    assert found[-5:] == [b"0", b"1", b"2", b"3", b"4"]


def test_records_that_expired_are_not_skipped_silently(kinesalite, caplog) -> None:
    stream = KinesisStream(kinesalite.url, 1)
    stream.put(numbered(4))
    with stream.source() as source:
        (shard,) = source.shards()
        second = read(source, shard.id)[1].sequence
        with kinesalite.ahead(A_DAY):
            with pytest.raises(sfx.RecordsExpired, match="on_expired='continue'") as caught:
                read(source, shard.id, second)
            assert caught.value.after == second
            assert (caught.value.stream, caught.value.shard) == (source.stream, shard.id)
            stream.put(numbered(2, 4))
            reader = source.reader(shard.id, second, "latest")
            for _ in range(2):  # a caller that asks again does not skip them
                with pytest.raises(sfx.RecordsExpired, match=r"after \d+: the stream has dropped"):
                    reader.read(1)
            with pytest.raises(sfx.RecordsExpired, match=r"its oldest arrived 20\d\d-"):
                read(source, shard.id, second)
            going_on = stream.source(on_expired="continue")
            with caplog.at_level(logging.WARNING, "airflow_sfx"):
                assert sent(read(going_on, shard.id, second)) == [b"4", b"5"]
            assert second in caplog.text
            fresh = stream.source().reader(shard.id, "", "trim_horizon")
            assert sent(until(fresh, 2)) == [b"4", b"5"]


def test_a_position_of_another_stream_is_not_one(kinesalite) -> None:
    old, new = (KinesisStream(kinesalite.url, 1) for _ in range(2))
    old.put(numbered(1))
    new.put(numbered(2))
    with old.source() as source:
        (shard,) = source.shards()
        (record,) = read(source, shard.id)
    wrong = str(int(record.sequence) + (1 << 180))
    with pytest.raises(sfx.RecordsExpired, match="created again"):
        read(new.source(), shard.id, wrong)
    assert sent(read(new.source(on_expired="continue"), shard.id, wrong)) == [b"0", b"1"]


def test_the_lag_is_the_age_of_what_is_read(kinesis_local) -> None:
    stream = KinesisStream(kinesis_local.url, 1)
    stream.put(numbered(20))
    with stream.source() as source:
        reader = source.reader(source.shards()[0].id, "", "trim_horizon")
        chunks = [reader.read(10) for _ in range(3)]
    assert [len(chunk.records) for chunk in chunks] == [10, 10, 0]
    assert [chunk.behind is not None for chunk in chunks] == [True] * 3
    assert chunks[-1].behind == timedelta(0)


def test_streams_have_names_or_arns_and_other_text_is_rejected(kinesis_local) -> None:
    stream = KinesisStream(kinesis_local.url, 1)
    stream.put(numbered(2))
    summary = stream.client.describe_stream_summary(StreamName=stream.name)
    arn = summary["StreamDescriptionSummary"]["StreamARN"]
    with KinesisSource(arn, endpoint_url=kinesis_local.url) as source:
        assert source.stream == f"kinesis:{stream.name}"
        assert sent(read(source, source.shards()[0].id)) == [b"0", b"1"]
    for wrong in ("", "a/b", "arn:aws:sqs:eu-west-1:1:q", "x" * 129):
        with pytest.raises(sfx.InvalidName, match="pass its name"):
            KinesisSource(wrong)
    for option in ({"reads_per_second": 0}, {"on_expired": "skip"}):
        with pytest.raises(sfx.InvalidName):
            KinesisSource("clicks", **option)


def test_a_configuration_of_aws_that_is_none_is_named(monkeypatch) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/missing")
    with pytest.raises(sfx.StreamUnavailable, match="region"):
        KinesisSource("clicks").shards()
    with pytest.raises(sfx.StreamUnavailable, match="profile"):
        KinesisSource("clicks", profile="missing").shards()
    with pytest.raises(sfx.InvalidName, match="http://host:port"):
        KinesisSource("clicks", region="us-east-1", endpoint_url="nonsense").shards()

"""Kafka alone: what expires, and what goes wrong on the way."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

import airflow_sfx as sfx
from airflow_sfx.core.io.timeouts import timeouts_of
from airflow_sfx.streams.kafka import KafkaSource
from tests.services import free_port
from tests.streams.servers.streams import KafkaStream
from tests.streams.sources.test_sources import numbered, read, sent, until


@pytest.fixture(scope="module")
def small_broker() -> Iterator[str]:
    """The address of librdkafka's own broker, whose partitions keep 5 MB."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": "ignored", "test.mock.num.brokers": 1})
    producer.produce("clicks", b"first", partition=0)
    assert producer.flush(20) == 0
    (broker,) = producer.list_topics("clicks", timeout=20).brokers.values()
    yield f"{broker.host}:{broker.port}"
    del producer


def test_records_that_expired_are_counted(small_broker) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": small_broker})
    for number in range(30):
        producer.produce("clicks", b"%02d" % number * 200_000, partition=0)
        assert producer.flush(20) == 0
    source = KafkaSource("clicks", small_broker)
    with pytest.raises(sfx.RecordsExpired, match=r"the partition begins at \d+, so that") as caught:
        source.reader("0", "0", "latest")
    assert (caught.value.shard, caught.value.after) == ("0", "0")
    going_on = KafkaSource("clicks", small_broker, on_expired="continue")
    found = read(going_on, "0", "0")
    assert int(found[0].sequence) > 1
    assert found[-1].data == b"29" * 200_000


def test_an_offset_behind_the_end_is_not_a_position(small_broker) -> None:
    reader = KafkaSource("clicks", small_broker).reader("0", "5000", "latest")
    with pytest.raises(sfx.RecordsExpired, match="does not have the offset"):
        until(reader, 1)
    reader.close()


def test_the_lag_is_the_age_of_the_last_record_and_nothing_at_the_end(kafka) -> None:
    stream = KafkaStream(kafka, 1)
    stream.put(numbered(20))
    with stream.source() as source:
        reader = source.reader("0", "", "trim_horizon")
        chunk = reader.read(10)
        while not chunk.records:
            chunk = reader.read(10)
        assert timedelta(0) <= chunk.behind < timedelta(minutes=5)
        give_up = time.monotonic() + 20
        while chunk.records or chunk.behind != timedelta(0):
            assert time.monotonic() < give_up
            chunk = reader.read(10)
        reader.close()


def test_a_broker_that_does_not_answer_is_named() -> None:
    source = KafkaSource("clicks", f"127.0.0.1:{free_port()}")
    with timeouts_of(0.5), pytest.raises(sfx.StreamUnavailable, match="'clicks'.*brokers"):
        source.shards()


def test_a_broker_that_dies_makes_the_topic_unavailable(tmp_path) -> None:
    from tests.streams.servers import processes

    with processes.tansu(tmp_path) as address:
        stream = KafkaStream(address, 1)
        stream.put(numbered(2))
        reader = stream.source().reader("0", "", "trim_horizon")
        assert sent(until(reader, 2)) == [b"0", b"1"]
    with timeouts_of(0.5), pytest.raises(sfx.StreamUnavailable, match="brokers"):
        until(reader, 1)
    reader.close()


def test_wrong_names_and_options_are_rejected() -> None:
    for topic, servers in (("a/b", "h:1"), ("clicks", "host"), ("clicks", "user:secret@h:1")):
        with pytest.raises(sfx.InvalidName) as caught:
            KafkaSource(topic, servers)
        assert "secret" not in str(caught.value)
    with pytest.raises(sfx.InvalidName, match=r"enable\.auto\.commit"):
        KafkaSource("clicks", "h:1", options={"enable.auto.commit": True})
    with pytest.raises(sfx.InvalidName, match=r"No such.*\"wrong\""):
        KafkaSource("clicks", "h:1", options={"wrong": "secret"}).shards()


def test_without_the_package_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['confluent_kafka'] = None\n"
        "from airflow_sfx.streams.kafka import KafkaSource\n"
        "KafkaSource('clicks', '127.0.0.1:9092')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'airflow-sfx[kafka]'" in done.stderr

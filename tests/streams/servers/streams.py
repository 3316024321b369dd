"""Streams to test with: one behaviour, on each server that runs here."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import count
from typing import Any

from airflow_sfx.streams.kafka import KafkaSource
from airflow_sfx.streams.kinesis import KinesisSource
from airflow_sfx.streams.source import Source

MOST = 500
"""The number of records that Kinesis accepts in a call."""
_numbers = count(1)


class TestStream(ABC):
    """A stream of a running server, and what producers and operators do to it."""

    __test__ = False

    @abstractmethod
    def source(self, **options: Any) -> Source:
        """Open it as the package does."""

    @abstractmethod
    def put(self, records: Sequence[tuple[str, bytes]]) -> None:
        """Add records, each a key and data, in order."""


class KinesisStream(TestStream):
    """A stream of a server of Kinesis."""

    def __init__(self, url: str, shards: int) -> None:
        self.url, self.name = url, f"clicks-{next(_numbers)}-{time.time_ns()}"
        self.client = client(url)
        self.client.create_stream(StreamName=self.name, ShardCount=shards)
        self.settled()

    def source(self, **options: Any) -> Source:
        made = {"endpoint_url": self.url, "region": "us-east-1", "reads_per_second": 50.0}
        return KinesisSource(self.name, **{**made, **options})

    def put(self, records: Sequence[tuple[str, bytes]]) -> None:
        for first in range(0, len(records), MOST):
            some = records[first : first + MOST]
            sent = [{"PartitionKey": key, "Data": data} for key, data in some]
            answer = self.client.put_records(StreamName=self.name, Records=sent)
            assert answer["FailedRecordCount"] == 0, answer

    def split(self, shard: str) -> None:
        """Split a shard in the middle."""
        keys = self._shard(shard)["HashKeyRange"]
        middle = (int(keys["StartingHashKey"]) + int(keys["EndingHashKey"]) + 1) // 2
        self.client.split_shard(
            StreamName=self.name, ShardToSplit=shard, NewStartingHashKey=str(middle)
        )
        self.settled()

    def merge(self, first: str, second: str) -> None:
        """Merge two neighbours."""
        self.client.merge_shards(
            StreamName=self.name, ShardToMerge=first, AdjacentShardToMerge=second
        )
        self.settled()

    def open_shards(self) -> list[str]:
        """Return the shards that accept records, by their hash keys."""
        open_ = [
            one
            for one in self.client.list_shards(StreamName=self.name)["Shards"]
            if "EndingSequenceNumber" not in one["SequenceNumberRange"]
        ]
        open_.sort(key=lambda one: int(one["HashKeyRange"]["StartingHashKey"]))
        return [one["ShardId"] for one in open_]

    def settled(self) -> None:
        """Wait until the stream is active."""
        give_up = time.monotonic() + 20
        while self._status() != "ACTIVE":
            assert time.monotonic() < give_up, "the stream is not active"
            time.sleep(0.02)

    def delete(self) -> None:
        self.client.delete_stream(StreamName=self.name)

    def _status(self) -> str:
        found = self.client.describe_stream_summary(StreamName=self.name)
        return str(found["StreamDescriptionSummary"]["StreamStatus"])

    def _shard(self, shard: str) -> dict[str, Any]:
        shards = self.client.list_shards(StreamName=self.name)["Shards"]
        return next(one for one in shards if one["ShardId"] == shard)


class KafkaStream(TestStream):
    """A topic of a broker of Kafka."""

    def __init__(self, servers: str, shards: int) -> None:
        from confluent_kafka import Producer
        from confluent_kafka.admin import AdminClient, NewTopic

        self.servers, self.name = servers, f"clicks-{next(_numbers)}-{time.time_ns()}"
        admin = AdminClient({"bootstrap.servers": servers})
        for made in admin.create_topics([NewTopic(self.name, shards, 1)]).values():
            made.result()
        self._producer = Producer({"bootstrap.servers": servers})

    def source(self, **options: Any) -> Source:
        return KafkaSource(self.name, self.servers, **options)

    def put(self, records: Sequence[tuple[str, bytes]]) -> None:
        for key, data in records:
            self._producer.produce(self.name, key=key, value=data)
        assert self._producer.flush(20) == 0


def client(url: str) -> Any:
    """Return a client of a server of Kinesis."""
    import boto3
    from botocore.config import Config

    return boto3.client(
        "kinesis",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 3}),
    )

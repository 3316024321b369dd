"""Topics of Apache Kafka.

A table's positions are in its log, so that Kafka keeps none: partitions are assigned, without a
consumer group, and no offset is committed to Kafka. The time of arrival is the record's timestamp:
the broker's if the topic has ``LogAppendTime``, else the producer's.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

from airflow_sfx.core.errors import InvalidName, StreamUnavailable
from airflow_sfx.core.io.retry import attempts
from airflow_sfx.core.io.timeouts import timeouts
from airflow_sfx.streams.source import (
    Chunk,
    OnExpired,
    Shard,
    ShardReader,
    Source,
    Start,
    StreamRecord,
    check_on_expired,
    check_start,
    expired,
)

_TOPIC = re.compile("[a-zA-Z0-9._-]{1,249}", re.ASCII)
_SERVERS = re.compile(r"[^\s,:@/]+:\d{1,5}(,[^\s,:@/]+:\d{1,5})*")
_WAIT_SECONDS = 0.5
"""How long a read waits for the first record."""
_GROUP = "sfx"
"""Needed by the client, and unused: partitions are assigned."""
_OURS = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "allow.auto.create.topics": False,
}
"""What the positions depend on."""
_DEFAULTS = {
    "queued.max.messages.kbytes": 16 * 1024,  # read ahead by a partition's client, not 64 MB
    "queued.min.messages": 10_000,
    "reconnect.backoff.max.ms": 2000,
}

_log = logging.getLogger(__name__)


class KafkaSource(Source):
    """A topic of Kafka; nothing is connected before its first use.

    Its partitions are the shards, and offsets the sequence numbers. A reader has a client of its
    own. Partitions are never closed; those that are added have records from their beginning.

    Args:
        topic: The topic's name.
        servers: The first brokers to ask, as ``host:port``, several with a comma.
        options: Further options of librdkafka, such as ``security.protocol`` and
            ``sasl.username``. They are neither logged nor stored.
        on_expired: Whether reading fails where records that the table lacks have expired, or
            continues with the oldest record of the partition.

    Raises:
        InvalidName: The name, the address or an option is invalid.
        StreamUnavailable: The package confluent-kafka is not installed.

    Example:
        >>> from airflow_sfx.streams.kafka import KafkaSource
        >>> KafkaSource("clicks", "127.0.0.1:9092").stream
        'kafka:clicks'
    """

    def __init__(
        self,
        topic: str,
        servers: str,
        *,
        options: Mapping[str, Any] | None = None,
        on_expired: OnExpired = "fail",
    ) -> None:
        if not _TOPIC.fullmatch(topic):
            raise InvalidName(
                f"{topic!r:.300} is not a topic of Kafka: its name has letters, digits and ._-, at"
                " most 249"
            )
        if not _SERVERS.fullmatch(servers):
            raise InvalidName(
                "the servers of Kafka are not addresses: write host:port, several with a comma"
            )
        given = dict(options or {})
        if taken := sorted(given.keys() & {*_OURS, "bootstrap.servers"}):
            raise InvalidName(
                f"the option {taken[0]} is set by this package: leave it out of options="
            )
        _kafka()
        self._topic = topic
        self._settings = {
            "group.id": _GROUP,
            **_DEFAULTS,
            **given,
            **_OURS,
            "bootstrap.servers": servers,
        }
        self.on_expired = check_on_expired(on_expired)
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._asking: _Client | None = None

    @property
    def stream(self) -> str:
        """The stream's name in the log, as ``kafka:clicks``."""
        return f"kafka:{self._topic}"

    def shards(self) -> Sequence[Shard]:
        """List the topic's partitions.

        Raises:
            StreamUnavailable: Kafka does not answer, denies access, or has no such topic.
        """
        with self._lock:
            if self._asking is None:
                self._asking = self._client()
            return [Shard(str(number)) for number in self._asking.partitions()]

    def reader(self, shard: str, after: str, start: Start) -> ShardReader:
        """Open a reader of a partition; see `Source.reader`.

        Raises:
            RecordsExpired: The topic has dropped records after the position.
            StreamUnavailable: Kafka does not answer, or the topic has no such partition.
        """
        check_start(start)
        if not shard.isdecimal() or shard not in {one.id for one in self.shards()}:
            raise StreamUnavailable(f"the topic {self._topic!r} has no partition {shard!r:.80}")
        client = self._client()
        try:
            first = self._first(client, int(shard), after, start)
            return _KafkaReader(self.stream, client, shard, first, start, after, self.on_expired)
        except BaseException:
            client.close()
            raise

    def interrupt(self) -> None:
        """End the pauses before further attempts; see `Source.interrupt`."""
        self._stopped.set()

    def close(self) -> None:
        """Close the connection by which partitions are listed."""
        with self._lock:
            if self._asking is not None:
                self._asking.close()
                self._asking = None

    def _client(self) -> _Client:
        return _Client(self._topic, self._settings, self._stopped)

    def _first(self, client: _Client, partition: int, after: str, start: Start) -> int:
        """Return the offset of the first record to read."""
        if not after:
            return client.offset_of(partition, start)
        low, wanted = client.oldest(partition), int(after) + 1
        if wanted >= low:
            return wanted
        why = f"the partition begins at {low}, so that {low - wanted} are missing"
        expired(self.stream, str(partition), after, why, self.on_expired)
        return low


class _KafkaReader(ShardReader):
    """Reads a partition by a client of its own."""

    def __init__(
        self,
        stream: str,
        client: _Client,
        shard: str,
        first: int,
        start: Start,
        after: str,
        on_expired: OnExpired,
    ) -> None:
        self._stream, self._client, self._shard = stream, client, shard
        self._after, self._on_expired = after, on_expired
        self._since = start if isinstance(start, datetime) and not after else None
        """The time before which records at the beginning are left out: brokers round down."""
        self._behind: timedelta | None = None
        client.assign(int(shard), first)

    def read(self, limit: int) -> Chunk:
        """Return the next records; see `ShardReader.read`."""
        records = []
        for message in self._client.messages(limit):
            if message.error() is None:
                record = _record_of(self._shard, message)
                if self._since is None or record.arrived >= self._since:
                    self._since = None
                    records.append(record)
                has_time = message.timestamp()[0] != _kafka().TIMESTAMP_NOT_AVAILABLE
                self._behind = datetime.now(UTC) - record.arrived if has_time else None
            elif message.error().code() == _kafka().KafkaError._PARTITION_EOF:
                self._behind = timedelta(0)
            else:
                self._failed(message.error())
        if records:
            self._after = records[-1].sequence
        return Chunk(records, None if self._behind is None else max(self._behind, timedelta(0)))

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def _failed(self, error: Any) -> None:
        """Handle an error that came in the place of a record.

        If the offset is not in the partition, its records were dropped meanwhile, or the topic was
        deleted and created again.
        """
        codes = _kafka().KafkaError
        if error.code() not in (codes._AUTO_OFFSET_RESET, codes.OFFSET_OUT_OF_RANGE):
            raise self._client.unavailable(error.str())
        why = f"the partition does not have the offset after it ({error.str()})"
        expired(self._stream, self._shard, self._after, why, self._on_expired)
        self._client.assign(int(self._shard), self._client.oldest(int(self._shard)))


class _Client:
    """A client of one topic, which turns Kafka's errors into those of streams."""

    def __init__(self, topic: str, settings: Mapping[str, Any], stopped: threading.Event) -> None:
        self._topic, self._stopped = topic, stopped
        self._down_since, self._reason = 0.0, ""
        try:
            self._consumer = _kafka().Consumer(
                {**settings, "error_cb": self._note}, logger=_silent()
            )
        except (_kafka().KafkaException, TypeError, ValueError) as error:
            raise InvalidName(f"the options of Kafka are invalid: {_words(error)}") from None

    def partitions(self) -> Iterable[int]:
        """Return the numbers of the topic's partitions."""
        listed = self._ask(lambda limit: self._consumer.list_topics(self._topic, timeout=limit))
        topic = listed.topics[self._topic]
        if topic.error is not None:
            raise self.unavailable(topic.error.str())
        return sorted(topic.partitions)

    def oldest(self, partition: int) -> int:
        """Return the offset at which a partition begins."""
        return self._ends(partition)[0]

    def offset_of(self, partition: int, start: Start) -> int:
        """Return the offset of the first record to read."""
        if not isinstance(start, datetime):
            low, high = self._ends(partition)
            return high if start == "latest" else low
        at = int(start.timestamp() * 1000)
        place = _kafka().TopicPartition(self._topic, partition, at)
        found = self._ask(lambda limit: self._consumer.offsets_for_times([place], timeout=limit))
        if found[0].error is not None:
            raise self.unavailable(found[0].error.str())
        offset: int = found[0].offset
        return offset if offset >= 0 else self._ends(partition)[1]  # no record is that new

    def _ends(self, partition: int) -> tuple[int, int]:
        place = _kafka().TopicPartition(self._topic, partition)
        ends: tuple[int, int] = self._ask(
            lambda limit: self._consumer.get_watermark_offsets(place, timeout=limit)
        )
        return ends

    def assign(self, partition: int, offset: int) -> None:
        """Read a partition from an offset on."""
        self._consumer.assign([_kafka().TopicPartition(self._topic, partition, offset)])

    def messages(self, limit: int) -> Sequence[Any]:
        """Return the messages and errors that are there; wait for the first one."""
        ready: list[Any] = self._consumer.consume(limit, 0)
        if not ready and (first := self._consumer.poll(_WAIT_SECONDS)) is not None:
            ready = [first]
            if limit > 1:
                ready += self._consumer.consume(limit - 1, 0)
        if ready:
            self._down_since = 0.0
        elif self._down_since and time.monotonic() > self._down_since + timeouts().total:
            self.partitions()  # or a topic without new records, whose brokers are back
            self._down_since = 0.0
        return ready

    def unavailable(self, reason: str) -> StreamUnavailable:
        """Return what to raise for an error of Kafka."""
        return StreamUnavailable(
            f"the topic {self._topic!r} of Kafka cannot be read ({reason})",
            remedy="check the topic's name, the brokers' addresses, the security options and the"
            " permissions Read and Describe of the topic",
        )

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def _ask(self, ask: Any) -> Any:
        """Ask a broker, again while none answers."""
        codes = _kafka().KafkaError
        limits = timeouts()
        reason = ""
        for _ in attempts(limits.total, first=0.2, longest=3.0, stop=self._stopped):
            try:
                return ask(limits.answer)
            except _kafka().KafkaException as error:
                reason = _words(error)
                if error.args[0].code() in (codes._AUTHENTICATION, codes._SSL):
                    break
        raise self.unavailable(self._reason or reason)

    def _note(self, error: Any) -> None:
        """Keep why brokers cannot be reached; the client goes on trying by itself."""
        if error.code() == _kafka().KafkaError._ALL_BROKERS_DOWN and not self._down_since:
            self._down_since = time.monotonic()
        self._reason = error.str()


def _record_of(shard: str, message: Any) -> StreamRecord:
    key = message.key() or b""
    return StreamRecord(
        shard,
        str(message.offset()),
        key if isinstance(key, str) else key.decode(errors="backslashreplace"),
        _arrival(message),
        message.value() or b"",
    )


def _arrival(message: Any) -> datetime:
    kind, milliseconds = message.timestamp()
    if kind == _kafka().TIMESTAMP_NOT_AVAILABLE:
        return datetime.now(UTC)
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _words(error: Exception) -> str:
    first = error.args[0] if error.args else error
    return str(first.str() if hasattr(first, "str") else first)


def _silent() -> logging.Logger:
    """Return the logger of librdkafka, whose errors the readers raise."""
    logger = logging.getLogger("airflow_sfx.streams.kafka.client")
    logger.setLevel(logging.CRITICAL)
    return logger


def _kafka() -> ModuleType:
    try:
        import confluent_kafka
    except ImportError:
        raise StreamUnavailable(
            "confluent-kafka is not installed: pip install 'airflow-sfx[kafka]'"
        ) from None
    return confluent_kafka

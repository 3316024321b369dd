"""Streams of Amazon Kinesis Data Streams.

Reading changes nothing in Kinesis, so each call is retried, also if its answer was lost. Records
that the producer library aggregated (KPL with ``AggregationEnabled``) are returned as they are
stored: several user records in one have one sequence number, so a position cannot lie between them.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from airflow_sfx.core.errors import (
    InvalidName,
    StreamUnavailable,
    WarehouseUnavailable,
)
from airflow_sfx.core.io.error_text import safe_cause, safe_message
from airflow_sfx.core.io.retry import attempts
from airflow_sfx.core.io.timeouts import timeouts
from airflow_sfx.storage.aws_config import create_client
from airflow_sfx.storage.aws_session import is_transient, session_of
from airflow_sfx.storage.s3_access import S3Access
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

_NAME = re.compile("[a-zA-Z0-9_.-]{1,128}", re.ASCII)
_ARN = re.compile(
    r"arn:aws[a-z-]*:kinesis:([a-z0-9-]+):[0-9]*:stream/([a-zA-Z0-9_.-]{1,128})", re.ASCII
)
_MOST = 10_000
"""The number of records that Kinesis returns at most."""
_IDLE_SECONDS = 0.5
"""The pause before a shard that had no records is read again."""
_EMPTY_SECONDS = 0.7
"""For how long answers are skipped that are empty although records follow."""
_MOST_CONNECTIONS = 50
_THROTTLED = (
    "KMSThrottlingException",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ResourceInUseException",
    "ThrottlingException",
)
_MISSING = "ResourceNotFoundException"
_OLD_ITERATOR, _OLD_TOKEN = "ExpiredIteratorException", "ExpiredNextTokenException"
_INVALID = "InvalidArgumentException"


class KinesisSource(Source):
    """A stream of Amazon Kinesis; nothing is connected before its first use.

    Keys, proxies and certificate authorities are those of the AWS environment.

    Args:
        stream: The stream's name, or its ARN if it is another account's.
        region: The region; by default that of the ARN, or of the AWS environment.
        endpoint_url: Another server than Amazon's; by default that of the AWS environment.
        profile: A profile of the AWS configuration; by default that of the environment.
        on_expired: Whether reading fails where records that the table lacks may have expired, or
            continues with the oldest record of the stream.
        reads_per_second: How often a shard is read at most. Kinesis allows five times to all of its
            readers together.

    Raises:
        InvalidName: The name is not one of a stream, or an option is invalid.

    Example:
        >>> from airflow_sfx.streams.kinesis import KinesisSource
        >>> KinesisSource("arn:aws:kinesis:eu-west-1:123456789012:stream/clicks").stream
        'kinesis:clicks'
    """

    def __init__(
        self,
        stream: str,
        *,
        region: str = "",
        endpoint_url: str = "",
        profile: str = "",
        on_expired: OnExpired = "fail",
        reads_per_second: float = 5.0,
    ) -> None:
        arn = _ARN.fullmatch(stream)
        if arn is None and not _NAME.fullmatch(stream):
            raise InvalidName(
                f"{stream!r:.160} is not a stream of Kinesis: pass its name (letters, digits and"
                " _.-, at most 128) or its ARN"
            )
        if reads_per_second <= 0:
            raise InvalidName(f"reads_per_second={reads_per_second} is not above 0")
        self._name = arn[2] if arn else stream
        self.on_expired = check_on_expired(on_expired)
        self._pause = 1 / reads_per_second
        access = S3Access(
            region=region or (arn[1] if arn else None),
            session=lambda: _session(profile),
        )
        target = {"StreamARN": stream} if arn else {"StreamName": stream}
        self._calls = _Calls(self._name, target, access, endpoint_url)

    @property
    def stream(self) -> str:
        """The stream's name in the log, as ``kinesis:clicks``."""
        return f"kinesis:{self._name}"

    def shards(self) -> Sequence[Shard]:
        """List the open shards, and the closed ones that the retention has not removed.

        Raises:
            StreamUnavailable: Kinesis does not answer, denies access, or has no such stream.
        """
        while True:
            try:
                return [_shard_of(one) for one in self._pages()]
            except _Expired:  # between two pages
                continue

    def interrupt(self) -> None:
        """End the pauses before further attempts; see `Source.interrupt`."""
        self._calls.stopped.set()

    def _pages(self) -> Iterator[Mapping[str, Any]]:
        page = self._calls("list_shards", **self._calls.target)
        yield from page["Shards"]
        while token := page.get("NextToken"):
            page = self._calls("list_shards", NextToken=token)
            yield from page["Shards"]

    def reader(self, shard: str, after: str, start: Start) -> ShardReader:
        """Open a reader of a shard; see `Source.reader`.

        Raises:
            RecordsExpired: The stream does not know the record after which to read.
            StreamUnavailable: Kinesis does not answer, or the stream has no such shard.
        """
        place = _Place(shard, after, check_start(start))
        return _KinesisReader(self.stream, self._calls, place, self.on_expired, self._pause)


class _KinesisReader(ShardReader):
    """Reads a shard by iterators, each of which is valid for five minutes."""

    def __init__(
        self, stream: str, calls: _Calls, place: _Place, on_expired: OnExpired, pause: float
    ) -> None:
        self._stream, self._calls, self._place = stream, calls, place
        self._on_expired, self._pause = on_expired, pause
        self._due = time.monotonic()
        self._since: datetime | None = None
        self._unproven = ""
        """The record that the next answer begins with if the stream still has it."""
        self._iterator: str | None = self._new_iterator()

    def read(self, limit: int) -> Chunk:
        """Return the next records; see `ShardReader.read`."""
        give_up = time.monotonic() + _EMPTY_SECONDS
        while True:
            time.sleep(max(0.0, self._due - time.monotonic()))
            proved = bool(self._unproven)
            chunk = self._read(min(limit, _MOST))
            proved = proved and not self._unproven
            # Answers may be empty before records, or have only the one that proves the position.
            if chunk.records or chunk.ended or not (proved or chunk.behind):
                return chunk
            if not proved and time.monotonic() > give_up:
                return chunk

    def _read(self, limit: int) -> Chunk:
        answer = self._answer(limit)
        records = [_record_of(self._place.shard, one) for one in answer["Records"]]
        self._iterator = answer.get("NextShardIterator")
        millis = answer.get("MillisBehindLatest")
        behind = None if millis is None else timedelta(milliseconds=millis)
        ended = self._iterator is None
        if self._unproven and (records or ended or not behind):
            records = self._proven(records)
        if records:
            self._place = replace(self._place, after=records[-1].sequence)
        idle = not answer["Records"] and not behind
        self._due = time.monotonic() + max(self._pause, _IDLE_SECONDS if idle else 0.0)
        return Chunk([one for one in records if self._is_wanted(one)], behind, ended)

    def _is_wanted(self, record: StreamRecord) -> bool:
        """Return whether a record is not before a time that was in the future of Kinesis."""
        return self._since is None or record.arrived >= self._since

    def _answer(self, limit: int) -> Mapping[str, Any]:
        for _ in attempts(timeouts().total, first=0.1, longest=5.0, stop=self._calls.stopped):
            try:
                return self._calls("get_records", ShardIterator=self._iterator, Limit=limit)
            except _Expired:
                self._iterator = self._new_iterator()
        raise StreamUnavailable(f"the iterators of {self._place.shard} expire at once")

    def _new_iterator(self) -> str:
        """Return an iterator at the record after which to read, which proves that none expired."""
        self._unproven = self._place.after
        try:
            iterator, at = self._calls.iterator(self._place.arguments())
        except _Invalid:
            if self._unproven:
                self._expired("the stream does not know that record, as if it was created again")
                self._place = replace(self._place, after="", start="trim_horizon")
            else:  # a time that Kinesis has not reached
                start = self._place.start
                self._since = start if isinstance(start, datetime) else None
                self._place = replace(self._place, start="latest")
            self._unproven = ""
            iterator, at = self._calls.iterator(replace(self._place, opened=None).arguments())
        self._place = replace(self._place, opened=self._place.opened or at)
        return iterator

    def _proven(self, records: list[StreamRecord]) -> list[StreamRecord]:
        """Remove the record after which to read, which proves that none after it expired."""
        if records and records[0].sequence == self._unproven:
            self._unproven = ""
            return records[1:]
        since = [f"; its oldest arrived {one.arrived:%Y-%m-%d %H:%M:%S} UTC" for one in records[:1]]
        self._expired("".join(["the stream has dropped that record", *since]))
        self._unproven = ""
        return records

    def _expired(self, why: str) -> None:
        place = self._place
        expired(self._stream, place.shard, place.after, why, self._on_expired)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a reader is in its shard.

    Args:
        shard: The shard.
        after: The last record that was read, or the one that the reader was opened after.
        start: Where the reader begins without such a record.
        opened: When it was opened, by the clock of Kinesis.
    """

    shard: str
    after: str
    start: Start
    opened: datetime | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of a request for an iterator.

        One after a record begins with it. One from the newest record on is renewed from the time of
        opening on.
        """
        if self.after:
            place = {"StartingSequenceNumber": self.after}
            return {"ShardId": self.shard, "ShardIteratorType": "AT_SEQUENCE_NUMBER", **place}
        since = self.opened if self.start == "latest" else self.start
        if isinstance(since, datetime):
            at = {"Timestamp": since}
            return {"ShardId": self.shard, "ShardIteratorType": "AT_TIMESTAMP", **at}
        return {"ShardId": self.shard, "ShardIteratorType": str(self.start).upper()}


class _Calls:
    """Calls of Kinesis for one stream, retried while it throttles or does not answer."""

    def __init__(
        self, name: str, target: Mapping[str, str], access: S3Access, endpoint_url: str
    ) -> None:
        self._name, self._access, self._endpoint = name, access, endpoint_url
        self.target = target
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._made: Any = None

    def iterator(self, arguments: Mapping[str, Any]) -> tuple[str, datetime]:
        """Return an iterator of a shard, and when Kinesis made it."""
        answer = self("get_shard_iterator", **self.target, **arguments)
        sent = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        return answer["ShardIterator"], parsedate_to_datetime(sent) if sent else datetime.now(UTC)

    def __call__(self, operation: str, **arguments: Any) -> Mapping[str, Any]:
        """Make a call, and return its answer."""
        from botocore.exceptions import BotoCoreError, ClientError

        failure: Exception | None = None
        call = getattr(self._client(), operation)
        for _ in attempts(timeouts().total, first=0.2, longest=5.0, stop=self.stopped):
            try:
                answer: Mapping[str, Any] = call(**arguments)
                return answer
            except (BotoCoreError, ClientError) as error:
                if not is_transient(error, _THROTTLED):
                    raise self._translated(operation, arguments, error) from safe_cause(error)
                failure = error
        assert failure is not None
        raise self._translated(operation, arguments, failure) from safe_cause(failure)

    def _client(self) -> Any:
        with self._lock:  # sessions of boto3 are not thread-safe
            if self._made is None:
                self._made = self._new_client()
            return self._made

    def _new_client(self) -> Any:
        from botocore.config import Config

        limits = timeouts()
        config = Config(
            retries={"total_max_attempts": 1},
            connect_timeout=limits.connect,
            read_timeout=limits.answer,
            max_pool_connections=_MOST_CONNECTIONS,
        )
        try:
            session, region = session_of(self._access), self._access.region
            return create_client(
                "kinesis", session, self._access, config, region, self._endpoint or None
            )
        except WarehouseUnavailable as error:  # the same settings as those of the warehouse
            raise StreamUnavailable(f"the stream {self._name!r} cannot be read: {error}") from error

    def _translated(
        self, operation: str, arguments: Mapping[str, Any], error: Exception
    ) -> Exception:
        """Return what to raise for boto3's error of a call."""
        from botocore.exceptions import ClientError

        code, why = "", safe_message(error)
        if isinstance(error, ClientError):
            code = error.response["Error"].get("Code", "")
            why = f"{code}: {error.response['Error'].get('Message', '').partition(chr(10))[0]}"
        if code in (_OLD_ITERATOR, _OLD_TOKEN):
            return _Expired()
        if code == _INVALID and {"StartingSequenceNumber", "Timestamp"} & arguments.keys():
            return _Invalid()
        if code == _MISSING:
            return StreamUnavailable(
                f"the stream {self._name!r} or its shard does not exist ({why})",
                remedy="check the name, the region and the account",
            )
        return StreamUnavailable(
            f"the stream {self._name!r} cannot be read ({operation}: {why})",
            remedy="check the region, the credentials and their permissions kinesis:ListShards,"
            " kinesis:GetShardIterator and kinesis:GetRecords, and kms:Decrypt if it is encrypted",
        )


class _Expired(Exception):
    """An iterator, or the token of a page, is no longer valid."""


class _Invalid(Exception):
    """The stream has no such sequence number, or its clock has not reached a time."""


def _session(profile: str) -> Any:
    """Return a session of boto3 that reads times in UTC, which takes half as long as its own way.

    Each record has one.
    """
    import boto3
    from botocore.session import get_session
    from botocore.utils import parse_timestamp

    def time_of(value: Any) -> datetime:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        parsed: datetime = parse_timestamp(value)
        return parsed.astimezone(UTC)

    core = get_session()
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=time_of)
    return boto3.Session(botocore_session=core, profile_name=profile or None)


def _shard_of(listed: Mapping[str, Any]) -> Shard:
    parents = (listed.get("ParentShardId"), listed.get("AdjacentParentShardId"))
    return Shard(listed["ShardId"], tuple(filter(None, parents)))


def _record_of(shard: str, got: Mapping[str, Any]) -> StreamRecord:
    arrived = got["ApproximateArrivalTimestamp"]
    return StreamRecord(shard, got["SequenceNumber"], got["PartitionKey"], arrived, got["Data"])

"""Read AWS Lambda's events of a Kinesis stream: records of a shard, in order."""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.streams.source import StreamRecord

_REMEDY = "Make a Kinesis stream the event source of this function"


@dataclass(frozen=True, slots=True)
class Delivery:
    """The records of one event.

    Args:
        stream: The stream's name in the log, as ``kinesis:clicks``.
        shard: The shard of all the records; empty without records.
        records: The records, in order.
    """

    stream: str
    shard: str
    records: Sequence[StreamRecord]


def read_event(event: Mapping[str, Any]) -> Delivery:
    """Read an event of Lambda's event source mapping for Kinesis.

    Args:
        event: The event, as AWS defines it.

    Returns:
        Its records.

    Raises:
        InvalidName: It is another event; it has records of several shards, or out of order; or the
            mapping has tumbling windows, whose state this package does not keep.
    """
    if not isinstance(event, Mapping) or not isinstance(event.get("Records"), list):
        raise InvalidName(
            f"the event is not one of Kinesis: it is {_shown(event)}, and has no list 'Records'."
            f" {_REMEDY}"
        )
    if "window" in event:
        raise InvalidName(
            "the event source mapping has tumbling windows, and the handler keeps no state between"
            " calls: set TumblingWindowInSeconds to 0"
        )
    read = [_record(one) for one in event["Records"]]
    if not read:
        return Delivery("", "", ())
    _refuse_several(read)
    stream, records = read[0][0], tuple(record for _, record in read)
    for one, following in itertools.pairwise(records):
        if int(one.sequence) >= int(following.sequence):
            raise InvalidName(
                f"the record {following.sequence} of {stream} {one.shard} is delivered after"
                f" {one.sequence}: records of a shard come in order, each once"
            )
    return Delivery(stream, records[0].shard, records)


def _refuse_several(read: Sequence[tuple[str, StreamRecord]]) -> None:
    """Refuse records of several shards: the answer could not say where each begins again."""
    shards = sorted({f"{stream} {record.shard}" for stream, record in read})
    if len(shards) > 1:
        raise InvalidName(
            f"the event has records of {len(shards)} shards ({', '.join(shards[:4])}), and the"
            " answer of a function names the record from which one shard is delivered again:"
            " invoke it once for each shard, as Lambda does"
        )


def _record(one: Any) -> tuple[str, StreamRecord]:
    """Return the stream of a record, and the record."""
    try:
        kinesis = one["kinesis"]
        shard, _, sequence = one["eventID"].partition(":")
        if not shard or not sequence.isdecimal() or sequence != kinesis["sequenceNumber"]:
            raise ValueError(f"the eventID {one['eventID']!r}")
        return _stream(one["eventSourceARN"]), StreamRecord(
            shard=shard,
            sequence=sequence,
            key=kinesis["partitionKey"],
            arrived=datetime.fromtimestamp(kinesis["approximateArrivalTimestamp"], UTC),
            data=base64.b64decode(kinesis["data"], validate=True),
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, binascii.Error) as why:
        raise InvalidName(
            f"a record of the event is not one of Kinesis ({type(why).__name__}: {why}): it is"
            f" {_shown(one)}. {_REMEDY}"
        ) from why


def _stream(arn: str) -> str:
    """Return the name of a stream, by its ARN or that of one of its consumers (fan-out)."""
    _, _, service, _, _, resource = arn.split(":", 5)
    kind, _, name = resource.partition("/")
    if service != "kinesis" or kind != "stream" or not name:
        raise ValueError(f"the eventSourceARN {arn!r}")
    return f"kinesis:{name.partition('/')[0]}"


def _shown(value: Any) -> str:
    """Return the names that a value has, and none of its data."""
    if isinstance(value, Mapping):
        return f"an object with {', '.join(map(str, list(value)[:8])) or 'no member'}"
    return f"a {type(value).__name__}"

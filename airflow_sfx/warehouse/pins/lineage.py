"""Downstream batches: an index of the batches that were made from a batch.

A manifest names its inputs; these records lead the other way.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from airflow_sfx.core.batch_id import moment_of
from airflow_sfx.core.paths import path_step
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.serde import Record, Time, check_time, decode, decoding, encode
from airflow_sfx.core.table import TableRef
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently, put_all


@dataclass(frozen=True, slots=True)
class DownstreamBatch:
    """A batch that was made from a batch.

    Args:
        pin: The pin of what was written.
        at: When it was written, in UTC.
        producer: Who wrote it.
    """

    pin: BatchPin
    at: datetime
    producer: Producer


def record_downstream(
    store: ObjectStore, inputs: Sequence[BatchPin], made: BatchPin, producer: Producer
) -> None:
    """Record a batch as made from its inputs in the same warehouse, one object for each input.

    Args:
        store: The warehouse's object store.
        inputs: The pins that it was made from.
        made: The pin of what was made.
        producer: Who wrote it.
    """
    now = datetime.now(UTC)
    ours = [one for one in inputs if one.location.startswith(f"{store.uri}/")]
    text = {"made": made.to_json(), "at": now.isoformat(), "producer": producer.to_json()}
    records = [
        (
            f"{_directory(one.ref)}/{now.date()}/{uuid.uuid4().hex}.json",
            encode({**text, "read": one.to_json()}).encode(),
        )
        for one in ours
    ]
    put_all(store, records)


def downstream_of(store: ObjectStore, pin: BatchPin) -> list[DownstreamBatch]:
    """Return what was made from any of a pin's batches, newest first.

    The records since the day of the pin's oldest batch are read.

    Args:
        store: The warehouse's object store.
        pin: The batches.

    Returns:
        The downstream batches.
    """
    directory, since = _directory(pin.ref), moment_of(min(pin.batches.values())).date()
    days = [day for day in store.list_directories(directory) if date.fromisoformat(day) >= since]
    listed = map_concurrently(
        lambda day: [info.path for info in store.list(f"{directory}/{day}")],
        days,
        store.concurrency,
    )
    paths = [path for paths in listed for path in paths]
    found = map_concurrently(lambda path: _read(store, path, pin), paths, store.concurrency)
    return sorted((one for one in found if one), key=lambda one: one.at, reverse=True)


def _read(store: ObjectStore, path: str, pin: BatchPin) -> DownstreamBatch | None:
    record = decode(store.get(path), _DownstreamRecord, path)
    with decoding(path):
        read = BatchPin.from_json(record.read)
        if read.batches.items().isdisjoint(pin.batches.items()):
            return None
        made = BatchPin.from_json(record.made)
        return DownstreamBatch(made, check_time(record.at, "at"), record.producer)


class _DownstreamRecord(Record):
    made: str
    read: str
    at: Time
    producer: Producer


def _directory(ref: TableRef) -> str:
    return f"_sfx/readers/{path_step(str(ref))}"

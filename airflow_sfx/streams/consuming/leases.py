"""Leases of consumers: which of them are alive, to share the shards of a stream.

A consumer renews its lease by one small object after the other. Another consumer counts it as
alive while it sees renewals, by its own clock: no clocks are compared. Each consumer assigns the
shards to those that are alive by the same rule. While two disagree, they read the same records, and
one of them finds that the table has them already: nothing but speed depends on leases. Retention
deletes the objects of past days.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from airflow_sfx.core.paths import LEASES, path_step, streams_directory
from airflow_sfx.core.serde import Record, decode, decoding, encode
from airflow_sfx.core.table import TableRef
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.streams.source import Start

_LEFT = "left"
"""The last object of a consumer that has ended by itself; sorted behind all numbers."""


def directory_of(table: TableRef, stream: str) -> str:
    """Return the directory of the consumers of a stream into a table."""
    return f"{streams_directory(table)}/{path_step(stream)}"


@dataclass(slots=True)
class _Seen:
    last: str
    at: float


class Leases:
    """The lease of this consumer, and those of the others.

    Args:
        store: The warehouse's objects.
        directory: As `directory_of` returns it.
        seconds: How long a consumer counts as alive after a renewal. It renews three times as
            often.
    """

    def __init__(self, store: ObjectStore, directory: str, seconds: float) -> None:
        self._store, self._directory, self._seconds = store, f"{directory}/{LEASES}", seconds
        self.name = uuid.uuid4().hex[:16]
        self._number = 0
        self._renewed = float("-inf")
        self._seen: dict[str, _Seen] = {}

    @property
    def pause(self) -> float:
        """How long to wait between two renewals, in seconds."""
        return self._seconds / 3

    def renew(self) -> Sequence[str]:
        """Renew the lease if it is time, and return the names of all living consumers, sorted."""
        if time.monotonic() - self._renewed >= self.pause:
            self._number += 1
            holder = {"host": socket.gethostname(), "pid": os.getpid(), "at": _now().isoformat()}
            self._put(f"{self._number:010d}", encode(holder).encode())
            self._renewed = time.monotonic()
        for day in self._days():
            for name in self._store.list_directories(f"{self._directory}/{day}"):
                self._look(day, name)
        now = time.monotonic()
        living = {
            name
            for name, seen in self._seen.items()
            if seen.last != _LEFT and now - seen.at <= self._seconds
        }
        return sorted({*living, self.name})

    def release(self) -> None:
        """End the lease, so that others take over at once."""
        if self._number:
            self._put(_LEFT, b"{}")

    def _look(self, day: str, name: str) -> None:
        if name == self.name:
            return
        seen = self._seen.get(name)
        after = seen.last if seen else ""
        if after == _LEFT:
            return
        names = self._store.names_after(f"{self._directory}/{day}/{name}", after)
        if names:
            self._seen[name] = _Seen(names[-1], time.monotonic())

    def _put(self, name: str, data: bytes) -> None:
        self._store.put(f"{self._directory}/{_now():%Y%m%d}/{self.name}/{name}", data)

    @staticmethod
    def _days() -> Sequence[str]:
        """Return the days in which a living consumer may have renewed its lease."""
        return [f"{_now() + timedelta(days=days):%Y%m%d}" for days in (-1, 0, 1)]


def share(shards: Sequence[str], consumers: Sequence[str], name: str) -> set[str]:
    """Return the shards of one consumer: as many as of each other one, or one more.

    Args:
        shards: All shards of the stream.
        consumers: The living consumers.
        name: One of them.

    Example:
        >>> share(["0", "1", "2"], ["a", "b"], "b")
        {'1'}
    """
    order = sorted(consumers)
    return set(sorted(shards)[order.index(name) :: len(order)])


class _Start(Record):
    start: str
    latest: bool = False


def start_of(store: ObjectStore, directory: str, wanted: Start, *, begun: bool) -> Start:
    """Return where the table starts in shards that it has no position of.

    The first consumer decides it for all later ones, as long as the table has positions: a shard
    that had no records until then is read from the same time. The newest record of the stream is
    the present time, so that later shards, which continue others, are read from their beginning,
    and so that a consumer that died before its first commit has lost no record for the next one.

    Args:
        store: The warehouse's objects.
        directory: As `directory_of` returns it.
        wanted: Where this consumer wants to start.
        begun: Whether the table has positions in the stream.
    """
    latest, wanted = wanted == "latest", _now() if wanted == "latest" else wanted
    number, known = _last(store, directory)
    if known is not None and (begun or (latest and known.latest)):
        return _place(known)
    text = wanted if isinstance(wanted, str) else wanted.isoformat()
    record = {"start": text, "latest": latest, "by": uuid.uuid4().hex}
    while not store.put_if_absent(_path(directory, number := number + 1), encode(record).encode()):
        pass
    return wanted


def known_start(store: ObjectStore, directory: str) -> Start:
    """Return where the table started, as the last `start_of` decided it; by default the oldest.

    Args:
        store: The warehouse's objects.
        directory: As `directory_of` returns it.
    """
    _, known = _last(store, directory)
    return _place(known) if known is not None else "trim_horizon"


def _last(store: ObjectStore, directory: str) -> tuple[int, _Start | None]:
    """Return the last decision and its number, or 0 and None."""
    names = store.names_after(f"{directory}/starts", "")
    if not names:
        return 0, None
    number = int(names[-1])
    path = _path(directory, number)
    with decoding(path):
        return number, decode(store.get(path) or b"", _Start, path)


def _path(directory: str, number: int) -> str:
    return f"{directory}/starts/{number:010d}"


def _place(known: _Start) -> Start:
    text = known.start
    return "trim_horizon" if text == "trim_horizon" else datetime.fromisoformat(text)


def _now() -> datetime:
    return datetime.now(UTC)

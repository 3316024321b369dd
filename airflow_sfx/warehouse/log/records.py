"""Heads of ledgers, and the stored records of commits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.serde import Count, Integer, Number, Record, Time, decode
from airflow_sfx.storage.base import ObjectInfo
from airflow_sfx.storage.consistency import wait_until_visible
from airflow_sfx.warehouse.table.table import Table

_ROUNDED = timedelta(seconds=1)
"""S3 rounds modification times to seconds."""


@dataclass(frozen=True, slots=True)
class Head:
    """The state of a ledger: its last entry and the entry in effect.

    Args:
        last: The number of the last entry, in effect or not, or 0 for an empty ledger.
        entry: The entry in effect, or None.
        latest: The time of the last entry, in effect or not, or None.
        undecided: Whether the last entry's commit is not decided yet. Nothing may be appended
            before it is, because a new entry names the one in effect before it.
    """

    last: int = 0
    entry: LedgerEntry | None = None
    latest: datetime | None = None
    undecided: bool = False

    @property
    def batch_id(self) -> str | None:
        """The current batch, or None."""
        return self.entry.batch_id if self.entry else None

    @property
    def newest(self) -> str:
        """The greatest batch ID that the partition has had, or empty text."""
        return self.entry.newest if self.entry else ""


class PartitionChange(Record, array_like=True):
    """What a commit is about to change in one partition, stored as an array.

    Args:
        partition: The partition's name.
        sequence: The number of its entry.
        batch_id: Its batch afterwards, or None.
        previous: Its batch before, or None.
        rows: The rows of its batch afterwards, or None if an earlier version wrote the record.
    """

    partition: str
    sequence: Number
    batch_id: str | None = None
    previous: str | None = None
    rows: Count | None = None


class CommitRecord(Record):
    """What a commit is about to change, as it is stored before the entries.

    Args:
        at: When it began, in UTC.
        lease_seconds: For how long after ``at`` only its writer may decide it.
        producer: Who commits.
        changes: What it changes, one for each partition.
        wait_seconds: For how long others wait in any case before they decide it.
        operation: The kind of change.
        reason: Why, in the words of its author.
        undo: The ID that the commits of one undo in several tables share, or empty.
    """

    at: Time
    lease_seconds: Integer
    producer: Producer
    changes: tuple[PartitionChange, ...]
    wait_seconds: Count | None = None
    operation: str = ""
    reason: str = ""
    undo: str = ""


class Decision(Record):
    """Whether a commit took effect, as it is stored."""

    committed: bool


class _Partition(Record):
    partition: str


def read_commit(table: Table, commit: str, *, waits: bool = True) -> CommitRecord | None:
    """Return the record of a commit, or None if there is none.

    Args:
        table: The table.
        commit: The commit's ID.
        waits: Whether to wait for a record that may not be visible yet.
    """
    path = table.layout.commit(commit)
    read = partial(table.store.get, path)
    data = wait_until_visible(table.store, read) if waits else read()
    return None if data is None else decode(data, CommitRecord, path)


def made_at(at: datetime, noted: ObjectInfo | None, now: datetime) -> datetime:
    """Return when a change was made, by its writer's clock or, if ahead, by storage's.

    Args:
        at: The change's time.
        noted: The note of its commit, as the storage has it; None if it is gone.
        now: The time now.

    Example:
        >>> from datetime import UTC
        >>> at, now = datetime(2016, 11, 1, 13, tzinfo=UTC), datetime(2016, 11, 1, 12, tzinfo=UTC)
        >>> made_at(at, ObjectInfo("", 0, "", now - timedelta(minutes=5)), now).isoformat()
        '2016-11-01T11:55:01+00:00'
    """
    if at <= now or noted is None or noted.modified is None:
        return at
    return min(at, noted.modified + _ROUNDED)


def partition_of(text: str, path: str) -> str:
    """Return the partition of an entry's text, without decoding the whole entry."""
    return decode(text, _Partition, path).partition

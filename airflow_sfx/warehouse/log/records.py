"""Heads of partitions, and when changes were made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow_sfx.core.ledger import LedgerEntry
from airflow_sfx.storage.base import ObjectInfo

_ROUNDED = timedelta(seconds=1)
"""S3 rounds modification times to seconds."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last change of a partition, as of a version of its table.

    Args:
        entry: The change, or None for a partition that never changed.
        version: The version of the table at which this was read.
    """

    entry: LedgerEntry | None = None
    version: int = 0

    @property
    def last(self) -> int:
        """The number of the log entry of the change, or 0."""
        return self.entry.sequence if self.entry else 0

    @property
    def batch_id(self) -> str | None:
        """The current batch, or None."""
        return self.entry.batch_id if self.entry else None

    @property
    def newest(self) -> str:
        """The greatest batch ID that the partition has had, or empty text."""
        return self.entry.newest if self.entry else ""


def made_at(at: datetime, noted: ObjectInfo | None, now: datetime) -> datetime:
    """Return when a change was made, by its writer's clock or, if ahead, by storage's.

    Args:
        at: The change's time.
        noted: Its log entry, as the storage has it; None if it is gone.
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

"""The log of a table: its changes in order, one immutable entry each.

An entry changes one or many partitions. Creating it at the number after the last one is the commit
of all of them, and two writers cannot both create it. For each partition, it carries what the next
writer of the partition needs, so that earlier entries need not be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.errors import InvalidName, StaleAttempt
from airflow_sfx.core.io.html import html_table
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.serde import Count, Number, Time, check_time

if TYPE_CHECKING:
    from airflow_sfx.core.manifest import Manifest

REMEMBERED_ATTEMPTS = 32
"""How many task instances an entry remembers, so that older attempts of them are rejected."""


class Operation(StrEnum):
    """The kinds of changes."""

    PUBLISH = "publish"
    ROLLBACK = "rollback"
    ADOPT = "adopt"
    FOREIGN_CHANGE = "foreign_change"
    RETIRE = "retire"
    ERASE = "erase"
    DISCARD = "discard"
    DROP = "drop"
    CONSUME = "consume"
    COMPACT = "compact"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a partition that is to be committed.

    Args:
        partition: The partition's name.
        operation: The kind of change.
        batch_id: The batch to make current, or None for no batch.
        origin: The number of the entry that first made that batch current, or 0 if this change
            does.
        rows: The number of rows of the batch.
        bytes: The size of the batch in bytes.
        location: Where an adopted batch's files are, as a URI; empty when they are in the batch's
            own directory.
        retired: Earlier batches that must not be referred to any more.
        despite_pins: Whether their files are deleted even if a hold protects them.
        discarded: Staged batches that are not to be published any more.
        dropped: Whether a change to no batch also removes the partition from the metastore.
        manifest: The manifest of a new batch, for the index of events; or None.

    Example:
        >>> Change("20161031", Operation.PUBLISH, "20161101002256").origin
        0
    """

    partition: str
    operation: Operation
    batch_id: str | None
    origin: int = 0
    rows: int = 0
    bytes: int = 0
    location: str = ""
    retired: tuple[str, ...] = ()
    despite_pins: bool = False
    discarded: tuple[str, ...] = ()
    dropped: bool = False
    manifest: Manifest | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One change of a partition, as an entry of its table's log has it.

    Args:
        partition: The partition's name.
        version: The number of the table's log entry, from 1.
        operation: The kind of change.
        batch_id: The current batch since this change, or None for no batch.
        previous: The current batch before this change, or None for no batch.
        at: The time of the change in UTC; later than that of the previous entry.
        producer: Who made the change.
        reason: Why, in the words of its author.
        commit: The commit's ID.
        parent: The number of the entry that changed the partition before, or 0 for the first.
        origin: The number of the entry that first made ``batch_id`` current.
        previous_origin: The same for ``previous``, or 0 for no batch.
        newest: The greatest batch ID of the partition so far, published, discarded or expired; the
            next one is greater.
        attempts: The newest attempt of each task instance that changed the partition recently.
        rows: The number of rows of ``batch_id``.
        bytes: The size of ``batch_id`` in bytes.
        location: Where an adopted batch's files are, as a URI; empty when they are in the batch's
            own directory.
        retired: Earlier batches that must not be referred to any more; their files are deleted
            later.
        despite_pins: Whether their files are deleted even if a hold protects them.
        discarded: Staged batches that are not published any more; their files stay until they
            expire.
        dropped: Whether the partition has no batch because it was dropped: the metastore does not
            have it.

    Example:
        >>> from datetime import UTC
        >>> at = datetime(2016, 11, 2, 23, 42, 52, tzinfo=UTC)
        >>> change = Change("20161031", Operation.PUBLISH, "20161102234252")
        >>> entry = next_entry(
        ...     None, change, version=1, commit="c", at=at, producer=Producer(), reason="late"
        ... )
        >>> entry.batch_id, entry.previous, entry.moved
        ('20161102234252', None, True)
    """

    partition: str
    version: Number
    operation: Operation
    batch_id: str | None
    previous: str | None
    at: Time
    producer: Producer
    reason: str
    commit: str
    parent: Count
    origin: Count
    previous_origin: Count
    newest: str
    attempts: Mapping[str, str] = field(hash=False)
    rows: Count
    bytes: Count
    location: str
    retired: tuple[str, ...] = ()
    despite_pins: bool = False
    discarded: tuple[str, ...] = ()
    dropped: bool = False

    @property
    def moved(self) -> bool:
        """Whether this change made another batch current; retiring does not."""
        return self.batch_id != self.previous

    def _repr_html_(self) -> str:
        """Return the entry as a table for a notebook."""
        who = (self.producer.dag_id, self.producer.run_id, self.producer.task_id)
        rows: list[tuple[str, object]] = [
            ("batch", self.batch_id),
            ("previous", self.previous),
            ("at (UTC)", f"{self.at:%Y-%m-%d %H:%M:%S}"),
            ("who", " ".join(filter(None, who)) or self.producer.user),
            ("why", self.reason),
            ("rows", self.rows),
            ("expires", ", ".join(self.retired)),
            ("discards", ", ".join(self.discarded)),
            ("commit", self.commit),
        ]
        place = self.partition or "(whole table)"
        return html_table(f"{place}, version {self.version}: {self.operation.value}", rows)


def check_entry(entry: LogEntry) -> None:
    """Check an entry that was read: its batch IDs, its time, and that its numbers lead back.

    Raises:
        InvalidName: It breaks a rule.
    """
    check_time(entry.at, "at")
    newest = entry.newest or None
    for batch_id in (entry.batch_id, entry.previous, newest, *entry.retired, *entry.discarded):
        if batch_id is not None:
            check_batch_id(batch_id)
    if entry.parent >= entry.version:
        raise InvalidName(f"the entry {entry.version} cannot follow the entry {entry.parent}")
    if entry.origin > entry.version or entry.previous_origin >= entry.version:
        raise InvalidName(
            f"no batch of the entry {entry.version} became current by {entry.origin},"
            f" {entry.previous_origin}"
        )


def time_after(clock: datetime, latest: datetime | None) -> datetime:
    """Return the time of a new entry: the clock's, unless the last entry is later.

    Args:
        clock: The clock, in UTC.
        latest: The time of the last entry, or None for the first entry.

    Returns:
        The clock's time, or the microsecond after the last entry's.

    Example:
        >>> from datetime import UTC
        >>> clock, latest = (datetime(2016, 11, day, tzinfo=UTC) for day in (1, 2))
        >>> time_after(clock, latest).isoformat()
        '2016-11-02T00:00:00.000001+00:00'
    """
    return clock if latest is None else max(clock, latest + timedelta(microseconds=1))


def next_entry(
    head: LogEntry | None,
    change: Change,
    *,
    version: int,
    commit: str,
    at: datetime,
    producer: Producer,
    reason: str,
    table: str = "",
) -> LogEntry:
    """Return the entry that records a change after the last one of its partition.

    Args:
        head: The last entry of the partition, or None for a partition without entries.
        change: The change to record.
        version: The new entry's number, after every entry that exists.
        commit: The commit's ID.
        at: The time of the commit, in UTC, later than that of every entry that exists.
        producer: Who makes the change.
        reason: Why, in the words of its author.
        table: The table as ``database.table``, for messages.

    Returns:
        The entry.

    Raises:
        StaleAttempt: A newer attempt of the producer's task instance has changed the partition.

    Example:
        >>> from datetime import UTC
        >>> change = Change("20161031", Operation.PUBLISH, "20161101002256")
        >>> moment = datetime(2016, 11, 1, 0, 22, 57, tzinfo=UTC)
        >>> entry = next_entry(
        ...     None, change, version=1, commit="c", at=moment, producer=Producer(), reason=""
        ... )
        >>> entry.version, entry.previous, entry.newest
        (1, None, '20161101002256')
    """
    return LogEntry(
        partition=change.partition,
        version=version,
        operation=change.operation,
        batch_id=change.batch_id,
        previous=head.batch_id if head else None,
        at=at,
        producer=producer,
        reason=reason,
        commit=commit,
        parent=head.version if head else 0,
        origin=(change.origin or version) if change.batch_id else 0,
        previous_origin=head.origin if head else 0,
        newest=max(
            head.newest if head else "",
            change.batch_id or "",
            *change.discarded,
            *change.retired,
        ),
        attempts=_attempts(head, producer, table, change.partition),
        rows=change.rows,
        bytes=change.bytes,
        location=change.location,
        retired=change.retired,
        despite_pins=change.despite_pins,
        discarded=change.discarded,
        dropped=_is_dropped(head, change),
    )


def _is_dropped(head: LogEntry | None, change: Change) -> bool:
    """Return whether a partition is dropped after a change; expiring its batches leaves it so."""
    if change.batch_id is not None or change.location:
        return False
    if change.dropped or change.operation is Operation.DROP:
        return True
    stays = change.operation in (Operation.RETIRE, Operation.ERASE, Operation.DISCARD)
    return stays and head is not None and head.dropped


def _attempts(
    head: LogEntry | None, producer: Producer, table: str, partition: str
) -> Mapping[str, str]:
    known = dict(head.attempts) if head else {}
    attempt = producer.attempt
    if attempt is None:
        return known
    instance, mine = attempt
    newest = known.pop(instance, "")
    # An ID and a number have different lengths and cannot be compared: the later writer wins.
    if len(newest) == len(mine) and newest > mine:
        place = f"{table} {partition}".strip() or "the table"
        raise StaleAttempt(
            f"attempt {producer.try_number} ({mine}) of {instance} may not change {place}: a newer"
            f" attempt ({newest}) already has. This process belongs to an earlier attempt; end it,"
            " nothing was changed",
            table=table or None,
            partition=partition,
        )
    known[instance] = mine
    return dict(list(known.items())[-REMEMBERED_ATTEMPTS:])

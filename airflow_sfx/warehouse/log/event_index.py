"""The index of what happened in a warehouse, by day: an object for each commit.

The names of its objects say what a list of a night needs, so that 1,000 tables take a few requests
to list, not one or more for each table.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from airflow_sfx.core.errors import InconsistentBatch, InvalidName
from airflow_sfx.core.serde import Record, decode, decoding, encode
from airflow_sfx.core.table import TableRef
from airflow_sfx.storage.base import ObjectStore
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.log.event_facts import EventFacts
from airflow_sfx.warehouse.log.run_index import short_label
from airflow_sfx.warehouse.table.table import Table

STAGE = "stage"
"""The kind of event of a staged batch; those of commits are operations, or `REWRITE`."""

REWRITE = "rewrite"
"""The kind of event of a commit of batches with the rows of others, such as without a column."""

_ROOT = "_sfx/events"
_LONGEST = 220
"""The longest name of an event; a file's has up to 255 bytes, with what is
added while it is written."""
_NAME = re.compile(
    r"(\d\d)(\d\d)(\d\d\.\d{6})~([a-z_]+)~(\d+)~(\d+)~(\d+)~([^~]+)(~[0-9a-f]+)?"
    r"(?:~([\d-]*\.w?\.[\w-]*))?~[0-9a-f]+\.json",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Event:
    """A commit, or a call that staged batches, as the index has it.

    Args:
        at: When it began, in UTC.
        kind: The operation, or `STAGE`.
        partitions: The number of partitions.
        least: The rows of the smallest of their batches.
        most: The rows of the largest of their batches.
        table: The table as ``database.table``.
        path: The object that names the commit or the batches.
        text: What its name says besides, as `EventFacts` has it; empty without.
    """

    at: datetime
    kind: str
    partitions: int
    least: int
    most: int
    table: str
    path: str
    text: str = ""

    @property
    def facts(self) -> EventFacts:
        """What its name says besides."""
        return EventFacts.from_text(self.text)


class EventRecord(Record):
    """What an object of the index holds.

    Args:
        table: The table.
        commit: The commit, or empty.
        batches: The staged batch of each partition, or None.
    """

    table: str
    commit: str = ""
    batches: dict[str, str] | None = None


def commit_event(
    table: Table,
    kind: str,
    at: datetime,
    rows: Sequence[int],
    commit: str,
    facts: EventFacts | None = None,
) -> tuple[str, bytes]:
    """Return the path and the content of the event of a commit.

    Args:
        table: The table.
        kind: The operation, or `REWRITE`.
        at: When it began.
        rows: The rows of each partition's batch.
        commit: The commit.
        facts: What else the name is to say, or None.
    """
    content = {"table": str(table.ref), "commit": commit}
    return _path(table, kind, at, rows, facts or EventFacts()), encode(content).encode()


def stage_event(table: Table, at: datetime, batches: dict[str, str]) -> tuple[str, bytes]:
    """Return the path and the content of the event of staged batches."""
    content = {"table": str(table.ref), "batches": batches}
    return _path(table, STAGE, at, [0] * len(batches)), encode(content).encode()


def _path(
    table: Table,
    kind: str,
    at: datetime,
    rows: Sequence[int],
    facts: EventFacts = EventFacts(),  # noqa: B008  it is frozen
) -> str:
    day, time = f"{at.astimezone(UTC):%Y-%m-%d %H%M%S.%f}".split()
    figures = f"{len(rows)}~{min(rows, default=0)}~{max(rows, default=0)}"
    label = short_label(str(table.ref))
    begin, end = f"{time}~{kind}~{figures}~{label}", f"{secrets.token_hex(4)}.json"
    text = facts.to_text(_LONGEST - len(f"{begin}~~{end}")) if facts != EventFacts() else ""
    return f"{_ROOT}/{day}/{'~'.join(filter(None, (begin, text, end)))}"


def events_of(store: ObjectStore, days: Sequence[date]) -> list[Event]:
    """List the events of some days.

    Args:
        store: The warehouse's object store.
        days: The days, in UTC.

    Returns:
        The events, oldest first. Commits that did not take effect are among them.
    """
    listed = map_concurrently(
        lambda day: store.paths(f"{_ROOT}/{day.isoformat()}"),
        days,
        store.concurrency,
    )
    found = [
        event
        for day, paths in zip(days, listed, strict=True)
        for path in paths
        if (event := _event(day.isoformat(), path)) is not None
    ]
    cut = [place for place, event in enumerate(found) if "~" in event.table]
    named = map_concurrently(lambda place: _whole_name(store, found[place]), cut, store.concurrency)
    for place, table in zip(cut, named, strict=True):
        found[place] = replace(found[place], table=table)
    return sorted(found, key=lambda event: event.at)


def _event(day: str, path: str) -> Event | None:
    match = _NAME.fullmatch(path.rpartition("/")[2])
    if match is None:
        return None
    hour, minute, second, kind, partitions, least, most, label, digest, text = match.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{hour}:{minute}:{second}+00:00")
    except ValueError:
        return None
    table = f"{label}{digest or ''}"
    return Event(at, kind, int(partitions), int(least), int(most), table, path, text or "")


def _whole_name(store: ObjectStore, event: Event) -> str:
    """Return the table of an event whose name is cut; the cut name if it cannot be read."""
    try:
        return read_event(store, event).table
    except InconsistentBatch:
        return event.table


def read_event(store: ObjectStore, event: Event) -> EventRecord:
    """Return what an event's object holds.

    Raises:
        InconsistentBatch: It was altered or removed.
    """
    record = decode(store.get(event.path), EventRecord, event.path)
    with decoding(event.path):
        try:
            TableRef.parse(record.table)
        except InvalidName as error:
            raise InvalidName(f"{record.table!r:.80} is not a table") from error
    return record

"""The saves of a model, newest first, from its log or from summaries of it.

A summary has the saves among `SIZE` entries of the log, so that a list of all versions reads few
objects. It is an object that is written once: by a process that lists all versions and, now and
then, by one that saves; and only of entries that no later commit can change. Nothing is decided by
it. If it is missing or damaged, the log and the artifacts are read instead.
"""

from __future__ import annotations

import gzip
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import InconsistentBatch, SfxError
from airflow_sfx.core.io.decompression import decompress
from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.serde import Count, Number, Time, decode, encode
from airflow_sfx.models.artifact.reader import FIRST_BYTES, read_first
from airflow_sfx.models.pin import LATEST, ModelPin
from airflow_sfx.models.record import ModelRecord, record_from
from airflow_sfx.storage.concurrency import map_concurrently, put_all
from airflow_sfx.warehouse.log.partition_log import Head, PartitionLog

if TYPE_CHECKING:
    from airflow_sfx.warehouse.table.table import Table

SIZE = 256
"""How many entries of the log a summary covers."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Save:
    """What is listed of a version.

    Args:
        version: The version.
        newest: The greatest version of the model until then; earlier saves have none above it.
        at: When it was saved, in UTC.
        producer: Who saved it.
        reason: Why.
        record: Its ``MODEL.json``; None if it is not read yet, or cannot be.
    """

    version: str
    newest: str
    at: Time
    producer: Producer
    reason: str
    record: ModelRecord | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Summary:
    """The saves among some entries of the log.

    Args:
        newest: The number of the newest of the entries.
        parent: The number of the entry of the alias before them, or 0.
        saves: The saves, newest first.
    """

    newest: Number
    parent: Count
    saves: tuple[Save, ...]


class SaveLog:
    """Reads the saves of a model.

    Args:
        table: The model's table.

    Raises:
        PartitionNotFound: There is no such model.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._log = PartitionLog(table)
        self._head = self._log.head(LATEST)
        if self._head.entry is None:
            raise table.missing(LATEST)
        self._last = self._head.entry.version
        self._summaries: dict[int, Summary | None] = {}
        self._read: dict[int, list[LogEntry]] = {}

    def newest_first(self) -> Iterator[Save]:
        """Yield the saves; a version that was saved again is yielded again."""
        due, start = self._last, self._head.entry
        while due:
            known = self._summary(due)
            if known is not None:
                yield from known.saves
                due, start = known.parent, None
                continue
            for entry in self._entries(due, start):
                if _is_save(entry):
                    yield _save_of(entry)
                due = entry.parent

    def summarise(self, records: Mapping[str, ModelRecord | None] | None = None) -> None:
        """Write the summaries that are missing, as far as the log has been read.

        Where this fails, as for a role that may read only, lists read the log as before.

        Args:
            records: Records that have been read, by version; None to read the log, too.
        """
        try:
            if records is None:
                for _ in self._entries(self._last, self._head.entry):
                    pass
            put_all(self._table.store, [*self._missing(records or {})])
        except (SfxError, OSError) as error:
            _log.info("the saves of %s are not summarised: %s", self._table.ref, error)

    def _entries(self, due: int, start: LogEntry | None) -> Iterator[LogEntry]:
        """Yield entries of the alias from one on, until one that a summary begins with."""
        start = start or self._log.named(LATEST, due)
        for one in self._log.newest_first(LATEST, Head(start)):
            piece = _piece(one.version)
            if piece not in self._read:
                if self._summary(one.version) is not None:
                    return
                self._read[piece] = []
            self._read[piece].append(one)
            yield one

    def _missing(self, known: Mapping[str, ModelRecord | None]) -> Iterator[tuple[str, bytes]]:
        """Yield the paths and contents of summaries of what was read of the log."""
        for piece, entries in self._read.items():
            if (piece + 1) * SIZE > self._last:
                continue
            made = [_save_of(one) for one in entries if _is_save(one)]
            full = with_records(
                self._table, [replace(one, record=known.get(one.version)) for one in made]
            )
            summary = Summary(entries[0].version, entries[-1].parent, tuple(full))
            yield self._path(piece), gzip.compress(encode(summary).encode(), 1, mtime=0)

    def _summary(self, version: int) -> Summary | None:
        """Return the summary that begins with an entry, or None."""
        piece = _piece(version)
        if (piece + 1) * SIZE > self._last:
            return None
        if piece not in self._summaries:
            pieces = range(piece, max(-1, piece - self._table.store.concurrency), -1)
            found = map_concurrently(self._load, pieces, self._table.store.concurrency)
            self._summaries |= dict(zip(pieces, found, strict=True))
        known = self._summaries[piece]
        return known if known is not None and known.newest == version else None

    def _load(self, piece: int) -> Summary | None:
        path = self._path(piece)
        data = self._table.store.get(path)
        if data is None:
            return None
        try:
            return decode(decompress(data, gzip=True), Summary, path)
        except (ValueError, InconsistentBatch) as error:
            _log.warning("%s is damaged, and the log is read instead: %s", path, error)
            return None

    def _path(self, piece: int) -> str:
        return f"{self._table.layout.root}/_sfx/saves/{(piece + 1) * SIZE:012d}.json.gz"


def _is_save(entry: LogEntry) -> bool:
    """Return whether an entry of the alias ``latest`` made a version current by a save."""
    return bool(entry.batch_id) and entry.origin == entry.version


def _save_of(entry: LogEntry) -> Save:
    """Return the save that an entry records, whose record is not read yet."""
    assert entry.batch_id
    return Save(entry.batch_id, entry.newest, entry.at, entry.producer, entry.reason)


def with_records(table: Table, saves: Sequence[Save]) -> list[Save]:
    """Return saves with their records, reading those that they lack from the artifacts.

    Args:
        table: The model's table.
        saves: The saves.
    """
    due = [one.version for one in saves if one.record is None]
    found = map_concurrently(lambda one: _record(table, one), due, table.store.concurrency)
    records = dict(zip(due, found, strict=True))
    return [
        replace(one, record=records[one.version]) if one.record is None else one for one in saves
    ]


def _record(table: Table, version: str) -> ModelRecord | None:
    """Return the ``MODEL.json`` of a version; None if it cannot be read any more."""
    pin = ModelPin(table.ref.table, version)
    path = f"{table.layout.batch_dir(LATEST, version)}/{pin.name}-{version}.zip"
    try:
        part = table.store.view_part(path, 0, FIRST_BYTES)
        return None if part is None else record_from(read_first(part[0], str(pin)), str(pin))
    except SfxError:
        return None


def _piece(version: int) -> int:
    return (version - 1) // SIZE

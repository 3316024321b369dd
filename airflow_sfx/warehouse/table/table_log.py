"""The log of a table as objects: its end, its entries, its checkpoints.

The state of a table at a version follows from objects that never change: the entry of that number,
and the checkpoint that it names. Finding the end and the state costs the same however many entries
there are.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from airflow_sfx.core.errors import InconsistentBatch, WarehouseUnavailable, sentence
from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.core.paths import LOG_PART, TableLayout
from airflow_sfx.core.positions import Positions
from airflow_sfx.core.stored.log_entry import (
    Checkpoint,
    EntryHeader,
    Mark,
    StoredEntry,
    checkpoint_to_bytes,
    entry_to_bytes,
)
from airflow_sfx.storage.base import ObjectInfo, ObjectStore
from airflow_sfx.storage.consistency import wait_until_visible

_MOST_RECENT = 64
"""The most partitions that an entry names beside its own; then comes a checkpoint."""
_EARLIER = "ledger"
"""The directory beside the log that only tables of earlier versions have."""
_MAY_STILL_ARRIVE = (
    "If the request still arrives there, the change takes effect: see `sfx history`."
)


class TableLog:
    """The log of one table.

    Args:
        store: The object store.
        layout: The table's paths.
        table: The table as ``database.table``, for messages.
    """

    def __init__(self, store: ObjectStore, layout: TableLayout, table: str) -> None:
        self._store = store
        self._layout = layout
        self._table = table
        self._entries: dict[int, StoredEntry] = {}
        self._checkpoints: dict[int, Checkpoint | None] = {}

    def end(self, known: int = 0) -> int:
        """Return the table's version: the number of the last entry, or 0 without any.

        Args:
            known: An entry that is known to exist, or 0.
        """
        if known:
            known = self._last_of_part(known)
            if (known + 1) % LOG_PART:
                return known
        parts = self._store.list_directories(self._layout.log)
        if parts:
            known = max(known, int(parts[-1]) * LOG_PART - 1)
        elif not known:
            self._refuse_earlier_format()
        while parts and (last := self._last_of_part(known)) != known:
            known = last
            if (known + 1) % LOG_PART:
                break
        return known

    def _refuse_earlier_format(self) -> None:
        above, _, _ = self._layout.log.rpartition("/")
        if _EARLIER in self._store.list_directories(above):
            raise InconsistentBatch(
                f"{self._store.uri}/{above}/{_EARLIER} has the history of {self._table} in the form"
                " of an earlier airflow_sfx, which this one does not read: load the data with the"
                " airflow_sfx that wrote it, and store it in a new warehouse",
                table=self._table,
            )

    def _last_of_part(self, known: int) -> int:
        """Return the last entry of the directory of the one after an entry; that one if none is."""
        part, name = self._layout.log_part(known + 1), f"{known:010d}.json" if known else ""
        names = self._store.names_after(part, name)
        return int(names[-1].removesuffix(".json")) if names else known

    def find(self, version: int) -> StoredEntry | None:
        """Return an entry, or None if the number does not exist."""
        if version not in self._entries:
            path = self._layout.log_entry(version)
            found = StoredEntry.open(partial(self._store.view_part, path), path)
            if found is None:
                return None
            if found.header.version != version:
                raise InconsistentBatch(
                    f"the log entry {path} belongs elsewhere: it was moved or copied",
                    table=self._table,
                )
            self._entries[version] = found
        return self._entries[version]

    def entry(self, version: int) -> StoredEntry:
        """Return an entry that another one, or a listing, names.

        Raises:
            InconsistentBatch: It was removed.
        """
        found = wait_until_visible(self._store, lambda: self.find(version))
        if found is None:
            raise InconsistentBatch(
                f"the log of {self._table} has no entry {version}:"
                f" {self._layout.log_entry(version)} was removed; restore it",
                table=self._table,
            )
        return found

    def info(self, version: int) -> ObjectInfo | None:
        """Return an entry's object as the storage has it, or None if it is gone."""
        return self._store.head(self._layout.log_entry(version))

    def state(self, version: int) -> LogState:
        """Return the state of the table at a version."""
        return LogState(self, version, self.entry(version) if version else None)

    def checkpoint(self, version: int) -> Checkpoint | None:
        """Return a checkpoint, or None if there is none."""
        if version not in self._checkpoints:
            path = self._layout.checkpoint(version)
            found = Checkpoint.open(partial(self._store.view_part, path), path)
            self._checkpoints[version] = found
        return self._checkpoints[version]

    def add_checkpoint(self, state: LogState) -> None:
        """Write the checkpoint of a state; all writers of it write the same."""
        data = checkpoint_to_bytes(state.version, state.marks().values())
        self._store.put_if_absent(self._layout.checkpoint(state.version), data)

    def create(self, header: EntryHeader, entries: Sequence[LogEntry]) -> bool:
        """Create an entry unless the number exists, and return whether it was created.

        Raises:
            WarehouseUnavailable: The outcome is unknown, or nothing was written.
        """
        path = self._layout.log_entry(header.version)
        data = entry_to_bytes(header, entries)
        try:
            created = self._store.put_if_absent(path, data)
        except WarehouseUnavailable as error:
            # If our entry is there now, no other writer can replace it.
            if self._store.get(path) != data:
                raise WarehouseUnavailable(f"{sentence(error)} {_MAY_STILL_ARRIVE}") from error
            created = True
        if created:
            self._entries[header.version] = StoredEntry.of(data, path)
        return created


@dataclass(frozen=True, slots=True)
class LogState:
    """The state of a table at a version of its log.

    Args:
        log: The log.
        version: The version, or 0 for an empty log.
        entry: The entry of this number, or None.
    """

    log: TableLog
    version: int
    entry: StoredEntry | None

    @property
    def at(self) -> datetime | None:
        """The time of the entry in UTC, or None for an empty log."""
        return self.entry.header.at if self.entry else None

    @property
    def applied(self) -> int:
        """The version up to which the metastore is known to have all changes."""
        return self.entry.header.applied if self.entry else 0

    @property
    def positions(self) -> Positions:
        """How far streams have been consumed into the table."""
        return self.entry.header.positions if self.entry else {}

    def marks(self, names: Collection[str] | None = None) -> dict[str, Mark]:
        """Return which entry last changed partitions, and what is current in them.

        Args:
            names: The partitions, or None for all that have ever changed.

        Returns:
            Marks by partition name, without partitions that have never changed.
        """
        if self.entry is None:
            return {}
        found = {
            **self._recent(names),
            **self.entry.marks(names),
        }
        base = self.entry.header.base
        left = None if names is None else [name for name in names if name not in found]
        if not base or left == []:
            return found
        checkpoint = self.log.checkpoint(base)
        # Without the checkpoint, the entries that it was made of say the same.
        older = checkpoint.marks(left) if checkpoint else self.log.state(base).marks(left)
        return {**older, **found}

    def since(self, version: int) -> dict[str, Mark]:
        """Return the marks of partitions that changed after a version."""
        if self.entry is None or version >= self.version:
            return {}
        if version < self.entry.header.base:
            marks = self.marks()
        else:
            marks = {**self._recent(None), **self.entry.marks()}
        return {name: mark for name, mark in marks.items() if mark.version > version}

    def samples(self, version: int) -> dict[str, Mark]:
        """Return the mark of one partition for each entry after a version, if it has any.

        The partition has not changed again since that entry.
        """
        if self.entry is None or version >= self.version:
            return {}
        if version < self.entry.header.base:
            marks = list(self.since(version).values())
        else:
            first = self.entry.first()
            mine = [Mark(first.partition, self.version, first.batch_id)] if first else []
            own = {mark.name for mark in self.entry.marks(self._recent(None)).values()}
            recent = (mark for mark in self.entry.header.recent if mark.name not in own)
            marks = [*(mark for mark in recent if mark.version > version), *mine]
        return {mark.name: mark for mark in {mark.version: mark for mark in marks}.values()}

    def next_header(self, header: EntryHeader) -> EntryHeader:
        """Return the header of the next entry with what this state says, after a checkpoint if due.

        Args:
            header: The header without it.
        """
        if self.entry is None:
            return header
        mine = self.entry.header
        if len(mine.recent) + mine.partitions > _MOST_RECENT:
            self.log.add_checkpoint(self)
            return replace(header, base=self.version)
        recent = {**self._recent(None), **self.entry.marks()}
        return replace(header, base=mine.base, recent=tuple(recent.values()))

    def _recent(self, names: Collection[str] | None) -> dict[str, Mark]:
        assert self.entry is not None
        return {
            mark.name: mark
            for mark in self.entry.header.recent
            if names is None or mark.name in names
        }

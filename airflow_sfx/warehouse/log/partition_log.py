"""The log of a table, read by partition.

What is current in a partition, and its history, come from the log alone: the last entry, or the
checkpoint that it names, says which entry last changed the partition, and each change names the one
before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from airflow_sfx.core.errors import InconsistentBatch
from airflow_sfx.core.log_entry import LogEntry
from airflow_sfx.core.paths import commit_version
from airflow_sfx.core.stored.log_entry import EntryHeader, Mark
from airflow_sfx.metastore.base import PartitionInfo
from airflow_sfx.storage.base import ObjectInfo
from airflow_sfx.storage.concurrency import map_concurrently
from airflow_sfx.warehouse.table.table import Table
from airflow_sfx.warehouse.table.table_log import LogState, TableLog

_PREFETCH = 64
_HIGHEST = 10**10 - 1
"""The highest number that the name of an entry can have."""
_ROUNDED = timedelta(seconds=1)
"""S3 rounds modification times to seconds."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last change of a partition, as of a version of its table.

    Args:
        entry: The change, or None for a partition that never changed.
        version: The version of the table at which this was read.
    """

    entry: LogEntry | None = None
    version: int = 0

    @property
    def last(self) -> int:
        """The number of the log entry of the change, or 0."""
        return self.entry.version if self.entry else 0

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


class PartitionLog:
    """The log of one table.

    Args:
        table: The table.
    """

    def __init__(self, table: Table) -> None:
        self._concurrency = table.store.concurrency
        self._table = str(table.ref)
        self._log = TableLog(table.store, table.layout, self._table)
        self._state: LogState | None = None
        self.applied: set[int] = set()
        """Entries of which a pointer was found in the metastore."""

    def look(self, known: int = 0) -> LogState:
        """Return the state of the table now.

        Args:
            known: An entry that is known to exist, from which the end is found sooner; or 0.
        """
        known = max(known, self._state.version if self._state else 0)
        version = self._log.end(known)
        if self._state is None or version > self._state.version:
            self._state = self._log.state(version)
        return self._state

    def look_beside(self, pointers: Iterable[PartitionInfo]) -> LogState:
        """Return the state of the table now, and note which entries the metastore has.

        Args:
            pointers: Pointers of the metastore that were read before.

        Raises:
            InconsistentBatch: The log's last entries were removed.
        """
        found = {pointer.version for pointer in pointers if pointer.version}
        self.applied |= found
        return self.look(max(found, default=0))

    def require(self, pointers: Iterable[PartitionInfo]) -> None:
        """Check that the log has the entries that the metastore's pointers name.

        Raises:
            InconsistentBatch: The last ones were removed.
        """
        newest = max((pointer.version for pointer in pointers), default=0)
        if newest > self.state.version:
            self.look(newest)

    @property
    def state(self) -> LogState:
        """The state of the table when this was last looked at."""
        return self._state or self.look()

    def header(self, version: int) -> EntryHeader:
        """Return what the changes of an entry have in common."""
        return self._log.entry(version).header

    def headers(self, versions: Iterable[int]) -> list[EntryHeader]:
        """Return what the changes of entries have in common, in their order."""
        return map_concurrently(self.header, versions, self._concurrency)

    def changes(self, version: int) -> list[LogEntry]:
        """Return the changes of an entry, by the names of the partitions."""
        return self._log.entry(version).all()

    def of_commit(self, commit: str) -> list[LogEntry]:
        """Return the changes of a commit; none if it did not take effect."""
        header = self.header_of_commit(commit)
        return [] if header is None else self.changes(header.version)

    def of_commits(self, commits: Iterable[str]) -> list[LogEntry]:
        """Return the changes of commits, without those that did not take effect."""
        found = map_concurrently(self.of_commit, commits, self._concurrency)
        return [entry for entries in found for entry in entries]

    def header_of_commit(self, commit: str) -> EntryHeader | None:
        """Return what the changes of a commit have in common; None if it did not take effect.

        Raises:
            InconsistentBatch: The entry was removed.
        """
        version = commit_version(commit)
        found = self._log.find(version)
        if found is None and version <= self.look().version:
            found = self._log.entry(version)
        return None if found is None or found.header.commit != commit else found.header

    def read(self, name: str, version: int) -> LogEntry | None:
        """Return the change of a partition by an entry, or None if there is none."""
        found = self._log.find(version)
        return None if found is None else found.find([name]).get(name)

    def named(self, name: str, version: int) -> LogEntry:
        """Return a change that another one, or the metastore's pointer, names.

        Raises:
            InconsistentBatch: It was removed.
        """
        entry = self._log.entry(version).find([name]).get(name)
        if entry is None:
            raise self._altered(name, version)
        return entry

    def create(self, header: EntryHeader, entries: Sequence[LogEntry]) -> bool:
        """Create the next entry, and return whether no other writer was first."""
        if not self._log.create(self.state.next_header(header), entries):
            return False
        self._state = self._log.state(header.version)
        return True

    def marks(self, names: Collection[str] | None = None) -> dict[str, Mark]:
        """Return what is current in partitions now, by name; see `LogState.marks`."""
        return self.look().marks(names)

    def names(self) -> list[str]:
        """Return the names of all partitions that have a history."""
        return sorted(self.marks())

    def head(self, name: str) -> Head:
        """Return the head of a partition."""
        return self.heads([name])[name]

    def heads(self, names: Collection[str]) -> dict[str, Head]:
        """Return the heads of partitions at one version of the table, by name."""
        return self.heads_at(self.look(), names)

    def heads_at(self, state: LogState, names: Collection[str]) -> dict[str, Head]:
        """Return the heads of partitions at a version of the table, by name."""
        marks = state.marks(names)
        entries = self.entries(marks.values())
        return {name: Head(entries.get(name), state.version) for name in names}

    def refreshed(self, state: LogState, heads: Mapping[str, Head]) -> dict[str, Head]:
        """Return heads as of a version of the table, reading only what has changed since."""
        if all(head.version == state.version for head in heads.values()):
            return dict(heads)
        marks = state.marks(heads)
        changed = [mark for name, mark in marks.items() if mark.version != heads[name].last]
        entries = self.entries(changed)
        return {
            name: Head(entries.get(name, head.entry), state.version) for name, head in heads.items()
        }

    def all_heads(self) -> dict[str, Head]:
        """Return the heads of all partitions that have a history, by name."""
        state = self.look()
        return self.heads_at(state, sorted(state.marks()))

    def entries(self, marks: Iterable[Mark]) -> dict[str, LogEntry]:
        """Return the changes that marks name, by partition, each entry read once."""
        wanted: dict[int, list[str]] = defaultdict(list)
        for mark in marks:
            wanted[mark.version].append(mark.name)

        def of_version(version: int) -> dict[str, LogEntry]:
            found = self._log.entry(version).find(wanted[version])
            for name in wanted[version]:
                if name not in found:
                    raise self._altered(name, version)
            return found

        read = map_concurrently(of_version, wanted, self._concurrency)
        return {name: entry for found in read for name, entry in found.items()}

    def newest_first(self, name: str, head: Head) -> Iterator[LogEntry]:
        """Yield the changes of a partition, newest first; earlier ones are read when needed."""
        due, ahead = head.entry, 1
        while due is not None:
            yield due
            if not due.parent:
                return
            step = due.version - due.parent
            before = self.named(name, due.parent)
            if before.parent and before.version - before.parent == step:
                # Changes at equal distances go on so, probably.
                ahead = min(ahead * 4, _PREFETCH)
                likely = range(before.parent, max(0, before.parent - ahead * step), -step)
                map_concurrently(self._log.find, likely, self._concurrency)
            due = before

    def all_newest_first(self) -> Iterator[LogEntry]:
        """Yield the changes of all partitions, newest first; earlier ones are read when needed."""
        last, ahead = self.look().version, 1
        while last > 0:
            some = range(last, max(0, last - ahead), -1)
            for entries in map_concurrently(self.changes, some, self._concurrency):
                yield from entries
            last, ahead = last - ahead, min(ahead * 4, _PREFETCH)

    def chains(self) -> dict[str, list[LogEntry]]:
        """Return the changes of all partitions by name, newest first, each entry read once."""
        found: dict[str, list[LogEntry]] = defaultdict(list)
        for entry in self.all_newest_first():
            found[entry.partition].append(entry)
        return dict(sorted(found.items()))

    def last_move(self, name: str, head: Head) -> LogEntry | None:
        """Return the change that last made another batch current, or None without changes."""
        if head.entry is None or head.entry.moved:
            return head.entry
        return next((entry for entry in self.newest_first(name, head) if entry.moved), head.entry)

    def last_moves(self, heads: Mapping[str, Head]) -> list[LogEntry]:
        """Return the `last_move` of all partitions that have changes."""
        found = map_concurrently(
            lambda item: self.last_move(*item), heads.items(), self._concurrency
        )
        return [entry for entry in found if entry]

    def state_at(self, version: int) -> LogState | None:
        """Return the state of the table at a version, or None if it has not reached it.

        Raises:
            InconsistentBatch: The entry was removed.
        """
        there = not version or (version <= _HIGHEST and self._log.find(version) is not None)
        if not there and version > self.look().version:
            return None
        return self._log.state(version)

    def version_at(self, at: datetime) -> int:
        """Return the version of the table at a time, by binary search; 0 if it had none."""
        last, now = self.look().version, datetime.now(UTC)
        before, after = 0, last + 1  # times only grow along the numbers
        while after - before > 1:
            middle = (before + after) // 2 if after <= last else last
            if self.made_at(self.header(middle), now) <= at:
                before = middle
            else:
                after = middle
        return before

    def made_at(self, header: EntryHeader, now: datetime) -> datetime:
        """Return when an entry was made, with a request only for times in the future."""
        if header.at <= now:
            return header.at
        return made_at(header.at, self._log.info(header.version), now)

    def _altered(self, name: str, version: int) -> InconsistentBatch:
        return InconsistentBatch(
            f"the log entry {version} of {self._table} has no change of {name or 'the table'}: it"
            " was altered; restore it",
            table=self._table,
            partition=name,
        )

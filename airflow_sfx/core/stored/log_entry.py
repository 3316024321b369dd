"""Entries of a table's log as they are stored, and checkpoints of the log.

An entry is an object of blocks: its header is that of the commit, its records are the changes of
partitions. The header also has the marks of the partitions that changed since the last checkpoint,
so that the entry and that checkpoint say which entry last changed any partition.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from airflow_sfx.core.batch_id import check_batch_id
from airflow_sfx.core.errors import InconsistentBatch, InvalidName
from airflow_sfx.core.log_entry import LogEntry, Operation, check_entry
from airflow_sfx.core.positions import Positions, Ranges, check_positions
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.serde import Count, Number, Record, Time, check_time, decode, decoding
from airflow_sfx.core.stored.blocks import Blocks, Fetch, to_blocks

FORMAT_VERSION = 1


class Mark(Record, array_like=True):
    """Which entry last changed a partition, and what is current since.

    Args:
        name: The partition's name.
        version: The number of the entry.
        batch_id: The current batch, or None.
    """

    name: str
    version: Number
    batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class EntryHeader:
    """What the changes of one commit have in common.

    Args:
        version: The entry's number: the table's version since then.
        operation: The kind of change, of most of its partitions.
        at: The time of the commit in UTC; later than that of the entry before.
        producer: Who made it.
        reason: Why, in the words of its author.
        commit: The commit's ID, which no other entry has, so that a writer recognises its own.
        partitions: The number of partitions that it changed.
        base: The version of the checkpoint that says what is not in ``recent``, or 0 for none.
        recent: The partitions that changed after the checkpoint and before this entry.
        applied: The metastore is known to have what this version and earlier ones made current.
        undo: The ID that the commits of one undo in several tables share, or empty.
        positions: How far streams have been consumed into the table, as of this version.
        consumed: The records of streams that this entry added.
    """

    version: Number
    operation: Operation
    at: Time
    producer: Producer
    reason: str
    commit: str
    partitions: Count
    base: Count = 0
    recent: tuple[Mark, ...] = ()
    applied: Count = 0
    undo: str = ""
    positions: Positions = field(default_factory=dict, hash=False)
    consumed: Ranges = field(default_factory=dict, hash=False)


class _Rest(Record, omit_defaults=True):
    """Members of a change that few changes have."""

    operation: Operation | None = None
    location: str = ""
    retired: tuple[str, ...] = ()
    despite_pins: bool = False
    discarded: tuple[str, ...] = ()
    dropped: bool = False


class _StoredChange(Record, array_like=True):
    """A change of a partition as it is stored, as an array."""

    name: str
    batch_id: str | None
    previous: str | None
    parent: Count
    origin: Count
    previous_origin: Count
    newest: str
    attempts: Count
    rows: Count
    bytes: Count
    rest: _Rest = msgspec.field(default_factory=_Rest)


class _StoredHeader(Record):
    """A header as it is stored, with the attempts that the changes refer to by their place."""

    format: Count
    version: Number
    operation: Operation
    at: Time
    producer: Producer
    reason: str
    commit: str
    partitions: Count
    base: Count
    recent: tuple[Mark, ...]
    applied: Count
    attempts: tuple[dict[str, str], ...]
    undo: str = ""
    positions: dict[str, dict[str, str]] = msgspec.field(default_factory=dict)
    consumed: dict[str, dict[str, tuple[str, str]]] = msgspec.field(default_factory=dict)


def entry_to_bytes(header: EntryHeader, entries: Sequence[LogEntry]) -> bytes:
    """Encode an entry.

    Args:
        header: What its changes have in common.
        entries: The changes, of different partitions.

    Returns:
        The content of its object.
    """
    attempts: dict[tuple[tuple[str, str], ...], int] = {}
    changes = [_stored(one, header.operation, attempts) for one in entries]
    members: dict[str, object] = {
        "format": FORMAT_VERSION,
        "version": header.version,
        "operation": header.operation.value,
        "commit": header.commit,
        "at": header.at.isoformat(),
        "producer": header.producer.to_json(),
        "reason": header.reason,
        "partitions": header.partitions,
        "base": header.base,
        "recent": header.recent,
        "applied": header.applied,
        "attempts": [dict(one) for one in attempts],
    }
    optional = {"undo": header.undo, "positions": header.positions, "consumed": header.consumed}
    members |= {name: value for name, value in optional.items() if value}
    return to_blocks(members, changes)


def _stored(
    one: LogEntry, operation: Operation, attempts: dict[tuple[tuple[str, str], ...], int]
) -> _StoredChange:
    place = attempts.setdefault(tuple(one.attempts.items()), len(attempts))
    rest = _Rest(
        None if one.operation is operation else one.operation,
        one.location,
        one.retired,
        one.despite_pins,
        one.discarded,
        one.dropped,
    )
    return _StoredChange(
        one.partition,
        one.batch_id,
        one.previous,
        one.parent,
        one.origin,
        one.previous_origin,
        one.newest,
        place,
        one.rows,
        one.bytes,
        rest,
    )


class StoredEntry:
    """An entry of a log, of which the changes are read when they are asked for.

    Args:
        blocks: Its object.
        path: Its path, for messages.
    """

    def __init__(self, blocks: Blocks[_StoredChange], path: str) -> None:
        self._blocks = blocks
        self._path = path
        stored = decode(blocks.header, _StoredHeader, path)
        if stored.format > FORMAT_VERSION:
            raise InconsistentBatch(
                f"{path} has the format {stored.format}: install a later airflow_sfx"
            )
        self._attempts = stored.attempts
        with decoding(path):
            check_time(stored.at, "at")
            for mark in stored.recent:
                _check_mark(mark, before=stored.version)
            check_positions(stored.positions, stored.consumed)
            if not stored.base <= stored.version - 1 >= stored.applied:
                raise InvalidName(f"'base' or 'applied' is not before {stored.version}")
        self.header = EntryHeader(
            stored.version,
            stored.operation,
            stored.at,
            stored.producer,
            stored.reason,
            stored.commit,
            stored.partitions,
            stored.base,
            stored.recent,
            stored.applied,
            stored.undo,
            positions=stored.positions,
            consumed=stored.consumed,
        )

    @classmethod
    def open(cls, fetch: Fetch, path: str) -> StoredEntry | None:
        """Read the header of an entry, or return None if it does not exist.

        Raises:
            InconsistentBatch: It was altered or truncated after it was written.
        """
        blocks = Blocks.open(fetch, _StoredChange, path)
        return None if blocks is None else cls(blocks, path)

    @classmethod
    def of(cls, data: bytes, path: str) -> StoredEntry:
        """Return the entry of an object's content."""
        found = cls.open(lambda start, stop: (memoryview(data)[start:stop], len(data)), path)
        assert found is not None
        return found

    def find(self, names: Collection[str]) -> dict[str, LogEntry]:
        """Return its changes of some partitions, by name."""
        return {name: self._entry(one) for name, one in self._blocks.find(names).items()}

    def all(self) -> list[LogEntry]:
        """Return all of its changes, by the names of the partitions."""
        return [self._entry(one) for one in self._blocks.all()]

    def first(self) -> LogEntry | None:
        """Return one of its changes, or None without any."""
        one = self._blocks.first()
        return None if one is None else self._entry(one)

    def marks(self, names: Collection[str] | None = None) -> dict[str, Mark]:
        """Return the marks of the partitions that it changed, by name."""
        found = self._blocks.all() if names is None else self._blocks.find(names).values()
        return {one.name: Mark(one.name, self.header.version, one.batch_id) for one in found}

    def _entry(self, one: _StoredChange) -> LogEntry:
        header, rest = self.header, one.rest
        with decoding(self._path):
            entry = LogEntry(
                partition=one.name,
                version=header.version,
                operation=rest.operation or header.operation,
                batch_id=one.batch_id,
                previous=one.previous,
                at=header.at,
                producer=header.producer,
                reason=header.reason,
                commit=header.commit,
                parent=one.parent,
                origin=one.origin,
                previous_origin=one.previous_origin,
                newest=one.newest,
                attempts=self._attempts[one.attempts],
                rows=one.rows,
                bytes=one.bytes,
                location=rest.location,
                retired=rest.retired,
                despite_pins=rest.despite_pins,
                discarded=rest.discarded,
                dropped=rest.dropped,
            )
            check_entry(entry)
        return entry


class _CheckpointHeader(Record):
    format: Count
    version: Number


def checkpoint_to_bytes(version: int, marks: Iterable[Mark]) -> bytes:
    """Encode a checkpoint: the marks of all partitions as of a version."""
    return to_blocks({"format": FORMAT_VERSION, "version": version}, marks)


class Checkpoint:
    """The marks of all partitions as of a version, read when they are asked for.

    Args:
        blocks: Its object.
        path: Its path, for messages.
    """

    def __init__(self, blocks: Blocks[Mark], path: str) -> None:
        self._blocks = blocks
        self._path = path
        self._version = decode(blocks.header, _CheckpointHeader, path).version

    @classmethod
    def open(cls, fetch: Fetch, path: str) -> Checkpoint | None:
        """Read the header of a checkpoint, or return None if it does not exist."""
        blocks = Blocks.open(fetch, Mark, path)
        return None if blocks is None else cls(blocks, path)

    def marks(self, names: Collection[str] | None = None) -> dict[str, Mark]:
        """Return the marks of some partitions, or of all, by name."""
        found = self._blocks.all() if names is None else self._blocks.find(names).values()
        with decoding(self._path):
            for mark in found:
                _check_mark(mark, before=self._version + 1)
        return {mark.name: mark for mark in found}


def _check_mark(mark: Mark, *, before: int) -> None:
    if mark.version >= before:
        raise InvalidName(f"{mark.name!r:.80} changed by {mark.version}, which came later")
    if mark.batch_id is not None:
        check_batch_id(mark.batch_id)

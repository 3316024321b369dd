"""Replay: records that a table has are read again, for a corrected function.

Each earlier commit since a time is replaced by one commit: the same records, through the function
as it is now, into the same windows. So after the last one the table is as if the function had been
right from the start. The positions stay, and consumers may go on meanwhile.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import InconsistentBatch, InvalidName, SchemaMismatch, counted
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.table import TableRef
from airflow_sfx.core.validation import zoned
from airflow_sfx.portability.function import Portable
from airflow_sfx.streams.applying.dead_letters import DeadLetters, EarlierLetter
from airflow_sfx.streams.applying.refusals import declared_types, without_refused
from airflow_sfx.streams.applying.running import Ran, Runner
from airflow_sfx.streams.applying.windows import Windows
from airflow_sfx.streams.consuming.leases import directory_of, known_start
from airflow_sfx.streams.engine import Rules
from airflow_sfx.streams.source import ShardReader, Source, Start, StreamRecord

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse
    from airflow_sfx.warehouse.write.replay import EarlierWindow

_CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one earlier commit.

    Args:
        version: The version of the table that it made.
        at: When, in UTC.
        before: How many rows it added.
        records: How many records were read again; 0 in a dry run.
        rows: How many rows they have now.
        pin: The new batches; None in a dry run, and without rows.
    """

    version: int
    at: datetime
    before: int
    records: int = 0
    rows: int = 0
    pin: BatchPin | None = None


def replay(
    warehouse: Warehouse,
    source: Source,
    function: Portable,
    table: TableRef,
    rules: Rules,
    since: datetime,
    *,
    dry_run: bool = False,
    report: Callable[[Replayed], None] = lambda _: None,
) -> list[Replayed]:
    """Replace the windows of a stream since a time by those of a corrected function.

    If it is interrupted, some windows are replaced and others are not; run it again.

    Args:
        warehouse: The warehouse.
        source: The stream, which must still have the records.
        function: The function, as it should have been.
        table: The table.
        rules: How records become rows, as for the consumer. A record that fails is a dead letter.
        since: Commits from this time on are replaced.
        dry_run: Whether to only return the commits.
        report: Called after each commit.

    Returns:
        The commits that were replaced, oldest first.

    Raises:
        InvalidName: The time has no zone, or the table has no records of the stream.
        CommitConflict: Windows were compacted, or changed meanwhile.
        RecordsExpired: The stream no longer has some records; their windows stay as they are.
        InconsistentBatch: The stream has fewer records than the table has rows and dead letters of
            them.
    """
    from airflow_sfx.warehouse.batch.target import Target
    from airflow_sfx.warehouse.log.commit import Author
    from airflow_sfx.warehouse.table.table import Table
    from airflow_sfx.warehouse.write.replay import replace_window, windows_since
    from airflow_sfx.warehouse.write.store_plan import StoreOptions

    opened = Table.find_ended(table, warehouse.store, warehouse.metastore)
    _refuse_other_stream(warehouse, table, source.stream)
    windows = windows_since(opened, source.stream, zoned(since, "since"))
    if dry_run:
        return [Replayed(one.version, one.at, one.rows) for one in windows]
    places = Windows(function, rules.partition_by, rules.event_time, rules.late_after)
    runner = Runner(function, rules.max_attempts, rules.max_record_bytes)
    dead = DeadLetters(warehouse, table, source.stream)
    reason = f"replay of {source.stream} since {since.isoformat()}"
    author = Author(warehouse.connection.producer(), reason)
    directory = directory_of(table, source.stream)
    start = known_start(warehouse.store, directory)

    def replaced(window: EarlierWindow, ran: Ran) -> BatchPin:
        dead.write_new(ran.failures)
        frame, late = ran.frame, None
        if frame is not None and len(frame):
            frame, late = places.place(frame, ran.records)
        else:
            frame = None
        options = StoreOptions(
            partition_by=rules.partition_by or None,
            inputs=ran.pins,
            types=declared_types(function),
        )
        target = Target.of(table, warehouse.store, warehouse.metastore, warehouse.partition_style)
        return replace_window(target, opened, window, frame, late, options, author)

    found = []
    with _Again(source, start, dead.earlier()) as again:
        for window in windows:
            records = again.read(window)
            ran = places.placed(runner.run(records))
            try:
                pin = replaced(window, ran)
            except (InvalidName, SchemaMismatch):
                kept = without_refused(warehouse, table, places, ran)
                if kept is ran:
                    raise
                ran = kept
                pin = replaced(window, ran)
            done = Replayed(
                window.version, window.at, window.rows, len(records), len(ran.records), pin
            )
            found.append(done)
            report(done)
    return found


def _refuse_other_stream(warehouse: Warehouse, table: TableRef, stream: str) -> None:
    known = warehouse.stream_positions(table.database, table.table)
    if stream not in known:
        raise InvalidName(
            f"{table} has no records of {stream}: name a stream that it has consumed"
            f" ({', '.join(sorted(known)) or 'there is none'})",
            table=str(table),
        )


class _Again:
    """Reads the records of earlier commits again, one after the other.

    Args:
        source: The stream.
        start: Where the table began in shards of which it had no records.
        dead: The dead letters of the stream so far.
    """

    def __init__(self, source: Source, start: Start, dead: Sequence[EarlierLetter]) -> None:
        self._source, self._start = source, start
        self._dead: dict[str, list[EarlierLetter]] = {}
        for one in sorted(dead, key=lambda one: one.sequence):
            self._dead.setdefault(one.shard, []).append(one)
        self._readers: dict[str, ShardReader] = {}
        self._at: dict[str, str] = {}
        self._ahead: dict[str, list[StreamRecord]] = {}

    def __enter__(self) -> _Again:
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self._readers.values():
            reader.close()

    def read(self, window: EarlierWindow) -> list[StreamRecord]:
        """Return the records of a commit.

        Raises:
            InconsistentBatch: They are not there.
        """
        found = []
        for shard, (after, to) in window.shards.items():
            found += self._range(shard, after, to)
        dead = sum(self._dead_in(window, shard) for shard in window.shards)
        if len(found) < window.rows + dead:
            letters = f" and {counted(dead, 'dead letter')}" if dead else ""
            raise InconsistentBatch(
                f"{self._source.stream} has {len(found)} records of version {window.version}, which"
                f" added {window.rows} rows{letters}: the others have expired, and its windows stay"
                " as they are"
            )
        return found

    def _dead_in(self, window: EarlierWindow, shard: str) -> int:
        """Return how many records of a commit were dead letters, which are written before it."""
        after, to = window.shards[shard]
        letters = self._dead.get(shard, [])
        first = bisect_right(letters, int(after or -1), key=lambda one: one.sequence)
        last = bisect_right(letters, int(to), key=lambda one: one.sequence)
        return sum(one.at <= window.at for one in letters[first:last])

    def _range(self, shard: str, after: str, to: str) -> list[StreamRecord]:
        if shard not in self._readers or self._at[shard] != after:
            if shard in self._readers:
                self._readers[shard].close()
            self._readers[shard] = self._source.reader(shard, after, self._start)
            self._ahead[shard] = []
        found, ahead = list[StreamRecord](), self._ahead[shard]
        ended = False
        while not ahead or int(ahead[-1].sequence) < int(to):
            if ended:
                raise InconsistentBatch(
                    f"the shard {shard} of {self._source.stream} ends before the record {to}, which"
                    " the table has: is it the same stream?"
                )
            chunk = self._readers[shard].read(_CHUNK)
            ahead += chunk.records
            ended = chunk.ended
        found = [one for one in ahead if int(one.sequence) <= int(to)]
        self._ahead[shard] = ahead[len(found) :]
        self._at[shard] = to
        return found

"""The engine: records of a stream into a table, through a portable function.

A consumer, AWS Lambda and a replay use it. What a table has is in its log: each commit carries the
positions that it reaches, and demands those that its records follow. So records may come again,
from anywhere and at any time: those that the table has are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from airflow_sfx.core.errors import (
    CommitConflict,
    InconsistentBatch,
    InvalidName,
    SchemaMismatch,
    SfxError,
    WarehouseUnavailable,
)
from airflow_sfx.core.io.retry import attempts
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.core.positions import Consumed
from airflow_sfx.core.table import TableRef
from airflow_sfx.core.validation import listed
from airflow_sfx.portability.function import Portable
from airflow_sfx.portability.named import require_json
from airflow_sfx.streams.applying.dead_letters import DeadLetters
from airflow_sfx.streams.applying.refusals import declared_types, without_refused
from airflow_sfx.streams.applying.running import Failure, Ran, Runner
from airflow_sfx.streams.applying.windows import Windows
from airflow_sfx.streams.source import StreamRecord
from airflow_sfx.warehouse.log.compactions import WINDOW

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse

OnError = Literal["dead_letter", "stop"]
"""What becomes of a record that fails: a dead letter, and its shard goes on; or the shard stops."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0


@dataclass(frozen=True, slots=True)
class Rules:
    """How records become rows of a table.

    Args:
        partition_by: The table's partition keys before ``window``: columns that the function gives;
            or ``day``, ``hour`` and ``minute``, made of the event time.
        event_time: The column that the function gives with the time of a row, in UTC if it has no
            zone; None for the time when the record arrived.
        late_after: How long after its event time a record may arrive before its row is late, and
            goes into a window of late rows; None for ever.
        on_error: What becomes of a record that fails: ``dead_letter`` or ``stop``.
        max_attempts: How often a record is tried on which the function fails.
        max_record_bytes: The largest record that is read; a larger one fails.

    Raises:
        InvalidName: A value is none of these.
    """

    partition_by: tuple[str, ...] = ()
    event_time: str | None = None
    late_after: timedelta | None = None
    on_error: OnError = "dead_letter"
    max_attempts: int = 3
    max_record_bytes: int = 10 << 20

    def __post_init__(self) -> None:
        object.__setattr__(self, "partition_by", listed(self.partition_by, "partition_by"))
        if self.on_error not in ("dead_letter", "stop"):
            raise InvalidName(f"on_error={self.on_error!r:.80}: pass 'dead_letter' or 'stop'")
        for name in ("max_attempts", "max_record_bytes"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise InvalidName(f"{name}={value!r:.80} is not a number from 1: pass one")
        if self.late_after is not None and (
            not isinstance(self.late_after, timedelta) or self.late_after < timedelta()
        ):
            raise InvalidName(
                f"late_after={self.late_after!r:.80} is not a duration: pass a timedelta"
            )


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of records.

    Args:
        pin: The batches of their rows, or None if there are none.
        positions: The last record of each shard that the table has, or that is a dead letter.
        failed: The first record of a shard that failed, if ``on_error`` is ``stop``: neither it nor
            what follows it in its shard is in the table.
        rows: How many rows were added.
        dead: How many dead letters were added.
        known: How many records the table had already.
    """

    pin: BatchPin | None
    positions: Mapping[str, str]
    failed: Mapping[str, Failure] = field(default_factory=dict)
    rows: int = 0
    dead: int = 0
    known: int = 0


class Engine:
    """Adds the records of one stream to one table. It is used by one thread at a time.

    Args:
        warehouse: The warehouse.
        stream: The stream's name, as `Source.stream`.
        function: The portable function.
        table: The table, created with the first rows.
        rules: How records become rows.

    Raises:
        InvalidName: The rules do not fit the function, or JSON has no values for its columns.

    Example:
        >>> import tempfile
        >>> from datetime import UTC, datetime
        >>> import airflow_sfx as sfx
        >>> @sfx.portable(inputs={"n": "bigint"}, outputs={"double": "bigint"})
        ... def double(frame):
        ...     return frame.assign(double=frame["n"] * 2)
        >>> warehouse = sfx.connect(f"embedded://{tempfile.mkdtemp()}")
        >>> engine = Engine(warehouse, "kinesis:n", double, TableRef("web", "n"), Rules())
        >>> now = datetime(2016, 11, 1, tzinfo=UTC)
        >>> records = [StreamRecord("0", str(n), "", now, b'{"n": %d}' % n) for n in range(3)]
        >>> for _ in range(2):
        ...     done = engine.apply({"0": records})
        ...     print(done.rows, done.known, dict(done.positions))
        3 0 {'0': '2'}
        0 3 {'0': '2'}
    """

    def __init__(
        self,
        warehouse: Warehouse,
        stream: str,
        function: Portable,
        table: TableRef,
        rules: Rules,
    ) -> None:
        require_json(function, outputs=False)
        self._warehouse, self._stream, self._table = warehouse, stream, table
        self._rules = rules
        self._windows = Windows(function, rules.partition_by, rules.event_time, rules.late_after)
        self._runner = Runner(function, rules.max_attempts, rules.max_record_bytes)
        self._dead = DeadLetters(warehouse, table, stream)
        self._types = declared_types(function)
        self._columns = dict.fromkeys(
            [*(one.name for one in function.outputs), *rules.partition_by]
        )
        self._known: dict[str, str] | None = None

    def positions(self) -> Mapping[str, str]:
        """Return the last record of each shard that the table has, read from its log now."""
        before, self._known = self._known or {}, None
        self._dead.forget()
        found = self._warehouse.stream_positions(self._table.database, self._table.table)
        known = found.get(self._stream, {})
        if before and not known:
            raise InconsistentBatch(
                f"{self._table} had positions in {self._stream}, and has none now: the table was"
                " dropped or replaced. Nothing was written; start again to consume from the start",
                table=str(self._table),
            )
        self._known = known
        return known

    def check_keys(self) -> None:
        """Refuse rules whose partition keys are not those of the table, if there is one.

        Raises:
            InvalidName: They are not.
        """
        info = self._warehouse.metastore.get_table(self._table)
        have = [key.name.lower() for key in info.keys] if info else []
        wanted = [*(key.lower() for key in self._rules.partition_by), WINDOW]
        if info and have != wanted:
            raise InvalidName(
                f"{self._table} has the partition keys {', '.join(have) or '(none)'}, and rows of"
                f" {self._stream} would have {', '.join(wanted)}: name its keys but for {WINDOW!r},"
                " in their order, or another table",
                table=str(self._table),
            )

    def apply(
        self,
        records: Mapping[str, Sequence[StreamRecord]],
        *,
        patience: float = 300.0,
        check: Callable[[Mapping[str, str]], None] | None = None,
    ) -> Applied:
        """Bring records into the table, all of them in one commit.

        Args:
            records: By shard, records that follow each other; the table may have some already.
            patience: For how long to retry while the warehouse cannot be written, in seconds.
            check: Gets the table's positions before each attempt, and raises if the records cannot
                be those that follow them.

        Returns:
            What became of them.

        Raises:
            WarehouseUnavailable: The warehouse cannot be written. The records may come again.
            SchemaMismatch: The columns do not fit the table. A single value that a column cannot
                keep is a failure of its record.
            CheckFailed: A check of the table failed.
        """
        lost: SfxError | None = None
        for _ in attempts(patience, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE):
            try:
                if self._known is None or lost is not None:
                    self.positions()
                if check is not None:
                    check(self._known or {})
                return self._applied(records)
            except (CommitConflict, WarehouseUnavailable) as error:
                lost = error  # it may have been committed: the positions say so
        assert lost is not None
        raise lost

    def _applied(self, records: Mapping[str, Sequence[StreamRecord]]) -> Applied:
        known = dict(self._known or {})
        new = {
            shard: fresh
            for shard, some in records.items()
            if (fresh := _after(some, known.get(shard)))
        }
        count = sum(len(some) for some in records.values())
        flat = [one for some in new.values() for one in some]
        dead = self._dead.among(flat)
        ran = self._runner.run([one for one in flat if (one.shard, one.sequence) not in dead])
        ran = self._windows.placed(ran)
        try:
            return self._stored(ran, new, known, count - len(flat))
        except (InvalidName, SchemaMismatch):
            kept = without_refused(self._warehouse, self._table, self._windows, ran)
            if kept is ran:
                raise
            return self._stored(kept, new, known, count - len(flat), dead=ran.failures)

    def _stored(
        self,
        ran: Ran,
        new: Mapping[str, list[StreamRecord]],
        known: Mapping[str, str],
        again: int,
        dead: Sequence[Failure] = (),
    ) -> Applied:
        """Store rows, and dead letters but for those that are some already."""
        stops = _first(ran.failures) if self._rules.on_error == "stop" else {}
        if stops:
            ran = ran.only(
                lambda one: (
                    one.shard not in stops
                    or int(one.sequence) < int(stops[one.shard].record.sequence)
                )
            )
            new = {shard: _until(some, stops.get(shard)) for shard, some in new.items()}
        else:
            old = {id(one.record) for one in dead}
            self._dead.write([one for one in ran.failures if id(one.record) not in old])
        ranges = {
            shard: (known.get(shard, ""), some[-1].sequence) for shard, some in new.items() if some
        }
        pin = self._committed(ran, ranges)
        return Applied(
            pin,
            dict(self._known or {}),
            stops,
            len(ran.records),
            0 if stops else len(ran.failures),
            again,
        )

    def _committed(self, ran: Ran, ranges: Mapping[str, tuple[str, str]]) -> BatchPin | None:
        if not ranges:
            return None
        import pandas as pd

        frame, late = ran.frame, None
        if frame is None:  # dead letters alone: the positions move, and the table has no new rows
            frame = pd.DataFrame(columns=[*self._columns])
        else:
            frame, late = self._windows.place(frame, ran.records)
        consumed = Consumed(self._stream, ranges)
        pin = self._warehouse.store_window(
            frame,
            self._table.database,
            self._table.table,
            consumed=consumed,
            partition_by=self._rules.partition_by,
            late=late,
            inputs=ran.pins,
            types=self._types,
        )
        self._known = dict(consumed.advance({self._stream: self._known or {}})[self._stream])
        return pin


def _after(records: Sequence[StreamRecord], position: str | None) -> list[StreamRecord]:
    """Return the records after a position, in order, each once."""
    last = int(position) if position else -1
    found = []
    for one in sorted(records, key=lambda one: int(one.sequence)):
        number = int(one.sequence)
        if number > last:
            found.append(one)
            last = number
    return found


def _first(failures: Sequence[Failure]) -> dict[str, Failure]:
    """Return the first failure of each shard."""
    return {one.record.shard: one for one in reversed(failures)}


def _until(records: list[StreamRecord], stop: Failure | None) -> list[StreamRecord]:
    return records if stop is None else records[: records.index(stop.record)]

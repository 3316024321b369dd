"""A consumer: a process that reads its share of a stream's shards into a table."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from airflow_sfx.core.errors import (
    CommitConflict,
    InvalidName,
    SfxError,
    StreamUnavailable,
    WarehouseUnavailable,
)
from airflow_sfx.core.table import TableRef
from airflow_sfx.portability.function import Portable
from airflow_sfx.streams.consuming.intake import Intake, Taken
from airflow_sfx.streams.consuming.leases import Leases, directory_of, share, start_of
from airflow_sfx.streams.consuming.shards import ShardOrder
from airflow_sfx.streams.engine import Engine, Rules
from airflow_sfx.streams.source import Source, Start

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse

_log = logging.getLogger(__name__)

T = TypeVar("T")
_PATIENCE = 5.0
"""For how long one attempt to store a window retries, in seconds; then it is reported."""
_SOON = 1.0
"""The pause before looking again while a shard waits for its parents, in seconds."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How much a consumer reads and stores at once.

    Args:
        window: For how long records are gathered into one window, in seconds.
        max_records: The most records of a window, about.
        max_bytes: The most bytes of its records, about. Twice as much waits in memory at most, and
            one read of each shard.
        lease: How long a consumer counts as alive after its last sign, in seconds: so long its
            shards wait if it is killed.
        hold: How long a shard rests that stopped at a record, in seconds.

    Raises:
        InvalidName: A value is not positive.
    """

    window: float = 1.0
    max_records: int = 20_000
    max_bytes: int = 64 << 20
    lease: float = 30.0
    hold: float = 30.0

    def __post_init__(self) -> None:
        for name in ("window", "max_records", "max_bytes", "lease", "hold"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
                raise InvalidName(f"{name}={value!r:.80} is not a positive number: pass one")


@dataclass(frozen=True, slots=True)
class Progress:
    """What a consumer did in one round.

    Args:
        at: When, in UTC.
        records: How many records it stored, or found in the table.
        rows: How many rows it added.
        dead: How many dead letters it added.
        seconds: How long that took.
        shards: How many shards it reads.
        behind: How far it is behind the stream: the greatest of its shards; None if not known.
        stopped: Why shards stopped at a record, by shard.
    """

    at: datetime
    records: int
    rows: int
    dead: int
    seconds: float
    shards: int
    behind: timedelta | None
    stopped: dict[str, str]


class Consumer:
    """Reads a stream into a table until it is stopped; several share the stream's shards.

    Args:
        warehouse: The warehouse.
        source: The stream.
        function: The portable function.
        table: The table.
        rules: How records become rows.
        start: Where the table starts in shards of which it has no records.
        pace: How much is read and stored at once.
        report: Called after each window.

    Raises:
        InvalidName: The rules do not fit the function.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        source: Source,
        function: Portable,
        table: TableRef,
        rules: Rules,
        *,
        start: Start = "trim_horizon",
        pace: Pace | None = None,
        report: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._pace, self._report, self._source = pace or Pace(), report, source
        self._function = function
        self._engine = Engine(warehouse, source.stream, function, table, rules)
        self._store, self._wanted = warehouse.store, start
        self._directory = directory_of(table, source.stream)
        self._leases = Leases(self._store, self._directory, self._pace.lease)
        self._stopping = threading.Event()
        self._held: dict[str, float] = {}
        self._due = 0.0

    def stop(self) -> None:
        """End `run` once what was read is stored; from any thread, or a handler of a signal.

        Reads that are throttled end, and the source is of no use for others afterwards.
        """
        self._stopping.set()
        self._source.interrupt()

    def run(self) -> None:
        """Read the stream into the table until `stop` is called.

        Whatever ends it, the table has each record once, and the next consumer goes on.

        Raises:
            InvalidName: The table has other partition keys.
            RecordsExpired: The stream has dropped records that the table lacks.
            SchemaMismatch: The columns of the function do not fit the table.
            CheckFailed: A check of the table failed.
            StreamUnavailable: The stream does not exist.
        """
        self._patiently(self._engine.check_keys)
        positions = self._patiently(self._engine.positions)
        try:
            self._source.shards()  # a stream that does not exist fails here
        except StreamUnavailable:
            if self._stopping.is_set():
                return
            raise
        start = start_of(self._store, self._directory, self._wanted, begun=bool(positions))
        pace = self._pace
        intake = Intake(self._source, start, pace.max_records, pace.max_bytes)
        order = ShardOrder(self._source, start)
        try:
            while not self._stopping.is_set():
                self._assign(intake, order)
                taken = intake.take(pace.window, _SOON, self._stopping)
                self._store_window(intake, order, taken)
            intake.close()
            self._store_window(intake, order, intake.take(0, 0, self._stopping))
        finally:
            intake.close()
            self._leases.release()

    def _assign(self, intake: Intake, order: ShardOrder) -> None:
        """Read the shards of this consumer, as far as those before them are finished."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + self._leases.pause
        try:
            consumers = self._leases.renew()
            shards = self._source.shards()
            positions = self._engine.positions()
            held = {shard for shard, until in self._held.items() if now < until}
            mine = share([one.id for one in shards], consumers, self._leases.name) - held
            ready, waits = order.ready(shards, mine, intake.shards, positions)
        except (StreamUnavailable, WarehouseUnavailable) as error:
            _log.warning("%s; the shards stay as they are", error)
            return
        intake.follow({shard: positions.get(shard, "") for shard in ready})
        if waits or held:
            self._due = now + min(_SOON, self._leases.pause)
        try:
            self._function.follow()
        except SfxError as error:
            _log.warning("the aggregates of %s stay as they are: %s", self._function.name, error)

    def _store_window(self, intake: Intake, order: ShardOrder, taken: Taken) -> None:
        if not taken.records and not taken.ended:
            return
        began = time.monotonic()
        applied = self._patiently(lambda: self._engine.apply(taken.records, patience=_PATIENCE))
        order.finished |= taken.ended - applied.failed.keys()
        if taken.ended:
            self._due = 0.0  # shards that continue them can be read
        intake.drop(applied.failed.keys())
        self._held |= dict.fromkeys(applied.failed, time.monotonic() + self._pace.hold)
        progress = Progress(
            datetime.now(UTC),
            sum(len(some) for some in taken.records.values()),
            applied.rows,
            applied.dead,
            time.monotonic() - began,
            len(intake.shards),
            max(taken.behind.values(), default=None),
            {shard: f"{one.record.sequence}: {one.error}" for shard, one in applied.failed.items()},
        )
        self._report(progress)

    def _patiently(self, call: Callable[[], T]) -> T:
        """Call until the warehouse answers, or the consumer is to stop."""
        while True:
            try:
                return call()
            except (CommitConflict, WarehouseUnavailable) as error:
                if self._stopping.is_set():
                    raise
                _log.warning("%s; trying again", error)
                self._stopping.wait(_SOON)

"""Run a portable function on AWS Lambda, for the events of a Kinesis stream.

Lambda delivers the records of a shard in order, and delivers an event again if its function failed
or did not answer. The table's log knows which records it has, so those are dropped.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict

from airflow_sfx.core.errors import CommitConflict, InvalidName, WarehouseUnavailable
from airflow_sfx.core.io.timeouts import TRY_SECONDS, timeouts_of
from airflow_sfx.core.producer import Producer
from airflow_sfx.core.table import TableRef
from airflow_sfx.portability.function import Portable
from airflow_sfx.streams.engine import Applied, Engine, OnError, Rules
from airflow_sfx.streams.lambda_event import Delivery, read_event
from airflow_sfx.streams.lambda_mapping import EventSourceMapping, parallel

if TYPE_CHECKING:
    from airflow_sfx.warehouse.warehouse import Warehouse

_log = logging.getLogger(__name__)
_PIECE = 2_000
"""The most records of a commit, so that an event can be ended in time between two."""
_MARGIN = 1.0
"""Seconds that are kept for the answer."""
_SLOWER = 2.0
"""How much longer a piece may take than the slowest before it."""
_PATIENCE = 300.0
"""The most seconds that a piece is retried."""
_LIMITS = (TRY_SECONDS, 30.0, 15.0, 8.0, 4.0)
"""For how many seconds a call of the warehouse is retried. These are few, as the client of S3 has
connections for each; and no shorter, as a busy server takes a second or two."""
_ATTEMPT = 1.5
"""How often this limit an attempt may take if a server does not answer."""


class Failure(TypedDict):
    """A record from which on a shard is delivered again.

    Args:
        itemIdentifier: Its sequence number.
    """

    itemIdentifier: str


class Answer(TypedDict):
    """What Lambda is answered: from which record on to deliver again; an empty list for nothing.

    Args:
        batchItemFailures: That record.
    """

    batchItemFailures: list[Failure]


class LambdaHandler:
    """Brings the records of each event into a table. `lambda_handler` makes it.

    Args:
        function: The portable function.
        table: The table.
        rules: How records become rows.
        warehouse: The warehouse.
    """

    def __init__(
        self, function: Portable, table: TableRef, rules: Rules, warehouse: Warehouse
    ) -> None:
        self._function, self._table, self._rules = function, table, rules
        self._warehouse = warehouse
        self._engines: dict[str, Engine] = {}
        self._mappings: dict[str, EventSourceMapping] = {}
        self._engine("kinesis:")  # refuses rules that do not fit the function, at the start

    def __call__(self, event: Mapping[str, Any], context: Any = None) -> Answer:
        """Bring the records of an event into the table.

        Args:
            event: The event, as AWS defines it for Kinesis: records of one shard.
            context: The context that Lambda passes, for the time that is left; None for no limit.

        Returns:
            From which record on to deliver again: the first that is not in the table.

        Raises:
            InvalidName: It is another event, or the records are out of order.
            WarehouseUnavailable: The warehouse cannot be written, and nothing of the event is in
                the table. Lambda delivers it again.
            SchemaMismatch: The rows do not fit the table.
        """
        delivery = read_event(event)
        if not delivery.records:
            return {"batchItemFailures": []}
        mapping = self._mapping(delivery.stream, context)
        failed = self._first_missing(delivery, _Time(context), mapping)
        if failed is None:
            return {"batchItemFailures": []}
        if mapping is not None and not mapping.takes_partial_answers():
            raise InvalidName(
                f"records from {failed} on are not in {self._table}, and Lambda would take them as"
                f" done: add ReportBatchItemFailures to the event source mapping of"
                f" {delivery.stream}. The event is delivered again"
            )
        return {"batchItemFailures": [{"itemIdentifier": failed}]}

    def _first_missing(
        self, delivery: Delivery, left: _Time, mapping: EventSourceMapping | None
    ) -> str | None:
        """Apply the records piece by piece; return the first that is not in the table, if any."""
        engine, shard = self._engine(delivery.stream), delivery.shard
        records = delivery.records
        check = _sequence_check(delivery, mapping)
        for first in range(0, len(records), _PIECE):
            piece = records[first : first + _PIECE]
            if not left.is_enough():
                _log.warning("%s: no time is left for records from %s on", shard, piece[0].sequence)
                return piece[0].sequence
            try:
                with left.measured(), timeouts_of(left.limit):
                    done = engine.apply({shard: piece}, patience=left.patience, check=check)
            except (WarehouseUnavailable, CommitConflict) as error:
                if not first:
                    raise
                _log.error("%s: records from %s on: %s", shard, piece[0].sequence, error)
                return piece[0].sequence
            self._report(delivery.stream, shard, done)
            if shard in done.failed:
                return done.failed[shard].record.sequence
        return None

    def _report(self, stream: str, shard: str, done: Applied) -> None:
        _log.info(
            "%s: %d rows of %s %s, which it has up to %s; %d dead letters, %d records known before",
            self._table,
            done.rows,
            stream,
            shard,
            done.positions.get(shard),
            done.dead,
            done.known,
        )
        if shard in done.failed:
            failure = done.failed[shard]
            _log.error(
                "%s stops at the record %s of %s %s (attempts: %d): %s",
                self._table,
                failure.record.sequence,
                stream,
                shard,
                failure.attempts,
                failure.error,
            )

    def _engine(self, stream: str) -> Engine:
        if stream not in self._engines:
            self._engines[stream] = Engine(
                self._warehouse, stream, self._function, self._table, self._rules
            )
        return self._engines[stream]

    def _mapping(self, stream: str, context: Any) -> EventSourceMapping | None:
        """Return how Lambda delivers a stream, or None outside of Lambda."""
        arn = getattr(context, "invoked_function_arn", None)
        if not arn or "AWS_LAMBDA_RUNTIME_API" not in os.environ:
            return None
        return self._mappings.setdefault(stream, EventSourceMapping(arn, stream))


class _Time:
    """The time that is left of an invocation, and what a piece of an event takes of it."""

    def __init__(self, context: Any) -> None:
        self._left = getattr(context, "get_remaining_time_in_millis", None)
        self._slowest = 0.0
        self._started = 0.0

    @property
    def limit(self) -> float:
        """For how long a call of the warehouse is retried: two attempts on a piece fit."""
        most = (self._seconds() - _MARGIN) / (2 * _ATTEMPT)
        return next((one for one in _LIMITS if one <= most), _LIMITS[-1])

    @property
    def patience(self) -> float:
        """How long the next piece may be retried: an attempt that begins then can fail in time."""
        return min(max(self._seconds() - _MARGIN - self.limit * _ATTEMPT, 0.0), _PATIENCE)

    def is_enough(self) -> bool:
        """Return whether another piece can be applied in time; the first is always tried."""
        return not self._slowest or self._seconds() > self._slowest * _SLOWER + _MARGIN

    def measured(self) -> _Time:
        """Measure the piece of a `with` block."""
        return self

    def _seconds(self) -> float:
        return float("inf") if self._left is None else self._left() / 1000

    def __enter__(self) -> None:
        self._started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._slowest = max(self._slowest, time.monotonic() - self._started)


def _sequence_check(
    delivery: Delivery, mapping: EventSourceMapping | None
) -> Callable[[Mapping[str, str]], None]:
    """Return a check that refuses records between which other ones were delivered.

    A table's position in the middle of an event is one of its records if Lambda delivers a shard
    in order. If it is not, other invocations get records of the shard, too; those that the table
    lacks before its position would be taken for known. Where the table has all records, only
    Lambda can say.
    """
    sequences = {one.sequence for one in delivery.records}
    first, last = (int(delivery.records[place].sequence) for place in (0, -1))

    def check(positions: Mapping[str, str]) -> None:
        position = positions.get(delivery.shard)
        if position is None or int(position) < first:
            return
        if int(position) > last:
            if mapping is not None:
                mapping.refuse_parallel()
        elif position not in sequences:
            raise parallel(
                delivery.stream,
                f"the table has {delivery.shard} up to {position}, which is not among the records"
                f" from {first} to {last}",
            )

    return check


def lambda_handler(
    function: Portable,
    table: str,
    *,
    partition_by: Sequence[str] = (),
    event_time: str | None = None,
    late_after: timedelta | None = None,
    on_error: OnError = "dead_letter",
    max_attempts: int = 3,
    max_record_bytes: int = 10 << 20,
    warehouse: Warehouse | None = None,
) -> LambdaHandler:
    """Return a handler for AWS Lambda that brings records of a Kinesis stream into a table.

    Each record is in the table once, however often Lambda delivers it. Set the event source
    mapping to ``ReportBatchItemFailures`` and leave its ``ParallelizationFactor`` at 1.

    Args:
        function: The portable function. A record is a JSON object with its inputs.
        table: ``database.table``, created with the first rows.
        partition_by: The table's partition keys before ``window``: columns that the function
            gives; or ``day``, ``hour`` and ``minute``, made of the event time.
        event_time: The column that the function gives with the time of a row; None for the time
            when the record arrived.
        late_after: How long after its event time a record may arrive before its row is late.
        on_error: What becomes of a record that fails: ``dead_letter`` puts it into the table
            ``TABLE_dead_letters`` and goes on; ``stop`` stops the shard there, and Lambda delivers
            it again until it passes or expires.
        max_attempts: How often a record is tried on which the function fails.
        max_record_bytes: The largest record that is read; a larger one fails.
        warehouse: The warehouse, or None for the default one.

    Returns:
        The handler: it gets the event and the context, and answers as AWS defines it.

    Raises:
        InvalidName: An argument breaks a rule, or does not fit the function.
        WarehouseUnavailable: The warehouse cannot be opened.

    Example:
        >>> import airflow_sfx as sfx
        >>> @sfx.portable(inputs={"n": "bigint"}, outputs={"double": "bigint"})
        ... def double(frame):
        ...     return frame.assign(double=frame["n"] * 2)
        >>> handler = sfx.streams.lambda_handler(double, "web.doubles", partition_by=["day"])
        >>> handler({"Records": []}, None)
        {'batchItemFailures': []}
    """
    if not isinstance(function, Portable):
        raise InvalidName(f"{function!r:.80} is not a portable function: decorate it with portable")
    if isinstance(partition_by, str):
        raise InvalidName(f"partition_by={partition_by!r:.80} is text: pass a list of keys")
    rules = Rules(
        partition_by=tuple(partition_by),
        event_time=event_time,
        late_after=late_after,
        on_error=on_error,
        max_attempts=max_attempts,
        max_record_bytes=max_record_bytes,
    )
    return LambdaHandler(function, TableRef.parse(table), rules, warehouse or _default_warehouse())


def _default_warehouse() -> Warehouse:
    from airflow_sfx._default import connect

    name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
    if not name:
        return connect()
    author = Producer(user=f"lambda {name}", host=os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME"))
    return connect(producer=lambda: author)

"""Dead letters: records of a stream without rows, in a table of their own.

They are written before the rows of the records around them. The table has positions of the same
stream, so that a record that comes again, as the rows were not committed, is a dead letter once.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import PartitionNotFound, PositionConflict, TableNotFound
from airflow_sfx.core.io.retry import attempts
from airflow_sfx.core.positions import Consumed
from airflow_sfx.core.table import TableRef

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_sfx.streams.applying.running import Failure
    from airflow_sfx.streams.source import StreamRecord
    from airflow_sfx.warehouse.warehouse import Warehouse

_LONGEST = 4000
_PATIENCE = 60.0
"""For how long a replay tries to add dead letters beside consumers, in seconds."""
_SUFFIX = "_dead_letters"
_AGAIN = " again"
"""Behind the name of a shard: records before its last dead letter that failed later than it."""


def dead_letters_of(table: TableRef) -> TableRef:
    """Return the table of the dead letters of a table.

    Example:
        >>> str(dead_letters_of(TableRef("web", "scores")))
        'web.scores_dead_letters'
    """
    return TableRef(table.database, f"{table.table}{_SUFFIX}")


def table_of_dead_letters(table: TableRef) -> TableRef | None:
    """Return the table whose dead letters a table has, by its name; None for any other table.

    Example:
        >>> str(table_of_dead_letters(TableRef("web", "scores_dead_letters")))
        'web.scores'
    """
    if not table.table.endswith(_SUFFIX):
        return None
    return TableRef(table.database, table.table.removesuffix(_SUFFIX))


@dataclass(frozen=True, slots=True)
class EarlierLetter:
    """A dead letter that a table has.

    Args:
        shard: The shard of its record.
        sequence: Its sequence number.
        at: When it was written.
    """

    shard: str
    sequence: int
    at: datetime


class DeadLetters:
    """The dead letters of a stream on its way into a table.

    Args:
        warehouse: The warehouse.
        table: The table of the rows.
        stream: The stream.
    """

    def __init__(self, warehouse: Warehouse, table: TableRef, stream: str) -> None:
        self._warehouse, self._stream = warehouse, stream
        self._ref = dead_letters_of(table)
        self._known: dict[str, str] | None = None

    def forget(self) -> None:
        """Read the positions again, as they may have moved."""
        self._known = None

    def among(self, records: Sequence[StreamRecord]) -> Set[tuple[str, str]]:
        """Return the shard and sequence of those records that are dead letters already."""
        known = self._positions()
        old = [one for one in records if _has(known, one.shard, one.sequence)]
        if not old:
            return frozenset()
        times = [one.arrived for one in old]
        found = self._warehouse.load_dataframe(
            self._ref.database,
            self._ref.table,
            columns=["stream", "shard", "sequence"],
            filters=[("arrived", ">=", min(times)), ("arrived", "<=", max(times))],
            as_="arrow",
        )
        columns = [found.column(name).to_pylist() for name in found.column_names]
        rows = zip(*columns, strict=True)
        return {(shard, at) for stream, shard, at in rows if stream == self._stream}

    def earlier(self) -> list[EarlierLetter]:
        """Return the dead letters of the stream so far."""
        try:
            found = self._warehouse.load_dataframe(
                self._ref.database,
                self._ref.table,
                columns=["stream", "shard", "sequence", "at"],
                as_="arrow",
            )
        except (TableNotFound, PartitionNotFound):
            return []
        return [
            EarlierLetter(one["shard"], int(one["sequence"]), one["at"])
            for one in found.to_pylist()
            if one["stream"] == self._stream
        ]

    def write_new(self, failures: Sequence[Failure]) -> None:
        """Add those that are no dead letters yet, also beside consumers that add others.

        Raises:
            PositionConflict: Other consumers were first, again and again.
            WarehouseUnavailable: The warehouse cannot be written.
        """
        lost: PositionConflict | None = None
        for _ in attempts(_PATIENCE, first=0.05, longest=1.0):
            known = self.among([one.record for one in failures])
            new = [one for one in failures if (one.record.shard, one.record.sequence) not in known]
            try:
                return self.write(new)
            except PositionConflict as error:
                lost = error
                self.forget()
        assert lost is not None
        raise lost

    def write(self, failures: Sequence[Failure]) -> None:
        """Add dead letters, which `among` did not return.

        Raises:
            PositionConflict: Another consumer added some.
            WarehouseUnavailable: The warehouse cannot be written.
        """
        if not failures:
            return
        known = self._positions()
        shards: dict[str, tuple[str, str]] = {}
        for one in failures:
            shard, at = one.record.shard, one.record.sequence
            while _has(known, shard, at):
                shard += _AGAIN
            shards[shard] = (known.get(shard, ""), at)
        frame = _frame(self._stream, failures)
        consumed = Consumed(self._stream, shards)
        self._warehouse.store_window(
            frame,
            self._ref.database,
            self._ref.table,
            consumed=consumed,
            partition_by=["day"],
        )
        self._known = {**known, **{shard: to for shard, (_, to) in shards.items()}}

    def _positions(self) -> dict[str, str]:
        if self._known is None:
            found = self._warehouse.stream_positions(self._ref.database, self._ref.table)
            self._known = found.get(self._stream, {})
        return self._known


def _has(known: dict[str, str], shard: str, sequence: str) -> bool:
    """Return whether a sequence is not after the last dead letter of its shard."""
    return shard in known and int(sequence) <= int(known[shard])


def _frame(stream: str, failures: Sequence[Failure]) -> pa.Table:
    import pyarrow as pa

    records = [one.record for one in failures]
    now, time = datetime.now(UTC), pa.timestamp("us", "UTC")
    columns: dict[str, pa.Array[Any]] = {
        "stream": pa.array([stream] * len(records), pa.string()),
        "shard": pa.array([one.shard for one in records], pa.string()),
        "sequence": pa.array([one.sequence for one in records], pa.string()),
        "key": pa.array([_text(one.key) for one in records], pa.string()),
        "arrived": pa.array([one.arrived for one in records], time),
        "data": pa.array([one.data for one in records], pa.binary()),
        "error": pa.array([_text(one.error[:_LONGEST]) for one in failures], pa.string()),
        "attempts": pa.array([one.attempts for one in failures], pa.int32()),
        "at": pa.array([now] * len(records), time),
        "day": pa.array([f"{one.arrived:%Y%m%d}" for one in records], pa.string()),
    }
    return pa.table(columns)


def _text(text: str) -> str:
    """Return a text as UTF-8 has it."""
    return text.encode("utf-8", "backslashreplace").decode()

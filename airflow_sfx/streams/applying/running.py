"""Records through a portable function: rows, and the records that fail.

The function gets all records together. If it fails on them, each half is tried, down to the records
that it fails on alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_sfx.core.errors import SchemaMismatch, WarehouseUnavailable
from airflow_sfx.core.pin import BatchPin
from airflow_sfx.portability.function import Portable
from airflow_sfx.streams.source import StreamRecord
from airflow_sfx.warehouse.read.aggregate import pins_of

if TYPE_CHECKING:
    import pandas as pd

_PAUSE = 0.1
"""Before the second attempt, in seconds; it doubles with each."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that has no row.

    Args:
        record: The record.
        error: Why.
        attempts: How often it was tried.
    """

    record: StreamRecord
    error: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Ran:
    """What a function gave for records.

    Args:
        records: Those that it gave rows for, in order.
        frame: The rows, one for each, in this order; None without records.
        pins: The batches of the aggregates that it used.
        failures: The other records, in order.
    """

    records: Sequence[StreamRecord]
    frame: pd.DataFrame | None
    pins: tuple[BatchPin, ...]
    failures: Sequence[Failure]

    def only(self, keep: Callable[[StreamRecord], bool]) -> Ran:
        """Return it with the rows of some records only."""
        return self._of([row for row, one in enumerate(self.records) if keep(one)], self.failures)

    def without(self, wrong: Mapping[int, str]) -> Ran:
        """Return it without the rows that fail after all, given by number, and why."""
        if not wrong:
            return self
        failures = [
            *self.failures,
            *(Failure(self.records[row], why, 1) for row, why in wrong.items()),
        ]
        order = dict.fromkeys(one.record.shard for one in failures)
        places = {shard: place for place, shard in enumerate(order)}
        failures.sort(key=lambda one: (places[one.record.shard], int(one.record.sequence)))
        return self._of([row for row in range(len(self.records)) if row not in wrong], failures)

    def _of(self, rows: list[int], failures: Sequence[Failure]) -> Ran:
        if self.frame is None:
            return replace(self, failures=failures)
        frame = self.frame.iloc[rows].reset_index(drop=True)
        return Ran([self.records[row] for row in rows], frame, self.pins, failures)


class Runner:
    """Calls a portable function on the records of a stream.

    Args:
        function: The function.
        max_attempts: How often a record is tried on which it fails alone.
        max_bytes: The largest record.
    """

    def __init__(self, function: Portable, max_attempts: int, max_bytes: int) -> None:
        self._function, self._attempts, self._most = function, max_attempts, max_bytes

    def run(self, records: Sequence[StreamRecord]) -> Ran:
        """Return the rows of records.

        Raises:
            WarehouseUnavailable: The function needs an aggregate that cannot be computed now.
        """
        rows: list[list[Any]] = []
        read: list[StreamRecord] = []
        failures: list[Failure] = []
        for record in records:
            try:
                rows.append(self._read(record.data))
            except (SchemaMismatch, ValueError, RecursionError) as error:
                failures.append(Failure(record, str(error), 1))
            else:
                read.append(record)
        found = self._together(rows, 0) if rows else {}
        tried = self._again(rows, found)
        good = [(place, one) for place, one in sorted(found.items()) if not _failed(one)]
        failures += [
            Failure(read[place], _shown(one), tried[place])
            for place, one in found.items()
            if isinstance(one, Exception)
        ]
        order = {id(record): place for place, record in enumerate(records)} if failures else {}
        return Ran(
            [one for place, frame in good for one in read[place : place + len(frame)]],
            _joined([frame for _, frame in good]),
            tuple(dict.fromkeys(pin for _, frame in good for pin in pins_of(frame))),
            sorted(failures, key=lambda one: order[id(one.record)]),
        )

    def _read(self, data: bytes) -> list[Any]:
        """Return the values of a record as the function gets them."""
        if len(data) > self._most:
            raise SchemaMismatch(
                f"it has {len(data)} bytes, and {self._most} are the most: send less, or raise"
                " max_record_bytes"
            )
        try:
            found = msgspec.json.decode(data)
        except (ValueError, RecursionError) as error:
            raise SchemaMismatch(f"it is not JSON ({error}): send a JSON object") from error
        return self._function.read(found)

    def _together(self, rows: Sequence[list[Any]], first: int) -> dict[int, Any]:
        """Return frames, or the errors of single rows, by the place of their first row."""
        try:
            return {first: self._function.frame_of_read(rows)}
        except WarehouseUnavailable:
            raise
        except Exception as error:  # whatever the function raises
            if len(rows) == 1:
                return {first: error}
        half = len(rows) // 2
        return {
            **self._together(rows[:half], first),
            **self._together(rows[half:], first + half),
        }

    def _again(self, rows: Sequence[list[Any]], found: dict[int, Any]) -> dict[int, int]:
        """Try those again that failed alone; return how often each was tried."""
        tried: dict[int, int] = {}
        for attempt in range(1, self._attempts + 1):
            failed = [place for place, one in found.items() if _failed(one)]
            tried.update(dict.fromkeys(failed, attempt))
            if not failed or attempt == self._attempts:
                break
            time.sleep(_PAUSE * 2 ** (attempt - 1))
            for place in failed:
                found.update(self._together([rows[place]], place))
        return tried


def _failed(one: object) -> bool:
    return isinstance(one, Exception)


def _shown(error: Exception) -> str:
    return str(error) if isinstance(error, SchemaMismatch) else f"{type(error).__name__}: {error}"


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame | None:
    if len(frames) < 2:  # noqa: PLR2004
        return frames[0] if frames else None
    import pandas as pd

    return pd.concat(frames, ignore_index=True)

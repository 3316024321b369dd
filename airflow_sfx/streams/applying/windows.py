"""The partitions of rows: by event time or arrival, and whether they are late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.partition import partition_value
from airflow_sfx.portability.function import Portable
from airflow_sfx.streams.applying.running import Ran
from airflow_sfx.streams.source import StreamRecord
from airflow_sfx.warehouse.log.compactions import WINDOW

if TYPE_CHECKING:
    import pandas as pd

Times = Any
"""An array of numpy: microseconds, in UTC."""

_MADE = {"day": ("D", "%Y%m%d"), "hour": ("h", "%H"), "minute": ("m", "%M")}
"""The keys that are made of a time: their unit in numpy, and their form."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The partition keys of a table of a stream, and what makes them.

    Args:
        function: The function whose rows they are.
        partition_by: The keys: columns that the function gives; or ``day``, ``hour`` and
            ``minute``, which are made of a time.
        event_time: The column that the function gives with this time, in UTC if it has no zone.
            None, or a row without one, takes the time when the record arrived.
        late_after: How long after its event time a record may arrive without being late.

    Raises:
        InvalidName: A key is neither, or the event time is not a column of times.
    """

    function: Portable
    partition_by: tuple[str, ...]
    event_time: str | None
    late_after: timedelta | None

    def __post_init__(self) -> None:
        given = {one.name: one.feature.kind for one in self.function.outputs}
        if taken := [name for name in given if name.lower() == WINDOW]:
            raise InvalidName(
                f"{self.function.name} gives a column named {taken[0]!r}, which is the partition"
                " key of each window: rename the column"
            )
        if twice := [key for key in self.partition_by if self.partition_by.count(key) > 1]:
            raise InvalidName(f"the partition key {twice[0]!r} occurs twice: name each key once")
        for name in self.partition_by:
            if name not in given and name not in _MADE:
                raise InvalidName(
                    f"the partition key {name!r:.80} is not a column that"
                    f" {self.function.name} gives: name one of {', '.join(given)}, or"
                    f" {', '.join(_MADE)}, which are made of the event time or the arrival"
                )
        if self.event_time is not None and given.get(self.event_time) != "time":
            raise InvalidName(
                f"the event time {self.event_time!r:.80} is not a column of times that"
                f" {self.function.name} gives: declare one as timestamp, or leave it out to take"
                " the arrival"
            )
        if self.late_after is not None and self.event_time is None:
            raise InvalidName(
                "late_after needs the event time of a row: name its column as the event time"
            )

    def place(
        self, frame: pd.DataFrame, records: Sequence[StreamRecord]
    ) -> tuple[pd.DataFrame, Any]:
        """Return rows with their partition keys, and which are late, or None.

        Args:
            frame: The rows.
            records: The record of each.
        """
        made = [key for key in self.partition_by if key not in frame.columns]
        if not made and self.late_after is None:
            return frame, None
        arrived = np.array([one.arrived.replace(tzinfo=None) for one in records], "M8[us]")
        times = self._times(frame, arrived)
        found = frame.assign(**{key: _texts(times, *_MADE[key]) for key in made})
        found.attrs = frame.attrs
        if self.late_after is None:
            return found, None
        return found, times < arrived - np.timedelta64(self.late_after)

    def placed(self, ran: Ran) -> Ran:
        """Return what a function gave; rows fail whose keys are no values of a partition."""
        frame, found = ran.frame, dict[int, str]()
        if frame is None:
            return ran
        for key in self.partition_by:
            if key not in frame.columns:
                continue
            wrong = _wrong_values(frame[key])
            if wrong:
                values = frame[key].tolist()
                found |= {
                    row: wrong[repr(one)] for row, one in enumerate(values) if repr(one) in wrong
                }
        return ran.without(found)

    def _times(self, frame: pd.DataFrame, arrived: Times) -> Times:
        if self.event_time is None:
            return arrived
        times = frame[self.event_time]
        if getattr(times.dtype, "tz", None) is not None:
            times = times.dt.tz_convert(None)
        found = times.to_numpy("M8[us]")
        return np.where(np.isnat(found), arrived, found)


def _texts(times: Times, unit: str, form: str) -> Any:
    """Return times as text; few of them differ."""
    few, places = np.unique(times.astype(f"M8[{unit}]"), return_inverse=True)
    texts = [one.astype("M8[s]").item().strftime(form) for one in few]
    return np.array(texts, dtype=object)[places]


def _wrong_values(values: pd.Series[Any]) -> dict[str, str]:
    found = {}
    for one in values.drop_duplicates().tolist():
        try:
            partition_value(one)
        except InvalidName as error:
            found[repr(one)] = f"the partition key {values.name!r}: {error}"
    return found

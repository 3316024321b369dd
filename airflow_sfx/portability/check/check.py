"""The check: together, row by row, in pieces, shuffled, as a stream, again."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.validation import whole
from airflow_sfx.portability.check.causes import Found, cause_in_time, cause_together
from airflow_sfx.portability.check.clock import clocks_of, names_in
from airflow_sfx.portability.check.report import Difference, PortabilityReport, Way
from airflow_sfx.portability.check.runs import Outcome, Row, Runs, other_zone
from airflow_sfx.portability.check.smallest import fewest, plainest

if TYPE_CHECKING:
    import pandas as pd

    from airflow_sfx.portability.calls import PortableCalls

_PAUSE = 0.002
"""How long a row waits before it comes again, in seconds: a clock has moved on."""
_LOCAL = {"fromtimestamp", "localtime", "mktime", "timestamp", "astimezone", "strftime", "ctime"}
"""Names without which no function knows the machine's time zone."""
_FEW = 50
_AGAIN: Way = "when it comes again"
_THERE: Way = "in another time zone"
_ANY: Way = "at any time"


def checked(
    portable: PortableCalls, rows: Any, *, most: int, splits: int, seed: int
) -> PortabilityReport:
    """Check a function on rows; see `Portable.check`.

    Args:
        portable: The function.
        rows: A frame of pandas, or a list of records.
        most: The most rows; of more, a random sample.
        splits: How many random divisions and orders.
        seed: Which random ones.

    Raises:
        InvalidName: There are no rows, or a number is not positive.
        SchemaMismatch: A row does not fit the declared columns.
    """
    for name, number in (("most", most), ("splits", splits)):
        if whole(number, name) < 1:
            raise InvalidName(f"{name}={number} is not a number: pass one from 1")
    chance = random.Random(whole(seed, "seed"))  # noqa: S311  the same sample each time
    rows = _sample(rows, most, chance)
    if not len(rows):
        raise InvalidName("there are no rows to check the function on: pass some")
    check = _Check(portable, portable.as_rows(rows), chance)
    try:
        difference = check.difference(splits)
    finally:
        check.runs.state.reset()
    return PortabilityReport(portable.name, len(rows), check.runs.calls, difference)


def compared(portable: PortableCalls, frame: pd.DataFrame, most: int) -> str | None:
    """Compare what a frame has in the columns that a function gives with what it gives online.

    Args:
        portable: The function.
        frame: The frame. Without all of those columns, there is nothing to compare.
        most: The most rows; of more, a random sample.

    Returns:
        What differs first, or None.
    """
    if not {one.name for one in portable.outputs} <= set(frame.columns):
        return None
    some = _sample(frame, most, random.Random(0))  # noqa: S311
    runs = Runs(portable)
    for place, (row, kept) in enumerate(
        zip(portable.as_rows(some), portable.as_results(some), strict=True)
    ):
        found, there = runs.alone(row), Outcome(kept)
        column = found.differing(there)
        if column is not None:
            return (
                f"{portable.name} gives {found.shown(column)!r} online for {column!r} of row"
                f" {some.index[place]}, and the frame has {there.shown(column)!r}"
            )
    return None


def _sample(rows: Any, most: int, chance: random.Random) -> Any:
    if len(rows) <= most:
        return rows
    places = sorted(chance.sample(range(len(rows)), most))
    return [rows[one] for one in places] if isinstance(rows, list) else rows.iloc[places]


class _Check:
    def __init__(
        self, portable: PortableCalls, rows: list[dict[str, Any]], chance: random.Random
    ) -> None:
        self.portable, self.rows, self._chance = portable, rows, chance
        self.runs = Runs(portable)
        self.alone = [self.runs.alone(one) for one in rows]

    def difference(self, splits: int) -> Difference | None:
        """Return the first difference that is found."""
        found = self._in_time() or self._by_clock() or self._elsewhere()
        if found is not None:
            return found
        for places, outcomes in self._ways(splits):
            for place, outcome in zip(places, outcomes, strict=True):
                if outcome.differing(self.alone[place]) is not None:
                    return self._smallest([self.rows[one] for one in places])
        return None

    def _ways(self, splits: int) -> Iterator[tuple[list[int], list[Outcome]]]:
        """Yield rows by their places, in some order, with what they gave together."""
        places = list(range(len(self.rows)))
        yield places, self.runs.together(self.rows)
        sizes = (1, 2, 7, max(len(places) // 2, 1))
        yield places, self.runs.streamed(self.rows, self._chance.choice(sizes))
        for _ in range(splits):
            order = self._chance.sample(places, len(places))
            yield order, self.runs.together([self.rows[one] for one in order])
            piece = sorted(self._chance.sample(places, self._chance.randint(1, len(places))))
            yield piece, self.runs.together([self.rows[one] for one in piece])

    def _in_time(self) -> Difference | None:
        """Give the rows again, one by one and together, without putting anything back."""
        time.sleep(_PAUSE)
        for row, before in list(zip(self.rows, self.alone, strict=True))[:_FEW]:
            again = self.runs.alone(row, fresh=False)
            if again.differing(before) is not None:
                return self._of_one(row, again, before, cause_in_time(self.runs), _AGAIN)
        return None

    def _by_clock(self) -> Difference | None:
        clocks = clocks_of(self.portable.function)
        if not clocks:
            return None
        row, outcome = self.rows[0], self.alone[0]
        return self._of_one(
            row, outcome, outcome, ("clock", f"depends on the clock, {clocks[0]}()"), _ANY
        )

    def _elsewhere(self) -> Difference | None:
        """Give rows on a machine in another time zone, where the function may know it."""
        if not hasattr(time, "tzset") or _LOCAL.isdisjoint(names_in(self.portable.function)):
            return None
        with other_zone():
            there = [self.runs.alone(one) for one in self.rows[:_FEW]]
        for row, one, here in zip(self.rows, there, self.alone, strict=False):
            if one.differing(here) is not None:
                why = "it reads times without a zone in that of the machine"
                return self._of_one(row, one, here, ("naive times", why), _THERE)
        return None

    def _of_one(
        self, row: Row, other: Outcome, alone: Outcome, found: Found, way: Way
    ) -> Difference:
        column = other.differing(alone)
        column = column if column is not None else next(iter(alone.values), "")
        return Difference(*found, (row,), 0, column, other.shown(column), alone.shown(column), way)

    def _smallest(self, rows: Sequence[Row]) -> Difference:
        """Return the difference of as few rows as possible, with plain values."""
        few = fewest(rows, self._differs)
        few = plainest(few, self.portable.inputs, self._differs)
        row, column, outcomes = self._differing(few) or (0, "", (self.alone[0], self.alone[0]))
        found = cause_together(self.runs, few, row, column, outcomes)
        together, alone = (one.shown(column) for one in outcomes)
        return Difference(*found, tuple(few), row, column, together, alone)

    def _differs(self, rows: Sequence[Row]) -> bool:
        return self._differing(rows) is not None

    def _differing(self, rows: Sequence[Row]) -> tuple[int, str, tuple[Outcome, Outcome]] | None:
        """Return which row differs, in which column, and what it gave together and alone."""
        for number, together in enumerate(self.runs.together(rows)):
            alone = self.runs.alone(rows[number])
            column = together.differing(alone)
            if column is not None:
                return number, column, (together, alone)
        return None

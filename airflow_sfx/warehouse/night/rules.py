"""The rules of the night: when a table is late, and which rows are unusual.

Late: a table has usual times if it was published on `LEAST_DAYS` days or more. A day of a table
begins in the longest part of the day in which it is never published, so that nights are not cut at
midnight. Its usual time is the median of the first publish of each day. It is expected on a day if
it was published on at least half of the last four same weekdays or, before there is one,
on four of five days. It is late if it is expected, and not published `GRACE` after its usual time,
or later if its times vary: three times their spread (the scaled median absolute deviation).

Small or large: the rows of a batch are outside of the band of the batches before, as
`airflow_sfx.warehouse.quality.band` computes it from medians, by weekday once there are four weeks.
Batches that were rolled back are not among those before.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from airflow_sfx.warehouse.quality.band import Band, Figure, UsualFigures, anomalous_after

RECENT_DAYS = 8
"""How many days before the night are read, to know what is usual."""

LEAST_DAYS = 5
"""On how many days a table must have been published before it can be late."""

GRACE = timedelta(hours=1)
"""How long after its usual time a table is not late yet."""

WEEKS = 4
"""Of how many weeks before the days of the night are read, to know what is usual that weekday."""

_LEAST_WEEKS = 1
_OF_WEEKS = 0.5
_OF_DAYS = 0.8
_MAD_SCALE = 1.4826
_SPREADS = 3
_DAY = timedelta(days=1)
_EARLIEST = date.min + timedelta(weeks=WEEKS, days=RECENT_DAYS)
"""Days before this one have no days to compare with in the calendar."""


def days_to_read(since: datetime, now: datetime) -> list[date]:
    """Return the days whose events say what happened in a night, and what is usual.

    These are the days of the night, the `RECENT_DAYS` before, and the same weekdays of `WEEKS`
    weeks; and tomorrow, as a writer's clock may be ahead.

    Args:
        since: The beginning of the night, in UTC.
        now: The time now, in UTC.

    Example:
        >>> now = datetime(2016, 11, 30, 6, tzinfo=UTC)
        >>> [one.day for one in days_to_read(now - timedelta(days=1), now)][-11:]
        [21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 1]
    """
    # A table's own day may begin in the day before.
    first, last = max(since.date(), _EARLIEST + _DAY) - _DAY, now.date()
    night = [first + number * _DAY for number in range((last - first).days + 2)]
    recent = [first - number * _DAY for number in range(1, RECENT_DAYS)]
    weeks = [day - timedelta(weeks=number) for day in night for number in range(1, WEEKS + 1)]
    return sorted({*night, *recent, *weeks})


@dataclass(frozen=True, slots=True)
class Late:
    """A publish that has not come.

    Args:
        usual: When it usually comes, in UTC.
        deadline: From when on it is late, in UTC.
        last: The last publish, in UTC.
    """

    usual: datetime
    deadline: datetime
    last: datetime


def late(publishes: Sequence[datetime], since: datetime, now: datetime) -> Late | None:
    """Return the publish that a table lacks, or None.

    Args:
        publishes: The times of its publishes in UTC, oldest first.
        since: Only what became late after this time.
        now: The time now.

    Returns:
        The missing publish, or None if it is not expected, not late, or has come meanwhile.

    Example:
        >>> nights = [datetime(2016, 11, day, 2, 10, tzinfo=UTC) for day in range(1, 8)]
        >>> at = datetime(2016, 11, 8, 4, tzinfo=UTC)
        >>> str(late(nights, at - timedelta(days=1), at).usual)
        '2016-11-08 02:10:00+00:00'
        >>> late([*nights, at - timedelta(hours=1)], at - timedelta(days=1), at) is None
        True
    """
    known = [one for one in publishes if one <= now]
    if not known:
        return None
    start = _start_of_day(known)
    firsts = _first_of_days(known, start)
    day = (now - start).date()
    last = known[-1]
    while _begin(day, start) + _DAY > since and day > (last - start).date():
        found = _missing(firsts, day, start)
        if found is not None and since < found.deadline <= now:
            return Late(found.usual, found.deadline, last)
        day -= _DAY
    return None


@dataclass(frozen=True, slots=True)
class _Expected:
    """When a day's publish is usual, and from when on it is late."""

    usual: datetime
    deadline: datetime


def _missing(firsts: dict[date, timedelta], day: date, start: timedelta) -> _Expected | None:
    """Return when a day's publish was expected, or None if it was not."""
    before = {one: offset for one, offset in firsts.items() if one < day}
    if len(before) < LEAST_DAYS or not _is_expected(before, day):
        return None
    seconds = [offset.total_seconds() for offset in before.values()]
    middle = statistics.median(seconds)
    spread = _MAD_SCALE * statistics.median(abs(one - middle) for one in seconds)
    usual = _begin(day, start) + timedelta(seconds=middle)
    return _Expected(usual, usual + max(GRACE, timedelta(seconds=_SPREADS * spread)))


def _is_expected(before: dict[date, timedelta], day: date) -> bool:
    oldest = min(before)
    weeks = [day - timedelta(weeks=number) for number in range(1, WEEKS + 1)]
    weeks = [one for one in weeks if one >= oldest]
    if len(weeks) >= _LEAST_WEEKS:
        return sum(one in before for one in weeks) >= _OF_WEEKS * len(weeks)
    return len(before) >= _OF_DAYS * (day - oldest).days


def _start_of_day(times: Sequence[datetime]) -> timedelta:
    """Return when the table's day begins: in the middle of the longest time without publishes."""
    seconds = sorted({_since_midnight(one).total_seconds() for one in times})
    whole = _DAY.total_seconds()
    following = [*seconds[1:], seconds[0] + whole]
    gap, begin = max((b - a, a) for a, b in zip(seconds, following, strict=True))
    return timedelta(seconds=(begin + gap / 2) % whole)


def _first_of_days(times: Sequence[datetime], start: timedelta) -> dict[date, timedelta]:
    found: dict[date, timedelta] = {}
    for one in times:
        day = (one - start).date()
        found.setdefault(day, one - _begin(day, start))
    return found


def _begin(day: date, start: timedelta) -> datetime:
    return datetime.combine(day, time(), UTC) + start


def _since_midnight(at: datetime) -> timedelta:
    return at - datetime.combine(at.date(), time(), UTC)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of the batches of one commit.

    Args:
        at: When it was committed, in UTC.
        least: The rows of the smallest batch.
        most: The rows of the largest batch.
    """

    at: datetime
    least: int
    most: int

    @property
    def middle(self) -> float:
        """The middle between the two."""
        return (self.least + self.most) / 2


def rows_band(before: Sequence[Rows], at: datetime) -> Band | None:
    """Return the usual rows of a batch, from the commits before it.

    Args:
        before: The commits before, oldest first. One of many batches counts by the middle between
            its smallest and its largest.
        at: When the batch was committed.

    Returns:
        The band, or None if there are too few commits.

    Example:
        >>> nights = [Rows(datetime(2016, 11, day, tzinfo=UTC), 100, 100) for day in range(1, 9)]
        >>> band = rows_band(nights, datetime(2016, 11, 9, tzinfo=UTC))
        >>> band.holds(95), band.holds(80)
        (True, False)
    """
    usual = UsualFigures()
    for one in before:
        usual.add(Figure(one.middle, one.at.date()))
    return usual.band(at.date())


def unusual_rows(before: Sequence[Rows], rows: Rows) -> Band | None:
    """Return the usual rows if a commit has a batch with other ones, or None.

    Args:
        before: The commits before, as for `rows_band`.
        rows: The commit.
    """
    known = [(one.middle, one.at.date()) for one in before]
    for value in {rows.least, rows.most}:
        band = anomalous_after(known, value, rows.at.date())
        if band is not None:
            return band
    return None

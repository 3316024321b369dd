"""The usual band of a series of figures, and which of them lie outside.

The band around the median is `WIDTH` times the scaled median absolute deviation (MAD) to each side:
a figure outside has a modified z-score of more than 3.5 (Iglewicz and Hoaglin, *How to Detect and
Handle Outliers*, 1993). Up to half of the figures may be wrong without moving it, so a bad night
does not hide the next one. `_CORRECTIONS` are those of Croux and Rousseeuw (*Time-Efficient
Algorithms for Two Highly Robust Estimators of Scale*, 1992) for few figures.

If figures are those of days, each day is compared with the same weekday: the middle is the median
of that weekday, and the deviation is the greater of the weekday's own and that of all days, each
relative to the median of its weekday, as four figures alone are often near to one another by
chance. With 10 % of noise, one good figure in 70 lies outside after four weeks, and one in 400
after three months. Before there are four figures of a weekday, a day is compared with all days, and
what they had is usual, too: weekends may differ.

A clear anomaly is left out of the bands after it: it would make them wide for weeks. One just
outside of its band counts, as most are good figures, without which the band would be too narrow.
Where `LEAST_FIGURES` of the last `RECENT` figures are clear anomalies, the series has a new level:
the band begins anew with them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

WIDTH = 3.5
"""Half of the band's width, in standard deviations of a normal distribution."""

WINDOW = 91
"""How many earlier figures count: thirteen weeks of days."""

LEAST_FIGURES = 7
"""From how many earlier figures on there is a band."""

CLEAR = 1.25
"""How far from the middle a clear anomaly is, where the band ends at 1."""

RECENT = 14
"""Among how many figures `LEAST_FIGURES` clear anomalies are a new level: two weeks of days."""

LEAST_WEEKS = 4
"""From how many earlier figures of the same weekday on days are compared by weekday."""

LEAST_CHANGE = 0.1
"""The part of the median that a figure may always differ by."""

_MAD_SCALE = 1.4826
"""The standard deviation of a normal distribution, in MADs."""

_CORRECTIONS = {2: 1.196, 3: 1.495, 4: 1.363, 5: 1.206, 6: 1.2, 7: 1.14, 8: 1.129, 9: 1.107}
_CORRECTION_BEYOND = 0.8


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a series.

    Args:
        value: The figure, or None if it is unknown.
        day: The day that it is of, or None if it is not of a day.
    """

    value: float | None
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Band:
    """The usual figures.

    Args:
        low: The smallest usual figure.
        middle: The median.
        high: The greatest usual figure.
        figures: The number of figures that the median is of.
        weekday: Whether they are of the same weekday.

    Example:
        >>> Band(90, 100, 110, 7, weekday=False).holds(1)
        False
    """

    low: float
    middle: float
    high: float
    figures: int
    weekday: bool

    def holds(self, value: float) -> bool:
        """Return whether a figure is usual."""
        return self.low <= value <= self.high

    def is_clear_of(self, value: float) -> bool:
        """Return whether a figure is a clear anomaly."""
        below, above = self.middle - self.low, self.high - self.middle
        return not self.middle - CLEAR * below <= value <= self.middle + CLEAR * above


def usual_band(
    before: Sequence[Figure],
    day: date | None = None,
    *,
    least_change: float = 0.0,
    width: float = WIDTH,
) -> Band | None:
    """Return the band of the figures before another one.

    Args:
        before: The earlier figures, oldest first; the last `WINDOW` of them count.
        day: The day of the other figure, or None.
        least_change: How much a figure may always differ, besides `LEAST_CHANGE`.
        width: Half of the band's width, in standard deviations.

    Returns:
        The band, or None if there are fewer than `LEAST_FIGURES` known figures.

    Example:
        >>> usual_band([Figure(value) for value in (10, 11, 9, 10, 12, 10, 10)])
        Band(low=9.0, middle=10, high=11.0, figures=7, weekday=False)
    """
    known = _known(before)
    if len(known) < LEAST_FIGURES:
        return None
    values = [value for value, _ in known]
    same = _same_weekday(known, day)
    weekday = bool(same)
    used = same or values
    middle = statistics.median(used)
    deviation = _deviation([value - middle for value in used])
    if weekday:
        deviation = max(deviation, _deviation_of_days(_by_weekday(known)) * abs(middle))
    reach = max(width * deviation, LEAST_CHANGE * abs(middle), least_change)
    low, high = middle - reach, middle + reach
    if day is not None and not weekday:
        low, high = min(low, *values), max(high, *values)
    return Band(low, middle, high, len(used), weekday)


class UsualFigures:
    """A series as it comes, and the usual band of its figures without clear anomalies.

    Args:
        least_change: As for `usual_band`.
        width: As for `usual_band`.

    Example:
        >>> usual = UsualFigures()
        >>> for value in (10, 11, 9, 10, 12, 10, 10, 1, 2):
        ...     usual.add(Figure(value))
        >>> usual.band()
        Band(low=9.0, middle=10, high=11.0, figures=7, weekday=False)
    """

    def __init__(self, *, least_change: float = 0.0, width: float = WIDTH) -> None:
        self._least_change, self._width = least_change, width
        self._figures: list[Figure] = []
        self._left_out: list[int] = []
        self._begin = 0

    def band(self, day: date | None = None) -> Band | None:
        """Return the usual band of the next figure, or None if there are too few figures."""
        return usual_band(self._counting(), day, least_change=self._least_change, width=self._width)

    def anomalous(self, figure: Figure) -> Band | None:
        """Return the band that the next figure lies outside of, or None if it is usual."""
        if figure.value is None:
            return None
        if _is_near(_known(self._counting()), figure.value, figure.day, self._least_change):
            return None
        band = self.band(figure.day)
        return None if band is None or band.holds(figure.value) else band

    def add(self, figure: Figure) -> None:
        """Add the next figure."""
        place, band = len(self._figures), self.anomalous(figure)
        self._figures.append(figure)
        if band is not None and figure.value is not None and band.is_clear_of(figure.value):
            self._left_out.append(place)
            recent = [one for one in self._left_out if one > place - RECENT]
            if len(recent) >= LEAST_FIGURES:
                self._begin, self._left_out = recent[0], []

    def _counting(self) -> list[Figure]:
        begin = max(self._begin, len(self._figures) - WINDOW)
        found = self._figures[begin:]
        for place in reversed(self._left_out):
            if place >= begin:
                del found[place - begin]
        return found


def anomalous_after(
    before: Sequence[tuple[float, date | None]],
    value: float,
    day: date | None,
    *,
    least_change: float = 0.0,
) -> Band | None:
    """Return the usual band that a figure lies outside of, or None if it is usual.

    Args:
        before: The known figures before it with their days, oldest first.
        value: The figure.
        day: Its day, or None.
        least_change: As for `usual_band`.

    Example:
        >>> before = [(value, None) for value in (10, 11, 9, 10, 12, 10, 10)]
        >>> anomalous_after(before, 10.5, None), anomalous_after(before, 1, None).low
        (None, 9.0)
    """
    if _is_near(before, value, day, least_change):
        return None
    usual = UsualFigures(least_change=least_change)
    for one in before:
        usual.add(Figure(*one))
    return usual.anomalous(Figure(value, day))


def bands(
    figures: Sequence[Figure], *, least_change: float = 0.0, since: int = 0
) -> Iterator[Band | None]:
    """Yield the band of the figures before each one.

    Args:
        figures: The figures, oldest first.
        least_change: As for `usual_band`.
        since: The place of the first figure whose band is wanted.
    """
    usual = UsualFigures(least_change=least_change)
    for place, figure in enumerate(figures):
        if place >= since:
            yield usual.band(figure.day)
        usual.add(figure)


def day_of(values: Sequence[str]) -> tuple[int, date] | None:
    """Return the day that a partition is of, and the place of the key that names it.

    Args:
        values: The partition's values.

    Returns:
        The first value that is a day, as ``20161031`` or ``2016-10-31``; None without one.

    Example:
        >>> day_of(["de", "20161031"])
        (1, datetime.date(2016, 10, 31))
    """
    for place, value in enumerate(values):
        digits = value.replace("-", "") if value[4:5] == value[7:8] == "-" else value
        if len(digits) == len("YYYYMMDD") and digits.isascii() and digits.isdecimal():
            try:
                return place, date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
            except ValueError:
                continue
    return None


def _known(before: Sequence[Figure]) -> list[tuple[float, date | None]]:
    return [(one.value, one.day) for one in before[-WINDOW:] if one.value is not None]


def _same_weekday(known: Sequence[tuple[float, date | None]], day: date | None) -> list[float]:
    """Return the figures of the day's weekday, or none if they are too few."""
    if day is None:
        return []
    wanted = day.weekday()
    found = [value for value, of in known if of is not None and of.weekday() == wanted]
    return found if len(found) >= LEAST_WEEKS else []


def _is_near(
    known: Sequence[tuple[float, date | None]], value: float, day: date | None, least_change: float
) -> bool:
    """Return whether a figure is usual without a look at the deviation, or there is no band.

    Most figures are, and this costs less than their band.
    """
    if len(known) < LEAST_FIGURES:
        return True
    middle = statistics.median(_same_weekday(known, day) or [one for one, _ in known])
    return abs(value - middle) <= max(LEAST_CHANGE * abs(middle), least_change)


def _by_weekday(known: Sequence[tuple[float, date | None]]) -> dict[int, list[float]]:
    weeks: dict[int, list[float]] = {}
    for value, day in known:
        if day is not None:
            weeks.setdefault(day.weekday(), []).append(value)
    return weeks


def _deviation(differences: Sequence[float]) -> float:
    """Return the standard deviation that differences from the median suggest."""
    count = len(differences)
    correction = _CORRECTIONS.get(count, count / (count - _CORRECTION_BEYOND))
    return _MAD_SCALE * correction * statistics.median(map(abs, differences))


def _deviation_of_days(weeks: Mapping[int, Sequence[float]]) -> float:
    """Return the deviation of days from their weekday's median, as a part of that median."""
    relative: list[float] = []
    for values in weeks.values():
        middle, count = statistics.median(values), len(values)
        if middle and count >= LEAST_WEEKS:
            # as the median is of the same few figures, they are nearer to it
            spread = math.sqrt(count / (count - 1)) / abs(middle)
            relative += [(value - middle) * spread for value in values]
    return _deviation(relative) if relative else 0.0

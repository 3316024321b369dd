"""The words and units of values for people, on the command line and the page.

The page has the same in ``plugin/web/static/words.js``; a test compares the two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from airflow_sfx.core.errors import counted as counted  # noqa: PLC0414  a word like the others
from airflow_sfx.core.log_entry import Operation

WHOLE = "(whole table)"
"""The partition of a table without partition keys."""

NONE = "-"
"""A value that is not known, or not there."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_DIGITS = 6
_LEAST = 1e-4
_SPANS = (("day", 86400), ("hour", 3600), ("minute", 60))


def moment(value: datetime | None) -> str | None:
    """Return a time in UTC, to the second.

    Example:
        >>> moment(datetime(2016, 11, 2, 23, 42, 52, tzinfo=UTC))
        '2016-11-02 23:42:52'
    """
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if value else None


def size(count: int | None) -> str | None:
    """Return a number of bytes with a binary unit.

    Example:
        >>> size(278), size(45_000_000)
        ('278 B', '42.9 MiB')
    """
    if count is None:
        return None
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_UNITS) - 1:  # noqa: PLR2004
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{count} B"


def number(count: float | None) -> str | None:
    """Return a number with thousands separators, fractions to six digits.

    Example:
        >>> number(336776), number(-0.0), number(12.640199), number(0.00001)
        ('336,776', '0', '12.6402', '1e-05')
    """
    if count is None or not math.isfinite(count):
        return None if count is None else f"{count}"
    if count != int(count):
        count = float(f"{count:.{_DIGITS}g}")
    return f"{int(count):,}" if count == int(count) else f"{count:.{_DIGITS}g}"


def duration(span: timedelta) -> str:
    """Return a span of time in its largest whole unit.

    Example:
        >>> duration(timedelta(hours=50)), duration(timedelta(seconds=61))
        ('2 days', '1 minute')
    """
    seconds = span.total_seconds()
    for unit, length in _SPANS:
        if seconds >= length:
            return counted(int(seconds // length), unit)
    return counted(int(seconds), "second")


def age(at: datetime | None, now: datetime) -> str | None:
    """Return how long ago a time was.

    Example:
        >>> now = datetime(2016, 11, 3, tzinfo=UTC)
        >>> age(datetime(2016, 11, 1, tzinfo=UTC), now), age(now, now)
        ('2 days ago', 'just now')
    """
    if at is None:
        return None
    passed = now - at
    return "just now" if passed < timedelta(minutes=1) else f"{duration(passed)} ago"


def why(reason: str, retired: Sequence[str], discarded: Sequence[str]) -> str:
    """Return the reason of a change, with the batches that it ended.

    Example:
        >>> why("monthly", ["20161101002256"], []), why("", [], ["20161101002256"])
        ('monthly; expires 20161101002256', 'discards 20161101002256')
    """
    ended = (("expires", retired), ("discards", discarded))
    return "; ".join(
        [*filter(None, [reason]), *(f"{verb} {', '.join(ids)}" for verb, ids in ended if ids)]
    )


def operation(of: Operation) -> str:
    """Return the word for an operation.

    Example:
        >>> operation(Operation.RETIRE), operation(Operation.FOREIGN_CHANGE)
        ('expire', 'foreign change')
    """
    return "expire" if of is Operation.RETIRE else of.value.replace("_", " ")

"""Batch IDs: the UTC second of the write as 14 digits, ``YYYYMMDDHHMMSS``.

It sorts as text in time order. Two writers may want the same second, and a clock may run behind, so
an ID is never taken from the clock alone: it is the clock's second or the one after the partition's
newest ID, whichever is later, and it is the writer's only once it has been claimed by a conditional
create.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from airflow_sfx.core.errors import InvalidName

_FORMAT = "%Y%m%d%H%M%S"
BATCH_ID_PATTERN = "[0-9]{14}"
"""Regular expression for the form of a batch ID."""

_DIGITS = re.compile(BATCH_ID_PATTERN)


def batch_id_at(moment: datetime) -> str:
    """Return the batch ID of a time.

    Args:
        moment: A time with a time zone.

    Returns:
        Its UTC second as 14 digits.

    Raises:
        InvalidName: The time has no time zone.

    Example:
        >>> batch_id_at(datetime(2016, 11, 1, 0, 22, 56, tzinfo=UTC))
        '20161101002256'
    """
    if moment.tzinfo is None:
        raise InvalidName(f"{moment!r} has no time zone: pass one, such as tzinfo=UTC")
    return f"{moment.astimezone(UTC):{_FORMAT}}"


def next_batch_id(now: datetime, newest: str | None) -> str:
    """Return the first batch ID that a writer may try to claim.

    Args:
        now: The clock, with a time zone.
        newest: The greatest ID that the partition has had or that another writer has claimed, or
            None for a new partition.

    Returns:
        The clock's second, or the second after ``newest`` when the clock is not past it.

    Example:
        >>> next_batch_id(datetime(2016, 11, 1, 0, 22, 56, tzinfo=UTC), "20161101002256")
        '20161101002257'
    """
    mine = batch_id_at(now)
    if newest is None or mine > newest:
        return mine
    return batch_id_at(moment_of(newest) + timedelta(seconds=1))


def moment_of(batch_id: str) -> datetime:
    """Return the UTC second that a batch ID names.

    Args:
        batch_id: 14 digits.

    Returns:
        The time, in UTC.

    Raises:
        InvalidName: The text is not a batch ID.

    Example:
        >>> moment_of("20161101002256").isoformat()
        '2016-11-01T00:22:56+00:00'
    """
    check_batch_id(batch_id)
    return datetime.strptime(batch_id, _FORMAT).replace(tzinfo=UTC)


def is_batch_id(text: object) -> bool:
    """Return whether a text is a batch ID: 14 digits that name a second.

    Example:
        >>> is_batch_id("20161101002256"), is_batch_id("20161399000000"), is_batch_id("_sfx")
        (True, False, False)
    """
    return isinstance(text, str) and _names_a_second(text)


def check_batch_id(text: object) -> str:
    """Check that a value is a batch ID.

    Args:
        text: What was passed.

    Returns:
        The same text.

    Raises:
        InvalidName: It is not text, or not 14 digits that name a second.

    Example:
        >>> check_batch_id("20161101002256")
        '20161101002256'
    """
    if not isinstance(text, str):
        raise InvalidName(
            f"{text!r:.80} is {type(text).__name__}, not text: pass the 14 digits of a batch ID as"
            " text, as in '20161101002256'"
        )
    if not _names_a_second(text):
        raise InvalidName(
            f"{text!r} is not a batch ID: it has 14 digits, YYYYMMDDHHMMSS in UTC, as in"
            " 20161101002256"
        )
    return text


@lru_cache(maxsize=4096)  # one call checks the same ID for each of its partitions and paths
def _names_a_second(text: str) -> bool:
    if not _DIGITS.fullmatch(text):
        return False
    try:
        datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)
    except ValueError:
        return False
    return True

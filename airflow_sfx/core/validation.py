"""Arguments that are lists, times, numbers, switches or missing: what people pass instead of one, and what to tell them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from airflow_sfx.core.errors import InvalidName

T = TypeVar("T")

_LONGEST = timedelta(days=365_000)


def listed(given: Iterable[T], argument: str) -> tuple[T, ...]:
    """What was passed as a list, where it is not the one thing that the list should have held.

    Args:
        given: The argument; a column of a frame or an array of values will do.
        argument: Its name, for the message.

    Returns:
        What it holds.

    Raises:
        InvalidName: It is one text, or holds nothing in an order.

    Example:
        >>> listed(["day"], "partition_by")
        ('day',)
        >>> listed("day", "partition_by")
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: partition_by='day' is not a list: pass a list, as in partition_by=['day']
    """
    one = isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable)
    if one or getattr(given, "ndim", 1) == 0:  # NumPy's single values say that they can be iterated
        example = f"[{given!r}]" if isinstance(given, str | bytes | int) else "[…]"
        raise InvalidName(
            f"{argument}={given!r:.120} is not a list: pass a list, as in {argument}={example}"
        )
    return tuple(given)


def is_missing(value: object) -> bool:
    """Whether a value is one that a library writes where there is none. No library is imported to find out.

    Args:
        value: Anything: ``None``, a NaN of any width or of `decimal`, pandas' ``NaT`` and ``NA``,
            NumPy's ``NaT`` and masked value, a null of Arrow. Text is never missing, whatever it
            says.

    Returns:
        Whether it is.

    Example:
        >>> [is_missing(value) for value in (None, float("nan"), "None", 0, "")]
        [True, True, False, False, False]
    """
    if value is None or value is getattr(sys.modules.get("pandas"), "NA", None):
        return True
    if isinstance(value, str | bytes | int):
        return False
    if hasattr(value, "as_py"):  # a scalar of Arrow
        return is_missing(value.as_py())
    try:
        itself = value == value  # noqa: PLR0124  # NaN and NaT differ from themselves
        return not itself
    except ArithmeticError:  # a signalling NaN
        return True
    except (TypeError, ValueError):  # an array, or an expression: not one value
        return False


def zoned(moment: datetime, argument: str) -> datetime:
    """A time that was passed, where it is one and says in which time zone.

    Args:
        moment: The argument.
        argument: Its name, for the message.

    Returns:
        The time in UTC; the first or the last one of the calendar where that is before or after it.

    Raises:
        InvalidName: It is no time, or has no time zone.

    Example:
        >>> zoned(datetime(2016, 11, 1), "as_of")
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: as_of=datetime.datetime(2016, 11, 1, 0, 0) has no time zone: pass one, such as \
datetime(2016, 11, 1, tzinfo=UTC)
    """
    if not isinstance(moment, datetime) or moment != moment:  # noqa: PLR0124  pandas' missing time is a datetime
        raise InvalidName(
            f"{argument}={moment!r:.80} is not a time: pass one, such as datetime(2016, 11, 1,"
            " tzinfo=UTC)"
        )
    if moment.utcoffset() is None:
        raise InvalidName(
            f"{argument}={moment!r} has no time zone: pass one, such as datetime(2016, 11, 1,"
            " tzinfo=UTC)"
        )
    try:
        return moment.astimezone(UTC)
    except (
        OverflowError
    ):  # the first hours of the year 1 in a zone of the east, the last of 9999 in one of the west
        return (datetime.min if moment.year == 1 else datetime.max).replace(tzinfo=UTC)


def switches(**given: bool) -> None:
    """Refuse switches that are neither True nor False: what Python takes for one of them may be the wrong one.

    ``publish="no"`` would publish, and ``dry_run=None``, as of a setting that nobody made, would
    delete. NumPy's truth values are refused, too.

    Args:
        given: The arguments, by name.

    Raises:
        InvalidName: One is no bool.

    Example:
        >>> switches(publish=True, force=False)
        >>> switches(dry_run=None)
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: dry_run=None is neither True nor False: pass one of them, as in dry_run=True
    """
    for argument, value in given.items():
        if not isinstance(value, bool):
            raise InvalidName(
                f"{argument}={value!r:.80} is neither True nor False: pass one of them, as in"
                f" {argument}=True"
            )


def named(text: str, argument: str) -> str:
    """A name that was passed, where it is one.

    Args:
        text: The argument.
        argument: Its name, for the message.

    Returns:
        The name.

    Raises:
        InvalidName: It is not text, holds nothing, or has half a surrogate pair.

    Example:
        >>> named(None, "run")
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: run=None is not a name: pass text that holds something, as in run='nightly'
    """
    if not isinstance(text, str) or not text.strip():
        raise InvalidName(
            f"{argument}={text!r:.80} is not a name: pass text that holds something, as in"
            f" {argument}='nightly'"
        )
    return storable_text(text, f"{argument}=")


def storable_text(value: object, what: str) -> str:
    """Check that an argument is text that can be stored as UTF-8.

    Args:
        value: The argument.
        what: What it is, for the message.

    Returns:
        The text.

    Raises:
        InvalidName: It is not text, or holds half a surrogate pair.

    Example:
        >>> storable_text("prices were zero", "reason=")
        'prices were zero'
    """
    if not isinstance(value, str):
        raise InvalidName(
            f"{what}{value!r:.80} is {type(value).__name__}, not text: pass text, or leave it out"
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidName(
            f"{what}{value!r:.80} has half a surrogate pair, which cannot be kept: remove it"
        ) from error
    return value


def whole(number: int, argument: str) -> int:
    """A number that was passed, where it is a whole one.

    Args:
        number: The argument.
        argument: Its name, for the message.

    Returns:
        The number.

    Raises:
        InvalidName: It is none: text, a fraction, or True or False.

    Example:
        >>> whole("2", "limit")
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: limit='2' is not a whole number: pass one, as in limit=10
    """
    if not isinstance(number, int) or isinstance(number, bool):
        raise InvalidName(
            f"{argument}={number!r:.80} is not a whole number: pass one, as in {argument}=10"
        )
    return number


def positive_duration(time: timedelta, argument: str) -> timedelta:
    """A length of time that was passed, where it is one that leads from now into the past or the future.

    Args:
        time: The argument.
        argument: Its name, for the message.

    Returns:
        The time.

    Raises:
        InvalidName: It is none, is negative, or leads out of the calendar.

    Example:
        >>> positive_duration(90, "grace")
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: grace=90 is no length of time: pass one, such as timedelta(days=90)
    """
    if not isinstance(time, timedelta):
        raise InvalidName(
            f"{argument}={time!r:.80} is no length of time: pass one, such as timedelta(days=90)"
        )
    if time < timedelta(0):
        raise InvalidName(f"{argument}={time}: it is no time in the past")
    if time > _LONGEST:
        raise InvalidName(
            f"{argument}={time}: the calendar does not reach so far; pass {_LONGEST.days} days at"
            " the most"
        )
    return time


def by_partition(expected: Mapping[str, str | None] | None) -> Mapping[str, str | None] | None:
    """The ``expected=`` of a change, where it says of partitions what must be current in them.

    Args:
        expected: The argument; None for whoever does not say.

    Returns:
        The same.

    Raises:
        InvalidName: It is something else, such as a batch ID alone.

    Example:
        >>> by_partition("20161101002256")
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: expected='20161101002256' does not say of which partition: pass what must be \
current by partition name, as in expected={'20161031': '20161101002256'}
    """
    if expected is not None and not isinstance(expected, Mapping):
        raise InvalidName(
            f"expected={expected!r:.80} does not say of which partition: pass what must be current"
            " by partition name, as in expected={'20161031': '20161101002256'}"
        )
    return expected

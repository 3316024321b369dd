"""Checks of arguments: lists, times, numbers, switches, names and missing values."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from airflow_sfx.core.errors import InvalidName

T = TypeVar("T")

_LONGEST = timedelta(days=365_000)


def listed(given: Iterable[T], argument: str) -> tuple[T, ...]:
    """Return the items of an argument that must be a list.

    Args:
        given: The argument: a list, a column of a frame, an array, or another iterable.
        argument: Its name, for the message.

    Returns:
        The items.

    Raises:
        InvalidName: It is a single value or a mapping.

    Example:
        >>> listed(["day"], "partition_by")
        ('day',)
        >>> listed("day", "partition_by")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: partition_by='day' is not a list: pass a list...
    """
    one = isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable)
    if one or getattr(given, "ndim", 1) == 0:  # NumPy's single values say that they can be iterated
        example = f"[{given!r}]" if isinstance(given, str | bytes | int) else "[…]"
        raise _invalid(argument, given, "is not a list", f"pass a list, as in {argument}={example}")
    return tuple(given)


def is_missing(value: object) -> bool:
    """Return whether a value stands for a missing one, without importing any library.

    Args:
        value: Any value. Missing are ``None``, a NaN of any width or of `decimal`, pandas' ``NaT``
            and ``NA``, NumPy's ``NaT`` and masked value, and Arrow's null; text never is.

    Returns:
        Whether it is missing.

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
    """Return a time in UTC.

    Args:
        moment: The argument, with a time zone.
        argument: Its name, for the message.

    Returns:
        The time in UTC, or the calendar's first or last time if UTC is outside of the calendar.

    Raises:
        InvalidName: It is not a time, or has no time zone.

    Example:
        >>> zoned(datetime(2016, 11, 1), "as_of")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: as_of=datetime.datetime(2016, 11, 1, 0, 0) has no...
    """
    remedy = "pass one, such as datetime(2016, 11, 1, tzinfo=UTC)"
    # pandas' missing time is a datetime, and differs from itself.
    if not isinstance(moment, datetime) or moment != moment:  # noqa: PLR0124
        raise _invalid(argument, moment, "is not a time", remedy)
    if moment.utcoffset() is None:
        raise _invalid(argument, moment, "has no time zone", remedy)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        # The first hours of year 1 in an eastern zone, or the last of 9999 in a western one.
        return (datetime.min if moment.year == 1 else datetime.max).replace(tzinfo=UTC)


def switches(**given: bool) -> None:
    """Raise an error unless all switches are True or False.

    Python's own truth of other values may be the opposite of what was meant: ``publish="no"`` would
    publish, and ``dry_run=None`` of a missing setting would delete. NumPy's booleans are rejected,
    too.

    Args:
        given: The arguments, by name.

    Raises:
        InvalidName: One is not a bool.

    Example:
        >>> switches(publish=True, force=False)
        >>> switches(dry_run=None)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: dry_run=None is neither True nor False: pass...
    """
    for argument, value in given.items():
        if not isinstance(value, bool):
            remedy = f"pass one of them, as in {argument}=True"
            raise _invalid(argument, value, "is neither True nor False", remedy)


def named(text: str, argument: str) -> str:
    """Check that an argument is a name.

    Args:
        text: The argument.
        argument: Its name, for the message.

    Returns:
        The name.

    Raises:
        InvalidName: It is not text, is blank, or has half a surrogate pair.

    Example:
        >>> named(None, "run")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: run=None is not a name: pass text...
    """
    if not isinstance(text, str) or not text.strip():
        remedy = f"pass text that is not blank, as in {argument}='nightly'"
        raise _invalid(argument, text, "is not a name", remedy)
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
    """Check that an argument is a whole number.

    Args:
        number: The argument.
        argument: Its name, for the message.

    Returns:
        The number.

    Raises:
        InvalidName: It is text, a fraction, or True or False.

    Example:
        >>> whole("2", "limit")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: limit='2' is not a whole number: pass one...
    """
    if not isinstance(number, int) or isinstance(number, bool):
        raise _invalid(argument, number, "is not a whole number", f"pass one, as in {argument}=10")
    return number


def at_least_one(number: int, argument: str) -> int:
    """Check that a maximum is a whole number from 1.

    Args:
        number: The maximum.
        argument: The argument's name, for the message.

    Returns:
        The number.

    Raises:
        InvalidName: It is not a whole number, or is below 1.

    Example:
        >>> at_least_one(0, "limit")
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: limit=0 is below 1: pass 1 or more, or None for all
    """
    if whole(number, argument) < 1:
        raise InvalidName(f"{argument}={number} is below 1: pass 1 or more, or None for all")
    return number


def positive_duration(time: timedelta, argument: str) -> timedelta:
    """Check that an argument is a duration within the calendar.

    Args:
        time: The argument.
        argument: Its name, for the message.

    Returns:
        The duration.

    Raises:
        InvalidName: It is not a duration, is negative, or leads out of the calendar.

    Example:
        >>> positive_duration(90, "grace")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: grace=90 is not a duration: pass one...
    """
    if not isinstance(time, timedelta):
        remedy = "pass one, such as timedelta(days=90)"
        raise _invalid(argument, time, "is not a duration", remedy)
    if time < timedelta(0):
        raise InvalidName(f"{argument}={time} is negative: pass a duration of zero or more")
    if time > _LONGEST:
        raise InvalidName(
            f"{argument}={time} is too long",
            remedy=f"pass at most {_LONGEST.days} days",
            cli_rule=f"{time} is too long",
        )
    return time


def by_partition(expected: Mapping[str, str | None] | None) -> Mapping[str, str | None] | None:
    """Check the ``expected=`` of a change: the current batches by partition.

    Args:
        expected: The argument, or None for no expectation.

    Returns:
        The argument.

    Raises:
        InvalidName: It is not a mapping, such as a batch ID alone.

    Example:
        >>> by_partition("20161101002256")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InvalidName: expected='20161101002256' does not name the...
    """
    if expected is not None and not isinstance(expected, Mapping):
        raise _invalid(
            "expected",
            expected,
            "does not name the partitions",
            "pass current batches by partition name, as in expected={'20161031': '20161101002256'}",
        )
    return expected


def shown(value: object) -> str:
    """Return the beginning of a value for an error, even if it cannot be printed.

    Args:
        value: Any value, such as one of a record that a client sent.

    Returns:
        Its ``repr``, or its type if Python does not print it: lists nested too deep, or a number of
        more than 4,300 digits.

    Example:
        >>> shown("far"), shown(10**5000)
        ("'far'", 'a value of type int that cannot be printed')
    """
    try:
        return f"{value!r:.80}"
    except Exception:  # of any class's own __repr__
        return f"a value of type {type(value).__name__} that cannot be printed"


def _invalid(argument: str, value: object, problem: str, remedy: str) -> InvalidName:
    return InvalidName(
        f"{argument}={value!r:.120} {problem}",
        remedy=remedy,
        cli_rule=f"{value!r:.120} {problem}",
        cli_remedy="type another value",
    )

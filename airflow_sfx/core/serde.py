"""JSON members read from storage: present and of the right kind, or a clear error."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

from airflow_sfx.core.errors import InconsistentBatch, InvalidName

T = TypeVar("T")

_FIRST_YEAR, _LAST_YEAR = 1970, 9990
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def parse_object(text: str | bytes, what: str) -> dict[str, object]:
    """Parse a JSON object.

    Args:
        text: The JSON text, UTF-8.
        what: What it is, for the message.

    Returns:
        The object's members.

    Raises:
        InconsistentBatch: The text is not a JSON object.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InconsistentBatch(
            f"{what} is not JSON ({error}): it was truncated or changed after it was written"
        ) from error
    if not isinstance(data, dict):
        raise InconsistentBatch(f"{what} is not a JSON object: it was changed after it was written")
    return data


@contextmanager
def as_written(what: str) -> Iterator[None]:
    """Take whatever a record's parts cannot be made of for damage: names, numbers, times and kinds that nobody wrote.

    Args:
        what: What the record is, for the message.

    Raises:
        InconsistentBatch: The block could not read the record.

    Example:
        >>> with as_written("the note x"):
        ...     [][0]
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InconsistentBatch: the note x breaks a rule of its format: list index out of range; it was \
changed after it was written
    """
    try:
        yield
    except InconsistentBatch:
        raise
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise InconsistentBatch(
            f"{what} breaks a rule of its format: {error}; it was changed after it was written"
        ) from error


def member(data: Mapping[str, object], name: str, kind: type[T], what: str) -> T:
    """A member that must be there.

    Args:
        data: The object.
        name: The member's name.
        kind: Its type.
        what: What the object is, for the message.

    Returns:
        The member.

    Raises:
        InconsistentBatch: It is absent or of another type.
    """
    value = data.get(name)
    if not isinstance(value, kind) or (isinstance(value, int) and not _is_number(value, kind)):
        raise InconsistentBatch(
            f"{what} has no proper {name!r} ({value!r:.80}): it was changed after it was written"
        )
    return value


def _is_number(value: int, kind: type) -> bool:
    """Whether it is one that other programs can keep, too, and a truth value only where one is asked for."""
    return kind is bool if isinstance(value, bool) else abs(value) < 1 << 63


def optional(data: Mapping[str, object], name: str, kind: type[T], what: str) -> T | None:
    """A member that may be absent or null; as `member` otherwise."""
    return None if data.get(name) is None else member(data, name, kind, what)


def moment(data: Mapping[str, object], name: str, what: str, *, ahead: bool = False) -> datetime:
    """A member that is an ISO 8601 time with a time zone, in UTC; ``ahead`` of one that may lie in any year to come."""
    text = member(data, name, str, what)
    try:
        value = datetime.fromisoformat(text)
        value = value.astimezone(UTC) if value.tzinfo else value
    except (ValueError, OverflowError) as error:
        raise InconsistentBatch(
            f"{what} has no proper {name!r} ({text!r:.80}): it is not a time"
        ) from error
    if value.tzinfo is None:
        raise InconsistentBatch(f"{what} has no proper {name!r} ({text!r}): it has no time zone")
    if value.year < _FIRST_YEAR or (value.year > _LAST_YEAR and not ahead):
        raise InconsistentBatch(
            f"{what} has no proper {name!r} ({text!r}): nothing was written then"
        )
    return value


def storable_text(value: object, what: str) -> str:
    """Check a text from outside before it is written where it cannot be changed any more.

    Args:
        value: What was passed.
        what: What it is, for the message.

    Returns:
        The text.

    Raises:
        InvalidName: It is no text, or holds half a surrogate pair, which no file can keep.

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


def compact(data: object) -> str:
    """JSON without spaces, members in their own order, text as UTF-8."""
    return _COMPACT.encode(data)

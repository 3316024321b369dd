"""Stored records as JSON: encoded compactly, and decoded strictly by msgspec.

A record's type describes its members: a frozen dataclass where it is stored as it is, a `Record`
where it is stored in another shape. Members without a default are required, members that the type
does not have are ignored, because later versions may add some, and values are never converted from
another type. The members' order in storage is that of the mapping that is encoded.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec

from airflow_sfx.core.errors import InconsistentBatch, InvalidName

T = TypeVar("T")

Text: TypeAlias = str | bytes
"""JSON text, UTF-8 where it is bytes."""

_GREATEST = (1 << 63) - 1
_FIRST_YEAR, _LAST_YEAR = 1970, 9990
_PYTHON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

Integer = Annotated[int, msgspec.Meta(ge=-_GREATEST, le=_GREATEST)]
"""An integer of 64 bits, which programs in other languages can read, too."""

Count = Annotated[int, msgspec.Meta(ge=0, le=_GREATEST)]
"""An integer from 0."""

Number = Annotated[int, msgspec.Meta(ge=1, le=_GREATEST)]
"""An integer from 1."""

Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with a time zone; see `check_time`."""


class Record(msgspec.Struct):
    """The shape of a stored JSON object that differs from the dataclass made of it."""


def encode(record: object) -> str:
    """Encode a record as compact JSON, its members in their order.

    Args:
        record: A mapping. Pass members that hold floats through `python_json`.

    Returns:
        The text.

    Example:
        >>> encode({"committed": True})
        '{"committed":true}'
    """
    return msgspec.json.encode(record).decode()


def python_json(value: object) -> msgspec.Raw:
    """Encode a member with floats as Python writes them: ``1e+16``, not ``1e16``."""
    return msgspec.Raw(compact(value).encode())


def compact(data: object) -> str:
    """Encode any JSON value without spaces, as Python's encoder writes it."""
    return _PYTHON.encode(data)


def decode(
    data: Text | None, kind: type[T], what: str, check: Callable[[T], object] | None = None
) -> T:
    """Decode a record, and check it against its type.

    Args:
        data: The JSON text, or None for an object that is gone.
        kind: The record's type.
        what: What the record is, with its path, for messages.
        check: Checks what the type does not say; it raises `InvalidName`. None for no more checks.

    Returns:
        The record.

    Raises:
        InconsistentBatch: The text is not JSON, a member is missing or of another type, or the
            check failed.

    Example:
        >>> decode('{"rows":"7"}', dict[str, Count], "the record x")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InconsistentBatch: the record x breaks a rule of its...
    """
    try:
        record = parse(data or b"", kind)
        if check is not None:
            check(record)
    except _DAMAGE as error:
        raise _damaged(what, error) from error
    return record


def parse(text: Text, kind: type[T]) -> T:
    """Decode JSON text, as `decode`, with msgspec's errors, which are `ValueError`s."""
    decoder: msgspec.json.Decoder[T] = _decoder(kind)
    return decoder.decode(text)


_PREPARING = threading.Lock()


def _prepared(kind: Any) -> Any:
    with _PREPARING:  # msgspec crashes where two threads prepare the same types at once
        return msgspec.json.Decoder(kind)


_decoder: Callable[[Any], Any] = cache(_prepared)


@contextmanager
def decoding(what: str) -> Iterator[None]:
    """Raise errors of a block that decodes a record as damage of that record.

    Args:
        what: What the record is, with its path, for messages.

    Raises:
        InconsistentBatch: The block could not decode the record.

    Example:
        >>> with decoding("the record x"):  # doctest: +ELLIPSIS
        ...     [][0]
        Traceback (most recent call last):
        ...
        airflow_sfx.core.errors.InconsistentBatch: the record x breaks a rule of its format: list...
    """
    try:
        yield
    except InconsistentBatch:
        raise
    except _DAMAGE as error:
        raise _damaged(what, error) from error


_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)


def _damaged(what: str, error: Exception) -> InconsistentBatch:
    is_json = isinstance(error, msgspec.ValidationError) or not isinstance(
        error, (msgspec.DecodeError, UnicodeError)
    )
    if is_json:
        problem = f"breaks a rule of its format: {error}. It was changed after it was written"
    else:
        problem = f"is not JSON: {error}. It was truncated or changed after it was written"
    return InconsistentBatch(f"{what} {problem}")


def check_time(moment: datetime, member: str, *, future: bool = False) -> datetime:
    """Check that a decoded time is in UTC and in a plausible year.

    Args:
        moment: The time.
        member: The member's name, for the message.
        future: Whether it may lie in any later year, too.

    Returns:
        The time.

    Raises:
        InvalidName: It is in another time zone, or in another year.
    """
    if moment.tzinfo is not UTC:
        raise InvalidName(f"{member!r} is {moment.isoformat()}, which is not in UTC")
    if moment.year < _FIRST_YEAR or (moment.year > _LAST_YEAR and not future):
        raise InvalidName(f"{member!r} is {moment.isoformat()}, when no record was written")
    return moment

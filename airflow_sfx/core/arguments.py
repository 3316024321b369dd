"""Arguments that are lists: what people pass instead of one, and what to tell them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from airflow_sfx.core.errors import InvalidName

T = TypeVar("T")


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
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        example = f"[{given!r}]" if isinstance(given, str | bytes | int) else "[…]"
        raise InvalidName(f"{argument}={given!r:.120} is not a list: pass a list, as in {argument}={example}")
    return tuple(given)

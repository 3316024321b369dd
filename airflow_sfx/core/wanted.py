"""Work that is given up half way because nobody waits for it any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Unwanted(Exception):
    """Nobody waits for the result any more. Whoever asked for the work with `while_wanted` meets it, and nobody else."""


def _always() -> bool:
    return True


_wanted: ContextVar[Callable[[], bool]] = ContextVar("sfx_wanted", default=_always)


@contextmanager
def while_wanted(wanted: Callable[[], bool]) -> Iterator[None]:
    """Give up what the block does, between two of its steps, once nobody wants it.

    Args:
        wanted: Whether somebody still waits; asked often, in whatever threads do the work.

    Example:
        >>> with while_wanted(lambda: False):
        ...     stop_if_unwanted()
        Traceback (most recent call last):
        ...
        airflow_sfx.core.wanted.Unwanted
    """
    token = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(token)


def stop_if_unwanted() -> None:
    """Call this between the steps of long work that changes nothing.

    Raises:
        Unwanted: Nobody waits for it any more.
    """
    if not _wanted.get()():
        raise Unwanted

"""Work that is given up half way because nobody waits for it any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Cancelled(Exception):
    """Nobody waits for the result any more. Whoever asked for the work with `cancelled_unless` meets it, and nobody else."""


def _always() -> bool:
    return True


_wanted: ContextVar[Callable[[], bool]] = ContextVar("sfx_wanted", default=_always)


@contextmanager
def cancelled_unless(wanted: Callable[[], bool]) -> Iterator[None]:
    """Give up what the block does, between two of its steps, once nobody wants it.

    Args:
        wanted: Whether somebody still waits; asked often, in whatever threads do the work.

    Example:
        >>> with cancelled_unless(lambda: False):
        ...     raise_if_cancelled()
        Traceback (most recent call last):
        ...
        airflow_sfx.core.io.cancellation.Cancelled
    """
    token = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(token)


def raise_if_cancelled() -> None:
    """Call this between the steps of long work that changes nothing.

    Raises:
        Cancelled: Nobody waits for it any more.
    """
    if not _wanted.get()():
        raise Cancelled

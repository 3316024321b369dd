"""Cancellation of work whose result no caller waits for any more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Cancelled(Exception):
    """The work was cancelled; only the caller of `cancelled_unless` sees this."""


def _always() -> bool:
    return True


_wanted: ContextVar[Callable[[], bool]] = ContextVar("sfx_wanted", default=_always)


@contextmanager
def cancelled_unless(wanted: Callable[[], bool]) -> Iterator[None]:
    """Cancel the block between two of its steps once its result is not wanted.

    Args:
        wanted: Whether a caller still waits; called often, in any thread.

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
    """Raise an error if the work is cancelled; for steps that change nothing.

    Raises:
        Cancelled: No caller waits for the result any more.
    """
    if not _wanted.get()():
        raise Cancelled

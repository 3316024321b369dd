"""Time limits of requests: tasks can wait, a person at a page cannot.

A call is retried while connections break, and a response that does not arrive in time counts as a
broken connection. A response may take half of the total, so that a server that hangs is asked twice
before the call ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

CONNECT_SECONDS = 5.0
"""The time limit of opening a connection."""

TRY_SECONDS = 60.0
"""How long calls are retried: a server takes 15 to 20 s to restart."""

UPLOAD_SECONDS = 120.0
"""The time limit of uploading a large object, also over a slow connection."""

_allowed: ContextVar[float] = ContextVar("sfx_timeouts", default=TRY_SECONDS)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits in seconds.

    Args:
        total: How long calls are retried.

    Example:
        >>> Timeouts(10).connect, Timeouts(10).answer
        (5.0, 5.0)
    """

    total: float = TRY_SECONDS

    @property
    def connect(self) -> float:
        """The time limit of opening a connection."""
        return min(CONNECT_SECONDS, self.answer)

    @property
    def answer(self) -> float:
        """How long a server may be silent before the connection counts as broken."""
        return self.total / 2


@contextmanager
def timeouts_of(seconds: float) -> Iterator[None]:
    """Set the time limits of the block.

    Args:
        seconds: How long calls are retried.

    Example:
        >>> with timeouts_of(5):
        ...     timeouts().total
        5
    """
    token = _allowed.set(seconds)
    try:
        yield
    finally:
        _allowed.reset(token)


def timeouts() -> Timeouts:
    """Return the time limits in effect."""
    return Timeouts(_allowed.get())

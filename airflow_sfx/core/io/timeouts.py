"""How long servers are waited for: one place for S3, Hive and Glue. Tasks can wait; a person who looks at a page cannot.

A call is repeated while connections break off, and one that is not answered in time counts as
broken off. Half of the whole is given to an answer, so that a server which hangs is asked twice and
the call still ends when the whole is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

CONNECT_SECONDS = 5.0
"""How long a connection may take to be made."""

TRY_SECONDS = 60.0
"""For how long calls are repeated: a server takes 15 to 20 s to start again."""

UPLOAD_SECONDS = 120.0
"""How long sending a large piece of data may take, over a slow line as well."""

_allowed: ContextVar[float] = ContextVar("sfx_patience", default=TRY_SECONDS)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Time limits in seconds.

    Args:
        total: For how long calls are repeated.

    Example:
        >>> Timeouts(10).connect, Timeouts(10).answer
        (5.0, 5.0)
    """

    total: float = TRY_SECONDS

    @property
    def connect(self) -> float:
        """How long a connection may take to be made."""
        return min(CONNECT_SECONDS, self.answer)

    @property
    def answer(self) -> float:
        """How long a server may be silent in a call before the call counts as broken off."""
        return self.total / 2


@contextmanager
def timeouts_of(seconds: float) -> Iterator[None]:
    """Give up sooner in what the block does.

    Args:
        seconds: For how long calls are repeated.

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
    """The time limits that hold here."""
    return Timeouts(_allowed.get())

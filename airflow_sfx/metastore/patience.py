"""How long a call to a metastore is repeated while connections break off. Tasks can wait; a person who looks at a page cannot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

TRY_SECONDS = 90.0
"""Long enough for a server that starts again, and longer than a call takes that is never answered: this one is repeated, too."""

_allowed: ContextVar[float] = ContextVar("sfx_patience", default=TRY_SECONDS)


@contextmanager
def patient_for(seconds: float) -> Iterator[None]:
    """Give up sooner in what the block does.

    Args:
        seconds: For how long calls are repeated.

    Example:
        >>> with patient_for(5):
        ...     patience()
        5
    """
    token = _allowed.set(seconds)
    try:
        yield
    finally:
        _allowed.reset(token)


def patience() -> float:
    """For how many seconds calls are repeated here."""
    return _allowed.get()

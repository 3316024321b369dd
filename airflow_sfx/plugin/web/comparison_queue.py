"""Whose turn it is to compare batches: that takes memory and processors of the API server, which are Airflow's, too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

MEMORY = 512 << 20
"""How many bytes of memory a comparison may take: larger ones are for ``sfx diff``."""

AT_ONCE = 2
"""How many are under way at once in a process of the API server, each for another user."""

WAIT_SECONDS = 10.0
"""For how long a request waits for its turn: what was asked for before ends soon once nobody waits for it any more."""

_LOOK_SECONDS = 0.1


class TooManyComparisons(Exception):
    """It was not the request's turn in time.

    Args:
        message: Why, and what to do about it.
        status: The HTTP status that says so.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ComparisonQueue:
    """Gives turns. All of it happens in the thread of the API server's event loop."""

    def __init__(self) -> None:
        self._users: set[str] = set()

    @asynccontextmanager
    async def of(self, user: str) -> AsyncIterator[None]:
        """A user's turn, until the block ends.

        Raises:
            Busy: It did not come in time.
        """
        give_up = time.monotonic() + WAIT_SECONDS
        while user in self._users or len(self._users) >= AT_ONCE:
            if time.monotonic() > give_up:
                raise self._busy(user)
            await asyncio.sleep(_LOOK_SECONDS)
        self._users.add(user)
        try:
            yield
        finally:
            self._users.remove(user)

    def _busy(self, user: str) -> TooManyComparisons:
        if user in self._users:
            return TooManyComparisons(
                "another comparison of yours is under way: wait until it has ended", 429
            )
        return TooManyComparisons(
            f"{AT_ONCE} comparisons of other users are under way: try again in a moment", 503
        )

"""The limit of concurrent comparisons in Airflow's API server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

MEMORY = 512 << 20
"""Memory that a comparison may use, in bytes; ``sfx diff`` has no such limit."""

AT_ONCE = 2
"""Concurrent comparisons per process, each by another user."""

WAIT_SECONDS = 10.0
"""How long a request waits; a comparison ends when its client disconnects."""

_POLL_SECONDS = 0.1


class TooManyComparisons(Exception):
    """A request that waited too long in the queue.

    Args:
        message: Why, and what to do about it.
        status: The HTTP status of the response.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class ComparisonQueue:
    """A queue for comparisons, used in the API server's event loop only."""

    def __init__(self) -> None:
        self._users: set[str] = set()

    @asynccontextmanager
    async def of(self, user: str) -> AsyncIterator[None]:
        """Wait for a free place, and occupy it until the block ends.

        Raises:
            TooManyComparisons: No place became free in time.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        while user in self._users or len(self._users) >= AT_ONCE:
            if time.monotonic() > deadline:
                raise self._error(user)
            await asyncio.sleep(_POLL_SECONDS)
        self._users.add(user)
        try:
            yield
        finally:
            self._users.remove(user)

    def _error(self, user: str) -> TooManyComparisons:
        if user in self._users:
            return TooManyComparisons(
                "another comparison of yours is running: wait until it has finished", 429
            )
        return TooManyComparisons(
            f"{AT_ONCE} comparisons of other users are running: try again later", 503
        )


comparisons = ComparisonQueue()
"""The queue of this process."""

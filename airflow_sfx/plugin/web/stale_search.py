"""The search for stale batches through the whole warehouse, in a thread.

Requests wait a moment for it, and are then answered with what was found before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from datetime import UTC, datetime

from airflow_sfx.core.io.timeouts import timeouts_of
from airflow_sfx.warehouse.pins.stale import StaleBatch

TIMES, LEAST_SECONDS, MOST_SECONDS = 20, 2.0, 300.0
"""How long a result is fresh: a multiple of the search's time, between two limits.

So a search of up to 15 seconds takes a twentieth of the time at most.
"""

PATIENCE_SECONDS = 1.0
"""How long a request waits for a search."""


@dataclass(frozen=True, slots=True)
class FoundStale:
    """The result of a search.

    Args:
        batches: The stale batches.
        at: When the search began, in UTC.
        fresh: The monotonic time until which the result is fresh.
        changes: How many changes the page had made when the search began.
    """

    batches: Sequence[StaleBatch]
    at: datetime
    fresh: float
    changes: int


@dataclass(slots=True)
class StaleSearch:
    """The stale batches of the default warehouse, searched once for all requests.

    Args:
        search: Returns the stale batches.
        changes: Returns how many changes the page has made: each makes a result out of date.
        seconds: How long the search retries a server.
    """

    search: Callable[[], Sequence[StaleBatch]]
    changes: Callable[[], int]
    seconds: float
    _found: FoundStale | None = None
    _error: Exception | None = None
    _running: threading.Event | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def result(self) -> tuple[FoundStale | None, bool]:
        """Return the last result, if any, and whether it is fresh.

        Raises:
            SfxError: The search failed.
        """
        running = self._started()
        if running is not None:
            running.wait(PATIENCE_SECONDS)
        with self._lock:
            error, self._error = self._error, None
            if error is not None:
                raise error
            return self._found, self._is_fresh()

    def _is_fresh(self) -> bool:
        found = self._found
        if found is None or time.monotonic() > found.fresh:
            return False
        return found.changes == self.changes()

    def _started(self) -> threading.Event | None:
        """Start a search if one is due, and return what is set at its end."""
        with self._lock:
            if self._running is not None or self._is_fresh():
                return self._running
            self._running = threading.Event()
            # a new context: the end of the request that starts a search does not cancel it
            work = Context().run
            threading.Thread(
                target=work, args=(self._run, self._running), name="sfx-stale", daemon=True
            ).start()
            return self._running

    def _run(self, done: threading.Event) -> None:
        began, at, changes = time.monotonic(), datetime.now(UTC), self.changes()
        found: FoundStale | None = None
        failed: Exception | None = None
        try:
            with timeouts_of(self.seconds):
                batches = self.search()
            now = time.monotonic()
            span = min(max(TIMES * (now - began), LEAST_SECONDS), MOST_SECONDS)
            found = FoundStale(batches, at, now + span, changes)
        except Exception as error:  # a request that waits reports it
            failed = error
        with self._lock:
            self._found, self._error, self._running = found or self._found, failed, None
        done.set()

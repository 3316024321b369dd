"""Attempts with random pauses, so that callers do not retry at the same time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from itertools import count


def attempts(
    seconds: float,
    *,
    first: float,
    longest: float,
    least: int = 1,
    stop: threading.Event | None = None,
) -> Iterator[int]:
    """Yield the number of each attempt, with random pauses in between.

    The loop body returns on success, and goes on to the next attempt otherwise. There is always a
    first attempt; the last one begins when the time is over, unless an earlier one lasts longer.

    Args:
        seconds: How long to go on.
        first: The longest pause after the first attempt, in seconds; it doubles with each attempt.
        longest: The longest pause of all, in seconds.
        least: The number of attempts to make in any case, however long they take.
        stop: Ends the pause, and the attempts, once it is set; from another thread.

    Yields:
        The number of the attempt, starting at 1.

    Example:
        >>> list(attempts(0, first=1, longest=1))
        [1]
        >>> list(attempts(0, first=0, longest=0, least=3))
        [1, 2, 3]
    """
    end = time.monotonic() + seconds
    for number in count(1):
        yield number
        left = end - time.monotonic()
        if number >= least and left <= 0:
            return
        pause = random.uniform(0, min(first * 2.0 ** min(number - 1, 64), longest))  # noqa: S311
        if number >= least:
            pause = min(pause, left)
        if stop is None:
            time.sleep(pause)
        elif stop.wait(pause):
            return

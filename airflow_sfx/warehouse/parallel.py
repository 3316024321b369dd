"""Many small waits at once: the objects of hundreds of partitions are written and read side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")

WAITERS = 8
"""Threads that mostly wait for storage."""


def each(action: Callable[[In], Out], items: Iterable[In], threads: int = WAITERS) -> list[Out]:
    """Apply an action to every item, several at a time.

    Args:
        action: What to do; it must be safe in threads.
        items: To what.
        threads: How many at a time.

    Returns:
        The results in the order of the items.

    Raises:
        Exception: What the first failing action raised, after those under way have ended.

    Example:
        >>> each(len, ["a", "bc"])
        [1, 2]
    """
    work = list(items)
    if len(work) <= 1 or threads <= 1:
        return [action(item) for item in work]
    with ThreadPoolExecutor(min(threads, len(work)), thread_name_prefix="sfx") as pool:
        futures = [pool.submit(action, item) for item in work]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise

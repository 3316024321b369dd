"""Many small waits at once: the objects of hundreds of partitions are written and read side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from airflow_sfx.storage.store import Store

In = TypeVar("In")
Out = TypeVar("Out")

MANY = 16
"""From how many objects on they are made durable together, and not one by one."""

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
        futures = [pool.submit(copy_context().run, action, item) for item in work]  # who asks may have little patience
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def put_all(store: Store, objects: Sequence[tuple[str, bytes]]) -> list[bool]:
    """Write objects where there are none, by the way that is fastest for so many.

    Args:
        store: Where to.
        objects: Their paths and contents.

    Returns:
        For each whether it holds the content, as `Store.put_if_absent` says.

    Example:
        >>> from airflow_sfx.storage.open import open_store
        >>> store = open_store("memory:///")
        >>> put_all(store, [("a", b"1")]), put_all(store, [("a", b"2"), ("b", b"3")])
        ([True], [False, True])
    """
    if len(objects) < MANY:
        return each(lambda item: store.put_if_absent(*item), objects)
    return store.put_all_if_absent(objects)

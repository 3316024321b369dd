"""Many small waits at once: the objects of hundreds of partitions are written and read side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from airflow_sfx.core.scarcity import scarcity
from airflow_sfx.core.wanted import stop_if_unwanted
from airflow_sfx.storage.store import Store

In = TypeVar("In")
Out = TypeVar("Out")
Other = TypeVar("Other")

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
        Unwanted: Nobody waits for the results any more.

    Example:
        >>> each(len, ["a", "bc"])
        [1, 2]
    """

    def step(item: In) -> Out:
        stop_if_unwanted()
        return action(item)

    work = list(items)
    if len(work) <= 1 or threads <= 1:
        return [step(item) for item in work]
    with ThreadPoolExecutor(min(threads, len(work)), thread_name_prefix="sfx") as pool:
        futures = [_begun(pool, step, item) for item in work]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _begun(pool: ThreadPoolExecutor, action: Callable[[In], Out], item: In) -> Future[Out]:
    try:
        return pool.submit(copy_context().run, action, item)  # who asks may have little patience
    except RuntimeError as error:
        if short := scarcity(error, "starting a thread"):
            raise short from error
        raise


def both(aside: Callable[[], Out], action: Callable[[], Other]) -> tuple[Out, Other]:
    """Do two things at once.

    Args:
        aside: Done in another thread.
        action: Done in this one.

    Returns:
        What they returned, once both have ended.

    Raises:
        Exception: What one of them raised; of two errors, that of ``action``.

    Example:
        >>> both(lambda: 1, lambda: "a")
        (1, 'a')
    """
    with ThreadPoolExecutor(1, thread_name_prefix="sfx") as pool:
        future = pool.submit(aside)
        done = action()
        return future.result(), done


def led_by_first(items: Sequence[In], action: Callable[[Sequence[In]], list[bool]]) -> list[bool]:
    """Do something with the first item, and with the others only if that says True.

    Args:
        items: To what.
        action: What to do with some of them; says what came of each.

    Returns:
        What came of each; False for those with which nothing was done.

    Example:
        >>> led_by_first(["", "a"], lambda some: [bool(item) for item in some])
        [False, False]
    """
    first = action(items[:1])
    return first + (action(items[1:]) if all(first) else [False] * len(items[1:]))


def put_all(
    store: Store, objects: Sequence[tuple[str, bytes]], *, led: bool = False, synced: bool = True
) -> list[bool]:
    """Write objects where there are none, by the way that is fastest for so many.

    Args:
        store: Where to.
        objects: Their paths and contents.
        led: As for `Store.put_all_if_absent`.
        synced: As for `Store.put_all_if_absent`; few objects are durable in any case.

    Returns:
        For each whether it holds the content, as `Store.put_if_absent` says.

    Example:
        >>> from airflow_sfx.storage.open import open_store
        >>> store = open_store("memory:///")
        >>> put_all(store, [("a", b"1")]), put_all(store, [("a", b"2"), ("b", b"3")])
        ([True], [False, True])
    """
    if len(objects) >= MANY:
        return store.put_all_if_absent(objects, led=led, synced=synced)

    def put(some: Sequence[tuple[str, bytes]]) -> list[bool]:
        return each(lambda item: store.put_if_absent(*item), some)

    return led_by_first(objects, put) if led else put(objects)

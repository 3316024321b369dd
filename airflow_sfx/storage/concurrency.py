"""Many small waits at once: the objects of hundreds of partitions are written and read side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeAlias, TypeVar

from airflow_sfx.core.errors import InvalidName
from airflow_sfx.core.io.cancellation import raise_if_cancelled
from airflow_sfx.core.io.resource_limits import resource_error
from airflow_sfx.storage.base import ObjectStore

In = TypeVar("In")


Out = TypeVar("Out")


Other = TypeVar("Other")


MANY = 16
"""From how many objects on they are made durable together, and not one by one."""


DEFAULT_CONCURRENCY = 8
"""Threads that mostly wait for storage."""


def map_concurrently(
    action: Callable[[In], Out], items: Iterable[In], threads: int = DEFAULT_CONCURRENCY
) -> list[Out]:
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
        >>> map_concurrently(len, ["a", "bc"])
        [1, 2]
    """

    def step(item: In) -> Out:
        raise_if_cancelled()
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
        if short := resource_error(error, "starting a thread"):
            raise short from error
        raise


def run_both(aside: Callable[[], Out], action: Callable[[], Other]) -> tuple[Out, Other]:
    """Do two things at once.

    Args:
        aside: Done in another thread.
        action: Done in this one.

    Returns:
        What they returned, once both have ended.

    Raises:
        Exception: What one of them raised; of two errors, that of ``action``.

    Example:
        >>> run_both(lambda: 1, lambda: "a")
        (1, 'a')
    """
    with ThreadPoolExecutor(1, thread_name_prefix="sfx") as pool:
        future = pool.submit(aside)
        done = action()
        return future.result(), done


def first_alone(items: Sequence[In], action: Callable[[Sequence[In]], list[bool]]) -> list[bool]:
    """Do something with the first item, and with the others only if that says True.

    Args:
        items: To what.
        action: What to do with some of them; says what came of each.

    Returns:
        What came of each; False for those with which nothing was done.

    Example:
        >>> first_alone(["", "a"], lambda some: [bool(item) for item in some])
        [False, False]
    """
    first = action(items[:1])
    return first + (action(items[1:]) if all(first) else [False] * len(items[1:]))


def put_all(
    store: ObjectStore,
    objects: Sequence[tuple[str, bytes]],
    *,
    led: bool = False,
    synced: bool = True,
) -> list[bool]:
    """Write objects where there are none, by the way that is fastest for so many.

    Args:
        store: Where to.
        objects: Their paths and contents.
        led: As for `ObjectStore.put_all_if_absent`.
        synced: As for `ObjectStore.put_all_if_absent`; few objects are durable in any case.

    Returns:
        For each whether it holds the content, as `ObjectStore.put_if_absent` says.

    Example:
        >>> from airflow_sfx.storage.factory import open_store
        >>> store = open_store("memory:///")
        >>> put_all(store, [("a", b"1")]), put_all(store, [("a", b"2"), ("b", b"3")])
        ([True], [False, True])
    """
    if len(objects) >= MANY:
        return store.put_all_if_absent(objects, led=led, synced=synced)

    def put(some: Sequence[tuple[str, bytes]]) -> list[bool]:
        return map_concurrently(lambda item: store.put_if_absent(*item), some)

    return first_alone(objects, put) if led else put(objects)


Progress: TypeAlias = Callable[[int, int], None]
"""Is told how many of how many pieces are done, by one thread at a time."""


def with_progress(
    action: Callable[[In], Out], total: int, progress: Progress | None
) -> Callable[[In], Out]:
    """An action that tells of each time that it has been done.

    Args:
        action: What is done with each piece, in any thread.
        total: How many pieces there are.
        progress: Whom to tell; None for nobody.

    Returns:
        The action.

    Raises:
        InvalidName: There is something to tell that cannot be called.

    Example:
        >>> told = []
        >>> list(map(with_progress(str.upper, 2, lambda done, total: told.append(f"{done}/{total}")), "ab")), told
        (['A', 'B'], ['1/2', '2/2'])
    """
    if progress is None:
        return action
    if not callable(progress):
        raise InvalidName(
            f"progress={progress!r:.80} is no function: pass one that takes how many of how many"
            " are done"
        )
    done = 0
    lock = threading.Lock()

    def act(item: In) -> Out:
        nonlocal done
        result = action(item)
        with lock:
            done += 1
            progress(done, total)
        return result

    return act

"""Concurrent requests for the objects of hundreds of partitions."""

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
"""From this number of objects on, they are made durable together, not one by one."""

DEFAULT_CONCURRENCY = 8
"""The number of threads that mostly wait for storage."""


def map_concurrently(
    action: Callable[[In], Out], items: Iterable[In], concurrency: int = DEFAULT_CONCURRENCY
) -> list[Out]:
    """Apply an action to every item, in several threads.

    Args:
        action: A thread-safe function of one item.
        items: The items.
        concurrency: The largest number of threads.

    Returns:
        The results in the order of the items.

    Raises:
        Exception: The error of the first item that failed, after running actions have ended.
        Cancelled: The caller no longer waits for the results.

    Example:
        >>> map_concurrently(len, ["a", "bc"])
        [1, 2]
    """

    def step(item: In) -> Out:
        raise_if_cancelled()
        return action(item)

    work = list(items)
    if len(work) <= 1 or concurrency <= 1:
        return [step(item) for item in work]
    with ThreadPoolExecutor(min(concurrency, len(work)), thread_name_prefix="sfx") as pool:
        futures = [_submit(pool, step, item) for item in work]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _submit(pool: ThreadPoolExecutor, action: Callable[[In], Out], item: In) -> Future[Out]:
    try:
        return pool.submit(copy_context().run, action, item)  # with the caller's time limits
    except RuntimeError as error:
        if short := resource_error(error, "starting a thread"):
            raise short from error
        raise


def run_both(aside: Callable[[], Out], action: Callable[[], Other]) -> tuple[Out, Other]:
    """Run two actions at the same time.

    Args:
        aside: The action to run in another thread.
        action: The action to run in this thread.

    Returns:
        Their results, once both have ended.

    Raises:
        Exception: The error of one of them; that of ``action`` if both fail.

    Example:
        >>> run_both(lambda: 1, lambda: "a")
        (1, 'a')
    """
    with ThreadPoolExecutor(1, thread_name_prefix="sfx") as pool:
        future = pool.submit(aside)
        done = action()
        return future.result(), done


def put_all(store: ObjectStore, objects: Sequence[tuple[str, bytes]]) -> list[bool]:
    """Write objects that do not exist yet, in the fastest way for their number.

    Args:
        store: The store to write to.
        objects: Their paths and contents.

    Returns:
        For each object whether it holds the content, as from `ObjectStore.put_if_absent`.

    Example:
        >>> from airflow_sfx.storage.object_store import InMemoryStore
        >>> store = InMemoryStore()
        >>> put_all(store, [("a", b"1")]), put_all(store, [("a", b"2"), ("b", b"3")])
        ([True], [False, True])
    """
    if len(objects) >= MANY:
        return store.put_all_if_absent(objects)
    return map_concurrently(lambda item: store.put_if_absent(*item), objects)


Progress: TypeAlias = Callable[[int, int], None]
"""Called with the number of pieces that are done and their total, by one thread at a time."""


def with_progress(
    action: Callable[[In], Out], total: int, progress: Progress | None
) -> Callable[[In], Out]:
    """Wrap an action to report progress each time that it has run.

    Args:
        action: A function of one piece, which may run in any thread.
        total: The number of pieces.
        progress: The function to call; None for none.

    Returns:
        The wrapped action.

    Raises:
        InvalidName: ``progress`` cannot be called.

    Example:
        >>> seen = []
        >>> report = lambda done, total: seen.append(f"{done}/{total}")
        >>> list(map(with_progress(str.upper, 2, report), "ab")), seen
        (['A', 'B'], ['1/2', '2/2'])
    """
    if progress is None:
        return action
    if not callable(progress):
        raise InvalidName(
            f"progress={progress!r:.80} is not a function: pass one that is called with the number"
            " of pieces done and their total"
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

"""Making many objects without looking for garbage among them again and again.

What a metastore says of 10,000 partitions, or the manifests of a year, are hundreds of thousands of
objects, all in use. Python looks for garbage after every 700 of them, and now and then among all
that the process had before: a third of the time, and more in a large process.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SELDOM = 200_000
"""After how many new objects garbage is looked for meanwhile: a thread that waits for a server lets others make no more."""


class _Blocks:
    """How many blocks, in whatever threads, are under way, and how often garbage is looked for outside of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._usual = gc.get_threshold()

    def begin(self) -> None:
        with self._lock:
            if not self._count:
                self._usual = gc.get_threshold()
                if 0 < self._usual[0] < _SELDOM:
                    gc.set_threshold(_SELDOM, *self._usual[1:])
            self._count += 1

    def end(self) -> None:
        with self._lock:
            self._count = max(
                0, self._count - 1
            )  # in a child that was forked within a block there is none
            if not self._count:
                gc.set_threshold(*self._usual)

    def forked(self) -> None:
        """The threads that were in a block are not in a forked child, nor is whoever held the lock."""
        self._lock = threading.Lock()
        if self._count:
            gc.set_threshold(*self._usual)
        self._count = 0


_BLOCKS = _Blocks()
os.register_at_fork(after_in_child=_BLOCKS.forked)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Look for garbage seldom until the block ends; for blocks that make many objects and keep them.

    Blocks may overlap, in several threads. Where the program has switched collection off itself, it
    stays so.

    Example:
        >>> import gc
        >>> with seldom_collected():
        ...     gc.get_threshold()[0]
        200000
    """
    _BLOCKS.begin()
    try:
        yield
    finally:
        _BLOCKS.end()

"""Making many objects without looking for garbage among them meanwhile.

What a metastore says of 10,000 partitions, or the manifests of a year, are hundreds of thousands of objects, all in use. Python
looks for garbage again and again while they are made, and among all that the process had before: a third of the time, and more in
a large process.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Pause:
    """How many calls, in whatever threads, want no garbage collected now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls = 0
        self._resume = False

    def begin(self) -> None:
        with self._lock:
            if not self._calls:
                self._resume = gc.isenabled()
                gc.disable()
            self._calls += 1

    def end(self) -> None:
        with self._lock:
            self._calls = max(0, self._calls - 1)  # in a child that was forked within a block there is none
            if not self._calls and self._resume:
                gc.enable()

    def forked(self) -> None:
        """The threads that wanted it are not in a forked child, nor is whoever held the lock."""
        self._lock = threading.Lock()
        if self._calls and self._resume:
            gc.enable()
        self._calls = 0


_PAUSE = _Pause()
os.register_at_fork(after_in_child=_PAUSE.forked)


@contextmanager
def collection_paused() -> Iterator[None]:
    """Collect no garbage until the block ends; for blocks that make many objects and keep them, and take a second at most.

    Blocks may overlap, in several threads. Where the program has switched collection off itself, it stays so.

    Example:
        >>> import gc
        >>> with collection_paused():
        ...     gc.isenabled()
        False
        >>> gc.isenabled()
        True
    """
    _PAUSE.begin()
    try:
        yield
    finally:
        _PAUSE.end()

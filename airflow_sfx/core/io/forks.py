"""What happens to the state of this process when it forks.

A forked child has a copy of its parent's memory, but only the thread that forked: connections,
locks and the threads of libraries must not be used in both. Whatever holds such state is a
`ForkAware` object, and registers itself.
"""

from __future__ import annotations

import os
import threading
import weakref


class ForkAware:
    """Base of objects that prepare for a fork, and adapt to it afterwards."""

    def before_fork(self) -> None:
        """Prepare for a fork, in the thread that is about to fork."""

    def after_fork_in_parent(self) -> None:
        """Continue in the parent, in the thread that forked."""

    def after_fork_in_child(self) -> None:
        """Continue in the child, in its only thread."""


class _Registry:
    """The objects of this process that are alive and registered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects: weakref.WeakSet[ForkAware] = weakref.WeakSet()
        self._forking = threading.local()  # two threads may fork at the same time

    def add(self, one: ForkAware) -> None:
        with self._lock:
            self._objects.add(one)

    def before(self) -> None:
        with self._lock:
            self._forking.objects = list(self._objects)
        for one in self._forking.objects:
            one.before_fork()

    def in_parent(self) -> None:
        for one in self._forking.__dict__.pop("objects", ()):
            one.after_fork_in_parent()

    def in_child(self) -> None:
        self._lock = threading.Lock()  # another thread of the parent may have held it
        for one in self._forking.__dict__.pop("objects", ()):
            one.after_fork_in_child()


_REGISTRY = _Registry()
os.register_at_fork(
    before=_REGISTRY.before,
    after_in_parent=_REGISTRY.in_parent,
    after_in_child=_REGISTRY.in_child,
)


def register(one: ForkAware) -> None:
    """Call an object's methods at each fork, as long as the object lives.

    Args:
        one: The object.
    """
    _REGISTRY.add(one)

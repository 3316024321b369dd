"""What happens to the state of this process when it forks.

A forked child has a copy of its parent's memory, but only the thread that forked: connections,
locks and the threads of libraries must not be used in both. Whatever holds such state is a
`ForkAware` object, and registers itself.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterable

_log = logging.getLogger(__name__)


class ForkAware:
    """Base of objects that prepare for a fork, and adapt to it afterwards."""

    def before_fork(self) -> None:
        """Prepare for a fork, in the thread that is about to fork."""

    def after_fork_in_parent(self) -> None:
        """Continue in the parent, in the thread that forked."""

    def after_fork_in_child(self) -> None:
        """Continue in the child, in its only thread.

        An object that another thread registered during the fork was not prepared.
        """


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
            objects = list(self._objects)
        prepared: list[ForkAware] = []
        self._forking.objects = prepared

        def prepare(one: ForkAware) -> None:
            one.before_fork()
            prepared.append(one)

        _for_each(objects, prepare)

    def in_parent(self) -> None:
        _for_each(self._prepared(), lambda one: one.after_fork_in_parent())

    def in_child(self) -> None:
        self._lock = threading.Lock()  # another thread of the parent may have held it
        _for_each({*self._prepared(), *self._objects}, lambda one: one.after_fork_in_child())

    def _prepared(self) -> list[ForkAware]:
        found: list[ForkAware] = self._forking.__dict__.pop("objects", [])
        return found


def _for_each(objects: Iterable[ForkAware], call: Callable[[ForkAware], None]) -> None:
    """Call each object, even if one fails: a fork goes on in any case."""
    for one in objects:
        try:
            call(one)
        except Exception:
            _log.exception("%s is not ready for a fork", type(one).__name__)


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

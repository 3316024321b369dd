"""SQLite connections of this process: one for each thread, and none while the process forks.

SQLite keeps in memory which locks its process holds on a file. A forked child inherits that memory
but not the locks: a connection that it opens beside an inherited one has no lock of its own, and
what it commits is lost when its parent closes the file. So whatever is under way is waited for, all
connections are closed, and then the process forks.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator


class _Held:
    """A thread's connection, which is closed when the thread ends."""

    __slots__ = ("__weakref__", "connection")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection: sqlite3.Connection | None = connection

    def close(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


class Connections:
    """The connections to one database, each opened when a thread first needs it.

    Args:
        connect: Opens one, with ``check_same_thread=False``: the thread that forks closes those of
            the others.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._local = threading.local()
        self._held: weakref.WeakSet[_Held] = weakref.WeakSet()
        with _GATE.inside():
            _ALL.add(self)

    @contextlib.contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection; one whose use was cut short is closed.

        Whatever cut it short, an interrupt or a task's timeout as well: a connection that stayed in
        a transaction would show this thread old data for good, and refuse to begin another one.
        """
        with _GATE.inside():
            held: _Held | None = getattr(self._local, "held", None)
            if held is None or held.connection is None:
                held = self._local.held = _Held(self._connect())
                self._held.add(held)
            connection = held.connection
            assert connection is not None
            try:
                yield connection
            except BaseException:
                held.close()
                raise

    def close(self) -> None:
        """Close all of them, while no thread uses one."""
        for held in list(self._held):
            held.close()


class _Gate:
    """Lets any number of threads use connections, and a thread fork while no other one does."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._users: Counter[int] = Counter()

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        me = threading.get_ident()
        with self._changed:
            self._users[me] += 1
        try:
            yield
        finally:
            with self._changed:
                self._users[me] -= 1
                if not self._users[me]:
                    del self._users[me]
                self._changed.notify_all()

    def before_fork(self) -> None:
        self._changed.acquire()
        me = threading.get_ident()
        self._changed.wait_for(lambda: not self._users.keys() - {me})
        if not self._users:
            for connections in list(_ALL):
                connections.close()

    def after_fork(self) -> None:
        self._changed.release()


_GATE = _Gate()
_ALL: weakref.WeakSet[Connections] = weakref.WeakSet()
os.register_at_fork(
    before=_GATE.before_fork, after_in_parent=_GATE.after_fork, after_in_child=_GATE.after_fork
)

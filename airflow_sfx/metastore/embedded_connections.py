"""SQLite connections: one for each thread, and none while the process forks.

SQLite keeps in memory which locks its process holds on a file. A forked child inherits that memory
but not the locks: a connection that it opens beside an inherited one has no lock of its own, and
what it commits is lost when its parent closes the file. So a fork waits for all running statements,
and closes all connections.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator

from airflow_sfx.core.io.forks import ForkAware, register
from airflow_sfx.core.io.retry import attempts


class _ThreadConnection:
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
        connect: Opens a connection with ``check_same_thread=False``, as the thread that forks
            closes those of other threads.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._local = threading.local()
        self._opened: weakref.WeakSet[_ThreadConnection] = weakref.WeakSet()
        with _GATE.inside():
            _ALL.add(self)

    @contextlib.contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """Yield this thread's connection, and close it if the block raises.

        Any exception closes it, also an interrupt or a task's timeout: a connection that stayed in
        a transaction would show this thread old data, and could not begin another transaction.
        """
        with _GATE.inside():
            mine: _ThreadConnection | None = getattr(self._local, "mine", None)
            if mine is None or mine.connection is None:
                mine = self._local.mine = _ThreadConnection(self._connect())
                self._opened.add(mine)
            connection = mine.connection
            assert connection is not None
            try:
                yield connection
            except BaseException:
                mine.close()
                raise

    def close(self) -> None:
        """Close all of them, while no thread uses one."""
        for one in list(self._opened):
            one.close()


class _Gate(ForkAware):
    """A gate that any number of threads may enter, unless a thread forks."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._users: Counter[int] = Counter()
        register(self)

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

    def after_fork_in_parent(self) -> None:
        self._changed.release()

    def after_fork_in_child(self) -> None:
        self._changed.release()


_GATE = _Gate()
_ALL: weakref.WeakSet[Connections] = weakref.WeakSet()


def write_ahead(connection: sqlite3.Connection, wait_seconds: float) -> None:
    """Switch the file to a write-ahead log.

    SQLite does not wait here while another process does the same.

    Args:
        connection: A connection to the file, closed if this fails.
        wait_seconds: How long to wait for other processes.
    """
    busy: sqlite3.OperationalError | None = None
    for _ in attempts(wait_seconds, first=0.02, longest=0.02):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                connection.close()
                raise
            busy = error
    assert busy is not None
    connection.close()
    raise busy

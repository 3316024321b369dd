"""Locks of the Hive Metastore, which writers hold while they move pointers.

The log keeps the order of changes. The lock only prevents a slow writer from moving a pointer back
over a faster one's. Its name is one that no query locks, and its holder renews it.

When a holder dies, its lock must end. Many metastores never end locks (Hive does so only if its
compactor is on), so a waiting writer releases a lock that has not been renewed for
`EXPIRE_SECONDS`. A holder that was only suspended notices when it releases the lock, and compares
the pointers with the log again. Nothing waits for a lock longer than `WAIT_SECONDS`.
"""

from __future__ import annotations

import contextlib
import getpass
import logging
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from hmsclient.genthrift.hive_metastore import ttypes
from thrift.Thrift import TApplicationException, TException

from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.hive.client import HiveClients, Interrupted, ServerFailed

WAIT_SECONDS = 10.0
"""How long a writer waits for a lock; it then continues without, and reads the log again."""
RENEW_SECONDS = 5.0
EXPIRE_SECONDS = 20.0
"""How long a lock lives without renewal, by the metastore's clock."""
CERTAIN_SECONDS = 10.0
"""How long a renewed lock is certainly held; later, its holder asks the metastore."""
CHECK_SECONDS = 1.0
"""How often a waiting writer checks for locks of dead writers."""
RELEASE_SECONDS = 5.0
SUFFIX = "__sfx"
"""Appended to the table's name, so that the lock is not that of a query."""

_MARK = "airflow_sfx "
"""The beginning of the agent info by which this package recognizes its locks."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class HiveLock:
    """A lock that a writer requested.

    Args:
        lasted: Whether it was held without interruption; known once it has been released.
    """

    lasted: bool = False


class _Lease:
    """A granted lock, and when it was last known to be held."""

    def __init__(self, lock: int, since: tuple[float, float]) -> None:
        self.lock = lock
        self._since = since

    def renewed(self, since: tuple[float, float]) -> None:
        self._since = since

    @property
    def is_certain(self) -> bool:
        """Whether it is held, by a clock that runs while a process is suspended."""
        return (
            max(now - then for now, then in zip(_clocks(), self._since, strict=True))
            < CERTAIN_SECONDS
        )


def _clocks() -> tuple[float, float]:
    return time.monotonic(), time.time()


class HiveLocks:
    """The locks of one metastore.

    Args:
        clients: The connections to it.
    """

    def __init__(self, clients: HiveClients) -> None:
        self._clients = clients
        self._supported = True

    @contextlib.contextmanager
    def held(
        self, ref: TableRef, name: str | None, cancelled: threading.Event | None = None
    ) -> Iterator[HiveLock]:
        """Hold the lock of a partition, or of a table with all of its partitions.

        Args:
            ref: The table.
            name: The partition's name; None for all partitions.
            cancelled: Ends the wait for the lock when it is set; None for never.

        Yields:
            The lock, whose ``lasted`` is known after the block. It is False if the metastore has no
            lock tables, another writer held the lock for too long, or the lock expired because this
            process was suspended.
        """
        held = HiveLock()
        lease = self._acquire(ref, name, cancelled or threading.Event())
        if lease is None:
            yield held
            return
        ended = threading.Event()
        renewal = threading.Thread(
            target=self._keep_renewing, args=(lease, ended), name="sfx-hive-lock", daemon=True
        )
        renewal.start()
        try:
            yield held
        finally:
            ended.set()
            held.lasted = lease.is_certain or self._renew(lease)
            self._release(lease.lock)

    @contextlib.contextmanager
    def ahead(
        self, ref: TableRef, name: str | None
    ) -> Iterator[Callable[[], contextlib.AbstractContextManager[HiveLock]]]:
        """Acquire a lock in the background, while the block does what comes before.

        Args:
            ref: The table.
            name: The partition's name; None for all partitions.

        Yields:
            A function that waits for the lock, and holds it as `held` does; call it once. A lock
            that was not used is released, and the block ends once the metastore has answered.
        """
        cancelled = threading.Event()

        def acquire() -> HiveLock:
            held = release.enter_context(self.held(ref, name, cancelled))
            if cancelled.is_set():  # the block may have been interrupted
                release.close()
            return held

        with (
            contextlib.ExitStack() as release,
            ThreadPoolExecutor(1, thread_name_prefix="sfx-hive-lock") as pool,
        ):
            acquiring = pool.submit(copy_context().run, acquire)

            @contextlib.contextmanager
            def acquired() -> Iterator[HiveLock]:
                held = acquiring.result()
                with release:
                    yield held

            try:
                yield acquired
            finally:
                cancelled.set()

    def _acquire(
        self, ref: TableRef, name: str | None, cancelled: threading.Event
    ) -> _Lease | None:
        if not self._supported:
            return None
        mark, since = f"{_MARK}{uuid.uuid4().hex}", _clocks()
        try:
            answer = self._clients.call_once(lambda client: client.lock(_request(ref, name, mark)))
        except (ttypes.MetaException, TApplicationException) as error:
            self._continue_without(error)
            return None
        except Interrupted as error:
            if isinstance(error, ServerFailed) and not self._has_tables():
                self._continue_without(error)
            else:
                self._release_marked(ref, mark)
            return None
        end, check_at = time.monotonic() + WAIT_SECONDS, 0.0
        state = answer.state
        while (
            state == ttypes.LockState.WAITING and time.monotonic() < end and not cancelled.is_set()
        ):
            if time.monotonic() > check_at:
                self._release_expired(ref, answer.lockid)
                check_at = time.monotonic() + CHECK_SECONDS
            cancelled.wait(random.uniform(0.02, 0.2))  # noqa: S311
            since = _clocks()
            state = self._state(answer.lockid)
        if state == ttypes.LockState.ACQUIRED:
            return _Lease(int(answer.lockid), since)
        self._release(answer.lockid)
        return None

    def _continue_without(self, reason: Exception) -> None:
        _log.info(
            "The metastore has no locks (%s): the log alone keeps the order of changes.",
            _first_line(reason),
        )
        self._supported = False

    def _has_tables(self) -> bool:
        """Whether the metastore has lock tables, without which it fails internally."""
        try:
            self._clients.call_once(lambda client: client.show_locks(ttypes.ShowLocksRequest()))
        except ServerFailed:
            return False
        except (Interrupted, WarehouseUnavailable, TException):
            return True
        return True

    def _state(self, lock: int) -> int | None:
        try:
            return int(
                self._clients.call_once(
                    lambda client: client.check_lock(ttypes.CheckLockRequest(lockid=lock))
                ).state
            )
        except (Interrupted, WarehouseUnavailable, TException):
            return None

    def _keep_renewing(self, lease: _Lease, ended: threading.Event) -> None:
        while not ended.wait(RENEW_SECONDS) and self._renew(lease):
            pass

    def _renew(self, lease: _Lease) -> bool:
        """Renew a lock, and return whether it was still held."""
        since = _clocks()
        try:
            self._clients.call(
                lambda client: client.heartbeat(ttypes.HeartbeatRequest(lockid=lease.lock)),
                most=RELEASE_SECONDS,
            )
        except (WarehouseUnavailable, TException) as error:
            _log.warning(
                "The lock %d of the Hive Metastore could not be renewed: %s",
                lease.lock,
                _first_line(error),
            )
            return False
        lease.renewed(since)
        return True

    def _release(self, lock: int) -> None:
        try:
            self._clients.call(
                lambda client: client.unlock(ttypes.UnlockRequest(lockid=lock)),
                most=RELEASE_SECONDS,
            )
        except ttypes.NoSuchLockException:
            return  # a response was lost, or the lock has expired
        except (WarehouseUnavailable, TException) as error:
            _log.warning(
                "The lock %d could not be released (%s); the next writer releases it.",
                lock,
                _first_line(error),
            )

    def _release_marked(self, ref: TableRef, mark: str) -> None:
        """Release a lock that may have been granted by a response that was lost."""
        for one in self._locks_of(ref):
            if one.agentInfo == mark:
                self._release(one.lockid)

    def _release_expired(self, ref: TableRef, mine: int) -> None:
        """Release locks that were not renewed, by the metastore's clock."""
        found = self._locks_of(ref)
        now = max((one.lastheartbeat for one in found if one.lockid == mine), default=0)
        for one in found:
            if (
                str(one.agentInfo).startswith(_MARK)
                and now - one.lastheartbeat > EXPIRE_SECONDS * 1000
            ):
                _log.info(
                    "The lock %d of %s was not renewed by its holder on %s, and has expired.",
                    one.lockid,
                    ref,
                    one.hostname,
                )
                self._release(one.lockid)

    def _locks_of(self, ref: TableRef) -> list[Any]:
        wanted = ttypes.ShowLocksRequest(dbname=ref.database, tablename=ref.table + SUFFIX)
        try:
            return (
                self._clients.call(
                    lambda client: client.show_locks(wanted), most=RELEASE_SECONDS
                ).locks
                or []
            )
        except (WarehouseUnavailable, TException):
            return []


def _request(ref: TableRef, name: str | None, mark: str) -> Any:
    part = ttypes.LockComponent(
        type=ttypes.LockType.EXCLUSIVE,
        level=ttypes.LockLevel.TABLE if name is None else ttypes.LockLevel.PARTITION,
        dbname=ref.database,
        tablename=ref.table + SUFFIX,
        partitionname=name,
        operationType=ttypes.DataOperationType.NO_TXN,
    )
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return ttypes.LockRequest(
        component=[part], user=user, hostname=socket.gethostname(), agentInfo=mark
    )


def _first_line(error: BaseException) -> str:
    text = str(getattr(error, "message", None) or error)
    return text.splitlines()[0] if text else type(error).__name__

"""The Hive Metastore's locks, taken by writers of this package among themselves while they move pointers.

The order of changes is the ledger's; the lock only keeps a slow writer from moving a pointer back
over a faster one's. So it is asked for under a name that no query uses, and is renewed while its
holder lives. When its holder dies it ends: many metastores never end locks by themselves (Hive does
so only where its compactor is on), so whoever waits for one that has not been renewed for
`EXPIRE_SECONDS` gives it back in its holder's place. A holder that was only asleep finds out when
it gives the lock back, and its caller looks at the ledgers again. Nobody waits longer than
`WAIT_SECONDS`.
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
from airflow_sfx.metastore.hive_client import HiveClients, Interrupted, ServerFailed

WAIT_SECONDS = 10.0
"""How long a writer waits for a lock; then it goes on without, and looks at the ledger again afterwards."""
RENEW_SECONDS = 5.0
EXPIRE_SECONDS = 20.0
"""After how long without renewal a lock's holder counts as dead, by the metastore's clock."""
SURE_SECONDS = 10.0
"""For how long after it was renewed a lock is surely held; afterwards the metastore is asked."""
LOOK_SECONDS = 1.0
"""How often a waiting writer looks whether those before it are dead."""
RELEASE_SECONDS = 5.0
SUFFIX = "__sfx"
"""What the name of the lock has after the table's: a query's lock on the table is another one."""

_MARK = "airflow_sfx "
"""How the notes begin by which this package's locks are known."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class HiveLock:
    """A lock that a writer asked for.

    Args:
        lasted: Whether it was held all the time; known once it has been given back.
    """

    lasted: bool = False


class _Lease:
    """A lock that was granted, and since when it is known to be held: by a clock that a process asleep cannot stop."""

    def __init__(self, lock: int, since: tuple[float, float]) -> None:
        self.lock = lock
        self._since = since

    def renewed(self, since: tuple[float, float]) -> None:
        self._since = since

    @property
    def is_sure(self) -> bool:
        return (
            max(now - then for now, then in zip(_clocks(), self._since, strict=True)) < SURE_SECONDS
        )


def _clocks() -> tuple[float, float]:
    return time.monotonic(), time.time()


class HiveLocks:
    """Locks of one metastore.

    Args:
        clients: Connections to it.
    """

    def __init__(self, clients: HiveClients) -> None:
        self._clients = clients
        self._supported = True

    @contextlib.contextmanager
    def held(
        self, ref: TableRef, name: str | None, unwanted: threading.Event | None = None
    ) -> Iterator[HiveLock]:
        """Hold the lock of a partition, or of a table with all of its partitions.

        Args:
            ref: The table.
            name: The partition's name; None for all partitions.
            unwanted: Set where nobody wants it any more, and it need not be waited for.

        Yields:
            The hold, which tells afterwards whether the lock was held all the time. It was not
            where the metastore has no lock tables, somebody else held it for too long, or it ended
            because its holder was asleep.
        """
        hold = HiveLock()
        taken = self._take(ref, name, unwanted or threading.Event()) if self._supported else None
        if taken is None:
            yield hold
            return
        ended = threading.Event()
        renewal = threading.Thread(
            target=self._renew, args=(taken, ended), name="sfx-hive-lock", daemon=True
        )
        renewal.start()
        try:
            yield hold
        finally:
            ended.set()
            hold.lasted = taken.is_sure or self._renewed(taken)
            self._release(taken.lock)

    @contextlib.contextmanager
    def ahead(
        self, ref: TableRef, name: str | None
    ) -> Iterator[Callable[[], contextlib.AbstractContextManager[HiveLock]]]:
        """Ask for a lock in the background, while the block does what must be done before it is needed.

        Args:
            ref: The table.
            name: The partition's name; None for all partitions.

        Yields:
            What waits for the lock, and holds it as `held` does; to be used once. A lock that was
            not used is given back, and the block ends once the metastore has answered.
        """
        unwanted = threading.Event()

        def take() -> HiveLock:
            hold = given_back.enter_context(self.held(ref, name, unwanted))
            if unwanted.is_set():  # whoever asked may have been interrupted, and wait no more
                given_back.close()
            return hold

        with (
            contextlib.ExitStack() as given_back,
            ThreadPoolExecutor(1, thread_name_prefix="sfx-hive-lock") as pool,
        ):
            taking = pool.submit(copy_context().run, take)

            @contextlib.contextmanager
            def taken() -> Iterator[HiveLock]:
                hold = taking.result()
                with given_back:
                    yield hold

            try:
                yield taken
            finally:
                unwanted.set()

    def _take(self, ref: TableRef, name: str | None, unwanted: threading.Event) -> _Lease | None:
        mark, since = f"{_MARK}{uuid.uuid4().hex}", _clocks()
        try:
            answer = self._clients.tell(lambda client: client.lock(_request(ref, name, mark)))
        except (ttypes.MetaException, TApplicationException) as error:
            self._go_without(error)
            return None
        except Interrupted as error:
            if isinstance(error, ServerFailed) and not self._has_tables():
                self._go_without(error)
            else:
                self._release_marked(ref, mark)
            return None
        give_up, look_at = time.monotonic() + WAIT_SECONDS, 0.0
        state = answer.state
        while (
            state == ttypes.LockState.WAITING
            and time.monotonic() < give_up
            and not unwanted.is_set()
        ):
            if time.monotonic() > look_at:
                self._end_those_of_the_dead(ref, answer.lockid)
                look_at = time.monotonic() + LOOK_SECONDS
            unwanted.wait(random.uniform(0.02, 0.2))  # noqa: S311
            since = _clocks()
            state = self._state(answer.lockid)
        if state == ttypes.LockState.ACQUIRED:
            return _Lease(int(answer.lockid), since)
        self._release(answer.lockid)
        return None

    def _go_without(self, reason: Exception) -> None:
        _log.info(
            "The metastore has no locks (%s): the ledgers alone keep the order of changes.",
            _first(reason),
        )
        self._supported = False

    def _has_tables(self) -> bool:
        """Whether the metastore can look at locks at all; where its tables are missing, it fails inside."""
        try:
            self._clients.tell(lambda client: client.show_locks(ttypes.ShowLocksRequest()))
        except ServerFailed:
            return False
        except (Interrupted, WarehouseUnavailable, TException):
            return True
        return True

    def _state(self, lock: int) -> int | None:
        try:
            return int(
                self._clients.tell(
                    lambda client: client.check_lock(ttypes.CheckLockRequest(lockid=lock))
                ).state
            )
        except (Interrupted, WarehouseUnavailable, TException):
            return None

    def _renew(self, taken: _Lease, ended: threading.Event) -> None:
        while not ended.wait(RENEW_SECONDS) and self._renewed(taken):
            pass

    def _renewed(self, taken: _Lease) -> bool:
        """Renew a lock; whether the metastore says that it is still held."""
        since = _clocks()
        try:
            self._clients.ask(
                lambda client: client.heartbeat(ttypes.HeartbeatRequest(lockid=taken.lock)),
                most=RELEASE_SECONDS,
            )
        except (WarehouseUnavailable, TException) as error:
            _log.warning(
                "The lock %d of the Hive Metastore could not be renewed: %s",
                taken.lock,
                _first(error),
            )
            return False
        taken.renewed(since)
        return True

    def _release(self, lock: int) -> None:
        try:
            self._clients.ask(
                lambda client: client.unlock(ttypes.UnlockRequest(lockid=lock)),
                most=RELEASE_SECONDS,
            )
        except ttypes.NoSuchLockException:
            return  # an answer was lost, or the lock has ended
        except (WarehouseUnavailable, TException) as error:
            _log.warning(
                "The lock %d could not be given back (%s); the next writer ends it.",
                lock,
                _first(error),
            )

    def _release_marked(self, ref: TableRef, mark: str) -> None:
        """Give back a lock that was perhaps granted by an answer that never came."""
        for one in self._shown(ref):
            if one.agentInfo == mark:
                self._release(one.lockid)

    def _end_those_of_the_dead(self, ref: TableRef, mine: int) -> None:
        """Give back the locks that nobody has renewed for long; times are the metastore's, and so is that of mine."""
        found = self._shown(ref)
        now = max((one.lastheartbeat for one in found if one.lockid == mine), default=0)
        for one in found:
            if (
                str(one.agentInfo).startswith(_MARK)
                and now - one.lastheartbeat > EXPIRE_SECONDS * 1000
            ):
                _log.info(
                    "The lock %d of %s has not been renewed: its holder %s is dead.",
                    one.lockid,
                    ref,
                    one.hostname,
                )
                self._release(one.lockid)

    def _shown(self, ref: TableRef) -> list[Any]:
        wanted = ttypes.ShowLocksRequest(dbname=ref.database, tablename=ref.table + SUFFIX)
        try:
            return (
                self._clients.ask(
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


def _first(error: BaseException) -> str:
    text = str(getattr(error, "message", None) or error)
    return text.splitlines()[0] if text else type(error).__name__

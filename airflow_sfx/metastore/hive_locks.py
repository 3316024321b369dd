"""The Hive Metastore's locks, taken by writers of this package among themselves while they move pointers.

The order of changes is the ledger's; the lock only keeps a slow writer from moving a pointer back over a faster one's.
So it is asked for under a name that no query uses, is renewed while its holder lives, ends by itself when its holder
dies (``hive.txn.timeout``, five minutes unless set otherwise), and nobody waits for it longer than `WAIT_SECONDS`.
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
from collections.abc import Iterator
from typing import Any

from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.core.table import TableRef
from airflow_sfx.metastore.hive_client import HiveClients, Interrupted, ServerFailed

WAIT_SECONDS = 10.0
"""How long a writer waits for a lock; then it goes on without, and looks at the ledger again afterwards."""
RENEW_SECONDS = 30.0
RELEASE_SECONDS = 5.0
SUFFIX = "__sfx"
"""What the name of the lock has after the table's: a query's lock on the table is another one."""

_log = logging.getLogger(__name__)


class Locks:
    """Locks of one metastore.

    Args:
        clients: Connections to it.
    """

    def __init__(self, clients: HiveClients) -> None:
        self._clients = clients
        self._supported = True

    @contextlib.contextmanager
    def held(self, ref: TableRef, name: str | None) -> Iterator[bool]:
        """Hold the lock of a partition, or of a table with all of its partitions.

        Args:
            ref: The table.
            name: The partition's name; None for all partitions.

        Yields:
            Whether the lock is held. It is not where the metastore has no lock tables, or somebody else holds it for
            too long.
        """
        taken = self._take(ref, name) if self._supported else None
        if taken is None:
            yield False
            return
        ended = threading.Event()
        renewal = threading.Thread(target=self._renew, args=(taken, ended), name="sfx-hive-lock", daemon=True)
        renewal.start()
        try:
            yield True
        finally:
            ended.set()
            self._release(taken)

    def _take(self, ref: TableRef, name: str | None) -> int | None:
        from hmsclient.genthrift.hive_metastore.ttypes import LockState, MetaException
        from thrift.Thrift import TApplicationException

        mark = f"airflow_sfx {uuid.uuid4().hex}"
        try:
            answer = self._clients.tell(lambda client: client.lock(_request(ref, name, mark)))
        except (MetaException, TApplicationException) as error:
            self._go_without(error)
            return None
        except Interrupted as error:
            if isinstance(error, ServerFailed) and not self._has_tables():
                self._go_without(error)
            else:
                self._release_marked(ref, mark)
            return None
        give_up = time.monotonic() + WAIT_SECONDS
        state = answer.state
        while state == LockState.WAITING and time.monotonic() < give_up:
            time.sleep(random.uniform(0.02, 0.2))  # noqa: S311
            state = self._state(answer.lockid)
        if state == LockState.ACQUIRED:
            return int(answer.lockid)
        self._release(answer.lockid)
        return None

    def _go_without(self, reason: Exception) -> None:
        _log.info("The metastore has no locks (%s): the ledgers alone keep the order of changes.", _first(reason))
        self._supported = False

    def _has_tables(self) -> bool:
        """Whether the metastore can look at locks at all; where its tables are missing, it fails inside."""
        from hmsclient.genthrift.hive_metastore.ttypes import ShowLocksRequest
        from thrift.Thrift import TException

        try:
            self._clients.tell(lambda client: client.show_locks(ShowLocksRequest()))
        except ServerFailed:
            return False
        except (Interrupted, WarehouseUnavailable, TException):
            return True
        return True

    def _state(self, lock: int) -> int | None:
        from hmsclient.genthrift.hive_metastore.ttypes import CheckLockRequest
        from thrift.Thrift import TException

        try:
            return int(self._clients.tell(lambda client: client.check_lock(CheckLockRequest(lockid=lock))).state)
        except (Interrupted, TException):
            return None

    def _renew(self, lock: int, ended: threading.Event) -> None:
        from hmsclient.genthrift.hive_metastore.ttypes import HeartbeatRequest
        from thrift.Thrift import TException

        while not ended.wait(RENEW_SECONDS):
            try:
                self._clients.tell(lambda client: client.heartbeat(HeartbeatRequest(lockid=lock)))
            except (Interrupted, WarehouseUnavailable, TException) as error:
                _log.warning("The lock %d of the Hive Metastore could not be renewed: %s", lock, _first(error))

    def _release(self, lock: int) -> None:
        from hmsclient.genthrift.hive_metastore.ttypes import NoSuchLockException, UnlockRequest
        from thrift.Thrift import TException

        try:
            self._clients.ask(lambda client: client.unlock(UnlockRequest(lockid=lock)), most=RELEASE_SECONDS)
        except NoSuchLockException:
            return  # an answer was lost, or the lock has ended by itself
        except (WarehouseUnavailable, TException) as error:
            _log.warning("The lock %d could not be given back (%s); it ends by itself.", lock, _first(error))

    def _release_marked(self, ref: TableRef, mark: str) -> None:
        """Give back a lock that was perhaps granted by an answer that never came."""
        from hmsclient.genthrift.hive_metastore.ttypes import ShowLocksRequest
        from thrift.Thrift import TException

        wanted = ShowLocksRequest(dbname=ref.database, tablename=ref.table + SUFFIX)
        try:
            found = self._clients.ask(lambda client: client.show_locks(wanted)).locks or []
        except (WarehouseUnavailable, TException):
            return
        for one in found:
            if one.agentInfo == mark:
                self._release(one.lockid)


def _request(ref: TableRef, name: str | None, mark: str) -> Any:
    from hmsclient.genthrift.hive_metastore import ttypes

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
    return ttypes.LockRequest(component=[part], user=user, hostname=socket.gethostname(), agentInfo=mark)


def _first(error: BaseException) -> str:
    text = str(getattr(error, "message", None) or error)
    return text.splitlines()[0] if text else type(error).__name__

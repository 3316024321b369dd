"""Connections to a Hive Metastore, with several hosts, time limits and retries.

The Thrift client is ``hmsclient``, which Airflow's Hive provider installs, with the accelerated
protocol. One thread at a time uses a client, which stays open between calls; a forked child opens
its own.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from hmsclient.genthrift.hive_metastore import ttypes
from hmsclient.genthrift.hive_metastore.ThriftHiveMetastore import Client
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.protocol.TProtocol import TProtocolException
from thrift.Thrift import TApplicationException, TException
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TBufferedTransport, TTransportBase, TTransportException

from airflow_sfx.core.errors import WarehouseUnavailable
from airflow_sfx.core.io.forks import ForkAware, register
from airflow_sfx.core.io.retry import attempts
from airflow_sfx.core.io.timeouts import TRY_SECONDS, timeouts
from airflow_sfx.metastore.hive.address import Address

T = TypeVar("T")

# The error of a call names a host that does not answer. Without this handler, Thrift would also
# print a traceback in programs that do not configure logging.
logging.getLogger("thrift").addHandler(logging.NullHandler())


IDLE_SECONDS = 120.0
"""How long an idle connection is kept: firewalls in between may drop it silently."""


_READ_BYTES = 1 << 18
"""The buffer of a response: ten thousand partitions are megabytes, and the default 4 KiB."""
_ROLLED_BACK = "deadlock"
"""In the message of a call that the metastore's database, of any kind, rolled back for another."""


class Interrupted(Exception):
    """A call was interrupted, and may or may not have taken effect."""


class ServerFailed(Interrupted):
    """The server reported an internal error."""


class HiveClients(ForkAware):
    """A pool of connections, each used by one thread at a time.

    Args:
        address: The metastore's address.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: list[tuple[float, tuple[Any, Any]]] = []
        self._ahead: threading.Thread | None = None
        self._reached = False
        self._lock = threading.Lock()
        register(self)

    def call(
        self, action: Callable[[Any], T], *, most: float = TRY_SECONDS, seconds: float | None = None
    ) -> T:
        """Make an idempotent call, and retry it on any host while connections break.

        Args:
            action: Makes the call with the client that it is given.
            most: How many seconds to retry, unless `timeouts` allow fewer.
            seconds: The time limit of each attempt; None for that of `timeouts`.

        Raises:
            WarehouseUnavailable: No host answered in that time.
            Exception: The server's error.
        """
        interrupted: Interrupted | None = None
        for _ in attempts(min(most, timeouts().total), first=0.1, longest=2.0):
            try:
                return self.call_once(action, seconds=seconds)
            except Interrupted as error:
                interrupted = error
        raise self.unavailable(str(interrupted)) from interrupted

    def call_once(self, action: Callable[[Any], T], *, seconds: float | None = None) -> T:
        """Make a call without retrying it.

        Args:
            action: Makes the call with the client that it is given.
            seconds: The time limit; None for that of `timeouts`.

        Raises:
            Interrupted: The connection broke, and the call may or may not have taken effect.
            WarehouseUnavailable: No host could be reached, and the call was not made.
            Exception: The server's error.
        """
        with self._connection() as (client, socket):
            socket.setTimeout((timeouts().answer if seconds is None else seconds) * 1000)
            try:
                return action(client)
            except (TTransportException, TProtocolException, OSError, EOFError) as error:
                raise Interrupted(f"{type(error).__name__}: {error}") from error
            except TApplicationException as error:
                if error.type != TApplicationException.INTERNAL_ERROR:
                    raise
                raise ServerFailed(str(error.message)) from error
            except ttypes.MetaException as error:
                if _ROLLED_BACK not in str(error.message).lower():
                    raise
                raise ServerFailed(str(error.message).partition("\n")[0]) from error

    def open_ahead(self, action: Callable[[Any], object]) -> None:
        """Open a connection in the background, for which the next call waits.

        If one is open already, do nothing.

        Args:
            action: A small call, as the server takes longer for the first one on a connection.
        """

        def first() -> None:
            # The next call raises the same error.
            with contextlib.suppress(Interrupted, WarehouseUnavailable, TException):
                self.call_once(action)

        with self._lock:
            if self._idle or self._ahead is not None:
                return
            self._ahead = threading.Thread(target=first, name="sfx-hive-ahead", daemon=True)
            self._ahead.start()

    def unavailable(self, reason: str) -> WarehouseUnavailable:
        """Return the error for a call that failed.

        Args:
            reason: Why it failed.
        """
        named = f", which {self._address.source} names," if self._address.source else ""
        return WarehouseUnavailable(
            f"the Hive Metastore at {self._address}{named} cannot be used: {reason}. Check that it"
            " runs and can be reached from here; `sfx repair` completes interrupted changes"
        )

    @contextlib.contextmanager
    def _connection(self) -> Iterator[tuple[Any, Any]]:
        opened = self._idle_connection() or self._open()
        reusable = False
        try:
            yield opened
            reusable = True
        except TException:  # a complete response of the server
            reusable = True
            raise
        finally:
            if reusable:
                with self._lock:
                    self._idle.append((time.monotonic(), opened))
            else:
                opened[1].close()

    def _idle_connection(self) -> tuple[Any, Any] | None:
        """Return a connection that was used a short while ago; None if there is none."""
        ahead = self._ahead
        if ahead is not None and ahead is not threading.current_thread():
            ahead.join(timeouts().connect)
            self._ahead = None
        while True:
            with self._lock:
                if not self._idle:
                    return None
                since, opened = self._idle.pop()
            if time.monotonic() - since < IDLE_SECONDS:
                return opened
            opened[1].close()

    def after_fork_in_child(self) -> None:
        """Leave the open connections to the parent."""
        self._lock = threading.Lock()
        self._idle, self._ahead = [], None

    def _open(self) -> tuple[Any, Any]:
        reasons: list[str] = []
        # A metastore that was reached before may be restarting.
        limit = timeouts().total if self._reached else 0.0
        for _ in attempts(limit, first=0.5, longest=0.5):
            reasons = []
            for host, port in self._address.hosts:
                try:
                    opened = _connect(host, port, self._address)
                except (OSError, TTransportException) as error:
                    reasons.append(
                        str(getattr(error, "message", None) or error) or f"{host}:{port}"
                    )
                else:
                    self._reached = True
                    return opened
        raise self.unavailable("no host answers (" + "; ".join(reasons) + ")")


def _connect(host: str, port: int, address: Address) -> tuple[Any, Any]:
    socket = TSocket(host, port)
    socket.setTimeout(timeouts().connect * 1000)
    transport: TTransportBase
    transport = (
        _kerberos(host, socket, address)
        if address.auth == "KERBEROS"
        else TBufferedTransport(socket, rbuf_size=_READ_BYTES)
    )
    transport.open()
    return Client(TBinaryProtocolAccelerated(transport, fallback=True)), socket


def _kerberos(host: str, socket: Any, address: Address) -> Any:
    try:
        from pyhive.hive import get_installed_sasl
        from thrift_sasl import TSaslClientTransport
    except ImportError as error:
        raise WarehouseUnavailable(
            f"auth=KERBEROS needs packages that are not installed ({error}): install "
            "'apache-airflow-providers-apache-hive[GSSAPI]'"
        ) from error
    return TSaslClientTransport(
        lambda: get_installed_sasl(host=host, sasl_auth="GSSAPI", service=address.service),
        "GSSAPI",
        socket,
    )


def bounded(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Split a sequence into chunks of at most ``size``.

    Example:
        >>> [len(chunk) for chunk in bounded(range(5), 2)]
        [2, 2, 1]
    """
    for start in range(0, len(items), size):
        yield items[start : start + size]

"""Connections to a Hive Metastore: several hosts tried in turn, time limits, and what became of a call that broke off.

The Thrift client is the one that Airflow's Hive provider brings (``hmsclient``), with its faster
protocol. A client is used by one thread at a time and stays open between calls; a forked child
opens its own.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hmsclient.genthrift.hive_metastore.ThriftHiveMetastore import Client
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.protocol.TProtocol import TProtocolException
from thrift.Thrift import TApplicationException, TException
from thrift.transport.TSocket import TSocket
from thrift.transport.TTransport import TBufferedTransport, TTransportBase, TTransportException

from airflow_sfx.core.errors import InvalidName, WarehouseUnavailable
from airflow_sfx.core.io.timeouts import TRY_SECONDS, timeouts
from airflow_sfx.core.io.uris import is_host

T = TypeVar("T")


# A host that does not answer is told by the error of the call: where nobody has set up logging,
# Thrift would print a traceback.
logging.getLogger("thrift").addHandler(logging.NullHandler())


DEFAULT_PORT = 9083


_LAST_PORT = 65_535


IDLE_SECONDS = 120.0
"""For how long a connection is kept that nobody uses: what lies between may drop it without a word."""


_READ_BYTES = 1 << 18
"""Ten thousand partitions are some megabytes, and the default would ask for four kilobytes at a time."""


class Interrupted(Exception):
    """The connection broke off during a call, or the server failed inside: whether it took effect is not known."""


class ServerFailed(Interrupted):
    """The server answered that it failed inside."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the metastore is and how one logs in.

    Args:
        hosts: Host names with ports, in the order in which they are tried.
        auth: ``NOSASL``, or ``KERBEROS`` for SASL with GSSAPI.
        service: The Kerberos service's name.
        source: What names it, for messages: an Airflow connection.

    Example:
        >>> Address.parse("one:9083,two", {}).hosts
        (('one', 9083), ('two', 9083))
    """

    hosts: tuple[tuple[str, int], ...]
    auth: str = "NOSASL"
    service: str = "hive"
    source: str = ""

    @classmethod
    def parse(cls, netloc: str, options: dict[str, str], source: str = "") -> Address:
        """Read ``host:port,host:port`` and the options ``auth`` and ``kerberos_service_name``.

        Raises:
            InvalidName: A host is empty, a port is no number, or the login is unknown.
        """
        hosts = []
        for number, part in enumerate(netloc.split(","), 1):
            host, _, port = part.rpartition(":") if ":" in part else (part, "", str(DEFAULT_PORT))
            if not is_host(part) or not 0 < int(port) <= _LAST_PORT:
                raise InvalidName(
                    f"host {number} of the Hive Metastore is not a host: write host or host:port,"
                    " as in host:9083, with commas between several"
                )
            hosts.append((host, int(port)))
        auth = options.get("auth", "NOSASL").upper()
        if auth not in ("NOSASL", "KERBEROS"):
            raise InvalidName("auth= is not a login that is known: use NOSASL or KERBEROS")
        return cls(tuple(hosts), auth, options.get("kerberos_service_name", "hive"), source)

    def __str__(self) -> str:
        return ",".join(f"{host}:{port}" for host, port in self.hosts)


class HiveClients:
    """Open connections, lent to one thread at a time.

    Args:
        address: Where the metastore is.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: list[tuple[float, tuple[Any, Any]]] = []
        self._ahead: threading.Thread | None = None
        self._reached = False
        self._lock = threading.Lock()
        _ALL.add(self)

    def ask(
        self, action: Callable[[Any], T], *, most: float = TRY_SECONDS, seconds: float | None = None
    ) -> T:
        """Make a call that may be made twice; repeated, on any host, while connections break off.

        Args:
            action: Makes the call with the client that it is given.
            most: For how many seconds it is repeated, where `timeouts` does not say less.
            seconds: How long each may take; None for what `timeouts` gives an answer.

        Raises:
            WarehouseUnavailable: No host answered in that time.
            Exception: What the server raised.
        """
        give_up = time.monotonic() + min(most, timeouts().total)
        tries = 0
        while True:
            try:
                return self.tell(action, seconds=seconds)
            except Interrupted as error:
                tries += 1
                if time.monotonic() > give_up:
                    raise self.unavailable(str(error)) from error
                time.sleep(random.uniform(0, min(0.05 * 2**tries, 2.0)))  # noqa: S311

    def tell(self, action: Callable[[Any], T], *, seconds: float | None = None) -> T:
        """Make a call once.

        Args:
            action: Makes the call with the client that it is given.
            seconds: How long it may take; None for what `timeouts` gives an answer.

        Raises:
            Interrupted: The connection broke off, so that nobody knows whether the call took
                effect.
            WarehouseUnavailable: No host could be reached; the call was not made.
            Exception: What the server raised.
        """
        with self._lent() as (client, socket):
            socket.setTimeout((timeouts().answer if seconds is None else seconds) * 1000)
            try:
                return action(client)
            except (TTransportException, TProtocolException, OSError, EOFError) as error:
                raise Interrupted(f"{type(error).__name__}: {error}") from error
            except TApplicationException as error:
                if error.type != TApplicationException.INTERNAL_ERROR:
                    raise
                raise ServerFailed(str(error.message)) from error

    def open_ahead(self, action: Callable[[Any], object]) -> None:
        """Open a connection in the background, unless there is one; the next call waits for it.

        Args:
            action: A small call, for what the server does at the first one on a connection.
        """

        def first() -> None:
            with contextlib.suppress(
                Interrupted, WarehouseUnavailable, TException
            ):  # the next call will tell
                self.tell(action)

        with self._lock:
            if self._idle or self._ahead is not None:
                return
            self._ahead = threading.Thread(target=first, name="sfx-hive-ahead", daemon=True)
            self._ahead.start()

    def unavailable(self, reason: str) -> WarehouseUnavailable:
        """The error for a metastore that does not do what it is asked."""
        named = f", which {self._address.source} names," if self._address.source else ""
        return WarehouseUnavailable(
            f"the Hive Metastore at {self._address}{named} cannot be used: {reason}. Check that it"
            " runs and can be reached from here; `sfx repair` completes what was cut short"
        )

    @contextlib.contextmanager
    def _lent(self) -> Iterator[tuple[Any, Any]]:
        lent = self._kept() or self._open()
        whole = False
        try:
            yield lent
            whole = True
        except TException:  # the server's answer: the next call can begin
            whole = True
            raise
        finally:
            if whole:
                with self._lock:
                    self._idle.append((time.monotonic(), lent))
            else:
                lent[1].close()

    def _kept(self) -> tuple[Any, Any] | None:
        """A connection that was used a short while ago."""
        ahead = self._ahead
        if ahead is not None and ahead is not threading.current_thread():
            ahead.join(timeouts().connect)
            self._ahead = None
        while True:
            with self._lock:
                if not self._idle:
                    return None
                since, lent = self._idle.pop()
            if time.monotonic() - since < IDLE_SECONDS:
                return lent
            lent[1].close()

    def forget(self) -> None:
        """Leave open connections to the process that this one was forked from."""
        self._lock = threading.Lock()
        self._idle, self._ahead = [], None

    def _open(self) -> tuple[Any, Any]:
        give_up = time.monotonic() + (timeouts().total if self._reached else 0)
        while True:
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
            if time.monotonic() > give_up:
                raise self.unavailable("no host answers (" + "; ".join(reasons) + ")")
            time.sleep(random.uniform(0.1, 0.5))  # noqa: S311


_ALL: weakref.WeakSet[HiveClients] = weakref.WeakSet()
"""Those in use: whoever is done with a warehouse leaves no connection open."""


def _forget_all() -> None:
    for clients in list(_ALL):
        clients.forget()


os.register_at_fork(after_in_child=_forget_all)


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
    """Cut a long list into chunks of at most ``size``.

    Example:
        >>> [len(chunk) for chunk in bounded(range(5), 2)]
        [2, 2, 1]
    """
    for start in range(0, len(items), size):
        yield items[start : start + size]

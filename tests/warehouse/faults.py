"""Processes that die at a chosen call of storage or metastore."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from airflow_sfx.metastore.base import Move
from airflow_sfx.storage import concurrency, local
from airflow_sfx.warehouse.batch import batch_writer
from airflow_sfx.warehouse.connect import connect
from airflow_sfx.warehouse.warehouse import Warehouse

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "pandas",
        "pyarrow.parquet",
        "pyarrow.dataset",
        "pytest",  # the modules of the actions import it
        "airflow_sfx.components.forms",
        "airflow_sfx.frames.inputs",
        "airflow_sfx.frames.outputs",
        "airflow_sfx.frames.parquet.writer",
        "airflow_sfx.models.build",
        "airflow_sfx.models.registry",
        "airflow_sfx.streams.engine",
        "airflow_sfx.warehouse.read.load",
        "airflow_sfx.warehouse.write.publish",
        "airflow_sfx.warehouse.write.store",
        "airflow_sfx.warehouse.write.window",
        __name__,
    ]
)
"""What a child would import otherwise, which takes longer than what it does."""

KILLED = -signal.SIGKILL


def process(target: Callable[..., object], *args: object) -> multiprocessing.process.BaseProcess:
    """A process of its own, not started yet, that knows the servers which this one knows."""
    servers = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return FORKS.Process(target=_beside_servers, args=(servers, target, *args))


def _beside_servers(servers: dict[str, str], target: Callable[..., object], *args: object) -> None:
    os.environ.update(servers)
    target(*args)


class Countdown:
    """Ends this process at the Nth call, before it or after it."""

    def __init__(self, calls: int, *, after: bool) -> None:
        self._left = calls
        self._after = after
        self._lock = threading.Lock()

    def around(self, call: Callable[..., Any], *args: Any, **options: Any) -> Any:
        with self._lock:
            self._left -= 1
            due = self._left == 0
        if due and not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = call(*args, **options)
        if due:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


class Mortal:
    """The real storage or metastore, whose calls a countdown counts."""

    def __init__(self, real: Any, countdown: Countdown) -> None:
        self._real = real
        self._countdown = countdown

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._real, name)
        if not callable(member):
            return member
        return lambda *args, **options: self._countdown.around(member, *args, **options)

    @contextlib.contextmanager
    def moving(self, *args: Any, **options: Any) -> Iterator[Move]:
        """Count the later move of pointers as a call as well."""
        with self._real.moving(*args, **options) as move:
            yield lambda pointers: self._countdown.around(move, pointers)


def run_until_call(
    uri: str,
    action: Callable[[Warehouse], object],
    calls: int,
    *,
    after: bool,
    together: bool = False,
) -> int:
    """Run an action in a process of its own that dies at a call; returns the process's exit code.

    ``together``: three objects are as many as hundreds, and each file that is given its name is a
    call of its own.
    """
    child = process(_mortal_run, uri, action, calls, after, together)
    child.start()
    child.join(120)
    assert child.exitcode is not None, "the process hangs"
    return child.exitcode


def _mortal_run(
    uri: str, action: Callable[[Warehouse], object], calls: int, after: bool, together: bool
) -> None:
    warehouse = connect(uri)
    countdown = Countdown(calls, after=after)
    if together:
        named = local._link
        concurrency.MANY = batch_writer.MANY = 2
        local._link = lambda *paths: countdown.around(named, *paths)
    store: Any = Mortal(warehouse.store, countdown)
    metastore: Any = Mortal(warehouse.metastore, countdown)
    action(Warehouse(replace(warehouse.connection, store=store, metastore=metastore)))

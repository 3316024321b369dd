"""Shared polling: the triggers of a table share one metastore request per poll.

A request names the awaited partitions. The pauses between requests are jittered, and grow while the
warehouse cannot be reached.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_sfx.core.errors import InvalidName, WarehouseUnavailable
from airflow_sfx.core.partition import Partition, PartitionKey
from airflow_sfx.core.table import TableRef
from airflow_sfx.triggers._warehouses import forget, opened_warehouse
from airflow_sfx.triggers.conditions import waits_for_table

if TYPE_CHECKING:
    from airflow_sfx.metastore.base import PartitionInfo

Pointers = Mapping[Partition, "PartitionInfo"]
Condition = Callable[[Pointers], bool]

_JITTER = 0.1
"""The largest fraction by which a pause is longer. It is never shorter than requested."""
_MAX_PAUSE_SECONDS = 300.0
_MAX_DOUBLINGS = 10
_POLLS_PER_KEYS = 25
"""After this many polls the table's keys are read again: it may have been recreated with others."""

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Waiter:
    partitions: tuple[Partition, ...]
    condition: Condition
    seconds: float
    done: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


_polls: dict[tuple[int, str | None, TableRef], TablePoll] = {}


async def wait_for(
    sfx_conn_id: str | None,
    ref: TableRef,
    partitions: tuple[Partition, ...],
    condition: Condition,
    *,
    seconds: float,
) -> None:
    """Wait until the metastore's pointers of some partitions meet a condition.

    Args:
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        ref: The table, which need not exist yet.
        partitions: The partitions; at least one.
        condition: Returns whether the pointers meet the condition.
        seconds: The pause between two requests, up to a tenth longer; the shortest of a table's
            waiters applies.

    Raises:
        SfxError: Waiting cannot resolve the error: the connection does not name a warehouse, say.
    """
    key = (id(asyncio.get_running_loop()), sfx_conn_id, ref)
    poll = _polls.setdefault(key, TablePoll(sfx_conn_id, ref))
    waiter = _Waiter(partitions, condition, seconds)
    poll.join(waiter)
    try:
        await waiter.done
    finally:
        poll.leave(waiter)
        if not poll.waiters:
            _polls.pop(key, None)


class TablePoll:
    """The polling of one table, a task of the event loop while there are waiters.

    Args:
        sfx_conn_id: The connection of the warehouse, or None for the default warehouse.
        ref: The table.
    """

    def __init__(self, sfx_conn_id: str | None, ref: TableRef) -> None:
        self._conn_id, self._ref = sfx_conn_id, ref
        self.waiters: set[_Waiter] = set()
        self._task: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._keys: tuple[PartitionKey, ...] | None = None
        self._polls_with_keys = 0
        self._reported_absence = False

    def join(self, waiter: _Waiter) -> None:
        """Add a waiter; the first one starts the polling."""
        is_shortest = waiter.seconds < min(
            (one.seconds for one in self.waiters), default=float("inf")
        )
        self.waiters.add(waiter)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"sfx poll {self._ref}")
        elif is_shortest:
            self._woken.set()

    def leave(self, waiter: _Waiter) -> None:
        """Remove a waiter; the last one ends the polling."""
        self.waiters.discard(waiter)
        if not self.waiters and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                failures = 0 if await self._poll() else failures + 1
            except Exception as error:  # each waiter raises it, in its own task
                self._task = None  # the next waiter starts it again
                for waiter in self._waiting():
                    waiter.done.set_exception(error)
                return
            pause = min(one.seconds for one in self.waiters) if self.waiters else 0.0
            pause = min(pause * 2 ** min(failures, _MAX_DOUBLINGS), max(pause, _MAX_PAUSE_SECONDS))
            await self._sleep(pause * random.uniform(1, 1 + _JITTER))  # noqa: S311

    async def _poll(self) -> bool:
        """Ask the metastore once and release waiters; False if it could not be reached."""
        waiters = self._refuse_other_keys(self._waiting())
        wanted = {partition for waiter in waiters for partition in waiter.partitions}
        try:
            pointers = await asyncio.to_thread(
                self._pointers, sorted(wanted, key=lambda one: one.values)
            )
        except WarehouseUnavailable as error:
            _log.warning("The check of %s failed and will be repeated: %s", self._ref, error)
            forget(self._conn_id)
            return False
        for waiter in waiters:
            if not waiter.done.done() and waiter.condition(pointers):
                waiter.done.set_result(None)
        return True

    def _refuse_other_keys(self, waiters: list[_Waiter]) -> list[_Waiter]:
        """Return the waiters whose partitions fit the table's keys; fail the others."""
        if self._keys is None:
            return waiters
        names = ", ".join(key.name for key in self._keys) or "none"
        for waiter in waiters:
            for partition in waiter.partitions:
                if len(partition.values) != len(self._keys) and not waiter.done.done():
                    waiter.done.set_exception(
                        InvalidName(
                            f"{partition.values!r} is not a partition of {self._ref}, whose keys"
                            f" are: {names}"
                        )
                    )
        return [waiter for waiter in waiters if not waiter.done.done()]

    def _pointers(self, partitions: list[Partition]) -> Pointers:
        warehouse = opened_warehouse(self._conn_id)
        metastore = warehouse.metastore
        if self._keys is None or self._polls_with_keys >= _POLLS_PER_KEYS:
            table = metastore.get_table(self._ref)
            self._keys = None if table is None else table.keys
            self._polls_with_keys = 0
            if table is None and not self._reported_absence:
                _log.warning("%s", waits_for_table(self._ref, warehouse.uri))
                self._reported_absence = True
        self._polls_with_keys += 1
        if self._keys is None:
            return {}
        fitting = [
            partition for partition in partitions if len(partition.values) == len(self._keys or ())
        ]
        return metastore.get_partitions(self._ref, fitting, keys=self._keys)

    def _waiting(self) -> list[_Waiter]:
        return [waiter for waiter in self.waiters if not waiter.done.done()]

    async def _sleep(self, seconds: float) -> None:
        self._woken.clear()
        try:
            await asyncio.wait_for(self._woken.wait(), seconds)
        except TimeoutError:
            return

"""Shared polling: all triggers that wait on a table share one bulk question to the metastore a poll.

A question names the partitions that somebody waits for. Times between questions are jittered, and
grow while the warehouse cannot be reached.
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

if TYPE_CHECKING:
    from airflow_sfx.metastore.base import PartitionInfo

Pointers = Mapping[Partition, "PartitionInfo"]
Check = Callable[[Pointers], bool]
"""Says whether what somebody waits for is there."""

_JITTER = 0.1
"""By how much of itself a pause is longer at the most: never shorter, so that no table is asked about more often than said."""
_LONGEST_PAUSE_SECONDS = 300.0
_MOST_DOUBLINGS = 10
_LOOKS_WITH_THE_SAME_KEYS = 25
"""A table may be dropped and made anew with other keys: after so many looks they are asked for again."""

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Waiter:
    partitions: tuple[Partition, ...]
    there: Check
    seconds: float
    done: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


_polls: dict[tuple[int, str | None, TableRef], TablePoll] = {}


async def wait_for(
    sfx_conn_id: str | None,
    ref: TableRef,
    partitions: tuple[Partition, ...],
    there: Check,
    *,
    seconds: float,
) -> None:
    """Wait until the metastore's pointers of some partitions are as they should be.

    Args:
        sfx_conn_id: The warehouse's connection; None for the default one.
        ref: The table, which need not be there yet.
        partitions: Which partitions; one at least.
        there: Says whether they are.
        seconds: How long to wait between two looks, or up to a tenth longer; the most impatient of
            a table's waiters decides.

    Raises:
        SfxError: What no waiting mends, such as a connection that names no warehouse.
    """
    key = (id(asyncio.get_running_loop()), sfx_conn_id, ref)
    poll = _polls.setdefault(key, TablePoll(sfx_conn_id, ref))
    waiter = _Waiter(partitions, there, seconds)
    poll.join(waiter)
    try:
        await waiter.done
    finally:
        poll.leave(waiter)
        if not poll.waiters:
            _polls.pop(key, None)


class TablePoll:
    """The polling of one table: a task of the event loop that runs while somebody waits.

    Args:
        sfx_conn_id: The warehouse's connection; None for the default one.
        ref: The table.
    """

    def __init__(self, sfx_conn_id: str | None, ref: TableRef) -> None:
        self._conn_id, self._ref = sfx_conn_id, ref
        self.waiters: set[_Waiter] = set()
        self._task: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._keys: tuple[PartitionKey, ...] | None = None
        self._looks = 0

    def join(self, waiter: _Waiter) -> None:
        """Take somebody in; the polling begins with the first."""
        impatient = waiter.seconds < min(
            (one.seconds for one in self.waiters), default=float("inf")
        )
        self.waiters.add(waiter)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"sfx poll {self._ref}")
        elif impatient:
            self._woken.set()

    def leave(self, waiter: _Waiter) -> None:
        """Let somebody go; the polling ends with the last."""
        self.waiters.discard(waiter)
        if not self.waiters and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                failures = 0 if await self._look() else failures + 1
            except Exception as error:  # each waiter raises it, in its own task
                self._task = None  # whoever comes now begins anew
                for waiter in self._waiting():
                    waiter.done.set_exception(error)
                return
            pause = min(one.seconds for one in self.waiters) if self.waiters else 0.0
            pause = min(
                pause * 2 ** min(failures, _MOST_DOUBLINGS), max(pause, _LONGEST_PAUSE_SECONDS)
            )
            await self._sleep(pause * random.uniform(1, 1 + _JITTER))  # noqa: S311

    async def _look(self) -> bool:
        """Ask the metastore once, and tell whose wait is over; False if it could not be asked."""
        asked = self._refuse_others(self._waiting())
        wanted = {partition for waiter in asked for partition in waiter.partitions}
        try:
            pointers = await asyncio.to_thread(
                self._pointers, sorted(wanted, key=lambda one: one.values)
            )
        except WarehouseUnavailable as error:
            _log.warning("Cannot look at %s, and will try again: %s", self._ref, error)
            forget(self._conn_id)
            return False
        for waiter in asked:
            if not waiter.done.done() and waiter.there(pointers):
                waiter.done.set_result(None)
        return True

    def _refuse_others(self, waiters: list[_Waiter]) -> list[_Waiter]:
        """Those who wait for partitions that the table can have; the others are told, and disturb nobody."""
        if self._keys is None:
            return waiters
        names = ", ".join(key.name for key in self._keys) or "none"
        for waiter in waiters:
            for partition in waiter.partitions:
                if len(partition.values) != len(self._keys) and not waiter.done.done():
                    waiter.done.set_exception(
                        InvalidName(
                            f"{partition.values!r} is no partition of {self._ref}, whose keys are:"
                            f" {names}"
                        )
                    )
        return [waiter for waiter in waiters if not waiter.done.done()]

    def _pointers(self, partitions: list[Partition]) -> Pointers:
        metastore = opened_warehouse(self._conn_id).metastore
        if self._keys is None or self._looks >= _LOOKS_WITH_THE_SAME_KEYS:
            table = metastore.get_table(self._ref)
            self._keys, self._looks = (None if table is None else table.keys), 0
        self._looks += 1
        if self._keys is None:
            return {}
        able = [
            partition for partition in partitions if len(partition.values) == len(self._keys or ())
        ]
        return metastore.get_partitions(self._ref, able, keys=self._keys)

    def _waiting(self) -> list[_Waiter]:
        return [waiter for waiter in self.waiters if not waiter.done.done()]

    async def _sleep(self, seconds: float) -> None:
        self._woken.clear()
        try:
            await asyncio.wait_for(self._woken.wait(), seconds)
        except TimeoutError:
            return

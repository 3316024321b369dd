"""Events of the warehouse's work, for metrics and lineage, and guards of pins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_sfx.core.pin import BatchPin

if TYPE_CHECKING:
    from airflow_sfx.core.log_entry import LogEntry
    from airflow_sfx.warehouse.table.table import Table


@dataclass(frozen=True, slots=True)
class Committed:
    """The event of a commit.

    Args:
        pin: The batches that are current now, or None if the partitions have none.
        table: ``database.table``.
        operation: ``publish``, ``rollback``, ``adopt`` or ``foreign_change``.
        partitions: The number of partitions.
        rows: The number of rows of the batches that are current now.
        bytes: Their size in bytes.
        seconds: The duration of the commit, with all of its tries.
        conflicts: How often another writer committed first.
    """

    pin: BatchPin | None
    table: str
    operation: str
    partitions: int
    rows: int
    bytes: int
    seconds: float
    conflicts: int

    @classmethod
    def of(
        cls, table: Table, entries: Sequence[LogEntry], seconds: float, conflicts: int
    ) -> Committed:
        """Return the event of entries of a table that took effect."""
        current = {entry.partition: entry.batch_id for entry in entries if entry.batch_id}
        return cls(
            pin=table.pin(current) if current else None,
            table=str(table.ref),
            operation=entries[0].operation.value,
            partitions=len(entries),
            rows=sum(entry.rows for entry in entries),
            bytes=sum(entry.bytes for entry in entries),
            seconds=seconds,
            conflicts=conflicts,
        )


@dataclass(frozen=True, slots=True)
class Loaded:
    """The event of reading batches.

    Args:
        pin: The batches.
    """

    pin: BatchPin


Observer = Callable[[Committed | Loaded], None]
"""Called in the thread that does the work; it must be fast and must not raise errors."""

_observers: list[Observer] = []

Guard = Callable[[BatchPin], None]
"""Raises `InvalidName` for a pin that this process must not use."""

_guards: list[Guard] = []


def subscribe(observer: Observer) -> None:
    """Call an observer for all further work of this process.

    Args:
        observer: The observer; subscribing it again has no effect.

    Example:
        >>> import pandas as pd, tempfile, airflow_sfx as sfx
        >>> seen = []
        >>> subscribe(seen.append)
        >>> warehouse = sfx.connect(f"embedded://{tempfile.mkdtemp()}")
        >>> frame = pd.DataFrame({"n": [1, 2]})
        >>> pin = warehouse.store_dataframe(frame, "sales", "items", ["20161031"])
        >>> seen[0].operation, seen[0].rows, seen[0].conflicts
        ('publish', 2, 0)
        >>> unsubscribe(seen.append)
    """
    if observer not in _observers:
        _observers.append(observer)


def unsubscribe(observer: Observer) -> None:
    """Stop calling an observer."""
    _observers.remove(observer)


def add_pin_guard(one: Guard) -> None:
    """Check every pin that this process uses from now on by a guard.

    Args:
        one: The guard; adding it again has no effect.
    """
    if one not in _guards:
        _guards.append(one)


def check_pin(pin: BatchPin) -> None:
    """Check a pin by all guards.

    Args:
        pin: The pin.

    Raises:
        InvalidName: A guard rejects it.
    """
    for one in _guards:
        one(pin)


def emit(work: Committed | Loaded) -> None:
    """Call all observers."""
    for observer in _observers:
        observer(work)
